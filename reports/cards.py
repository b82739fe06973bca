"""Model card and dataset card, from stored runs and the dataset's manifest.

Nothing in them is typed by hand but what the system is for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata

import numpy as np
import pandas as pd

from soundsafe.eval.analysis.again import commands
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.rows import control_of
from soundsafe.reports import format as fmt
from soundsafe.reports.cells import name_cell, share_cell
from soundsafe.reports.load import Evidence, Subject, gather
from soundsafe.reports.methods import failures, limits, settings
from soundsafe.reports.model import Block, Code, Column, Report, Section, Table, TableCell, Text
from soundsafe.reports.sound import quality

__all__ = ["dataset_card", "model_card"]

_HARDEST = 10
_HALVES = {
    "integrated_lufs": ("quieter", "louder"),
    "peak_dbfs": ("lower peaks", "higher peaks"),
    "tonality": ("noisier", "more tonal"),
}
"""Numeric columns of a manifest by which clips are split at their median, with names for the halves."""

_USES = (
    "Meant for: marking one's own audio with a payload, so that its origin can be shown after ordinary "
    "handling (lossy coding, limiting, gain, resampling), and for measuring how well such marks survive.",
    "Not meant for: proof beyond doubt by itself; tracing people without their knowledge; hiding messages "
    "from those who may look for them; audio that belongs to others without their consent.",
    "Who holds the key can mark and read. With the public default key anybody can: it gives detection, but "
    "no security against forging or removing a mark.",
    "That no mark is found does not show that audio is genuine, nor that it was made by a person.",
)  # fmt: skip


def _one(runs: Sequence[Run], system: str | None) -> tuple[Evidence, Subject]:
    e = gather(runs)
    chosen = [s for s in e.subjects if system in (None, s.system, s.label)]
    return e, (chosen or list(e.subjects))[0]


def _means(rows: pd.DataFrame) -> tuple[float | None, float | None]:
    """Success over all attacks but none: seconds alone, and clips; each attack weighs the same."""
    by = rows[rows["attack"] != "none"].groupby("attack", sort=False)
    if not len(by):
        return None, None
    clips = rows[rows["attack"] != "none"].drop_duplicates(["attack", "clip"]).groupby("attack", sort=False)
    return float(by["payload_ok"].mean().mean()), float(clips["clip_ok"].mean().mean())


def _part(kind: str, name: str, rows: pd.DataFrame) -> tuple[TableCell, ...]:
    alone, whole = _means(rows)
    clips = rows.drop_duplicates("clip")
    snr = fmt.number(float(clips["snr_db"].mean()))
    distance = fmt.number(float(clips["zimtohrli"].mean()))
    return (
        name_cell(kind), name_cell(name), TableCell(str(len(clips)), len(clips)), share_cell(alone),
        share_cell(whole), TableCell(fmt.decibel(snr), snr),
        TableCell(fmt.decibel(None if distance is None else 1e5 * distance), distance),
    )  # fmt: skip


def _by_kind(s: Subject, clips: Sequence[Mapping[str, str]]) -> Table | None:
    real = s.ran[s.ran["attack"].map(control_of).astype(str) == ""]
    if not len(real):
        return None
    rows = [_part("all", "all", real)]
    for category in dict.fromkeys(real["category"].astype(str)):
        if category and category != "all":
            rows.append(_part("category", category, real[real["category"].astype(str) == category]))
    for lossy in ("no", "yes"):
        part = real[real["lossy"].astype(str) == lossy]
        if 0 < len(part) < len(real):
            rows.append(_part("coded lossily before", lossy, part))
    for column, names in _HALVES.items():
        values = {}
        for c in clips:
            try:
                values[str(c.get("clip"))] = float(c[column])
            except (KeyError, TypeError, ValueError):
                continue
        held = [v for k, v in values.items() if k in set(real["clip"])]
        if len(held) < 4:
            continue
        middle = float(np.median(held))
        known = real["clip"].map(values)
        for name, part in zip(names, (real[known < middle], real[known >= middle]), strict=True):
            if len(part):
                rows.append(_part(f"{column}, split at {middle:.3g}", name, part))
    columns = (
        Column("By"), Column("Part"), Column("Clips", True), Column("Seconds that decode %", True),
        Column("Clips that decode %", True), Column("SNR, dB", True), Column("Zimtohrli, 1e-5", True),
    )  # fmt: skip
    caption = "Means over all attacks, each of the same weight, by kind of audio."
    return Table("kinds", caption, columns, tuple(rows))


def _failing(e: Evidence, s: Subject) -> list[Block]:
    found = []
    for a in e.attacks:
        row = s.figures(a.name)
        if row.clip_success is not None and row.clip_success < 1:
            found.append((row.clip_success, row.payload_success or 0.0, a.name, row))
    found.sort(key=lambda f: f[:2])
    if not found:
        return [Text("After every attack of these runs every clip gives its payload.")]
    columns = (Column("Attack"), Column("Clips %", True), Column("Seconds %", True))
    rows = tuple(
        (
            name_cell(name),
            share_cell(row.clip_success, row.clip_success_ci95),
            share_cell(row.payload_success, row.payload_success_ci95),
        )
        for _, _, name, row in found[:_HARDEST]
    )
    more = f", the {_HARDEST} hardest of {len(found)}" if len(found) > _HARDEST else ""
    return [Table("hardest", f"Attacks after which not every clip gives its payload{more}.", columns, rows)]


def _license() -> str:
    try:
        found = metadata("soundsafe")
    except PackageNotFoundError:
        return fmt.DASH
    names = ("License-Expression", "License")
    return next((str(found[n]) for n in names if n in found), fmt.DASH)


def model_card(
    runs: Sequence[Run], *, system: str | None = None, clips: Sequence[Mapping[str, str]] = ()
) -> Report:
    """The card of one system: what it is, what it was made from, figures by kind of audio, failures, uses.

    Args:
        runs: that hold it; the first system of the first run unless `system` names another.
        system: its name.
        clips: the manifest's columns of the clips.
    """
    e, s = _one(runs, system)
    described = dict(s.description())
    profile = described.pop("profile", None)
    made: list[Block] = []
    for name in ("provenance", "training", "model"):
        found = described.pop(name, None) or (profile.get(name) if isinstance(profile, dict) else None)
        if found:
            made.append(Code(json.dumps({name: found}, indent=1, ensure_ascii=False)))
    if not made:
        made.append(
            Text("The runs name no trained model: every constant stands in the profile below.", "note")
        )
    if isinstance(profile, dict):
        made.append(Code(settings(profile)))
    kinds = _by_kind(s, clips)
    alone = Evidence(e.runs, (s,), e.attacks, e.controls, e.categories)
    sound, failed = quality(alone), failures(alone)
    tables = tuple(b for b in sound.blocks if isinstance(b, Table)) if sound is not None else ()
    sections = [
        Section("uses", "Intended use and misuse", tuple(Text(t) for t in _USES)),
        Section("made", "What it is made from", tuple(made)),
        Section("figures", "Figures by kind of audio", (*((kinds,) if kinds else ()), *tables)),
        Section("failures", "Known failures", (*_failing(e, s), *(failed.blocks[:1] if failed else ()))),
        Section("limits", "Limits", tuple(Text(t, "note") for t in limits(alone, listened=False))),
        Section("source", "Where the figures are from", (Code("\n".join(commands(r) for r in e.runs)),)),
    ]
    facts = [("Licence", _license())]
    facts += [
        (str(k), json.dumps(v) if isinstance(v, (dict, list)) else str(v)) for k, v in described.items()
    ]
    facts.append(("Commit", s.run.document.commit or fmt.DASH))
    return Report(f"Model card: {s.system}", "An audio watermark.", tuple(sections), tuple(facts))


def _counts(name: str, values: Iterable[object], seconds: Sequence[float]) -> Table:
    counted: Counter[str] = Counter()
    lasting: Counter[str] = Counter()
    for value, length in zip(values, seconds, strict=True):
        key = str(value or "not stated")
        counted[key] += 1
        lasting[key] += length  # type: ignore[assignment]
    rows = tuple(
        (name_cell(k), TableCell(str(n), n), TableCell(fmt.seconds(lasting[k]), lasting[k]))
        for k, n in counted.most_common()
    )
    columns = (Column(name), Column("Clips", True), Column("Seconds", True))
    return Table(f"by-{name.lower()}", f"Clips by {name.lower()}.", columns, rows)


def dataset_card(run: Run, clips: Sequence[Mapping[str, str]]) -> Report:
    """The card of the data that a run used: clips, kinds, licences, loudness, and what is not known."""
    first = run.frame.drop_duplicates("clip")
    known = {str(c.get("clip")): dict(c) for c in clips}
    facts: list[dict[str, str]] = [
        {"category": str(r.category), "lossy": str(r.lossy)}
        | known.get(str(r.clip), {})
        | {"clip": str(r.clip), "group": str(r.group)}
        for r in first.itertuples(index=False)
    ]
    seconds = [fmt.number(float(v)) or 0.0 for v in first["clip_s"]]
    hashes = run.document.clips
    shown = [
        k
        for k in (
            "category",
            "genre",
            "license",
            "source_package",
            "source_file",
            "source_codec",
            "lossy",
            "group",
            "channels",
            "source_rate",
            "integrated_lufs",
            "peak_dbfs",
            "note",
        )
        if any(f.get(k) not in (None, "") for f in facts)
    ]
    columns = (
        Column("Clip"),
        Column("Seconds", True),
        *(Column(k) for k in shown),
        Column("SHA-256, first digits"),
    )
    rows = tuple(
        (
            name_cell(f["clip"]),
            TableCell(fmt.seconds(length), length),
            *(TableCell(str(f.get(k) or fmt.DASH)) for k in shown),
            TableCell(str(hashes.get(f["clip"]) or fmt.DASH)),
        )
        for f, length in zip(facts, seconds, strict=True)
    )
    blocks = [
        _counts(name, (f.get(key) for f in facts), seconds)
        for name, key in (("Category", "category"), ("Licence", "license"), ("Lossy", "lossy"))
        if any(f.get(key) for f in facts)
    ]
    loud = [v for f in facts if (v := _float(f.get("integrated_lufs"))) is not None]
    notes = []
    if loud:
        notes.append(f"Integrated loudness from {min(loud):.1f} to {max(loud):.1f} LUFS.".replace("-", "−"))
    if not known:
        notes.append("The dataset is not at hand: licences and sources are not known here.")
    unlicensed = sum(not f.get("license") for f in facts)
    if known and unlicensed:
        notes.append(f"{unlicensed} clips without a stated licence.")
    groups = len({f["group"] for f in facts})
    notes.append(
        f"{len(facts)} clips in {groups} groups: clips of one group are not independent of each other."
    )
    name = (run.document.dataset or "dataset").rsplit("/", 1)[-1]
    return Report(
        f"Dataset card: {name}",
        f"Audio that {run.name} was measured on.",
        (
            Section("composition", "Composition", tuple(blocks)),
            Section("clips", "Clips", (Table("every-clip", "Every clip.", columns, rows),)),
            Section("notes", "To be known", tuple(Text(n, "note") for n in notes)),
        ),
        (("Split", run.document.split or "all"), ("Seconds", fmt.seconds(sum(seconds)))),
    )


def _float(value: str | None) -> float | None:
    try:
        return None if value is None else fmt.number(float(value))
    except ValueError:
        return None
