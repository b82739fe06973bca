"""The waveform transforms of audiomentations, by name, each in its own range of parameters.

A transform draws each parameter between two bounds. `light`, `medium` and `strong` are the three thirds of
its default range, from the mildest end to the worst; where the range lies on both sides of nothing (gains,
pitch, tempo, shift), a third, two thirds and all of it. What has no range has one strength, `plain`. A
transform that needs recordings gets generated ones: noise of a busy room, and simulated rooms.

audiomentations draws from the global generators of `random` and NumPy: they are seeded from the attack's own
generator for as long as it runs, and put back after it.
"""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Lock

import numpy as np
import soundfile

from soundsafe import codecs
from soundsafe.attacks.noise import make_noise
from soundsafe.attacks.packages import AUDIOMENTATIONS
from soundsafe.attacks.registry import Audio, attack, no_delay, unknown_delay
from soundsafe.attacks.reverb import in_room
from soundsafe.attacks.sources import AUDIOMENTATIONS_SOURCE

Value = float | bool | str
Arguments = dict[str, Value]

STRENGTHS = ("light", "medium", "strong")

_ONE_SIDED: dict[str, dict[str, tuple[float, float]]] = {
    "AddBackgroundNoise": {"snr_db": (30.0, 3.0)},
    "AddColorNoise": {"snr_db": (40.0, 5.0)},
    "AddGaussianNoise": {"amplitude": (0.001, 0.015)},
    "AddGaussianSNR": {"snr_db": (40.0, 5.0)},
    "AddShortNoises": {"snr_db": (18.0, -6.0)},
    "AirAbsorption": {"distance": (10.0, 100.0)},
    "Aliasing": {"sample_rate": (30000, 8000)},
    "BandPassFilter": {"bandwidth_fraction": (1.99, 0.5)},
    "BandStopFilter": {"bandwidth_fraction": (0.5, 1.99)},
    "BitCrush": {"bit_depth": (10, 5)},
    "ClippingDistortion": {"percentile_threshold": (0, 40)},
    "HighPassFilter": {"cutoff_freq": (20.0, 2400.0)},
    "Limiter": {"threshold_db": (-2.0, -24.0)},
    "LoudnessNormalization": {"lufs": (-13.0, -31.0)},
    "LowPassFilter": {"cutoff_freq": (7500.0, 150.0)},
    "Mp3Compression": {"bitrate": (64, 8)},
    "Padding": {"fraction": (0.01, 0.7)},
    "RepeatPart": {"part_duration": (0.25, 1.2)},
    "Resample": {"sample_rate": (44100, 8000)},
    "RoomSimulator": {"absorption_value": (0.4, 0.075)},
    "TanhDistortion": {"distortion": (0.01, 0.7)},
    "TimeMask": {"band_part": (0.01, 0.2)},
}
"""Of each transform the parameter that makes it worse: its default bounds, the milder first."""

_TWO_SIDED: dict[str, tuple[str, float, float, float]] = {
    "Gain": ("gain_db", -12.0, 0.0, 12.0),
    "GainTransition": ("gain_db", -24.0, 0.0, 6.0),
    "HighShelfFilter": ("gain_db", -18.0, 0.0, 18.0),
    "LowShelfFilter": ("gain_db", -18.0, 0.0, 18.0),
    "PeakingFilter": ("gain_db", -24.0, 0.0, 24.0),
    "PitchShift": ("semitones", -4.0, 0.0, 4.0),
    "SevenBandParametricEQ": ("gain_db", -12.0, 0.0, 12.0),
    "Shift": ("shift", -0.5, 0.0, 0.5),
    "TimeStretch": ("rate", 0.8, 1.0, 1.25),
}
"""Of each transform its parameter, the default lower bound, what changes nothing, and the upper bound."""

_STEPPED: dict[str, dict[str, tuple[Value, Value, Value]]] = {
    "AdjustDuration": {"duration_seconds": (4.0, 2.0, 1.0)},
    "ApplyImpulseResponse": {"room": ("booth", "classroom", "hall")},
    "Clip": {"a_max": (1.0, 0.5, 0.25)},
    "Trim": {"top_db": (60.0, 30.0, 15.0)},
}
"""Parameters that are set, not drawn; the one of ApplyImpulseResponse says which room is simulated."""

_PLAIN = ("Normalize", "PolarityInversion", "Reverse")

_ALWAYS: dict[str, Arguments] = {
    "AddShortNoises": {"min_time_between_sounds": 0.2, "max_time_between_sounds": 1.0},
    # Drawn from 1 to 3 by default, which at once makes a clip of seconds several times as long.
    "RepeatPart": {"max_repeats": 1},
}

_CHANGES_LENGTH = {"AdjustDuration", "RepeatPart", "RoomSimulator", "Trim"}
_MOVES = {
    "AddShortNoises", "AdjustDuration", "ApplyImpulseResponse", "BandPassFilter", "BandStopFilter",
    "HighPassFilter", "LowPassFilter", "PeakingFilter", "PitchShift", "RepeatPart", "Resample", "Reverse",
    "RoomSimulator", "Shift", "TimeStretch", "Trim",
}  # fmt: skip
_MOST_CHANNELS = {"AddBackgroundNoise": 1, "AddShortNoises": 1, "Mp3Compression": 2}
"""How many channels it takes at once; more go one after the other, under the same draws."""


_ROOM_RT60_S = {"booth": 0.15, "classroom": 0.8, "hall": 1.5}
_ROOM_DISTANCE_M = {"booth": 0.5, "classroom": 2.5, "hall": 5.0}
_SHORT_NOISES = 4
_LOWEST_FILTER_RATE = 32000
"""Below it some filters would lie above half of the rate, where they are not stable."""

_lock = Lock()


def thirds(mild: float, worst: float) -> list[tuple[float, float]]:
    """The bounds of three equal parts of a range, the mildest first, each as (lower, upper).

    Args:
        mild: the milder end. Where both ends are whole numbers, so are the bounds.
        worst: the other end, below or above.

    Example:
        >>> thirds(40.0, 10.0)
        [(30.0, 40.0), (20.0, 30.0), (10.0, 20.0)]
    """
    whole = isinstance(mild, int) and isinstance(worst, int)
    edges = [mild + (worst - mild) * k / 3 for k in range(4)]
    edges = [round(e) if whole else round(e, 4) for e in edges]
    return [(min(a, b), max(a, b)) for a, b in pairwise(edges)]


def _one_sided(transform: str) -> list[Arguments]:
    out: list[Arguments] = [{} for _ in STRENGTHS]
    for name, (mild, worst) in _ONE_SIDED[transform].items():
        for arguments, (low, high) in zip(out, thirds(mild, worst), strict=True):
            arguments |= {f"min_{name}": low, f"max_{name}": high}
    return out


def _two_sided(transform: str) -> list[Arguments]:
    name, low, nothing, high = _TWO_SIDED[transform]
    return [
        {
            f"min_{name}": round(nothing + (low - nothing) * k / 3, 4),
            f"max_{name}": round(nothing + (high - nothing) * k / 3, 4),
        }
        for k in (1, 2, 3)
    ]


def _strengths(transform: str) -> dict[str, dict[str, Arguments]]:
    if transform in _PLAIN:
        return {f"audiomentations_{transform}_plain": {"arguments": {}}}
    if transform in _ONE_SIDED:
        arguments = _one_sided(transform)
    elif transform in _TWO_SIDED:
        arguments = _two_sided(transform)
    else:
        arguments = [{name: v[k] for name, v in _STEPPED[transform].items()} for k in range(3)]
    fixed = _ALWAYS.get(transform, {})
    return {
        f"audiomentations_{transform}_{strength}": {"arguments": fixed | a}
        for strength, a in zip(STRENGTHS, arguments, strict=True)
    }


def _register(transform: str) -> Callable[..., Audio]:
    def function(
        audio: Audio, rate: int, rng: np.random.Generator, *, arguments: Mapping[str, Value]
    ) -> Audio:
        return transformed(audio, rate, rng, transform, arguments)

    function.__name__ = f"audiomentations_{transform}"
    function.__doc__ = f"audiomentations' {transform} with bounds as given."
    return attack(
        "audiomentations",
        _strengths(transform),
        changes_length=transform in _CHANGES_LENGTH,
        engine="audiomentations",
        delay=unknown_delay if transform in _MOVES else no_delay,
        packages=(AUDIOMENTATIONS,),
        source=AUDIOMENTATIONS_SOURCE,
    )(function)


def transformed(
    audio: Audio, rate: int, rng: np.random.Generator, transform: str, arguments: Mapping[str, Value]
) -> Audio:
    """`audio` through one transform, applied with certainty.

    Args:
        audio: float32 `[channels, samples]`.
        rate: samples per second.
        rng: what the transform's own draws are seeded from.
        transform: a class of audiomentations.
        arguments: what it is made with; `room` of ApplyImpulseResponse names a simulated room.

    Returns:
        float32 `[channels, samples]`, at `rate`. Resample changes the rate: its result is brought back.
    """
    if rate < _LOWEST_FILTER_RATE and transform.endswith(("Filter", "EQ")):
        higher = codecs.resample(audio, rate, _LOWEST_FILTER_RATE)
        out = transformed(higher, _LOWEST_FILTER_RATE, rng, transform, arguments)
        return codecs.fit_length(codecs.resample(out, _LOWEST_FILTER_RATE, rate), audio.shape[1])
    import audiomentations  # here, since it takes seconds: what it builds on is compiled when it is imported

    made = dict(arguments)
    with tempfile.TemporaryDirectory() as folder, _drawing_from(rng), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _bring_recordings(Path(folder), audio.shape[1], rate, rng, transform, made)
        if transform == "Clip":
            made["a_min"] = -float(made["a_max"])
        step = getattr(audiomentations, transform)(p=1.0, **made)
        most = _MOST_CHANNELS.get(transform, len(audio))
        parts = []
        for first in range(0, len(audio), most):
            piece = audio[first : first + most].copy()
            parts.append(np.atleast_2d(step(piece[0] if most == 1 else piece, rate)))
            step.freeze_parameters()
        out = np.concatenate(parts).astype(np.float32)
        if transform == "Resample":
            out = codecs.resample(out, int(step.parameters["target_sample_rate"]), rate)
            out = codecs.fit_length(out, audio.shape[1])
    return out if out.shape[1] else audio


def _bring_recordings(
    folder: Path, samples: int, rate: int, rng: np.random.Generator, transform: str, made: Arguments
) -> None:
    """Write what `transform` reads from files into `folder`, and say so in its arguments `made`."""
    if transform == "AddBackgroundNoise":
        noise = make_noise((1, max(samples, rate)), rate, rng, "background")
        soundfile.write(folder / "noise.wav", 0.1 * noise.T, rate, subtype="FLOAT")
        made["sounds_path"] = str(folder)
    elif transform == "AddShortNoises":
        for k in range(_SHORT_NOISES):
            noise = make_noise((1, round(0.3 * rate)), rate, rng, "pink")
            soundfile.write(folder / f"noise{k}.wav", 0.1 * noise.T, rate, subtype="FLOAT")
        made["sounds_path"] = str(folder)
    elif transform == "ApplyImpulseResponse":
        room = str(made.pop("room"))
        click = np.zeros((1, round(_ROOM_RT60_S[room] * rate)), np.float32)
        click[0, 0] = 1
        response = in_room(click, rate, rng, room, _ROOM_RT60_S[room], _ROOM_DISTANCE_M[room])
        soundfile.write(folder / "room.wav", response.T, rate, subtype="FLOAT")
        made["ir_path"] = str(folder)


@contextmanager
def _drawing_from(rng: np.random.Generator) -> Iterator[None]:
    """The global generators seeded from `rng`; afterwards they go on where they were."""
    first, second, third = (int(s) for s in rng.integers(0, 2**32, 3))
    with _lock:
        ours, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.seed(first)
        np.random.seed(second)  # noqa: NPY002
        _seed_rooms(third)
        try:
            yield
        finally:
            random.setstate(ours)
            np.random.set_state(numpys)  # noqa: NPY002


def _seed_rooms(seed: int) -> None:
    """The room simulator has generators of its own, in compiled code."""
    try:
        import pyroomacoustics
    except ImportError:
        return
    pyroomacoustics.random.seed(seed)


TRANSFORMS = tuple(sorted([*_ONE_SIDED, *_TWO_SIDED, *_STEPPED, *_PLAIN]))
for _name in TRANSFORMS:
    _register(_name)
