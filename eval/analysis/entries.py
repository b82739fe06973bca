"""One system's figures of one run, small enough to keep: what a leaderboard is made of.

An entry is a JSON document. Others add theirs to `results/` by pull request; `read_entry` says what is wrong
with one. It holds no path and no key: which data were used is said by name, count and a digest of the clips.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from soundsafe.errors import InputError
from soundsafe.eval.analysis.families import PROCESSING, UNATTACKED, FamilyRow, family_rows
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.documents import from_item, rounded, to_item
from soundsafe.eval.rows import JOIN, Figure, Interval, Json, SummaryRow, control_of, real

__all__ = ["SCHEMA", "AttackEntry", "Entry", "entries_of", "entry_json", "read_entry"]

SCHEMA = 1
"""Version of the documents; one of another version is refused."""


@dataclass(frozen=True)
class AttackEntry:
    """A system's figures under one attack, on all clips; see `SummaryRow`."""

    attack: str
    family: str
    clips: int = 0
    clip_success: Figure = None
    clip_success_ci95: Interval = None
    bit_accuracy: Figure = None
    log10_p: Figure = None
    auc: Figure = None
    detection_1e2: Figure = None


@dataclass(frozen=True)
class Entry:
    """What is kept of one system in one run.

    Attributes:
        system: with its options (`qim:step=0.01`).
        version: of the system.
        described: all that the system says of itself.
        payload_bits: that a clip carries; 0: presence alone.
        checked: it says itself whether what it read is right; None where that is not known.
        dataset, split: names; `clips_digest` is over names and contents of the clips.
        clips, groups, seconds: how many, of how many sources, and the median length of one.
        suites: with their versions.
        commit, source, versions, machine: of the run.
        rows_digest: SHA-256 of the run's rows of this system.
        command: that makes the run, up to the place of the data.
        zimtohrli, snr_db, nmr_db: means over marked clips.
        embed_s, decode_s: processor-bound seconds of work for a second of audio.
        false_accepts, unmarked_clips: clips without a mark in which something was found, and all of them.
        detection_clips: unmarked clips from which thresholds of detection come.
        families, attacks: the figures, the latter of all clips.
    """

    system: str
    version: str = ""
    described: Mapping[str, Json] = field(default_factory=dict)
    payload_bits: int = 0
    checked: bool | None = None
    dataset: str = ""
    split: str = ""
    clips_digest: str = ""
    clips: int = 0
    groups: int = 0
    seconds: Figure = None
    suites: Mapping[str, Json] = field(default_factory=dict)
    seed: int = 0
    commit: str = ""
    source: str = ""
    versions: Mapping[str, Json] = field(default_factory=dict)
    machine: Mapping[str, Json] = field(default_factory=dict)
    rows_digest: str = ""
    command: str = ""
    zimtohrli: Figure = None
    snr_db: Figure = None
    nmr_db: Figure = None
    embed_s: Figure = None
    decode_s: Figure = None
    false_accepts: int = 0
    unmarked_clips: int = 0
    detection_clips: int = 0
    families: tuple[FamilyRow, ...] = ()
    attacks: tuple[AttackEntry, ...] = ()

    def family(self, name: str, category: str = "all") -> FamilyRow | None:
        """The figures under a family of processing; None where it was not run."""
        for row in self.families:
            if (row.family, row.category, row.goal) == (name, category, PROCESSING):
                return row
        return None


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _command(run: Run, system: str, dataset: str) -> str:
    document = run.document
    suites = [s.suite for s in document.suites if s.version is not None]
    alone = [a for a in document.attacks if not control_of(a)] if len(suites) < len(document.suites) else []
    parts = ["soundsafe-eval run", *(f"--suite {s}" for s in suites), *(f"--attack {a}" for a in alone)]
    parts += [f"--dataset {dataset} --split {document.split or 'all'} --limit {len(document.clips)}"]
    parts += [f"--seconds {document.seconds:g}"] if document.seconds else []
    parts += [f"--seed {document.seed}"] if document.seed else []
    parts += ["--no-attacked-controls"] if suites and not any(JOIN in a for a in document.attacks) else []
    return " ".join([*parts, f"--system '{system}'" if ":" in system else f"--system {system}"])


def entries_of(run: Run) -> list[Entry]:
    """An entry for each system of a run.

    Args:
        run: as `read_run` gives it.

    Returns:
        In the order of the run's systems; figures to six digits, as they are stored.

    Example:
        >>> def stored(folder: Path) -> list[bytes]:
        ...     from soundsafe.eval.analysis.stored import read_run
        ...     return [entry_json(entry) for entry in entries_of(read_run(folder))]
    """
    return [_entry(run, str(system)) for system in run.frame["system"].unique()]


def _attacks(run: Run, system: str) -> tuple[AttackEntry, ...]:
    families = dict(run.frame.drop_duplicates("attack")[["attack", "family"]].itertuples(index=False))
    seen: dict[str, SummaryRow] = {}
    for row in run.summary.rows:
        if (row.system, row.category) == (system, "all") and (real(row.attack) or row.attack == "unmarked"):
            seen.setdefault(row.attack, row)
    return tuple(
        AttackEntry(
            r.attack, str(families.get(r.attack, "")), r.clips, r.clip_success, r.clip_success_ci95,
            r.bit_accuracy, r.log10_p, r.auc, r.detection_1e2,
        )
        for r in seen.values()
    )  # fmt: skip


def _entry(run: Run, system: str) -> Entry:
    frame = run.frame[run.frame["system"] == system]
    document = run.document
    said = document.described(system)
    quality = next((q for q in run.summary.quality if (q.system, q.category) == (system, "all")), None)
    unmarked = frame[(frame["attack"] == "unmarked") & (frame["status"] == "ok")].drop_duplicates("clip")
    timing = run.timing[run.timing["system"] == system] if len(run.timing) else run.timing
    marked = timing.drop_duplicates("clip") if len(timing) else timing
    dataset = document.corpus or Path(document.dataset).name
    rows = family_rows(frame, [r for r in run.summary.rows if r.system == system], category=None)
    one: dict[tuple[str, str, str], FamilyRow] = {}
    for row in rows:  # a family that several suites hold stands here once
        one.setdefault((row.family, row.category, row.goal), row)
    checked = said.get("checked")
    if checked is None and system.startswith("soundsafe"):
        checked = True  # this package's own codec authenticates what it reads
    bits = [r.payload_bits for r in run.summary.rows if r.system == system and r.payload_bits]
    figures = rounded(
        Entry(
            system=system,
            version=str(said.get("version") or ""),
            described=said,
            payload_bits=max(bits, default=0),
            checked=checked if isinstance(checked, bool) else None,
            dataset=dataset,
            split=document.split or "",
            clips_digest=_digest(document.clips),
            clips=int(frame["clip"].nunique()),
            groups=int(frame["group"].nunique()),
            seconds=float(frame["clip_s"].median()),
            suites={s.suite: s.version for s in document.suites},
            seed=document.seed or 0,
            commit=document.commit,
            source=document.source,
            versions=document.versions,
            machine=document.machine,
            rows_digest=hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest(),
            command=_command(run, system, dataset),
            zimtohrli=None if quality is None else quality.zimtohrli,
            snr_db=None if quality is None else quality.snr_db,
            nmr_db=None if quality is None else quality.nmr_db,
            embed_s=_per_second(marked, "embed_s", "clip_s"),
            decode_s=_per_second(timing, "decode_s", "audio_s"),
            false_accepts=int(unmarked["clip_ok"].sum()),
            unmarked_clips=len(unmarked),
            detection_clips=int(unmarked["score"].notna().sum()),
        )
    )
    return replace(figures, families=tuple(one.values()), attacks=_attacks(run, system))


def _per_second(timing: object, work: str, audio: str) -> Figure:
    import pandas as pd

    if not isinstance(timing, pd.DataFrame) or not len(timing):
        return None
    done = timing[timing[work].notna()]
    return float(done[work].sum() / done[audio].sum()) if len(done) else None


def entry_json(entry: Entry) -> bytes:
    """The document of an entry."""
    item: dict[str, Json] = {"schema": SCHEMA, **to_item(entry)}
    return (json.dumps(item, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _items(item: Mapping[str, object], name: str) -> list[dict[str, object]]:
    found = item.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(x, dict) for x in found):
        raise InputError(f"{name} is no list of figures")
    return found


def _checked(entry: Entry, item: Mapping[str, object]) -> None:
    """Raise InputError for what no run can have stored."""
    known = {f.name for f in fields(Entry)} | {"schema"}
    if extra := sorted(set(item) - known):
        raise InputError(f"{extra[0]} is no field of an entry")
    digests = {"rows_digest": entry.rows_digest, "clips_digest": entry.clips_digest}
    named = {"system": entry.system, "version": entry.version, "command": entry.command}
    for name, text in {**named, **digests, "commit": entry.commit}.items():
        if not text:
            raise InputError(f"{name} is missing")
    for name, digest in digests.items():
        if len(digest) != 64:
            raise InputError(f"{name} is no SHA-256")
    if entry.clips < 1 or not 1 <= entry.groups <= entry.clips:
        raise InputError(f"{entry.clips} clips of {entry.groups} groups cannot be")
    if not entry.versions:
        raise InputError("versions are missing")
    rows: list[FamilyRow | AttackEntry] = [*entry.families, *entry.attacks]
    for row in rows:
        what = row.family if isinstance(row, FamilyRow) else row.attack
        share, limits = row.clip_success, row.clip_success_ci95
        if share is not None and not 0 <= share <= 1:
            raise InputError(f"{what}: a share of {share:g}")
        if limits is not None and share is not None and not limits[0] - 1e-6 <= share <= limits[1] + 1e-6:
            raise InputError(f"{what}: {share:g} lies outside its interval")
        if row.clips > entry.clips:
            raise InputError(f"{what}: more clips than the entry has")
    for family in entry.families:
        if family.system != entry.system:
            raise InputError(f"{family.family} is of {family.system}, not of {entry.system}")
    if entry.family(UNATTACKED) is None:
        raise InputError(f"{UNATTACKED} is missing: without it nothing can be told from an attack's effect")
    bad = [a.attack for a in entry.attacks if control_of(a.attack) and a.attack != "unmarked"]
    if bad:
        raise InputError(f"{bad[0]} is a control")


def read_entry(path: Path) -> Entry:
    """A stored entry.

    Raises:
        InputError: it cannot be read, is of another schema, or says what cannot be; one line that names it.
    """
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON") from error
    if not isinstance(item, dict) or item.get("schema") != SCHEMA:
        raise InputError(f"{path} is no entry of schema {SCHEMA}")
    try:
        families = tuple(from_item(FamilyRow, x) for x in _items(item, "families"))
        attacks = tuple(from_item(AttackEntry, x) for x in _items(item, "attacks"))
        plain = {k: v for k, v in item.items() if k not in ("families", "attacks")}
        entry = from_item(Entry, plain)
        entry = replace(entry, families=families, attacks=attacks)
        _checked(entry, item)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return entry
