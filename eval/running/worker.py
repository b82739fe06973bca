"""One unit of work: a clip marked by a system once, then attacked and decoded, cell by cell.

Every step that fails gives rows that say so; nothing here raises for a bad clip, attack or system. Cells that
the store already holds are not computed again.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile

from soundsafe.aliases import Audio
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.metrics import quality
from soundsafe.eval.rows import QUALITY, control_of
from soundsafe.eval.running import adversary, scoring, seeds
from soundsafe.eval.running.store import UnitFile, address
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.interface import EUL_S, System

__all__ = ["Cell", "Unit", "complete", "give_up", "missing_lines", "run_unit"]

T = TypeVar("T")

EMBED = "embed"
"""Name of the line that holds what marking did; the other lines are cells."""


@dataclass(frozen=True)
class Cell:
    """One attack as asked for: its registered name, or the object itself where it is not registered."""

    name: str
    attack: Any  # an Attack, the registered name of one, or None where a control changes nothing

    @property
    def control(self) -> str:
        return control_of(self.name)

    def resolve(self) -> Any:
        if isinstance(self.attack, str):
            from soundsafe import attacks

            return attacks.get(self.attack)
        return self.attack


@dataclass(frozen=True)
class Unit:
    """A system and a clip, with all that decides its rows. `identity` describes system and code; `metrics`
    names those that are measured because somebody asked."""

    system: System | str
    system_name: str
    clip: Any
    cells: tuple[Cell, ...]
    seed: int
    seconds: float | None
    identity: str
    folder: Path
    metrics: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        more = [list(self.metrics)] if self.metrics else []
        return address(self.identity, self.system_name, str(self.clip.clip), self.seed, self.seconds, *more)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.key}.jsonl"

    def cell_key(self, cell: Cell) -> str:
        params = {} if cell.attack is None else dict(cell.resolve().params)
        return address(self.key, cell.name, params)

    @property
    def embed_key(self) -> str:
        return address(self.key, EMBED)


class _Failure(Exception):
    """A step failed; `status` names it."""

    def __init__(self, status: str, error: BaseException | str) -> None:
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        super().__init__((text.splitlines() or [""])[0][:200])
        self.status = status


def _step(status: str, function: Callable[..., T], *args: Any) -> T:
    """Call, and turn whatever goes wrong into a `_Failure`; refusals are told from defects."""
    try:
        return function(*args)
    except _Failure:
        raise
    except (NotMarkable, InputError) as error:
        raise _Failure("refused" if status == "embed_failed" else status, str(error)) from error
    except Exception as error:
        raise _Failure(status, error) from error


def _checked(audio: Any, what: str, channels: int | None = None) -> Audio:
    out: Audio = np.ascontiguousarray(np.asarray(audio, dtype=np.float32))
    if out.ndim != 2 or out.shape[1] == 0 or (channels is not None and out.shape[0] != channels):
        raise ValueError(f"{what} has shape {out.shape}")
    if not np.isfinite(out).all():
        raise ValueError(f"{what} has samples that are not finite")
    return out


class _Bench:
    """The lazily made parts of one unit: audio, marking, clean layouts. Each failure is remembered."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._made: dict[str, Any] = {}

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            try:
                self._made[name] = make()
            except _Failure as failure:
                self._made[name] = failure
        value = self._made[name]
        if isinstance(value, _Failure):
            raise value
        return value

    @property
    def system(self) -> System:
        spec = self.unit.system
        return self._once(
            "system", lambda: _step("system_failed", systems.get, spec) if isinstance(spec, str) else spec
        )

    @property
    def key(self) -> bytes:
        return seeds.bench_key(self.unit.seed)

    def _read(self) -> tuple[Audio, int]:
        audio, rate = self.unit.clip.read()
        audio = _checked(audio, "the clip")
        if self.unit.seconds is not None:
            audio = audio[:, : max(1, round(self.unit.seconds * rate))]
        return np.ascontiguousarray(audio), int(rate)

    @property
    def original(self) -> tuple[Audio, int]:
        return self._once("original", lambda: _step("read_failed", self._read))

    @property
    def payload(self) -> bytes:
        return seeds.payload_of(self.unit.seed, str(self.unit.clip.clip), self.system.payload_bytes)

    def _embed(self) -> tuple[Any, float]:
        audio, rate = self.original
        start = time.perf_counter()
        embedded = self.system.embed(audio.copy(), rate, self.payload, self.key)
        seconds = time.perf_counter() - start
        marked = _checked(embedded.audio, "the marked audio", audio.shape[0])
        if marked.shape != audio.shape:
            raise ValueError(f"marked audio has {marked.shape[1]} samples, the clip {audio.shape[1]}")
        return embedded, seconds

    @property
    def embedded(self) -> tuple[Any, float]:
        return self._once("embedded", lambda: _step("embed_failed", self._embed))

    @property
    def marked(self) -> Audio:
        return np.asarray(self.embedded[0].audio, dtype=np.float32)

    @property
    def truth(self) -> scoring.Truth:
        def make() -> scoring.Truth:
            audio, rate = self.original
            n = max(1, int(audio.shape[1] / rate / EUL_S))
            bits = _step("system_failed", self.system.coded_bits, self.payload, self.key, n)
            try:
                unmarked = scoring.unmarked_seconds(self.embedded[0])
            except _Failure:
                unmarked = frozenset(range(n))
            return scoring.Truth(self.payload, None if bits is None else np.asarray(bits), unmarked)

        return self._once("truth", make)

    def layouts(self, marked: bool) -> list[Any]:
        """What parity compares with: the original's own layouts, or what the detector takes in marked audio.

        Where the detector finds no EUL in the marked audio, its own layout stands in.
        """

        def make() -> list[Any]:
            audio, rate = self.original
            source = self.marked if marked else audio
            own = list(_step("system_failed", self.system.layouts, source, rate, self.key))
            if not (marked and own):
                return own
            decoded = _step("decode_failed", self.system.decode, source.copy(), rate, self.key)
            euls = list(getattr(decoded, "euls", None) or ())
            expected = scoring.expected_euls(source.shape[1], source.shape[1], rate, 0)
            partners = scoring.match(expected, [float(e.start_s) for e in euls])
            return [
                eul if k is None else euls[k]
                for eul, k in zip(own, [*partners, *[None] * len(own)], strict=False)
            ]

        return self._once(f"layouts {marked}", make)

    @property
    def access(self) -> Any:
        """What attacks of an adversary have; made once, since marking copies takes time."""

        def make() -> Any:
            audio, rate = self.original
            clip, seed = str(self.unit.clip.clip), self.unit.seed
            return adversary.access(self.system, audio, rate, clip=clip, seed=seed, truth=self.payload)

        return self._once("access", make)

    def embed_line(self) -> dict[str, Any]:
        """What marking did to this clip, or why there is none."""
        line: dict[str, Any] = {"key": self.unit.embed_key, "name": EMBED, "status": "ok", "message": ""}
        line["quality"] = dict.fromkeys(QUALITY)
        line["payload_bytes"] = 0
        try:
            line["payload_bytes"] = self.system.payload_bytes
            (audio, rate), (embedded, seconds) = self.original, self.embedded
            line["embed_s"] = seconds
            line["warnings"] = [str(w) for w in getattr(embedded, "warnings", None) or ()]
            failed: list[str] = []
            measured = quality.measure(
                audio, self.marked, rate, self.unit.metrics,
                lambda name, error: failed.append(f"{name}: {_Failure('', error)}"),
            )  # fmt: skip
            line["quality"] = {k: v if np.isfinite(v) else None for k, v in measured.items()}
            if failed:
                line |= {"status": "quality_failed", "message": "; ".join(failed)}
        except _Failure as failure:
            line |= {"status": failure.status, "message": str(failure)}
        return line

    def _attacked(self, cell: Cell, source: Audio, rate: int) -> tuple[Audio, int | None]:
        attack = cell.resolve()
        if attack is None:
            return source, 0
        rng = seeds.generator(self.unit.seed, str(self.unit.clip.clip), attack.name, attack.params)
        more = (self.access,) if getattr(attack, "needs_access", False) else ()
        out = _checked(attack.apply(source.copy(), rate, rng, *more), "the attacked audio")
        return out, attack.delay_samples(rate, source.shape[0])

    def cell_line(self, cell: Cell) -> dict[str, Any]:
        """Run one cell: the rows' measured fields and, apart, the times."""
        line: dict[str, Any] = {"key": self.unit.cell_key(cell), "name": cell.name}
        samples, rate, truth = _samples(self.unit), 1000, None  # in case the audio cannot be read
        try:
            audio, rate = self.original
            samples = audio.shape[1]
            truth = self.truth
            source = audio if cell.control == "unmarked" else self.marked
            start = time.perf_counter()
            attacked, delay = _step("attack_failed", self._attacked, cell, source, rate)
            middle = time.perf_counter()
            key = seeds.wrong_key(self.unit.seed) if cell.control == "wrong_key" else self.key
            decoded = _step("decode_failed", self.system.decode, attacked.copy(), rate, key)
            line |= {"attack_s": middle - start, "decode_s": time.perf_counter() - middle}
            line["audio_s"] = attacked.shape[1] / rate
            line["rows"] = _step(
                "score_failed",
                lambda: scoring.score(
                    decoded,
                    truth,
                    n_samples=samples,
                    n_attacked=attacked.shape[1],
                    rate=rate,
                    delay=delay,
                    reference=[] if cell.control else self.layouts(marked=cell.name != "none"),
                    control=bool(cell.control),
                ),
            )
        except _Failure as failure:
            line["rows"] = scoring.failed(samples, rate, truth, failure.status, str(failure))
        return line


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


def missing_lines(unit: Unit, done: Collection[str]) -> Iterator[dict[str, Any]]:
    """The lines of a unit whose keys are not `done`, each as soon as it is computed."""
    bench = _Bench(unit)
    if unit.embed_key not in done:
        yield bench.embed_line()
    for cell in unit.cells:
        if unit.cell_key(cell) not in done:
            yield bench.cell_line(cell)


def run_unit(unit: Unit, parent: int | None = None, one: Callable[[], None] | None = None) -> str:
    """Compute all cells of a unit that its file lacks, appending each as soon as it is there.

    `parent`: process that must still be alive for anything to be written. `one` is called after each cell.
    Returns the unit's key.
    """
    file = UnitFile(unit.path)
    file.repair()
    for line in missing_lines(unit, file.read()):
        if parent is not None and os.getppid() != parent:
            os._exit(1)
        file.append(line)
        if one is not None:
            one()
    return unit.key


def complete(unit: Unit) -> bool:
    """Whether a unit's file holds all its lines."""
    done = UnitFile(unit.path).read()
    return unit.embed_key in done and all(unit.cell_key(c) in done for c in unit.cells)


def give_up(unit: Unit, message: str) -> None:
    """Record the first unfinished step of a unit as failed: its worker died there, more than once."""
    file = UnitFile(unit.path)
    file.repair()
    done = file.read()
    if unit.embed_key not in done:
        line = {"key": unit.embed_key, "name": EMBED, "status": "worker_died", "message": message}
        file.append(line | {"quality": dict.fromkeys(QUALITY), "payload_bytes": 0})
        # Without its marking no cell can be computed either: each would die in the same way.
        cells = unit.cells
    else:
        cells = tuple(c for c in unit.cells if unit.cell_key(c) not in done)[:1]
    for cell in cells:
        if unit.cell_key(cell) not in done:
            rows = scoring.failed(_samples(unit), 1000, None, "worker_died", message)
            file.append({"key": unit.cell_key(cell), "name": cell.name, "rows": rows})


def _samples(unit: Unit) -> int:
    """Length of the clip in milliseconds, from its file's header; 0 where that cannot be read."""
    try:
        seconds = float(soundfile.info(str(unit.clip.path)).duration)
    except (RuntimeError, OSError, AttributeError):
        return 0
    return round(1000 * (seconds if unit.seconds is None else min(seconds, unit.seconds)))


def params_text(params: Any) -> str:
    """An attack's parameters as canonical JSON."""
    return json.dumps(dict(params), sort_keys=True, separators=(",", ":"))
