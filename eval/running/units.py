"""What a run consists of: treatments of a clip, and units, which are a system and a clip each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.attacks.registry import Attack
from soundsafe.errors import InputError
from soundsafe.eval.rows import JOIN, control_of
from soundsafe.eval.running.audio_store import AudioStore
from soundsafe.eval.running.store import UnitFile, address

if TYPE_CHECKING:
    from soundsafe.datasets import Clip
    from soundsafe.eval.systems.interface import System

__all__ = ["AnyAttack", "Before", "StoredAttack", "Treatment", "Unit", "params_text"]


class AnyAttack(Protocol):
    """What an attack must have, be it registered (`soundsafe.attacks.Attack`) or an object of others."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def params(self) -> Mapping[str, object]: ...

    def apply(self, audio: Audio, rate: int, rng: np.random.Generator, /) -> Audio: ...

    def delay_samples(self, rate: int, channels: int = 2) -> int | None: ...


def params_text(params: Mapping[str, object]) -> str:
    """An attack's parameters as canonical JSON."""
    return json.dumps(dict(params), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Treatment:
    """What is done to a clip before it is read: an attack, a control, or a control followed by an attack.

    `attack`: the registered name of one, an object that is not registered, or None where a control changes
    nothing. With a clip and a system it makes a cell of the run.
    """

    name: str
    attack: AnyAttack | str | None

    @property
    def control(self) -> str:
        return control_of(self.name)

    def resolve(self) -> AnyAttack | None:
        """The attack itself."""
        if isinstance(self.attack, str):
            from soundsafe import attacks

            return attacks.get(self.attack)
        return self.attack

    def registered(self) -> Attack | None:
        """The attack where it is this package's kind, which says more of itself."""
        attack = self.resolve()
        return attack if isinstance(attack, Attack) else None

    @property
    def left_out(self) -> str:
        """Why it cannot be done here, in one line; '' where it can."""
        attack = self.registered()
        return "" if attack is None else attack.left_out

    @property
    def family(self) -> str:
        """What it is reported under."""
        attack = self.resolve()
        return self.control or ("" if attack is None else str(attack.family))

    @property
    def params(self) -> Mapping[str, object]:
        attack = self.resolve()
        return {} if attack is None else attack.params


@dataclass(frozen=True)
class StoredAttack:
    """An attack of a stored run, of which the name and the parameters are known: its audio is kept."""

    name: str
    family: str
    params: Mapping[str, object]

    def apply(self, audio: Audio, rate: int, rng: np.random.Generator, /) -> Audio:
        raise InputError(f"{self.name} is not done again")

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        return None


@dataclass(frozen=True)
class Before:
    """A unit of an earlier run whose kept audio is read again: its file, its key, and where the audio is.

    `answers`: what was decoded stands too, and is not decoded again.
    """

    path: Path
    key: str
    audio: AudioStore
    answers: bool = False

    def cell_key(self, treatment: Treatment) -> str:
        return address(self.key, treatment.name, dict(treatment.params))

    @property
    def marking_key(self) -> str:
        return address(self.key, "embed")


@dataclass(frozen=True)
class Unit:
    """A system and a clip, with all that decides its rows. `identity` describes system and code; `metrics`
    names those that are measured because somebody asked, `cell_timeout` is in seconds.

    `audio`: where attacked audio is kept, or is found by other systems, which are given the same clip
    (`shared`); None: nowhere. `marks`: not so for audio of a pool, which is read unmarked alone. `before`:
    nothing is marked and attacked, the audio of an earlier run is read. `device`: where models are to work.
    """

    system: System | str
    system_name: str
    clip: Clip
    treatments: tuple[Treatment, ...]
    seed: int
    seconds: float | None
    identity: str
    folder: Path
    metrics: tuple[str, ...] = ()
    cell_timeout: float | None = None
    audio: AudioStore | None = None
    shared: bool = False
    marks: bool = True
    before: Before | None = None
    device: str | None = None

    @property
    def key(self) -> str:
        more = [list(self.metrics)] if self.metrics else []
        return address(self.identity, self.system_name, str(self.clip.clip), self.seed, self.seconds, *more)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.key}.jsonl"

    def cell_key(self, treatment: Treatment) -> str:
        return address(self.key, treatment.name, dict(treatment.params))

    @property
    def marking_key(self) -> str:
        return address(self.key, "embed")

    def used_again(self, treatment: Treatment) -> bool:
        """Whether what the attack makes is kept, or is what another system or a control needs too."""
        if self.audio is None or treatment.attack is None:
            return False
        if treatment.control == "unmarked":
            return self.audio.keep or self.shared
        alone = treatment.name.removeprefix(f"wrong_key{JOIN}")
        return self.audio.keep or {alone, f"wrong_key{JOIN}{alone}"} <= {t.name for t in self.treatments}

    def complete(self) -> bool:
        """Whether its file holds all its lines."""
        done = UnitFile(self.path).read()
        return self.marking_key in done and all(self.cell_key(t) in done for t in self.treatments)
