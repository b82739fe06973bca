"""One unit of work: a clip marked by a system once, then treated and decoded, cell by cell.

Every step that fails gives rows that say so; nothing here raises for a bad clip, attack or system. Cells that
the store already holds are not computed again.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from soundsafe.aliases import Audio
from soundsafe.attacks import Access
from soundsafe.console import Terminated
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.metrics import attacked as attack_metrics
from soundsafe.eval.metrics import metrics, quality
from soundsafe.eval.metrics import payload as payload_metrics
from soundsafe.eval.rows import RAN, Attacked, Measured, Quality
from soundsafe.eval.running import adversary, scoring, seeds
from soundsafe.eval.running.audio_store import Made, digest_of_audio
from soundsafe.eval.running.limits import TimedOut, time_limit
from soundsafe.eval.running.messages import message_of
from soundsafe.eval.running.store import CellLine, Line, MarkingLine, UnitFile, address
from soundsafe.eval.running.units import Before, Treatment, Unit
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.answers import (
    AnsweredSecond,
    answer,
    answered_second,
    unmarked_seconds,
    warnings_of,
)
from soundsafe.eval.systems.as_far import payloads
from soundsafe.eval.systems.interface import EUL_S, Movable, ReadsMany, System
from soundsafe.eval.systems.whole_clip import payload_bits_of

__all__ = ["give_up", "missing_lines", "run_unit", "start_worker"]

T = TypeVar("T")


class _Failure(Exception):
    """A step failed; `status` names it, `trace` is the traceback where it was no refusal."""

    def __init__(self, status: str, error: BaseException | str) -> None:
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self.status, self.trace = status, ""
        line = (text.splitlines() or [""])[0][:200]
        if isinstance(error, BaseException):
            self.trace = "".join(traceback.format_exception(error))
            line += _place(error)
        super().__init__(line)


def _place(error: BaseException) -> str:
    """Where an error was raised, as ` (file.py:3)`."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


_REFUSALS = ("embed_failed", "decode_failed")
"""Steps of the system's own, which it may refuse to do."""


def _step(status: str, function: Callable[[], T]) -> T:
    """Call, and turn whatever goes wrong into a `_Failure`; refusals are kept apart from defects.

    Code of others may raise what is no Exception, such as SystemExit; only what ends the run itself passes.
    """
    try:
        return function()
    except (_Failure, KeyboardInterrupt, Terminated):
        raise
    except TimedOut as error:
        raise _Failure("timed_out", error) from error
    except (NotMarkable, InputError) as error:
        raise _Failure("refused" if status in _REFUSALS else status, str(error)) from error
    except BaseException as error:
        raise _Failure(status, error) from error


def _failure_of(line: Line | None, status: str) -> _Failure:
    """What kept an earlier run from making the audio that would be read again."""
    if isinstance(line, MarkingLine) and line.status not in ("ok", "quality_failed"):
        return _Failure(line.status, line.message)
    if isinstance(line, CellLine) and line.rows[0].status != "ok":
        return _Failure(line.rows[0].status, line.rows[0].message)
    return _Failure(status, "the run that is read again kept no such audio")


def _checked(audio: ArrayLike | None, what: str, channels: int | None = None) -> Audio:
    out: Audio = np.ascontiguousarray(np.asarray(audio, dtype=np.float32))
    if out.ndim != 2 or out.shape[1] == 0 or (channels is not None and out.shape[0] != channels):
        raise ValueError(f"{what} has shape {out.shape}")
    if not np.isfinite(out).all():
        raise ValueError(f"{what} has samples that are not finite")
    return out


@dataclass(frozen=True)
class _Source:
    """A clip's audio ``[channels, samples]`` and its rate."""

    audio: Audio
    rate: int


@dataclass(frozen=True)
class _Marking:
    """A clip as a system marked it."""

    audio: Audio
    unmarked: frozenset[int]
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Made(Generic[T]):
    """Something that was made, or the failure to make it, which is raised each time it is asked for."""

    value: T | _Failure

    @classmethod
    def by(cls, make: Callable[[], T]) -> _Made[T]:
        try:
            return cls(make())
        except _Failure as failure:
            return cls(failure)

    def get(self) -> T:
        if isinstance(self.value, _Failure):
            raise self.value
        return self.value


@lru_cache(maxsize=2)
def _loaded(run: str, name: str, device: str | None) -> System:
    """A system by its name, which a process loads once in a run."""
    return _on(systems.get(name), device)


def _on(system: System, device: str | None) -> System:
    """A system whose model is on a device; as it is where it has no choice, or none was asked for."""
    if device is not None and isinstance(system, Movable):
        system.to(device)
    return system


class _Bench:
    """The lazily made parts of one unit: audio, marking, clean layouts. Each is made once, or failed once."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.clip = str(unit.clip.clip)
        self.key = seeds.bench_key(unit.seed)

    @cached_property
    def _system(self) -> _Made[System]:
        spec = self.unit.system
        device = self.unit.device
        if not isinstance(spec, str):
            return _Made.by(lambda: _step("system_failed", lambda: _on(spec, device)))
        run = str(self.unit.folder)
        return _Made.by(lambda: _step("system_failed", lambda: _loaded(run, spec, device)))

    @property
    def system(self) -> System:
        return self._system.get()

    def _read(self) -> _Source:
        audio, rate = self.unit.clip.read()
        audio = _checked(audio, "the clip")
        if self.unit.seconds is not None:
            audio = audio[:, : max(1, round(self.unit.seconds * rate))]
        return _Source(np.ascontiguousarray(audio), int(rate))

    @cached_property
    def _original(self) -> _Made[_Source]:
        return _Made.by(lambda: _step("read_failed", self._read))

    @property
    def original(self) -> _Source:
        return self._original.get()

    @property
    def payload(self) -> bytes:
        return message_of(self.system, self.unit.seed, self.clip)

    @cached_property
    def _before(self) -> dict[str, Line]:
        """The lines of the earlier run whose audio is read again."""
        return {} if self.unit.before is None else UnitFile(self.unit.before.path).read()

    def _marked_before(self, before: Before) -> _Marking:
        """The clip as the earlier run marked it."""
        line = self._before.get(before.marking_key)
        if not isinstance(line, MarkingLine) or not line.marked_sha256:
            raise _failure_of(line, "embed_failed")
        cells = [line for line in self._before.values() if isinstance(line, CellLine)]
        unmarked = frozenset(row.eul for cell in cells for row in cell.rows if not row.markable)
        audio = before.audio.get(line.marked_sha256)
        return _Marking(audio, unmarked, line.warnings, line.embed_s or 0.0)

    def _embed(self) -> _Marking:
        if self.unit.before is not None:
            return self._marked_before(self.unit.before)
        source, system, payload = self.original, self.system, self.payload
        start = time.perf_counter()
        with payloads(lambda other: message_of(other, self.unit.seed, self.clip)):
            embedded = system.embed(source.audio.copy(), source.rate, payload, self.key)
        seconds = time.perf_counter() - start
        if isinstance(embedded, np.ndarray) or not hasattr(embedded, "audio"):
            kind = type(embedded).__name__
            raise TypeError(f"embed returned {kind}, which has no audio: Marked(audio) is needed")
        marked = _checked(embedded.audio, "the marked audio", source.audio.shape[0])
        if marked.shape != source.audio.shape:
            raise ValueError(f"marked audio has {marked.shape[1]} samples, the clip {source.audio.shape[1]}")
        return _Marking(marked, unmarked_seconds(embedded), warnings_of(embedded), seconds)

    @cached_property
    def _marked(self) -> _Made[_Marking]:
        return _Made.by(lambda: _step("embed_failed", self._embed))

    @property
    def marked(self) -> _Marking:
        return self._marked.get()

    def _truth(self) -> scoring.Truth:
        source, system, payload = self.original, self.system, self.payload
        n = max(1, int(source.audio.shape[1] / source.rate / EUL_S))
        bits = _step("system_failed", lambda: system.coded_bits(payload, self.key, n))
        try:
            unmarked = self.marked.unmarked if self.unit.marks else frozenset(range(n))
        except _Failure:
            unmarked = frozenset(range(n))
        coded = None if bits is None else np.asarray(bits)
        return scoring.Truth(payload, coded, unmarked, payload_bits_of(system))

    @cached_property
    def _true(self) -> _Made[scoring.Truth]:
        return _Made.by(self._truth)

    @property
    def truth(self) -> scoring.Truth:
        return self._true.get()

    def _layouts(self, marked: bool) -> list[AnsweredSecond]:
        """What parity compares with: the original's own layouts, or what the detector takes in marked audio.

        Where the detector finds no EUL in the marked audio, its own layout stands in.
        """
        source, system = self.original, self.system
        audio = self.marked.audio if marked else source.audio
        found = _step("system_failed", lambda: list(system.layouts(audio, source.rate, self.key)))
        own = [answered_second(eul) for eul in found]
        if not (marked and own):
            return own
        decoded = _step("decode_failed", lambda: answer(system.decode(audio.copy(), source.rate, self.key)))
        expected = scoring.expected_euls(audio.shape[1], audio.shape[1], source.rate, 0)
        partners = scoring.match(expected, [e.start_s for e in decoded.euls])
        return [
            eul if k is None else decoded.euls[k]
            for eul, k in zip(own, [*partners, *[None] * len(own)], strict=False)
        ]

    @cached_property
    def _layouts_of(self) -> dict[bool, _Made[list[AnsweredSecond]]]:
        return {}

    def layouts(self, marked: bool) -> list[AnsweredSecond]:
        if marked not in self._layouts_of:
            self._layouts_of[marked] = _Made.by(lambda: self._layouts(marked))
        return self._layouts_of[marked].get()

    @property
    def batch(self) -> int:
        """How many clips the system reads at once."""
        try:
            return max(1, int(self.system.batch)) if isinstance(self.system, ReadsMany) else 1
        except _Failure:
            return 1

    @cached_property
    def access(self) -> Access:
        """What attacks of an adversary have; made once, since marking copies takes time."""
        source = self.original
        return adversary.access(
            self.system, source.audio, source.rate, clip=self.clip, seed=self.unit.seed, truth=self.payload
        )

    def marking_line(self) -> MarkingLine:
        """What marking did to this clip, or why there is none."""
        before = self.unit.before
        if not self.unit.marks:
            return MarkingLine(self.unit.marking_key)
        line = None if before is None else self._before.get(before.marking_key)
        if isinstance(line, MarkingLine):
            return self._measured_more(replace(line, key=self.unit.marking_key))
        size = bits = 0
        try:
            size = self.system.payload_bytes
            bits = payload_bits_of(self.system)
            source, marked = self.original, self.marked
        except _Failure as failure:
            return MarkingLine(
                self.unit.marking_key,
                failure.status,
                str(failure),
                payload_bytes=size,
                payload_bits=bits,
                traceback=failure.trace,
            )
        line = MarkingLine(
            self.unit.marking_key,
            payload_bytes=size,
            payload_bits=bits,
            embed_s=marked.seconds,
            warnings=marked.warnings,
            marked_sha256=self._kept(marked.audio),
        )
        return self._with_quality(line, source, marked, None)

    def _measured_more(self, line: MarkingLine) -> MarkingLine:
        """An earlier run's line, with what this one was asked to measure beside it."""
        asked = {m.name for m in metrics() if m.level == "marking"} & set(self.unit.metrics)
        if not asked:
            return line
        try:
            return self._with_quality(line, self.original, self.marked, line.quality)
        except _Failure:  # never marked, or the audio is not there: its cells say so
            return line

    def _with_quality(
        self, line: MarkingLine, source: _Source, marked: _Marking, known: Quality | None
    ) -> MarkingLine:
        """A line with what marking did to the sound; beside what is known, only what was asked for."""
        failed: list[str] = []
        measured = known or Quality()
        try:
            measured = quality.measure(
                source.audio, marked.audio, source.rate, self.unit.metrics,
                lambda name, error: failed.append(f"{name}: {_Failure('', error)}"),
                known,
            )  # fmt: skip
        except TimedOut as error:
            failed.append(str(error))
        status = "quality_failed" if failed else "ok"
        return replace(line, status=status, message="; ".join(failed), quality=measured)

    def _kept(self, audio: Audio) -> str:
        """The digest of audio that the run keeps; '' where it does not."""
        store = self.unit.audio
        return store.put(audio) if store is not None and store.keep else ""

    @cached_property
    def _digests(self) -> dict[bool, str]:
        return {}

    def _source_digest(self, marked: bool, source: Audio) -> str:
        """Of the audio before any attack."""
        if marked not in self._digests:
            self._digests[marked] = digest_of_audio(source)
        return self._digests[marked]

    def _attacked(self, treatment: Treatment, source: Audio, rate: int) -> Made:
        """What is read: made now, or before for another system, another control or another run."""
        unit, attack = self.unit, treatment.resolve()
        if unit.before is not None:
            line = self._before.get(unit.before.cell_key(treatment))
            if not isinstance(line, CellLine) or not line.attacked.attacked_sha256:
                raise _failure_of(line, "attack_failed")
            digest = line.attacked.attacked_sha256
            return Made(unit.before.audio.get(digest), digest, line.delay)
        if attack is None:
            return Made(source, self._kept(source) or digest_of_audio(source), 0)
        if unit.audio is None or not unit.used_again(treatment):
            audio, delay = self._made(treatment, source, rate)
            return Made(audio, digest_of_audio(audio), delay)
        known = treatment.registered()
        own = unit.identity if known is None or known.needs_access else ""
        key = address(
            self._source_digest(treatment.control != "unmarked", source), rate, attack.name,
            dict(attack.params), unit.seed, self.clip, own,
        )  # fmt: skip
        return unit.audio.made(key, lambda: self._made(treatment, source, rate))

    def _made(self, treatment: Treatment, source: Audio, rate: int) -> tuple[Audio, int | None]:
        attack = treatment.resolve()
        assert attack is not None
        rng = seeds.generator(self.unit.seed, self.clip, attack.name, attack.params)
        known = treatment.registered()
        if known is not None and known.needs_access:
            out = known.apply(source.copy(), rate, rng, self.access)
        else:
            out = attack.apply(source.copy(), rate, rng)
        delay = attack.delay_samples(rate, source.shape[0])
        return _checked(out, "the attacked audio"), None if delay is None else int(delay)

    def _left(self, treatment: Treatment, source: Audio, made: Made) -> Attacked:
        """Which audio an attack made, and what it left of the sound of marked audio.

        What an earlier run measured is not measured again; what only this one was asked for is.
        """
        left = self._left_before(treatment)
        if treatment.control or made.delay is None:
            return left or Attacked(made.digest)
        distance = "attacked_zimtohrli" in self.unit.metrics
        if left is not None and (not distance or np.isfinite(left.attacked_zimtohrli)):
            return left
        before, after = attack_metrics.both_have(source, made.audio, made.delay)
        if left is None:
            left = Attacked(made.digest, attack_metrics.si_snr_db(before, after))
        if not distance:
            return left
        found = attack_metrics.attacked_zimtohrli(before, after, self.original.rate)
        return replace(left, attacked_zimtohrli=found)

    def _left_before(self, treatment: Treatment) -> Attacked | None:
        """What the earlier run measured of its attack; None where there is none."""
        if self.unit.before is None:
            return None
        line = self._before[self.unit.before.cell_key(treatment)]
        assert isinstance(line, CellLine)
        return line.attacked

    def _prefix(self, attacked: Audio, all_gives: bool) -> float:
        """The shortest beginning of attacked audio that gives the payload by itself; infinite for none."""
        rate, payload = self.original.rate, self.payload

        def gives(seconds: float) -> bool:
            heard = np.ascontiguousarray(attacked[:, : round(seconds * rate)])
            try:
                decoded = answer(self.system.decode(heard, rate, self.key))
            except (NotMarkable, InputError):  # too short for it
                return False
            return payload_metrics.clip_success(decoded.ok, decoded.payload, payload)

        return payload_metrics.prefix(gives, attacked.shape[1] / rate) if all_gives else math.inf

    def cell_lines(self, treatments: Sequence[Treatment]) -> list[CellLine]:
        """Run cells, which are read together where the system reads several clips at once."""
        known = {treatment.name: self._answered(treatment) for treatment in treatments}
        cells = [self._ready(treatment) for treatment in treatments if known[treatment.name] is None]
        self._decode([cell for cell in cells if cell.failure is None])
        made = {cell.treatment.name: self._scored(cell) for cell in cells}
        return [known[treatment.name] or made[treatment.name] for treatment in treatments]

    def _answered(self, treatment: Treatment) -> CellLine | None:
        """A cell as an earlier run has it, where its answer stands; None where it is to be decoded."""
        before = self.unit.before
        if before is None or not before.answers:
            return None
        line = self._before.get(before.cell_key(treatment))
        if not isinstance(line, CellLine) or line.rows[0].status not in RAN:
            return None
        if line.rows[0].status == "ok" and not treatment.control:
            if "prefix_s" in self.unit.metrics and np.isnan(line.rows[0].prefix_s):
                return None
            if "attacked_zimtohrli" in self.unit.metrics:
                try:
                    made = self._attacked(treatment, self.marked.audio, self.original.rate)
                    left = _step("score_failed", lambda: self._left(treatment, self.marked.audio, made))
                except (_Failure, InputError):  # the audio is not there, or damaged: the cell will say so
                    return None
                line = replace(line, attacked=left)
        return replace(line, key=self.unit.cell_key(treatment))

    def _ready(self, treatment: Treatment) -> _Cell:
        """A cell up to what is to be read."""
        # In case the audio cannot be read.
        cell = _Cell(treatment, _samples(self.unit), 1000)
        try:
            original = self.original
            cell.samples, cell.rate = original.audio.shape[1], original.rate
            cell.truth = self.truth
            source = original.audio if treatment.control == "unmarked" else self.marked.audio
            start = time.perf_counter()
            rate = original.rate
            made = cell.made = _step("attack_failed", lambda: self._attacked(treatment, source, rate))
            cell.attack_s = time.perf_counter() - start
            cell.left = _step("score_failed", lambda: self._left(treatment, source, made))
            cell.secret = seeds.wrong_key(self.unit.seed) if treatment.control == "wrong_key" else self.key
        except _Failure as failure:
            cell.failure = failure
        return cell

    def _decode(self, cells: Sequence[_Cell]) -> None:
        """Read what is to be read: together where the system does, and one by one where that fails."""
        many = self.system if len(cells) > 1 and isinstance(self.system, ReadsMany) else None
        groups: dict[bytes, list[_Cell]] = {}
        for cell in cells:
            groups.setdefault(cell.secret, []).append(cell)
        for secret, group in groups.items():
            if many is not None and len(group) > 1 and self._decode_together(many, group, secret):
                continue
            for cell in group:
                start = time.perf_counter()
                try:
                    cell.decoded = _step("decode_failed", partial(self._decode_one, cell))
                except _Failure as failure:
                    cell.failure = failure
                cell.decode_s = time.perf_counter() - start

    def _decode_one(self, cell: _Cell) -> object:
        assert cell.made is not None
        return self.system.decode(cell.made.audio.copy(), cell.rate, cell.secret)

    def _decode_together(self, many: ReadsMany, cells: Sequence[_Cell], secret: bytes) -> bool:
        """Read cells at once; False where that is not possible."""
        start = time.perf_counter()
        audio = [cell.made.audio.copy() for cell in cells if cell.made is not None]
        try:
            answers = list(_step("decode_failed", lambda: many.decode_batch(audio, cells[0].rate, secret)))
        except _Failure as failure:
            if failure.status != "timed_out":
                return False
            for cell in cells:
                cell.failure = failure
            return True
        if len(answers) != len(cells):
            return False
        each = (time.perf_counter() - start) / len(cells)
        for cell, found in zip(cells, answers, strict=True):
            cell.decoded, cell.decode_s = found, each
        return True

    def _scored(self, cell: _Cell) -> CellLine:
        """A cell that was read, as a line: what was measured, and the times."""
        treatment, made = cell.treatment, cell.made
        key, name = self.unit.cell_key(treatment), treatment.name
        failure, audio_s = cell.failure, None
        if failure is None:
            assert made is not None
            try:
                rows = _step("score_failed", lambda: self._rows(cell, made))
                if "prefix_s" in self.unit.metrics and not treatment.control:
                    needed = _step("decode_failed", lambda: self._prefix(made.audio, rows[0].clip_ok))
                    rows = [replace(row, prefix_s=needed) for row in rows]
                audio_s = made.audio.shape[1] / cell.rate
            except _Failure as error:
                failure = error
        if failure is not None:
            rows = scoring.failed(cell.samples, cell.rate, cell.truth, failure.status, str(failure))
        return CellLine(
            key,
            name,
            tuple(rows),
            cell.left,
            cell.attack_s if cell.decode_s is not None else None,
            cell.decode_s if cell.decoded is not None else None,
            audio_s,
            "" if failure is None else failure.trace,
            None if made is None else made.delay,
        )

    def _rows(self, cell: _Cell, made: Made) -> list[Measured]:
        rows = scoring.score(
            answer(cell.decoded),
            self.truth,
            n_samples=cell.samples,
            n_attacked=made.audio.shape[1],
            rate=cell.rate,
            delay=made.delay,
            reference=[] if cell.treatment.control else self.layouts(marked=cell.treatment.name != "none"),
            control=bool(cell.treatment.control),
        )
        original = cell.treatment.name == "none" or cell.treatment.control == "unmarked"
        before = self.original.audio if original else self.marked.audio
        return scoring.with_levels(rows, before, made.audio, cell.rate)


@dataclass
class _Cell:
    """One attack on one clip on its way: attacked, read, or failed."""

    treatment: Treatment
    samples: int
    rate: int
    truth: scoring.Truth | None = None
    made: Made | None = None
    left: Attacked = field(default_factory=Attacked)
    secret: bytes = b""
    decoded: object = None
    attack_s: float | None = None
    decode_s: float | None = None
    failure: _Failure | None = None


def _die_with(parent: int) -> None:
    """End this process soon after the one that started it has gone: nothing writes behind its back."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def start_worker(parent: int) -> None:
    """Initialise a worker process: nothing of its own on stdout, never outliving the run."""
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run stops its workers itself
    _die_with(parent)


def missing_lines(unit: Unit, done: Collection[str], *, end_process: bool = True) -> Iterator[Line]:
    """The lines of a unit whose keys are not `done`, each as soon as it is computed.

    `end_process`: a step that heeds no time limit ends this process, which is a worker's.
    """
    bench = _Bench(unit)
    if unit.marking_key not in done:
        with time_limit(unit.cell_timeout, end_process=end_process):
            line: Line = bench.marking_line()
        yield line
    left = [treatment for treatment in unit.treatments if unit.cell_key(treatment) not in done]
    answered = unit.before is not None and unit.before.answers  # hardly anything is decoded
    many = 1 if answered or len(left) < 2 else bench.batch
    for first in range(0, len(left), many):
        part = left[first : first + many]
        limit = None if unit.cell_timeout is None else len(part) * unit.cell_timeout
        with time_limit(limit, end_process=end_process):
            lines = bench.cell_lines(part)
        yield from lines


def run_unit(unit: Unit, parent: int | None = None, one: Callable[[], None] | None = None) -> str:
    """Compute all cells of a unit that its file lacks, appending each as soon as it is there.

    `parent`: process that must still be alive for anything to be written. `one` is called after each cell.
    Returns the unit's key.
    """
    file = UnitFile(unit.path)
    file.repair()
    for line in missing_lines(unit, file.read(), end_process=parent is not None):
        if parent is not None and os.getppid() != parent:
            os._exit(1)
        file.append(line)
        if one is not None:
            one()
    return unit.key


def give_up(unit: Unit, message: str) -> None:
    """Record the first unfinished step of a unit as failed: its worker died there, more than once."""
    file = UnitFile(unit.path)
    file.repair()
    done = file.read()
    left = [t for t in unit.treatments if unit.cell_key(t) not in done]
    if unit.marking_key not in done:
        # Without its marking no cell can be computed either: each would die in the same way.
        file.append(MarkingLine(unit.marking_key, "worker_died", message))
    else:
        left = left[:1]
    for treatment in left:
        rows: list[Measured] = scoring.failed(_samples(unit), 1000, None, "worker_died", message)
        file.append(CellLine(unit.cell_key(treatment), treatment.name, tuple(rows)))


def _samples(unit: Unit) -> int:
    """Length of the clip in milliseconds, as its file states it; 0 where that cannot be read."""
    try:
        seconds = unit.clip.duration()
    except InputError:
        return 0
    return round(1000 * (seconds if unit.seconds is None else min(seconds, unit.seconds)))
