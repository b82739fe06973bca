"""Tempo and pitch by Rubber Band, a phase vocoder: its own program, run on temporary files.

`rubberband` is its R3 engine, `rubberband_r2` the older R2. The program `rubberband` comes with the package
rubberband-cli of Debian and Ubuntu, and with rubberband of Homebrew; nothing else here needs it.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from soundsafe import codecs
from soundsafe.attacks.programs import Program
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.errors import InputError

PROGRAM = Program("rubberband", "rubberband-cli")
PERCENT = (1, -1, 2, -2, 5, -5)
_DRIFT_STEPS = 50
_PEAK = 0.25


@attack(
    "tempo",
    {f"tempo_rubberband_{p:+d}%": {"percent": p} for p in PERCENT}
    | {f"tempo_rubberband_r2_{p:+d}%": {"percent": p, "engine": 2} for p in PERCENT},
    changes_length=True,
    engine="Rubber Band (program)",
    program=PROGRAM,
    delay=unknown_delay,
)
def tempo_rubberband(
    audio: Audio, rate: int, rng: np.random.Generator, *, percent: float, engine: int = 3
) -> Audio:
    """Faster by `percent`, at the same pitch."""
    return _rubberband(audio, rate, [f"-{engine}", "--tempo", repr(1 + percent / 100)])


@attack(
    "tempo",
    {f"tempo_rubberband_drift_{p}%": {"percent": p} for p in (1,)},
    changes_length=True,
    engine="Rubber Band (program)",
    program=PROGRAM,
    delay=unknown_delay,
)
def tempo_drift(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """A tempo that rises steadily from `percent` below the original to as much above it."""
    samples = audio.shape[1]
    t = np.linspace(0.0, 1.0, _DRIFT_STEPS + 1)
    share = percent / 100
    # The tempo is 1 - share + 2 share t of the way; what has been played is the integral of its inverse.
    played = np.log1p(2 * share * t / (1 - share)) / (2 * share)
    lines = [f"{round(a * samples)} {round(b * samples)}\n" for a, b in zip(t, played, strict=True)][1:-1]
    return _rubberband(audio, rate, ["-3", "--time", repr(float(played[-1]))], "".join(lines))


@attack(
    "pitch",
    {f"pitch_rubberband_{p:+d}%": {"factor": 1 + p / 100} for p in PERCENT}
    | {f"pitch_rubberband_r2_{p:+d}%": {"factor": 1 + p / 100, "engine": 2} for p in PERCENT},
    engine="Rubber Band (program)",
    program=PROGRAM,
)
def pitch_rubberband(
    audio: Audio, rate: int, rng: np.random.Generator, *, factor: float, engine: int = 3
) -> Audio:
    """All frequencies times `factor`, at the same tempo."""
    moved = _rubberband(audio, rate, [f"-{engine}", "--frequency", repr(factor)])
    return codecs.fit_length(moved, audio.shape[1])


@attack(
    "tempo_pitch",
    {
        f"tempo_pitch_rubberband_{t:+d}%_{p:+d}%": {"percent": t, "factor": 1 + p / 100}
        for t, p in ((4, -4), (-4, 4), (4, 4), (-4, -4))
    },
    changes_length=True,
    engine="Rubber Band (program)",
    program=PROGRAM,
    delay=unknown_delay,
)
def tempo_pitch_rubberband(
    audio: Audio, rate: int, rng: np.random.Generator, *, percent: float, factor: float
) -> Audio:
    """Faster by `percent`, and all frequencies times `factor`."""
    return _rubberband(audio, rate, ["-3", "--tempo", repr(1 + percent / 100), "--frequency", repr(factor)])


def _rubberband(audio: Audio, rate: int, options: list[str], timemap: str | None = None) -> Audio:
    if reason := PROGRAM.missing():
        raise InputError(reason)
    # Where its output would pass full scale, the program makes all of it quieter.
    louder = np.float32(max(1.0, float(np.abs(audio).max(initial=0.0)) / _PEAK))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.wav", Path(folder) / "out.wav"
        soundfile.write(source, audio.T / louder, rate, subtype="FLOAT")
        if timemap is not None:
            map_file = Path(folder) / "map.txt"
            map_file.write_text(timemap, encoding="ascii")
            options = [*options, "--timemap", str(map_file)]
        try:
            subprocess.run(
                [PROGRAM.name, "-q", *options, str(source), str(target)], check=True, capture_output=True
            )
        except subprocess.CalledProcessError as error:
            raise InputError(f"rubberband failed: {error.stderr.decode(errors='replace').strip()}") from None
        out, _ = soundfile.read(target, dtype="float32", always_2d=True)
    return np.ascontiguousarray(out.T) * louder
