"""Finding the tempo of audio that was cut into pieces and spliced, by the cell layer's pilots alone.

A piece that waveform overlap-add left whole has its pilots on their lattice at one sample and one frame of
the cycle, whatever the tempo: a quarter of a second tells both. Places of many pieces lie near one line
(a consensus of samples: Fischler and Bolles, Commun. ACM 24, 1981), whose slope is the tempo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import PATTERNS, PILOT_PERIOD
from soundsafe.cells.sync import DECIMATION, decimate
from soundsafe.recovery.speed import resample_by
from soundsafe.recovery.speed_search import fit_speeds, pilot_scores
from soundsafe.stft import HOP, RATE

__all__ = ["SplicedClock", "refine_pitch", "search_splices"]

REACH = 0.105
"""Largest change of tempo that is looked for."""

_WINDOW = 24
"""Frames of a look: about what lies between two splices at a tempo of 5 %."""

_MOST_LOOKS = 64
_PITCH_LOOKS = 24

_NOTED_Z = 4.2
"""A look counts from here on, with half of what its square exceeds this one's by: of the 176,400 positions
in unmarked audio the best has 4.4."""

_NEAR_S = 0.014
"""How far from the line a piece may lie: engines choose its place within some 12 ms."""

_ENOUGH = 20.0
"""What the looks on one line must count together: in 160 unmarked clips of 4 to 30 seconds at most 18."""


@dataclass(frozen=True)
class SplicedClock:
    """Audio played `tempo` times as fast in pieces. `start`: sample at which the first frame of a cycle of
    `PHASES` seconds lies; `z`: how well the pilots agree in the best piece; `tried`: how many hypotheses it
    is the best of."""

    tempo: float
    start: float
    z: float
    tried: int


def _looks(mono: Audio, code: CellCode) -> Floats:
    """The best sample, frame of the cycle and z ``[looks, 3]`` of stretches spread over `mono`."""
    low, hop = decimate(mono), HOP // DECIMATION
    span = (_WINDOW + 3) * hop
    out = []
    for first in range(0, len(low) - span, max(_WINDOW // 3 * hop, len(low) // _MOST_LOOKS)):
        (score,) = pilot_scores(low[first : first + span], np.zeros(1), _WINDOW, code)
        best = int(score.argmax())
        residue, row, shift = np.unravel_index(best, score.shape)
        out.append((DECIMATION * first + HOP + shift, residue + PATTERNS * row, score.reshape(-1)[best]))
    return np.array(out, np.float64).reshape(-1, 3)


def _weight(z: Floats) -> Floats:
    """What looks with `z` count."""
    return np.maximum(z**2 - _NOTED_Z**2, 0.0) / 2.0


def refine_pitch(audio: Audio, pitch: float, code: CellCode) -> float:
    """`pitch`, known to some 10^-3, as pilots in the pieces of `audio` ``[channels, samples]`` have it."""
    mono = decimate(audio.mean(axis=0))
    span = math.ceil((_WINDOW + 4) * HOP / DECIMATION / pitch)
    firsts = np.linspace(0, max(len(mono) - span, 0), _PITCH_LOOKS).astype(np.int64)
    for deltas in (np.arange(-13, 14) * 1.6e-4, np.arange(-4, 5) * 4e-5):
        gain = np.zeros(len(deltas))
        for first in firsts.tolist():
            stretch = resample_by(mono[None, first : first + span], pitch)[0]
            gain += _weight(fit_speeds(stretch, deltas, _WINDOW, code)[0])
        pitch *= 1.0 + float(deltas[gain.argmax()])
    return pitch


def search_splices(audio: Audio, code: CellCode) -> SplicedClock | None:
    """The tempo at which most pieces of `audio` ``[channels, samples]`` at 44.1 kHz lie on one line.

    None where too few do. Pieces must have kept their pitch.
    """
    looks = _looks(audio.mean(axis=0), code)
    tried = len(looks) * PILOT_PERIOD * HOP
    noted = looks[looks[:, 2] >= _NOTED_Z]
    at, frame, z = noted.T
    weight = _weight(z)
    middle = audio.shape[1] / 2.0
    near = _NEAR_S * RATE
    step = min(1e-3, near / max(audio.shape[1], 1))
    best, chosen = 0.0, (1.0, 0.0)
    for tempo in 1.0 + np.arange(-round(REACH / step), round(REACH / step) + 1) * step:
        cycle = PILOT_PERIOD * HOP / tempo
        # Where frame 0 lies, of the cycle that is nearest to the middle.
        start = (at - middle - frame * HOP / tempo) % cycle
        apart = np.abs((start[:, None] - start[None] + cycle / 2) % cycle - cycle / 2)
        gain = (apart < near) @ weight
        if len(gain) and gain.max() > best:
            best, chosen = float(gain.max()), (float(tempo), float(start[gain.argmax()]))
    tempo, start = chosen
    for _ in range(3):
        cycle = PILOT_PERIOD * HOP / tempo
        expected = middle + start + frame * HOP / tempo
        turns = np.round((at - expected) / cycle)
        on = np.abs(at - expected - turns * cycle) < near
        frames = frame + turns * PILOT_PERIOD
        if weight[on].sum() < _ENOUGH or np.ptp(frames[on]) < _WINDOW:
            return None
        slope, intercept = np.polyfit(frames[on] * HOP, at[on] - middle, 1, w=np.sqrt(weight[on]))
        tempo = float(np.clip(1.0 / slope, 1.0 - REACH, 1.0 + REACH))
        start = float(intercept)
    return SplicedClock(tempo, (middle + start) % (PILOT_PERIOD * HOP / tempo), float(z[on].max()), tried)
