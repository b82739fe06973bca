"""The HTML report: the summary's own figures, hostile data, nothing from outside."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from soundsafe.errors import InputError
from soundsafe.eval.analysis.compare import LEVEL, compare
from soundsafe.eval.analysis.entries import entries_of
from soundsafe.eval.analysis.families import ALL, family_rows
from soundsafe.eval.analysis.stored import read_run
from soundsafe.reports import format as fmt
from soundsafe.reports import html, leaderboard, pdf
from soundsafe.reports.columns import Cell
from soundsafe.reports.content import build
from soundsafe.reports.tables import attack_lines, family_lines


def _unpacked(text: str) -> Any:
    """What the page's script unpacks."""
    return json.loads(gzip.decompress(base64.b64decode(json.loads(text))))


def _cells(row: list[Any]) -> list[tuple[str, Any, str]]:
    whole = [[c] if isinstance(c, str) else c for c in row]
    return [(c[0], c[1] if len(c) > 1 else None, c[3] if len(c) > 3 else "") for c in whole]


class _Page(HTMLParser):
    """Tables by id as lists of rows of (text, exact value, note), those that are packed too; what rows fold
    out to as `folded`; and JSON scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[tuple[str, Any, str]]]] = {}
        self.data: dict[str, Any] = {}
        self.numbers: list[dict[str, Any]] = []
        self.text = ""
        self.elements: list[str] = []
        self._figure = ""
        self._cell: list[Any] | None = None
        self._small = self._body = False
        self._json: str | None = None
        self.store: dict[str, Any] = {}
        self.folded: dict[str, list[list[tuple[str, Any, str]]]] = {}
        self.feed(text)
        self.close()
        for name, kept in self.store.items():
            if "rows" in kept:
                self.tables[name] = [_cells(row) for row in kept["rows"]]
            for rows in kept.get("groups", {}).values():
                self.folded.setdefault(name, []).extend(_cells(row) for row in rows)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = dict(attrs)
        self.elements.append(tag)
        if tag == "figure":
            self._figure = a.get("id") or ""
        elif tag == "tbody":
            self._body = True
        elif tag == "tr" and self._body:
            self.tables.setdefault(self._figure, []).append([])
        elif tag in ("td", "th") and self._body:
            self._cell = ["", a.get("data-v"), ""]
        elif tag == "small" or a.get("class") == "badge":
            self._small = True
        elif tag == "script" and a.get("type") == "application/json":
            self._json = a.get("id") or a.get("class")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tbody":
            self._body = False
        elif tag in ("td", "th") and self._cell is not None:
            text, value, note = self._cell
            self.tables[self._figure][-1].append(
                (text.strip(), None if value is None else json.loads(value), note)
            )
            self._cell = None
        elif tag in ("small", "span"):
            self._small = False
        elif tag == "script":
            self._json = None

    def handle_data(self, data: str) -> None:
        if self._json == "data":
            self.data = _unpacked(data)
        elif self._json == "store":
            self.store = _unpacked(data)
        elif self._json == "numbers":
            self.numbers.append(json.loads(data))
        elif self._cell is not None:
            self._cell[2 if self._small else 0] += data
        self.text += data


def _page(*folders: Path, **options: Any) -> tuple[_Page, str]:
    text = html.render(build([read_run(f) for f in folders], **options)).decode()
    return _Page(text), text


def _text(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else cell.text


def _summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def core(four_systems: Path) -> tuple[_Page, str]:
    """The page of the run of four systems."""
    return _page(four_systems)


def test_every_id_is_of_one_element(core: tuple[_Page, str]) -> None:
    ids = re.findall(r'\sid="([^"]+)"', core[1])
    assert len(ids) > 20
    assert len(set(ids)) == len(ids)


def test_embedded_figures_are_those_of_the_summary(core: tuple[_Page, str], four_systems: Path) -> None:
    page, text = core
    summary = _summary(four_systems)
    for part in ("rows", "quality", "parity_by_band", "breakdown"):
        columns = page.data[part]["columns"]
        assert [dict(zip(columns, r, strict=True)) for r in page.data[part]["rows"]] == [
            {c: row.get(c) for c in columns} for row in summary[part]
        ]
        assert set(columns) == set(summary[part][0])
    assert len(text) < 5_000_000


SYSTEMS = ("soundsafe", "perth", "spread-spectrum")


def test_matrix_shows_each_share_exactly_and_rounded(core: tuple[_Page, str], four_systems: Path) -> None:
    page, _ = core
    rows = [r for r in _summary(four_systems)["rows"] if r["category"] == "all"]
    shown = {row[0][0]: row[1:] for row in page.folded["matrix"]}
    assert set(shown) == {r["attack"] for r in rows} - {"unmarked", "wrong_key", "none"}
    for r in rows:
        if r["attack"] not in shown or r["system"] not in SYSTEMS:
            continue
        at = 3 * SYSTEMS.index(r["system"])
        clips, survived, seconds = shown[r["attack"]][at : at + 3]
        for (text, exact, note), field in ((clips, "clip_success"), (seconds, "payload_success")):
            assert exact == r[field]
            assert text == fmt.percent(r[field])
            assert note == fmt.interval(r[f"{field}_ci95"])
        assert survived[0] == f"{round(r['clip_success'] * r['clips'])} of {r['clips']}"


def test_page_terminal_and_summary_have_the_same_figures(core: tuple[_Page, str], four_systems: Path) -> None:
    page, _ = core
    run = read_run(four_systems)
    found = {(r.system, r.family): r for r in family_rows(run.frame, run.summary.rows)}
    chart = next(n for n in page.numbers if n["columns"] == ["system", "family", "clip_success"])
    assert len(chart["rows"]) == 3 * 7
    for system, family, value in chart["rows"]:
        assert value == found[system, family].clip_success
    terminal, attacks = family_lines(found.values()), attack_lines(run.summary.rows)
    for name, *cells in page.folded["matrix"]:
        texts = [_text(attacks[name[0]][system]) for system in SYSTEMS]
        assert texts == [c[0] for c in cells[::3]]
    for line in page.tables["matrix"]:
        texts = [_text(terminal[line[0][0]][system]) for system in SYSTEMS]
        assert texts == [c[0] for c in line[1::3]]
        for system, cells in zip(SYSTEMS, (line[1:4], line[4:7], line[7:10]), strict=True):
            row = found[system, line[0][0]]
            assert [c[1] for c in cells] == [row.clip_success, row.survived_by_all, row.payload_success]
            assert cells[0][2] == fmt.interval(row.clip_success_ci95)
    summary = _summary(four_systems)
    quality = {q["system"]: q for q in summary["quality"] if q["category"] == "all"}
    for line in page.tables["standing"]:
        name, survived, clips, clean, accepts, distance, snr = line[:7]
        system = name[0]
        mine = [r for (s, _), r in found.items() if s == system and r.family not in (ALL, "no attack")]
        assert survived[0] == f"{sum(r.clip_success >= 0.9 for r in mine)} of {len(mine)}"
        assert clips[1] == found[system, ALL].clip_success
        assert clean[1] == found[system, "no attack"].clip_success
        assert accepts[:2] == ("0 of 96 s", quality[system]["false_accepts"])
        assert (distance[1], snr[1]) == (quality[system]["zimtohrli"], quality[system]["snr_db"])
    assert "null marks nothing, to show what chance gives: 0 of 120 attacked clips" in page.text


def test_the_leaderboard_has_the_figures_of_terminal_and_summary(four_systems: Path) -> None:
    run = read_run(four_systems)
    found = {(r.system, r.family): r for r in family_rows(run.frame, run.summary.rows)}
    quality = {q["system"]: q for q in _summary(four_systems)["quality"] if q["category"] == "all"}
    terminal = family_lines(found.values())
    board = leaderboard.lines(entries_of(run))
    page = leaderboard.page(board).decode()
    drawn = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    rows = list(csv.DictReader(io.StringIO(leaderboard.csv_table(board).decode())))
    (static,) = _Page(page.partition("<script")[0]).tables.values()
    families = [ALL, "no attack", *drawn["families"]]
    for line, system, row, cells in zip(board, drawn["systems"], rows, static, strict=True):
        name = line.entry.system
        assert name == system["label"] == row["system"] == cells[0][0]
        for family, cell in zip(families, cells[3:-1], strict=True):
            known = found[name, family]
            figures = system["figures"]["all"][family]
            low, high = known.clip_success_ci95 or (None, None)
            assert figures[:4] == [known.clip_success, low, high, known.bit_accuracy]
            assert (float(row[family]), float(row[f"{family} low"])) == (known.clip_success, low)
            assert cell[0] == _text(terminal[family][name])
            assert cell[2] == fmt.interval(known.clip_success_ci95)
        for mine, field in (("zimtohrli", "zimtohrli"), ("snr", "snr_db"), ("nmr", "nmr_db")):
            assert system[mine] == quality[name][field]
            assert (float(row[field]) if row[field] else None) == quality[name][field]
        assert cells[2][0] == fmt.decibel(quality[name]["zimtohrli"] * 1e5)


@pytest.mark.parametrize(
    ("table", "first", "fields"),
    [
        ("bers", 1, ("ber", "euls")),
        (
            "parities",
            1,
            ("parity_frames", "parity_bits", "parity_slots", "seed_parity", "offset_error_samples"),
        ),
    ],
)
def test_tables_by_attack_hold_the_summary(
    core: tuple[_Page, str], four_systems: Path, table: str, first: int, fields: tuple[str, ...]
) -> None:
    page, _ = core
    rows = {(r["system"], r["attack"]): r for r in _summary(four_systems)["rows"] if r["category"] == "all"}
    for line in page.tables[table]:
        cells = line[first:]
        step = len(cells) // 3
        for k, system in enumerate(SYSTEMS):
            found = [c[1] for c in cells[k * step : (k + 1) * step]]
            wanted = [rows[system, line[0][0]][f] for f in fields if f in rows[system, line[0][0]]]
            assert found == wanted


GOODPUT = ("goodput_16_bps", "goodput_40_bps", "goodput_128_bps")
SCORE = ("auc",)  # too few unmarked clips for a threshold


@pytest.mark.parametrize(
    ("table", "systems", "fields"),
    [
        ("equal-goodputs", SYSTEMS, GOODPUT),
        ("rates", SYSTEMS, SCORE),
        ("capacity-table", SYSTEMS, ("capacity_bits",)),
    ],
)
def test_goodput_detection_and_capacity_are_the_summarys(
    core: tuple[_Page, str], four_systems: Path, table: str, systems: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    page, _ = core
    rows = {(r["system"], r["attack"]): r for r in _summary(four_systems)["rows"] if r["category"] == "all"}
    assert len(page.tables[table]) == 15
    for line in page.tables[table]:
        wanted = [rows[s, line[0][0]][f] for s in systems for f in fields]
        assert [c[1] for c in line[1:]] == wanted
        assert None not in wanted


def test_equal_goodput_is_drawn_at_a_payload_that_all_carry(core: tuple[_Page, str]) -> None:
    page, text = core
    chart = next(n for n in page.numbers if n["columns"] == ["system", "attack", "goodput_16_bps"])
    assert {r[0] for r in chart["rows"]} == set(SYSTEMS)
    assert "soundsafe: 1\u202f400\u00a0bits, 48\u00a0s" in text.replace("<wbr>", "")


def test_breakdown_points_are_those_of_the_summary(core: tuple[_Page, str], four_systems: Path) -> None:
    page, _ = core
    points = {(b["sweep"], b["system"]): b for b in _summary(four_systems)["breakdown"]}
    assert len(page.tables["breakdown"]) == 6
    assert len(points) == 8
    crossed = 0
    for line in page.tables["breakdown"]:
        row = points[line[0][0], line[2][0]]
        for cell, field in zip(line[5:7], ("payload_breaks_at", "clip_breaks_at"), strict=True):
            assert cell[1] == (row[field] or [None])[0]
            crossed += cell[1] is not None
    assert crossed > 3


def test_too_few_unmarked_clips_for_a_threshold_is_said(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("a", 1.0, 4)], clips=[("c", "music"), ("d", "music")])
    page, text = _page(make_run(tmp_path / "x", rows))
    assert {len(line) for line in page.tables["rates"]} == {2}
    assert "With 2 unmarked clips no threshold" in text


def test_quality_and_categories_hold_the_summary(core: tuple[_Page, str], four_systems: Path) -> None:
    page, _ = core
    summary = _summary(four_systems)
    for line in page.tables["quality-table"]:
        row = next(q for q in summary["quality"] if (q["system"], q["category"]) == (line[0][0], line[1][0]))
        assert line[3][1] == row["snr_db"]
        assert line[4][1] == row["snr_db_worst"]
        assert line[5][1] == row["zimtohrli"]
    for line in page.tables["categories-2"]:
        for at, category in ((1, "music"), (3, "speech")):
            row = next(
                r for r in summary["rows"]
                if (r["system"], r["attack"], r["category"]) == ("perth", line[0][0], category)
            )  # fmt: skip
            assert [c[1] for c in line[at : at + 2]] == [row["payload_success"], row["clip_success"]]


def test_numbers_of_charts_are_those_of_the_summary(core: tuple[_Page, str], four_systems: Path) -> None:
    page, _ = core
    rows = {(r["system"], r["attack"]): r for r in _summary(four_systems)["rows"] if r["category"] == "all"}
    ber = next(n for n in page.numbers if n["columns"] == ["system", "attack", "ber", "low", "high"])
    assert len(ber["rows"]) == 3 * 15
    for system, attack, value, low, high in ber["rows"]:
        assert value == rows[system, attack]["ber"]
        assert [low, high] == rows[system, attack]["ber_ci95"]


def test_parity_by_band_is_that_of_the_summary(core: tuple[_Page, str], four_systems: Path) -> None:
    page, text = core
    bands = {(b["system"], b["attack"]): b["bands"] for b in _summary(four_systems)["parity_by_band"]}
    charts = [n for n in page.numbers if n["columns"][:2] == ["attack", "band_0"]]
    for system, chart in zip(("soundsafe", "perth", "spread-spectrum"), charts, strict=True):
        assert f"{system}: share of frames whose quantised feature agrees" in text
        for attack, *values in chart["rows"]:
            assert values == bands[system, attack]


@pytest.mark.slow
def test_same_run_same_bytes(four_systems: Path) -> None:
    assert _page(four_systems)[1] == _page(four_systems)[1]


def test_nothing_is_asked_of_the_network(core: tuple[_Page, str]) -> None:
    page, text = core
    assert "default-src 'none'" in text
    addresses = re.findall(r"""(?:src|href|action|data)=["']([^"'#][^"']*)""", text)
    assert all(a.startswith("data:") for a in addresses), addresses
    assert not re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert page.elements.count("script") == 3 + len(page.numbers)


HOSTILE = '</script><img src=x onerror="alert(1)"><b>&amp;"\'`|_*\u202e\x00\x1b 100 %'


def test_names_are_escaped_everywhere(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    def page(folder: Path, name: str) -> tuple[_Page, str]:
        attacks = [("none", "control", {}, 0.0), (name, name, {name: 1}, 1.0), ("unmarked", "u", {}, 9.0)]
        rows = make_rows([(name, 1.0, 4)], attacks, [(name, name), ("b", "speech")], suite=name)
        rows.loc[3:5, ["status", "message"]] = ["decode_failed", name]
        make_run(folder, rows, commit=name, versions={name: name})
        return _page(folder, clips=[{"clip": name, "license": name}], title=name)

    hostile, text = page(tmp_path / "x", HOSTILE)
    harmless, _ = page(tmp_path / "y", "harmless")
    elements = [Counter(e for e in p.elements if e not in ("wbr", "code")) for p in (hostile, harmless)]
    assert elements[0] == elements[1]
    assert hostile.data["rows"]["rows"][0][0] == HOSTILE
    outside = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert not set("\x00\x1b\u202e") & set(outside)


def test_one_clip_no_success_and_figures_that_are_missing(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("lost", -20.0, 0)], clips=[("only", "music")], euls=1)
    for column in (
        "score",
        "snr_db",
        "zimtohrli",
        "lufs_difference",
        "parity_frames",
        "ber",
        "time_to_payload_s",
    ):
        rows[column] = np.nan
    folder = make_run(
        tmp_path / "x", rows.drop(columns=["lossy", "layer", "silence_peak"]).assign(silence_peak=np.nan)
    )
    (folder / "timing.csv").unlink()
    page, text = _page(folder)
    assert "no clip gives its payload" in text
    assert all(row[1][0] == "0" for row in page.folded["matrix"])
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", page.text.lower())
    assert "Infinity" not in text


def test_numbers_that_are_not_numbers_become_dashes(four_systems: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for name in ("results.parquet", "run.json", "timing.csv"):
        (folder / name).write_bytes((four_systems / name).read_bytes())
    summary = _summary(four_systems)
    for i, row in enumerate(summary["rows"]):
        row["ber"] = [math.nan, math.inf, None, "many", True][i % 5]
        if i % 2:
            del row["payload_success"], row["payload_success_ci95"]
        row["clip_success_ci95"] = [None, [math.nan, 1.0], [0.5], "x"][i % 4]
    (folder / "summary.json").write_text(json.dumps(summary))
    page, _ = _page(folder)
    assert "bers" not in page.tables
    dashes = [c[1] for row in page.folded["matrix"] for c in row[1:] if c[0] == fmt.DASH]
    assert set(dashes) == {None}
    assert json.loads(json.dumps(page.data, allow_nan=False))


@pytest.mark.slow
def test_a_system_that_met_only_some_attacks_and_clips(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("a", 3.0, 4), ("b", 3.0, 4), ("gone", 3.0, 4)])
    some = rows["attack"].isin(["none", "mp3_64"]) & (rows["clip"] == "clip_0")
    folder = make_run(tmp_path / "x", rows[(rows["system"] == "a") | ((rows["system"] == "b") & some)])
    page, text = _page(folder)
    shown = {row[0][0]: [c[0] for c in row[1:]] for row in page.folded["matrix"]}
    assert fmt.DASH not in shown["mp3_64"]
    assert all(cells[3:6] == [fmt.DASH] * 3 for k, cells in shown.items() if k != "mp3_64")
    assert "a dash means not tested" in text
    assert "Not all systems were tested on the same clips" in text
    assert "False accepts were not tested for every system" in text
    assert "gone" not in page.tables["standing"][-1][0][0]


def test_systems_that_read_whole_clips_are_judged_by_them(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("whole", 2.0, 4)])
    rows["payload_ok"] = False
    page, _ = _page(make_run(tmp_path / "x", rows))
    for line in page.tables["clips-table"]:
        assert line[4][0] == fmt.DASH
        assert line[6][0] != "none"


@pytest.mark.slow
def test_three_hundred_attacks(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    attacks = [("none", "control", {}, 0.0), ("unmarked", "unmarked", {}, 9.0)]
    attacks += [(f"noise_white_{i}dB", f"family_{i % 40}", {"snr_db": i}, i / 100) for i in range(300)]
    rows = make_rows([("a", 1.0, 4), ("b", 2.0, 8)], attacks, [("c", "music")], euls=1)
    folder = make_run(tmp_path / "x", rows)
    report = build([read_run(folder)])
    text = html.render(report).decode()
    page, reader = _Page(text), PdfReader(io.BytesIO(pdf.render(report)))
    assert len(reader.pages) <= 15
    assert reader.attachments["bers.csv"][0].count(b"\n") == 302
    assert len(page.folded["matrix"]) == 300
    assert len(page.tables["matrix"]) == 41
    assert len(page.tables["bers"]) == 301
    assert len(text) < 1_000_000


@pytest.mark.slow
def test_two_runs_are_compared(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    clips = [(f"clip_{i}", "music") for i in range(16)]  # with fewer groups no exact test of so many can tell
    before = make_run(tmp_path / "before", make_rows([("soundsafe", 2.0, 175)], clips=clips))
    after = make_run(tmp_path / "after", make_rows([("soundsafe", 3.0, 175)], clips=clips))
    page, text = _page(before, after)
    verdicts = [row[2][0] for row in page.tables["comparison-1-table"]]
    assert set(verdicts) == {"better", "within noise"}
    assert "soundsafe (before)" in text
    assert "soundsafe (after)" in text
    other = make_run(tmp_path / "other", make_rows([("x", 2.0, 1), ("y", 2.0, 1)]))
    assert "No comparison" in _page(before, other)[1]


@pytest.mark.slow
def test_clips_that_fail_as_a_whole_give_no_false_verdicts() -> None:
    """Two runs of one system, in which clips are lost altogether: McNemar's test takes them for a change."""
    rng = np.random.default_rng(0)
    attacks, clips, euls, pairs = 8, 24, 10, 30

    def run() -> pd.DataFrame:
        at = pd.MultiIndex.from_product(
            [[f"a{i}" for i in range(attacks)], [f"c{i}" for i in range(clips)], range(euls)],
            names=["attack", "clip", "eul"],
        ).to_frame(index=False)
        lost = np.repeat(rng.random(attacks * clips) < 0.3, euls)
        return at.assign(
            system="s", group=at["clip"], payload_ok=~lost, clip_ok=~lost, ber=0.0, bits=2040, status="ok",
            score=0.0, payload_bytes=1, parity_frames=1.0, parity_bits=1.0, parity_slots=1.0, seed_parity=1.0,
        )  # fmt: skip

    false = naive = 0
    for _ in range(pairs):
        rows = compare(run(), run())
        false += any(r.verdict != "within noise" for r in rows)
        naive += any(attacks * r.p_mcnemar < LEVEL for r in rows)
    assert naive > 0.9 * pairs
    assert false <= 2 * LEVEL * pairs  # chance leaves twice the level once in 30 at the level itself
    before = run()
    kept = before["attack"] != "a0"
    after = before.assign(payload_ok=before["payload_ok"] & kept, clip_ok=before["clip_ok"] & kept)
    verdicts = {r.attack: r.verdict for r in compare(before, after)}
    assert verdicts == {"a0": "worse"} | {f"a{i}": "within noise" for i in range(1, attacks)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", None),
        ("summary.json", b"[]"),
        ("summary.json", b'{"rows": 3}'),
        ("summary.json", b"\xff"),
        ("run.json", b"{"),
        ("results.parquet", b"PAR1"),
        ("results.parquet", None),
    ],
)
def test_damaged_runs_are_one_clear_line(
    four_systems: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for path in four_systems.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(folder))) as error:
        read_run(folder)
    assert "\n" not in str(error.value)


def test_empty_run_is_refused(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("a", 1.0, 4)], clips=[("c", "music")], euls=1)
    folder = make_run(tmp_path / "x", rows)
    rows.iloc[:0].to_parquet(folder / "results.parquet")
    with pytest.raises(InputError, match="no rows"):
        build([read_run(folder)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.99996, ">99.9"),
        (0.0001, "<0.1"),
        (0.5, "50.0"),
        (None, "–"),
        (math.nan, "–"),
        ("x", "–"),
        (True, "–"),
    ],
)
def test_shares_are_never_rounded_to_all_or_nothing(value: Any, text: str) -> None:
    assert fmt.percent(value) == text
