"""A report's content from stored runs: a summary with verdicts first, then a section for each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from soundsafe.eval.analysis.stored import Example, Run
from soundsafe.eval.documents import summary_items
from soundsafe.eval.rows import GateResult, Json
from soundsafe.reports import format as fmt
from soundsafe.reports.bits import bit_errors, parity
from soundsafe.reports.capacity import capacity
from soundsafe.reports.comparison import comparison
from soundsafe.reports.detection import detection
from soundsafe.reports.families import families
from soundsafe.reports.load import Evidence, gather
from soundsafe.reports.methods import failures, limits, methods
from soundsafe.reports.model import Block, Report, Section, Text
from soundsafe.reports.overview import Reference, overview
from soundsafe.reports.robustness import robustness
from soundsafe.reports.sound import examples_blocks, quality, worst_clips
from soundsafe.reports.success import categories, severity, time_to_payload
from soundsafe.reports.training import Training, phase_sections

__all__ = ["build"]

_PRINTED = frozenset({"failures", "severity", "capacity", "listening", "methods"})
"""Sections that are closed at first and stand on paper all the same; of the others tables are attached."""

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


def _when(e: Evidence) -> list[tuple[str, str]]:
    """When the runs ended and how long they took; nothing where they do not say."""
    times = [r.times for r in e.runs]
    days = list(dict.fromkeys(t.finished[:10] for t in times if t.finished))
    spent = [t.seconds for t in times if t.seconds is not None]
    out = [("Date", days[0] if len(days) == 1 else f"{min(days)} to {max(days)}")] if days else []
    return [*out, ("Took", fmt.duration(sum(spent)))] if spent else out


def _sound(e: Evidence, examples: Sequence[Example], unheard: Sequence[str]) -> Section | None:
    """Figures of the marked audio, then the audio itself."""
    figures = quality(e)
    blocks: list[Block] = [] if figures is None else list(figures.blocks)
    found = [*examples_blocks(examples, unheard), *blocks]
    return Section("sound", "Sound of the marked audio", tuple(found)) if found else None


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
    mp3: Reference | None = None,
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
        mp3: how far MP3 at 192 kbit/s is from the originals, to read distances by.

    Raises:
        InputError: there is nothing to report on.
    """
    e = gather(runs)
    f = families(e)
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
    open_first: list[Section | None] = [
        overview(e, f, gates, mp3, limits(e, listened=listening is not None)),
        *pairs,
        robustness(e, f) if e.attacks else None,
        _sound(e, examples, unheard),
        detection(e, f),
        *(section for t in trainings for section in phase_sections(t)),
        listening,
    ]
    to_open: list[tuple[Section | None, str]] = [
        (failures(e), "steps that could not be done, and why"),
        (bit_errors(e), "what the channel does before any code helps"),
        (categories(e), "music, speech and the rest by themselves"),
        (severity(e), "success against strength, and where it breaks down"),
        (time_to_payload(e), "how much audio a payload takes"),
        (capacity(e), "bits a second, at equal payload too"),
        (parity(e), "what embedder and detector compute alike"),
        (worst_clips(e), "each clip over all attacks, the hardest first"),
        (None if listening is not None else heard, "nobody has listened yet"),
        (methods(e, clips), "definitions, commands, data, versions"),
    ]
    found = [
        *(s for s in open_first if s is not None),
        *(replace(s, folded=True, gist=gist, pdf=s.id in _PRINTED) for s, gist in to_open if s is not None),
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
        *_when(e),
        ("Version", str(first.versions.get("soundsafe", fmt.DASH))),
        ("Commit", first.commit[:12] if first.commit else f"code {first.source[:12] or fmt.DASH}"),
        ("Seed", fmt.DASH if first.seed is None else str(first.seed)),
    ]
    return Report(
        title=title or "How well the mark survives",
        subtitle=f"{named}: robustness, detection and quality",
        sections=tuple(found),
        facts=tuple(facts),
        data=_data(e),
    )
