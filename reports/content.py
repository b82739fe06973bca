"""A report's content from stored runs: a summary with verdicts first, then a section for each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from soundsafe.eval.analysis.stored import Example, Run
from soundsafe.eval.documents import summary_items
from soundsafe.eval.rows import GateResult, Json, QualityRow
from soundsafe.reports import format as fmt
from soundsafe.reports.bits import bit_errors, parity
from soundsafe.reports.capacity import capacity
from soundsafe.reports.cells import name_cell, number_cell, share_cell
from soundsafe.reports.comparison import comparison
from soundsafe.reports.detection import detection, upper_limit
from soundsafe.reports.load import Evidence, Subject, gather
from soundsafe.reports.methods import failures, methods
from soundsafe.reports.model import (
    Block,
    Column,
    Report,
    Section,
    Table,
    TableCell,
    Text,
    Tile,
    Tiles,
    Verdict,
    Verdicts,
)  # fmt: skip
from soundsafe.reports.sound import examples_section, quality, worst_clips
from soundsafe.reports.success import categories, matrix, severity, time_to_payload
from soundsafe.reports.training import Training, phase_sections

__all__ = ["build"]

_WEAKEST = 5


def _sizes(e: Evidence) -> Tiles:
    clips = len({c for s in e.subjects for c in s.frame["clip"].unique()})
    groups = len({g for s in e.subjects for g in s.frame["group"].unique()})
    euls = sum(len(s.frame) for s in e.subjects)
    attacks = sum(a.name != "none" for a in e.attacks)
    return Tiles((
        Tile("systems" if len(e.subjects) != 1 else "system", fmt.count(len(e.subjects))),
        Tile("attacks", fmt.count(attacks), f"and {len(e.controls)} controls" if e.controls else ""),
        Tile("clips", fmt.count(clips), f"in {groups} groups"),
        Tile("seconds decoded", fmt.count(euls), "each by itself"),
    ))  # fmt: skip


def _clean(s: Subject) -> Verdict:
    row = s.figures("none")
    share, clip = row.payload_success, row.clip_success
    if share is None or clip is None:
        return Verdict(None, "the attack none was not run")
    text = f"{fmt.percent(clip)} % of clips"
    if not s.whole_clips:
        text += f", {fmt.percent(share)} % of seconds"
    return Verdict(clip >= 1, text)


def _no_false(s: Subject) -> Verdict:
    row = s.quality()
    if not s.keyed:
        # What reads with any key is no false accept: the control `unmarked` alone counts.
        control = s.frame[(s.frame["attack"] == "unmarked") & (s.frame["status"] == "ok")]
        part = control.drop_duplicates("clip")
        found = int((part["clip_ok"] | part["id_ok"]).sum())
        text = f"{found} of {len(part)} unmarked clips; it has no key"
        return Verdict(found == 0 if len(part) else None, text if len(part) else "controls were not run")
    if row is None or not row.unmarked_euls:
        return Verdict(None, "controls were not run")
    text = f"{fmt.count(row.false_accepts)} of {fmt.count(row.unmarked_euls)} seconds without the mark"
    # EULs of one clip may be accepted together: the limit is that of clips, each once for all controls.
    clips = s.controls[["payload_ok", "clip_ok", "id_ok"]].any(axis=1).groupby(s.controls["clip"]).any()
    limit = upper_limit(int(clips.sum()), len(clips))
    if limit is not None:
        text += f", {clips.sum()} of {len(clips)} clips: 95 % upper limit {fmt.percent(limit)} % of clips"
    return Verdict(row.false_accepts == 0, text)


def _all_marked(s: Subject) -> Verdict:
    bad = s.frame[s.frame["status"] != "ok"].drop_duplicates(["clip", "attack"])
    total = len(s.frame.drop_duplicates(["clip", "attack"]))
    text = (
        f"{len(bad)} of {fmt.count(total)} cells failed"
        if len(bad)
        else f"{fmt.count(total)} of {fmt.count(total)} cells"
    )
    return Verdict(not len(bad), text)


def _slots(s: Subject) -> Verdict:
    value = s.figures("none").parity_slots
    if value is None:
        return Verdict(None, "not measured for this system")
    return Verdict(value >= 1, f"{fmt.percent(value)} % of seconds")


def _gate(result: GateResult) -> Verdict:
    failed = [c for c in result.checks if not c.ok]
    done = len(result.checks)
    text = f"{done - len(failed)} of {done} checks against the baseline passed"
    if failed:
        text += "; failed: " + "; ".join(
            " ".join(p for p in (c.system, c.attack, c.message) if p) for c in failed[:_WEAKEST]
        )
        if len(failed) > _WEAKEST:
            text += f"; and {len(failed) - _WEAKEST} more"
    return Verdict(result.ok, text)


def _standing(e: Evidence) -> Table:
    columns = (
        Column("System"),
        Column("Payload, bits", True),
        Column("From, s", True, help="the shortest audio read by itself: a second, or a whole clip"),
        Column("Audio, s", True, help="how much of it the figures of each attack are of"),
        Column("Survives", True, help="attacks after which every clip gives its payload"),
        Column(
            "Seconds %", True, "All attacks", "mean over attacks of the share of seconds that decode alone"
        ),
        Column(
            "Clips %", True, "All attacks", "mean over attacks of the share of clips that give the payload"
        ),
        Column("Seconds %", True, "No attack"),
        Column("Clips %", True, "No attack"),
        Column("SNR, dB", True, "Sound"),
        Column("Zimtohrli, 1e-5", True, "Sound"),
    )
    common = [
        a.name for a in e.attacks if a.name != "none" and all(s.figures(a.name).euls for s in e.subjects)
    ]
    rows = []
    for s in e.subjects:
        figures = [s.figures(name) for name in common]
        alone = [f.payload_success for f in figures if f.payload_success is not None]
        whole = [f.clip_success for f in figures if f.clip_success is not None]
        clean, sound = s.figures("none"), s.quality() or QualityRow(s.system, "all")
        means = [float(np.mean(v)) if v else None for v in (alone, whole)]
        rows.append((
            name_cell(s.label),
            TableCell(fmt.count(s.payload_bits) if s.payload_bits else "presence only", s.payload_bits),
            TableCell(fmt.seconds(s.unit_s), s.unit_s), TableCell(fmt.seconds(s.seconds), s.seconds),
            TableCell(f"{sum(v >= 1 for v in whole)} of {len(whole)}", sum(v >= 1 for v in whole)),
            share_cell(None if s.whole_clips else means[0], matrix=True),
            share_cell(means[1], matrix=True),
            TableCell(fmt.DASH) if s.whole_clips
            else share_cell(clean.payload_success, clean.payload_success_ci95, matrix=True),
            share_cell(clean.clip_success, clean.clip_success_ci95, matrix=True),
            number_cell(sound.snr_db), number_cell(sound.zimtohrli, 1, 1e5),
        ))  # fmt: skip
    return Table(
        "standing",
        f"The systems at a glance, over the {len(common)} attacks that all of them met. Payloads differ: see "
        "equal payload under capacity. A dash under seconds: the system reads whole clips alone.",
        columns,
        tuple(rows),
    )


def _weakest(s: Subject, e: Evidence) -> str:
    known = [
        (v, a.name)
        for a in e.attacks
        if a.name != "none" and (v := s.figures(a.name).clip_success) is not None
    ]
    lost = sorted((k for k in known if k[0] < 1), key=lambda k: k[0])
    if not known:
        return f"{s.label}: no attacks were run."
    if not lost:
        return f"{s.label}: after every one of {len(known)} attacks every clip gives its payload."
    if all(v == 0 for v, _ in known):
        return f"{s.label}: no clip gives its payload after any of {len(known)} attacks."
    some = ", ".join(f"{name} ({fmt.percent(v)} %)" for v, name in lost[:_WEAKEST])
    more = f" and {len(lost) - _WEAKEST} more" if len(lost) > _WEAKEST else ""
    kept = f"after {len(known) - len(lost)} of {len(known)} attacks every clip gives its payload"
    return f"{s.label}: {kept}. Weakest: {some}{more}."


def _summary(e: Evidence, gates: Sequence[GateResult]) -> Section:
    blocks: list[Block] = [_sizes(e), _standing(e), *(Text(_weakest(s, e)) for s in e.subjects)]
    criteria = (
        ("Reads back unattacked", _clean),
        ("No false accepts", _no_false),
        ("Slots agree, original and marked", _slots),
        ("Every step was done", _all_marked),
    )
    items = tuple((name, tuple(test(s) for s in e.subjects)) for name, test in criteria)
    caption = "What every run should show, whatever its attacks."
    blocks.append(Verdicts("verdicts", caption, tuple(s.label for s in e.subjects), items))
    if gates:
        held = tuple(r.name for r in e.runs)
        caption = "The reviewed baseline: no significant fall of success or parity, no rise of errors."
        blocks.append(Verdicts("gate", caption, held, (("Gate", tuple(map(_gate, gates))),)))
    return Section("summary", "Summary", tuple(blocks))


_FIRST = ("system", "suite", "attack", "category")


def _data(e: Evidence) -> dict[str, Json]:
    """The summaries column by column: `rows`, `quality` and what else they hold, every field of every run."""
    out: dict[str, Json] = {}
    summaries = [(run.name, summary_items(run.summary)) for run in e.runs]
    for part in ("rows", "quality", "parity_by_band", "breakdown"):
        items = [
            {"run": name, **item} if len(e.runs) > 1 else item
            for name, summary in summaries
            for item in summary[part]
        ]
        if not items and part in ("parity_by_band", "breakdown"):
            continue
        columns = list(dict.fromkeys(k for r in items for k in r))
        columns.sort(key=lambda c: (_FIRST.index(c) if c in _FIRST else len(_FIRST)) if c != "run" else -1)
        out[part] = {"columns": list(columns), "rows": [[r.get(c) for c in columns] for r in items]}
    return out


def build(
    runs: Sequence[Run],
    *,
    title: str | None = None,
    clips: Sequence[Mapping[str, str]] = (),
    gates: Sequence[GateResult] = (),
    examples: Sequence[Example] = (),
    unheard: Sequence[str] = (),
    listening: Section | None = None,
    trainings: Sequence[Training] = (),
) -> Report:
    """The report of one run or of several side by side.

    Args:
        runs: from `soundsafe.eval.analysis.stored.read_run`.
        title: above everything.
        clips: what is known of clips beyond the rows: dicts with `clip` and `license`.
        gates: the result of `eval.gate.check` for each run, where there is a baseline.
        examples: clips to hear and see, which make the file larger.
        unheard: why other systems' clips are not among them, a line each.
        listening: the section of a listening test, from `listen.section`.
        trainings: from `training.read_training`; each adds a section for every phase.

    Raises:
        InputError: there is nothing to report on.
    """
    e = gather(runs)
    heard = listening or Section(
        "listening",
        "Listening test",
        (
            Text(
                "Nobody has listened yet: objective measures are no listening test. `soundsafe-eval "
                "listen` makes a blind page from this run, and `--scores` brings its answers in here.",
                "note",
            ),
        ),
    )
    pairs = (
        [comparison(e, e.runs[0], other, i) for i, other in enumerate(e.runs[1:], start=1)]
        if len(runs) > 1
        else []
    )
    found: list[Section | None] = [
        _summary(e, gates),
        *pairs,
        matrix(e) if e.attacks else None,
        bit_errors(e),
        categories(e),
        severity(e),
        time_to_payload(e),
        capacity(e),
        detection(e),
        parity(e),
        quality(e),
        worst_clips(e),
        examples_section(examples, unheard),
        heard,
        *(section for t in trainings for section in phase_sections(t)),
        failures(e),
        methods(e, clips, listened=listening is not None),
    ]
    labels = [s.label for s in e.subjects]
    named = ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
    suites = list(
        dict.fromkeys(t for s in e.subjects for v in s.frame["suite"].unique() for t in str(v).split(","))
    )
    first = e.runs[0].document
    facts = [
        ("Systems", named),
        ("Suites", ", ".join(suites[:6]) + (f" and {len(suites) - 6} more" if len(suites) > 6 else "")),
        ("Runs", ", ".join(r.name for r in e.runs)),
        ("Version", str(first.versions.get("soundsafe", fmt.DASH))),
        ("Commit", (first.commit or fmt.DASH)[:12]),
        ("Seed", fmt.DASH if first.seed is None else str(first.seed)),
    ]
    return Report(
        title=title or "How well the mark survives",
        subtitle=f"{named}: robustness, detection and quality",
        sections=tuple(s for s in found if s is not None),
        facts=tuple(facts),
        data=_data(e),
    )
