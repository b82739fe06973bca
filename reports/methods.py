"""Sections on how the figures came about: methods, data, versions, commands, limits, failures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from soundsafe.eval.analysis.again import commands
from soundsafe.eval.analysis.stats import MIN_GROUPS
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.rows import Json
from soundsafe.reports import format as fmt
from soundsafe.reports.cells import name_cell, number_cell
from soundsafe.reports.load import Evidence
from soundsafe.reports.model import Block, Code, Column, Heading, Section, Table, TableCell, Text

__all__ = ["failures", "limits", "methods", "settings"]

DEFINITIONS = (
    ("second", "Of audio: the unit that carries one codeword; EUL in the columns of stored rows."),
    ("payload success", "Share of seconds whose own codeword decodes alone and gives the embedded payload."),
    ("clip success", "Share of clips from which the payload is recovered, combining of seconds allowed."),
    (
        "bit error rate",
        "Share of the coded bits of a second read wrongly, before error correction; 0.5 for a second that "
        "was not found.",
    ),
    (
        "time to payload",
        "Seconds of audio from the clip's start up to and with the first second that decodes; the whole clip "
        "where only combining gives the payload.",
    ),
    (
        "goodput",
        "Payload bits for each second of audio from seconds that decode alone; in charts, or from whole "
        "clips, whichever is more.",
    ),
    (
        "allocator parity",
        "Agreement of what the detector computes from the audio that it has with what was computed from "
        "the reference: quantised features by frame, lists of slots and seeds by second.",
    ),
    (
        "interval",
        "95 %, clustered by the group that a clip belongs to (clips of one source fail together): Korn and "
        "Graubard's for shares, Student's t on rates and on their logarithms for bit error rates. None "
        f"below {MIN_GROUPS} groups.",
    ),
    (
        "failure",
        "What a system refuses to mark or to read counts as not decoded and not detected, and as agreeing in "
        "nothing; in controls it counts as not tested. A cell that ended in another error did not run: it is "
        "in no figure and is named under Failures.",
    ),
)


def settings(values: Mapping[str, Json]) -> str:
    """Names and values, one on each line."""
    return "\n".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in sorted(values.items()))


def _tables(runs: Sequence[Run]) -> str:
    names = shlex.join(r.name for r in runs)
    lines = [commands(r) for r in runs]
    lines.append(f"soundsafe-eval report {names} --html report.html --pdf report.pdf")
    if len(runs) == 2:
        lines.append(f"soundsafe-eval compare {names}")
    return "\n".join(lines)


def _facts(runs: Sequence[Run]) -> Table:
    rows: list[tuple[TableCell, ...]] = []

    def add(name: str, get: Callable[[Run], object]) -> None:
        values = [get(r) for r in runs]
        if any(values):
            rows.append((TableCell(name), *(TableCell(str(v) if v else fmt.DASH) for v in values)))

    add("dataset", lambda r: PurePath(r.document.dataset).name)
    add("split", lambda r: r.document.split)
    add("clips", lambda r: r.frame["clip"].nunique())
    add("groups of clips", lambda r: r.frame["group"].nunique())
    add("seconds of each clip", lambda r: r.document.seconds or "all")
    add("suites", lambda r: ", ".join(f"{s.suite} (version {s.version})" for s in r.document.suites))
    add("seed", lambda r: "" if r.document.seed is None else str(r.document.seed))
    add("commit", lambda r: r.document.commit)
    add("hash of the code", lambda r: r.document.source)
    add("state", lambda r: r.document.state)
    add("machine", lambda r: ", ".join(str(v) for v in r.document.machine.values()))
    columns = (Column("Fact"), *(Column(r.name) for r in runs))
    return Table("facts", "What the runs depend on.", columns, tuple(rows))


def _versions(runs: Sequence[Run]) -> Table:
    names = sorted({n for r in runs for n in r.document.versions})
    rows = tuple(
        (TableCell(n), *(TableCell(str(r.document.versions.get(n, fmt.DASH))) for r in runs)) for n in names
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
                TableCell(str(described.get("version", fmt.DASH))),
                TableCell(str(s.payload_bits), s.payload_bits),
                number_cell(fmt.number(described.get("rate")), 0),
                number_cell(fmt.number(described.get("minimum_s"))),
                TableCell("yes" if s.keyed else "no"),
                TableCell(str(described.get("quality", fmt.DASH))),
                TableCell(str(described.get("profile_digest", fmt.DASH))[:16]),
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
    work = [(s, s.work()) for s in e.subjects]
    rows = tuple(
        (
            name_cell(s.label),
            *(TableCell(fmt.DASH) if v is None else TableCell(f"{v:.3g}", v) for v in factors),
        )
        for s, factors in work
        if factors != (None, None)
    )
    if not rows:
        return None
    return Table(
        "timing",
        "Seconds of work for each second of audio on the machine of the run, one thread for each process "
        "(not reproducible to the digit).",
        (Column("System"), Column("to embed", True), Column("to decode", True)),
        rows,
    )


def _clips_table(e: Evidence, clips: Sequence[Mapping[str, str]]) -> Table | None:
    """Clips with what the manifest says of them, else with what the rows hold."""
    known = {str(c.get("clip")): c for c in clips}
    rows: list[tuple[TableCell, ...]] = []
    for run in e.runs:
        hashes = run.document.clips
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
                    TableCell(str(facts.get("license") or fmt.DASH)),
                    TableCell(str(r.lossy) or fmt.DASH),
                    TableCell(fmt.seconds(length), length),
                    TableCell(hashes.get(name) or fmt.DASH),
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
    rows: list[tuple[TableCell, ...]] = []
    for s in e.subjects:
        bad = s.frame[s.frame["status"] != "ok"]
        cells = bad.drop_duplicates(["clip", "attack"])
        for (status, message), part in cells.groupby(["status", "message"], sort=False):
            clips, attacks = list(dict.fromkeys(part["clip"])), list(dict.fromkeys(part["attack"]))

            def some(names: list[str]) -> str:
                return ", ".join(map(str, names[:3])) + (
                    f" and {len(names) - 3} more" if len(names) > 3 else ""
                )

            rows.append(
                (
                    name_cell(s.label),
                    name_cell(status),
                    TableCell(str(message)),
                    TableCell(str(len(part)), len(part)),
                    TableCell(some(clips)),
                    TableCell(some(attacks)),
                )
            )
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
            "failed",
            "Steps that failed. What a system refused counts as not decoded, all else is in no figure.",
            columns,
            tuple(rows),
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
            f"With {fmt.count(min(euls))} seconds without the mark, a false accept rate below about "
            f"{fmt.percent(3.0 / min(euls))} % of seconds cannot be told from none, if those of one clip are "
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
    if any(r.document.state not in ("", "finished") for r in e.runs):
        out.append("A run is unfinished.")
    return out


def methods(e: Evidence, clips: Sequence[Mapping[str, str]]) -> Section:
    """Definitions, data, versions and commands."""
    blocks: list[Block] = [
        Heading("Definitions"),
        Table("definitions", "What each figure means.", (Column("Figure"), Column("Meaning")),
              tuple((TableCell(a), TableCell(b)) for a, b in DEFINITIONS)),
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
    return Section("methods", "Methods and data", tuple(blocks))
