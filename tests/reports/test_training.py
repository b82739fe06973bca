"""The sections on a training run: its own figures, the 5 % line, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stored import read_run
from soundsafe.eval.commands.cli import main
from soundsafe.reports import html, markdown, pdf
from soundsafe.reports.content import build
from soundsafe.reports.model import Figure, Section, Table, Verdicts, flat
from soundsafe.reports.training import phase_sections, read_training, training_report

ENDS = {"A": 20, "B": 36, "C": 60}
ATTACKS = {"none": 0.1, "mp3_128": 0.3, "noise_white_30dB": 0.5}


def made(folder: Path, *, fall: float = 40.0, layers: int = 3) -> Path:
    """A run whose stability loss falls from 1 to 1 / `fall` over its 60 steps."""
    steps = np.arange(1, 61)
    log = pd.DataFrame({
        "step": steps,
        "phase": ["A" if s <= 20 else "B" if s <= 36 else "C" for s in steps],
        "loss": 2.0 / steps, "stability": fall ** (-steps / 60), "w_stab": np.linspace(0.05, 0.5, 60),
    } | {f"grad/layer.{k}": 10.0**k / steps for k in range(layers)})  # fmt: skip
    log.to_csv(folder / "log.csv", index=False)
    for n, (phase, step) in enumerate(ENDS.items()):
        (folder / f"phase_{phase}").mkdir()
        rows = [
            {"phase": phase, "step": step, "attack": a, "ber": b / (n + 1), "payload_ok": float(n == 2),
             "snr_db": 20.0 + n, "stability": float(log["stability"][step - 1]), "stability_start": 1.0,
             "stability_share": float(log["stability"][step - 1]), "stability_share_low": 0.0,
             "stability_share_high": 1.0, "parity_frames": 0.5 + 0.25 * n}
            for a, b in ATTACKS.items()
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(folder / f"phase_{phase}" / "table.csv", index=False)
    return folder


def block(section: Section, name: str) -> Figure | Table | Verdicts:
    return next(b for b in flat(section.blocks) if isinstance(b, Figure | Table | Verdicts) and b.id == name)


def test_one_section_across_and_one_for_each_phase(tmp_path: Path) -> None:
    t = read_training(made(tmp_path))
    across, *phases = phase_sections(t)
    assert [s.title for s in phases] == ["Phase A", "Phase B", "Phase C"]
    rows = {r[0].text: r for r in block(across, "phases").rows}
    assert rows["C"][3].value == pytest.approx(t.log["stability"][59])
    assert rows["C"][4].text == "0 to 100"
    assert [rows["B"][k].value for k in (1, 2, 8, 9)] == [
        36, pytest.approx(t.log["stability"][35]), pytest.approx(0.05), pytest.approx(0.25)
    ]  # fmt: skip
    assert rows["B"][10].text == "noise_white_30dB"
    assert rows["B"][5].value == pytest.approx(t.log["w_stab"][35])
    assert {r[0].text for r in block(across, "gradients").rows} == {"layer.0", "layer.1", "layer.2"}
    bits = {(p, a): v for p, a, v in block(across, "training-ber").rows}
    assert bits["A", "mp3_128"] == 0.3
    assert len(block(phases[1], "phase-b").rows) == 3
    steps = [row[2] for row in block(phases[1], "training-b").rows if row[1] == "stability loss"]
    assert steps == list(range(21, 37))


@pytest.mark.parametrize(("fall", "met"), [(40.0, True), (2.0, False)])
def test_the_five_per_cent_line_decides(tmp_path: Path, fall: float, met: bool) -> None:
    verdicts = block(phase_sections(read_training(made(tmp_path, fall=fall)))[0], "training-verdicts")
    assert verdicts.subjects == ("phase A", "phase B", "phase C")
    named = dict(verdicts.items)
    assert [v.ok for v in named["Stability loss at most 5 %"]] == [False, False, met]
    assert [v.ok for v in named["Allocator parity"]] == [False, False, True]
    assert [v.ok for v in named["Payload reads back"]] == [False, False, True]


def test_without_a_start_there_is_no_verdict(tmp_path: Path) -> None:
    folder = made(tmp_path)
    for phase in ENDS:
        path = folder / f"phase_{phase}" / "table.csv"
        table = pd.read_csv(path)
        table.drop(columns=[c for c in table if c.startswith("stability_")]).to_csv(path, index=False)
    report = training_report(read_training(folder))
    assert [v.ok for v in block(report.sections[0], "training-verdicts").items[0][1]] == [None] * 3
    assert "not measured against its start" in markdown.render(report).decode()


@pytest.mark.slow
def test_all_formats_alone_and_behind_a_run(tmp_path: Path, four_systems: Path) -> None:
    t = read_training(made(tmp_path))
    alone = training_report(t)
    assert html.render(alone).count(b"<svg") >= 6
    assert pdf.render(alone).startswith(b"%PDF")
    assert b"## Phase C" in markdown.render(alone)
    both = build([read_run(four_systems)], trainings=[t])
    ids = [s.id for s in both.sections]
    assert len(set(ids)) == len(ids)
    assert ids.index("training") < ids.index("phase-a-section") < ids.index("methods")


def test_what_is_not_a_number_or_missing_is_a_dash(tmp_path: Path) -> None:
    folder = made(tmp_path, layers=0)
    log = pd.read_csv(folder / "log.csv")
    log["stability"] = [0.0, np.nan] * 30
    log.drop(columns="loss").to_csv(folder / "log.csv", index=False)
    table = pd.read_csv(folder / "phase_B" / "table.csv").drop(columns=["snr_db", "parity_frames"])
    table["ber"] = table["stability_share"] = np.nan
    table.to_csv(folder / "phase_B" / "table.csv", index=False)
    report = training_report(read_training(folder), title="a < b")
    text = html.render(report).decode()
    assert "a &lt; b" in text
    assert "nan" not in markdown.render(report).decode().lower()
    assert [v.ok for v in block(report.sections[0], "training-verdicts").items[0][1]] == [False, None, True]


def test_the_command_takes_a_training_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(tmp_path)
    for arguments, code, words in (
        ([folder], 0, "report.html"),
        ([folder, folder], 2, "one training run"),
        ([folder, "--model-card", tmp_path / "card.md"], 2, "not from a training run"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["report", *map(str, arguments)])
        assert (end.value.code or 0) == code
        assert words in "".join(capsys.readouterr())
    assert "How the training went" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("damage", "named"),
    [("no phase", "no phase"), ("no log", "log.csv"), ("empty", "table.csv"), ("columns", "log.csv")],
)
def test_damage_is_one_line(tmp_path: Path, damage: str, named: str) -> None:
    if damage != "no phase":
        made(tmp_path)
    if damage == "no log":
        (tmp_path / "log.csv").unlink()
    elif damage == "empty":
        (tmp_path / "phase_A" / "table.csv").write_text("")
    elif damage == "columns":
        (tmp_path / "log.csv").write_text("step,phase\n1,A\n")
    with pytest.raises(InputError, match=f"{tmp_path.name}.*{named}") as error:
        read_training(tmp_path)
    assert "\n" not in str(error.value)
