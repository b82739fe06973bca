"""Sections on how the figures came about: methods, data, versions, commands, limits, failures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from soundsafe.eval.analysis.stats import MIN_GROUPS
from soundsafe.eval.rows import control_of
from soundsafe.eval.systems import registry
from soundsafe.reports import format as fmt
from soundsafe.reports.cells import name_cell, number_cell
from soundsafe.reports.load import Evidence, Run
from soundsafe.reports.model import Block, Cell, Code, Column, Heading, Section, Table, Text

__all__ = ["commands", "failures", "limits", "methods", "settings"]

Item = Mapping[str, Any]

DEFINITIONS = (
    ("EUL", "One second of audio, the unit that carries one codeword."),
    ("payload success", "Share of EULs whose own codeword decodes alone and gives the embedded payload."),
    ("clip success", "Share of clips from which the payload is recovered, combining of EULs allowed."),
    (
        "bit error rate",
        "Share of the coded bits of an EUL read wrongly, before error correction; 0.5 for an EUL that was "
        "not found.",
    ),
    (
        "time to payload",
        "Seconds of audio from the clip's start up to and with the first EUL that decodes; the whole clip "
        "where only combining gives the payload.",
    ),
    (
        "goodput",
        "Payload bits for each second of audio from EULs that decode alone; in charts, or from whole clips, "
        "whichever is more.",
    ),
    (
        "allocator parity",
        "Agreement of what the detector computes from the audio that it has with what was computed from "
        "the reference: quantised features by frame, lists of slots and seeds by EUL.",
    ),
    (
        "interval",
        "95 %, clustered by the group that a clip belongs to (clips of one source fail together): Korn and "
        "Graubard's for shares, Student's t on rates and on their logarithms for bit error rates. None "
        f"below {MIN_GROUPS} groups.",
    ),
    (
        "failure",
        "A step that failed (marking, attack, decoding) counts as not decoded and not detected, and as "
        "agreeing in nothing; in controls it counts as not tested.",
    ),
)


def settings(values: Item) -> str:
    """Names and values, one on each line."""
    return "\n".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in sorted(values.items()))


def _configuration(run: Run) -> Item:
    found = run.document.get("configuration")
    return found if isinstance(found, dict) else {}


def _suites(run: Run) -> list[Item]:
    found = _configuration(run).get("suites")
    return [s for s in found if isinstance(s, dict)] if isinstance(found, list) else []


def _names(run: Run, key: str) -> list[str]:
    found = _configuration(run).get(key)
    return [str(name) for name in found] if isinstance(found, list) else []


def _without_option(run: Run) -> list[str]:
    """What of the run `soundsafe-eval run` has no option for."""
    out = []
    described = run.document.get("systems") or {}
    for name in _names(run, "systems"):
        found = described.get(name)
        if isinstance(found, dict) and "checkpoint" in found:
            out.append(f"{name} is a network: soundsafe-eval phases runs it")
        elif name not in registry.systems():
            out.append(f"{name} is not registered as a system")
    if any("version" in s and s["version"] is None for s in _suites(run)):
        out.append("attacks of no suite")
    return out


def _comment(text: str) -> str:
    return f"# {' '.join(text.split())}"


def commands(run: Run) -> str:
    """The command that makes the run, after a comment for each file that it needs; else a comment alone."""
    from soundsafe.attacks import suites

    missing = _without_option(run)
    if missing:
        return _comment(f"{run.name}: no options of soundsafe-eval run make it ({'; '.join(missing)})")
    c = _configuration(run)
    lines = []
    parts = ["soundsafe-eval", "run"]
    for suite in _suites(run):
        name = str(suite.get("suite"))
        if name not in suites():
            lines.append(_comment(f"{name}.toml: the file of suite {name}, version {suite.get('version')}"))
            name += ".toml"
        parts += ["--suite", name]
    dataset = str(c.get("dataset") or "bundled")
    if dataset != "bundled":
        parts += ["--dataset", PurePath(dataset).name]
    parts += ["--split", str(c.get("split") or "all")]
    for system in _names(run, "systems"):
        parts += ["--system", system]
    clips = c.get("clips")
    if isinstance(clips, (dict, list)):
        parts += ["--limit", str(len(clips))]
    if c.get("seconds") is not None:
        parts += [
            "--seconds",
            f"{c['seconds']:g}" if fmt.number(c["seconds"]) is not None else str(c["seconds"]),
        ]
    for metric in _names(run, "metrics"):
        parts += ["--metric", metric]
    if any(control_of(a) not in ("", a) for a in _names(run, "attacks")):
        parts.append("--attacked-controls")
    parts += ["--seed", str(run.document.get("seed", c.get("seed", 0))), "--out", run.name]
    return "\n".join([*lines, shlex.join(parts)])


def _tables(runs: Sequence[Run]) -> str:
    names = shlex.join(r.name for r in runs)
    lines = [commands(r) for r in runs]
    lines.append(f"soundsafe-eval report {names} --html report.html --pdf report.pdf")
    if len(runs) == 2:
        lines.append(f"soundsafe-eval compare {names}")
    return "\n".join(lines)


def _facts(runs: Sequence[Run]) -> Table:
    rows: list[tuple[Cell, ...]] = []

    def add(name: str, get: Any) -> None:
        values = [get(r) for r in runs]
        if any(values):
            rows.append((Cell(name), *(Cell(str(v) if v else fmt.DASH) for v in values)))

    add("dataset", lambda r: PurePath(str(_configuration(r).get("dataset") or "")).name)
    add("split", lambda r: _configuration(r).get("split"))
    add("clips", lambda r: r.frame["clip"].nunique())
    add("groups of clips", lambda r: r.frame["group"].nunique())
    add("seconds of each clip", lambda r: _configuration(r).get("seconds") or "all")
    add("suites", lambda r: ", ".join(f"{s.get('suite')} (version {s.get('version')})" for s in _suites(r)))
    add("seed", lambda r: str(r.document.get("seed", "")))
    add("commit", lambda r: r.document.get("commit"))
    add("hash of the code", lambda r: r.document.get("source"))
    add("state", lambda r: r.document.get("state"))
    add("machine", lambda r: ", ".join(str(v) for v in (r.document.get("machine") or {}).values()))
    columns = (Column("Fact"), *(Column(r.name) for r in runs))
    return Table("facts", "What the runs depend on.", columns, tuple(rows))


def _versions(runs: Sequence[Run]) -> Table:
    names = sorted({n for r in runs for n in (r.document.get("versions") or {})})
    rows = tuple(
        (Cell(n), *(Cell(str((r.document.get("versions") or {}).get(n, fmt.DASH))) for r in runs))
        for n in names
    )
    return Table(
        "versions",
        "Versions of programs and libraries.",
        (Column("Package"), *(Column(r.name) for r in runs)),
        rows,
    )


def _systems(e: Evidence) -> Table:
    rows = []
    for s in e.subjects:
        described = s.description()
        rows.append(
            (
                name_cell(s.label),
                Cell(str(described.get("version", fmt.DASH))),
                Cell(str(s.payload_bits), s.payload_bits),
                number_cell(described, "rate", 0),
                number_cell(described, "minimum_s"),
                Cell("yes" if s.keyed else "no"),
                Cell(str(described.get("quality", fmt.DASH))),
                Cell(str(described.get("profile_digest", fmt.DASH))[:16]),
            )
        )
    columns = (
        Column("System"),
        Column("Version"),
        Column("Payload, bits", True),
        Column("Own rate, Hz", True, help="to which audio is converted and back; none: any"),
        Column("Needs, seconds", True, help="shorter audio it refuses to mark"),
        Column("Key"),
        Column("Quality"),
        Column("Profile digest"),
    )
    return Table("systems", "Systems under test.", columns, tuple(rows))


def _timing(e: Evidence) -> Table | None:
    rows = []
    for s in e.subjects:
        t = s.run.timing
        if not {"system", "clip", "embed_s", "clip_s", "decode_s", "audio_s"} <= set(t.columns):
            continue
        mine = t[t["system"] == s.system]
        marked = mine.drop_duplicates("clip")
        cells = [name_cell(s.label)]
        for work, audio in ((marked["embed_s"], marked["clip_s"]), (mine["decode_s"], mine["audio_s"])):
            known = work.notna() & audio.notna()
            total = float(audio[known].sum())
            factor = float(work[known].sum()) / total if total > 0 else None
            cells.append(Cell(fmt.DASH if factor is None else f"{factor:.3g}", factor))
        rows.append(tuple(cells))
    if not rows:
        return None
    return Table(
        "timing",
        "Seconds of work for each second of audio on the machine of the run, one thread for each process "
        "(not reproducible to the digit).",
        (Column("System"), Column("to embed", True), Column("to decode", True)),
        tuple(rows),
    )


def _clips_table(e: Evidence, clips: Sequence[Item]) -> Table | None:
    """Clips with what the manifest says of them, else with what the rows hold."""
    known = {str(c.get("clip")): c for c in clips}
    rows: list[tuple[Cell, ...]] = []
    for run in e.runs:
        hashes = _configuration(run).get("clips")
        for r in run.frame.drop_duplicates("clip").itertuples(index=False):
            name = str(r.clip)
            if any(row[0].text == name for row in rows):
                continue
            facts = known.get(name, {})
            length = fmt.number(float(r.clip_s))
            rows.append(
                (
                    name_cell(name),
                    name_cell(r.category),
                    name_cell(r.group),
                    Cell(str(facts.get("license") or fmt.DASH)),
                    Cell(str(r.lossy) or fmt.DASH),
                    Cell(fmt.seconds(length), length),
                    Cell(str(hashes.get(name) or fmt.DASH) if isinstance(hashes, dict) else fmt.DASH),
                )
            )
    if not rows:
        return None
    columns = (
        Column("Clip"), Column("Category"), Column("Group"), Column("Licence"), Column("Coded lossily"),
        Column("Seconds", True), Column("SHA-256, first 16 digits"),
    )  # fmt: skip
    return Table("dataset", "The clips, their sources and licences.", columns, tuple(rows))


def failures(e: Evidence) -> Section | None:
    """Steps that failed, each kind once; None where everything was done."""
    rows: list[tuple[Cell, ...]] = []
    for s in e.subjects:
        bad = s.frame[s.frame["status"] != "ok"]
        cells = bad.drop_duplicates(["clip", "attack"])
        for (status, message), part in cells.groupby(["status", "message"], sort=False):
            clips, attacks = list(dict.fromkeys(part["clip"])), list(dict.fromkeys(part["attack"]))

            def some(names: list[Any]) -> str:
                return ", ".join(map(str, names[:3])) + (
                    f" and {len(names) - 3} more" if len(names) > 3 else ""
                )

            rows.append((
                name_cell(s.label), name_cell(status), Cell(str(message)), Cell(str(len(part)), len(part)),
                Cell(some(clips)), Cell(some(attacks)),
            ))  # fmt: skip
    if not rows:
        return None
    columns = (
        Column("System"),
        Column("Step"),
        Column("Message"),
        Column("Cells", True),
        Column("Clips"),
        Column("Attacks"),
    )
    blocks: list[Block] = [
        Table(
            "failed", "Steps that failed. Each counts as not decoded in every figure.", columns, tuple(rows)
        ),
        Text("From `results.parquet`: `status` and `message`.", "source"),
    ]
    return Section("failures", "Failures", tuple(blocks))


def limits(e: Evidence, *, listened: bool) -> list[str]:
    """What these figures cannot say, from the data itself."""
    out = []
    groups = min(int(s.frame["group"].nunique()) for s in e.subjects)
    clips = min(int(s.frame["clip"].nunique()) for s in e.subjects)
    out.append(
        f"{clips} clip{'' if clips == 1 else 's'} in {groups} group{'' if groups == 1 else 's'}"
        + (f": fewer than {MIN_GROUPS} groups give no intervals." if groups < MIN_GROUPS
           else ": other audio may behave otherwise; intervals hold for audio like this.")
    )  # fmt: skip
    if not listened:
        out.append(
            "Nobody has listened: objective measures are no listening test (`soundsafe-eval listen` makes "
            "one)."
        )
    euls = [len(s.controls) for s in e.subjects]
    whole = min(int(s.controls["clip"].nunique()) for s in e.subjects)
    if min(euls, default=0) == 0 or whole == 0:
        out.append("False accepts were not tested for every system.")
    else:
        out.append(
            f"With {fmt.count(min(euls))} EULs without the mark, a false accept rate below about "
            f"{fmt.percent(3.0 / min(euls))} % of EULs cannot be told from none, if EULs of one clip are "
            f"independent; with their {fmt.count(whole)} clips, one below about "
            f"{fmt.percent(min(1.0, 3.0 / whole))} % of clips."
        )
    payloads = {s.label: s.payload_bits for s in e.subjects}
    if len(set(payloads.values())) > 1:
        out.append(
            "Systems carry different payloads ("
            + ", ".join(f"{k}: {v} bits" for k, v in payloads.items())
            + "): compare success at equal payload only."
        )
    held = {s.label: set(s.frame["attack"]) for s in e.subjects}
    if len({frozenset(v) for v in held.values()}) > 1:
        out.append("Not every system met every attack: a dash means not tested.")
    if len({frozenset(s.frame["clip"]) for s in e.subjects}) > 1:
        out.append("Not all systems were tested on the same clips.")
    if any(r.document.get("state") not in (None, "finished") for r in e.runs):
        out.append("A run is unfinished.")
    return out


def methods(e: Evidence, clips: Sequence[Item], *, listened: bool) -> Section:
    """Definitions, data, versions, commands and limits."""
    blocks: list[Block] = [Heading("Limits"), *(Text(t, "note") for t in limits(e, listened=listened))]
    blocks += [
        Heading("Definitions"),
        Table("definitions", "What each figure means.", (Column("Figure"), Column("Meaning")),
              tuple((Cell(a), Cell(b)) for a, b in DEFINITIONS)),
        Heading("Commands"),
        Text("These commands make the runs, unless a comment says otherwise, and everything drawn from them; "
             "each table names the file it is from."),
        Code(_tables(e.runs)),
        Heading("Runs"),
        _facts(e.runs),
        _systems(e),
    ]  # fmt: skip
    timing = _timing(e)
    if timing is not None:
        blocks.append(timing)
    table = _clips_table(e, clips)
    if table is not None:
        blocks += [Heading("Dataset"), table]
    blocks += [Heading("Versions"), _versions(e.runs)]
    for s in e.subjects:
        profile = s.description().get("profile")
        if isinstance(profile, dict):
            blocks += [
                Heading(f"Profile of {s.label}"),
                Code(settings(profile)),
            ]
    return Section("methods", "Methods, data and limits", tuple(blocks))
