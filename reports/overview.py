"""The first screen: what each system survives, what it costs ear and machine, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soundsafe.eval.analysis.stats import MIN_GROUPS
from soundsafe.eval.rows import GateResult, QualityRow, control_of
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import fitting, share_axis
from soundsafe.reports.cells import number_cell, share_cell, share_level
from soundsafe.reports.detection import upper_limit
from soundsafe.reports.families import SURVIVED, Families
from soundsafe.reports.load import Evidence, Subject
from soundsafe.reports.model import (
    Beside,
    Block,
    Column,
    Figure,
    Section,
    Table,
    TableCell,
    Text,
    Verdict,
    Verdicts,
)  # fmt: skip
from soundsafe.reports.svg import Point, cloud, field

__all__ = ["Reference", "accepted_clips", "nulls_note", "overview", "standing"]

_WEAKEST = 5


@dataclass(frozen=True)
class Reference:
    """Mean distance of MP3 at 192 kbit/s from the originals, over so many clips."""

    distance: float
    clips: int


def accepted_clips(s: Subject) -> tuple[int, int]:
    """Clips without its mark in which a system found one, of how many; each counts once for all controls."""
    flags = s.controls[["payload_ok", "clip_ok", "id_ok"]].any(axis=1)
    clips = flags.groupby(s.controls["clip"]).any()
    return int(clips.sum()), len(clips)


def _false_accepts(s: Subject) -> TableCell:
    row = s.quality()
    found, clips = accepted_clips(s)
    limit = upper_limit(found, clips)
    if row is None or limit is None:
        return TableCell("not tested")
    if not s.keyed:
        return TableCell(f"{found} of {clips} clips", found, None, f"at most {fmt.percent(limit)} %; no key")
    text = f"{fmt.count(row.false_accepts)} of {fmt.count(row.unmarked_euls)} s"
    return TableCell(text, row.false_accepts, None, f"at most {fmt.percent(limit)} % of {clips} clips")


def _distance(sound: QualityRow, mp3: Reference | None) -> TableCell:
    cell = number_cell(sound.zimtohrli, 1, 1e5)
    if mp3 is None or sound.zimtohrli is None:
        return cell
    return TableCell(cell.text, cell.value, None, f"MP3 192: {fmt.decibel(1e5 * mp3.distance)}")


def _work(value: float | None) -> TableCell:
    return TableCell(fmt.DASH) if value is None else TableCell(f"{value:.2g}", value)


def standing(e: Evidence, f: Families, mp3: Reference | None = None) -> Table:
    """A line for each system: survival, false accepts, sound, cost."""
    columns = (
        Column("System"),
        Column(
            "Families survived", True,
            help=f"Families of attacks after which at least {100 * SURVIVED:.0f} % of clips give their "
            "payload. In a family each kind of attack counts the same, however many strengths of it there "
            "are.",
        ),
        Column(
            "Clips %", True,
            help="Share of clips that give their payload: the mean over families, each counting the same.",
        ),
        Column("No attack %", True, help="Share of clips that give their payload untouched."),
        Column(
            "False accepts", True,
            help="In audio without the mark, or read with another key. Below: the largest rate that these "
            "clips do not exclude (Clopper and Pearson, 95 %, one-sided).",
        ),
        Column(
            "Distance, 1e-5", True,
            help="Zimtohrli distance of marked audio from its original, mean over clips: 0 is no "
            "difference. Beside it that of MP3 at 192 kbit/s"
            + ("." if mp3 is None else f", measured on the start of {mp3.clips} of these clips."),
        ),
        Column("SNR, dB", True, help="Level of the audio over that of the mark, mean over clips."),
        Column(
            "Marking, s/s", True,
            help="Seconds of work for a second of audio, on the machine of the run, one thread.",
        ),
        Column(
            "Reading, s/s", True,
            help="Seconds of work for a second of audio, over all attacks, on the machine of the run, one "
            "thread.",
        ),
    )  # fmt: skip
    rows, badges = [], {}
    for s in e.subjects:
        clean, sound = s.figures("none"), s.quality() or QualityRow(s.system, "all")
        whole = f.overall.get(s.label)
        survived, met = f.survived(s.label)
        size = f"{fmt.count(s.payload_bits)}\u00a0bits" if s.payload_bits else "presence only"
        audio = "" if s.seconds is None else f", {fmt.seconds(s.seconds)}\u00a0s of audio"
        embed, decode = s.work()
        rows.append((
            TableCell(s.label, s.label, None, f"{size}{audio}"),
            TableCell(f"{survived} of {met}" if met else fmt.DASH, survived if met else None),
            share_cell(
                None if whole is None else whole.clip_success,
                None if whole is None else whole.clip_success_ci95,
                matrix=True,
            ),
            share_cell(clean.clip_success, clean.clip_success_ci95, matrix=True),
            _false_accepts(s), _distance(sound, mp3), number_cell(sound.snr_db),
            _work(embed), _work(decode),
        ))  # fmt: skip
        if s.groups < MIN_GROUPS:
            what = "clip" if s.clips == s.groups else "group"
            badges[s.label] = f"{s.groups} {what}{'' if s.groups == 1 else 's'}: too few for intervals"
    caption = (
        f"Over the {len(e.common - {'none'})} attacks in {len(f.processing)} families that all systems met. "
        "Payloads differ: a short one survives more easily."
    )
    return Table("standing", caption, columns, tuple(rows), badges=badges)


def _heat(e: Evidence, f: Families) -> Figure | None:
    parts = [p for p in f.parts if p.figures]
    if not parts:
        return None
    cells: list[list[tuple[int, str, str] | None]] = []
    data = []
    for p in parts:
        line: list[tuple[int, str, str] | None] = []
        for s in e.subjects:
            row = p.figures.get(s.label)
            value = None if row is None else row.clip_success
            data.append((s.label, p.name, value))
            if row is None or value is None:
                line.append(None)
                continue
            tip = (
                f"{p.name}, {s.label}: {fmt.percent(value)} % of clips; all of them after "
                f"{row.survived_by_all} of {row.attacks} attacks"
            )
            line.append((share_level(value), fmt.whole_percent(value), tip))
        cells.append(line)
    names = [(s.label, i) for i, s in enumerate(e.subjects)]
    return Figure(
        "family-heat",
        "Clips that give their payload, in per cent, by family of attacks; the stronger the colour, the "
        "more is lost.",
        f"Field of {len(parts)} families of attacks by {len(names)} systems: share of clips that give "
        "their payload. The table of families below holds the same figures.",
        field([p.name for p in parts], names, cells),
        ("system", "family", "clip_success"),
        tuple(data),
    )


def _plane(e: Evidence, f: Families, mp3: Reference | None) -> Figure | None:
    """Robustness against quality; None where it would be one dot."""
    points, data = [], []
    for i, s in enumerate(e.subjects):
        row, sound = f.overall.get(s.label), s.quality()
        if row is None or row.clip_success is None or sound is None or sound.zimtohrli is None:
            continue
        low, high = row.clip_success_ci95 or (None, None)
        tip = (
            f"{s.label}: {fmt.percent(row.clip_success)} % of clips, distance "
            f"{fmt.decibel(1e5 * sound.zimtohrli)}e-5"
        )
        points.append((s.label, i, Point(sound.zimtohrli, row.clip_success, low, high, tip)))
        data.append((s.label, sound.zimtohrli, row.clip_success, low, high))
    if len(points) < 2:
        return None
    at = [p.x for _, _, p in points] + ([] if mp3 is None else [mp3.distance])
    x = fitting(at, "Zimtohrli distance, 1e-5 (left: sounds closer to the original)", scale=1e5, zero=True)
    return Figure(
        "plane",
        "Robustness against quality: the best corner is top left.",
        f"Scatter plot of {len(points)} systems: share of clips that give their payload, mean over families, "
        "against the distance of marked audio from its original.",
        cloud(points, x, share_axis(), upright=None if mp3 is None else (mp3.distance, "MP3 192")),
        ("system", "zimtohrli", "clip_success", "low", "high"),
        tuple(data),
    )


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
    found, clips = accepted_clips(s)
    if not s.keyed:
        # What reads with any key is no false accept: the control `unmarked` alone counts.
        text = f"{found} of {clips} unmarked clips; it has no key"
        return Verdict(found == 0 if clips else None, text if clips else "controls were not run")
    if row is None or not row.unmarked_euls:
        return Verdict(None, "controls were not run")
    text = f"{fmt.count(row.false_accepts)} of {fmt.count(row.unmarked_euls)} seconds without the mark"
    # EULs of one clip may be accepted together: the limit is that of clips.
    limit = upper_limit(found, clips)
    if limit is not None:
        text += f", {found} of {clips} clips: 95 % upper limit {fmt.percent(limit)} % of clips"
    return Verdict(row.false_accepts == 0, text)


def _all_done(s: Subject) -> Verdict:
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


def nulls_note(e: Evidence) -> str:
    """What systems that mark nothing gave, in one sentence; '' without such a system."""
    out = []
    for s in e.nulls:
        cells = s.ran[[c == "" for c in s.ran["attack"].map(control_of)]].drop_duplicates(["attack", "clip"])
        found, clips = accepted_clips(s)
        out.append(
            f"{s.label} marks nothing, to show what chance gives: {int(cells['clip_ok'].sum())} of "
            f"{fmt.count(len(cells))} attacked clips gave a payload, {found} of {clips} controls were "
            "accepted."
        )
    return " ".join(out)


def overview(
    e: Evidence,
    f: Families,
    gates: Sequence[GateResult] = (),
    mp3: Reference | None = None,
    limits: Sequence[str] = (),
) -> Section:
    """The summary: figures first, then verdicts, then what the figures cannot say."""
    blocks: list[Block] = [standing(e, f, mp3)]
    heat, plane = _heat(e, f), _plane(e, f, mp3)
    if heat is not None and plane is not None:
        blocks.append(Beside((heat, plane), (9, 5)))
    elif heat is not None:
        blocks.append(heat)
    blocks += [Text(_weakest(s, e)) for s in e.subjects]
    criteria = (
        ("Reads back unattacked", _clean),
        ("No false accepts", _no_false),
        ("Slots agree, original and marked", _slots),
        ("Every step was done", _all_done),
    )
    items = tuple((name, tuple(test(s) for s in e.subjects)) for name, test in criteria)
    caption = "What every run should show, whatever its attacks."
    blocks.append(Verdicts("verdicts", caption, tuple(s.label for s in e.subjects), items))
    if gates:
        held = tuple(r.name for r in e.runs)
        caption = "The reviewed baseline: no significant fall of success or parity, no rise of errors."
        blocks.append(Verdicts("gate", caption, held, (("Gate", tuple(map(_gate, gates))),)))
    blocks += [Text(text, "note") for text in limits]
    return Section("summary", "Summary", tuple(blocks))
