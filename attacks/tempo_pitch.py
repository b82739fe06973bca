"""Tempo without pitch and pitch without tempo, by engines that share no code.

`atempo` is the overlap-add by waveform similarity in FFmpeg. `signalsmith` is Signalsmith Stretch, in the
spectrum (python-stretch). `wsola` is our own overlap-add by waveform similarity (Verhelst and Roelands, "An
overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale modification of
speech", ICASSP 1993); its pitch is followed by resampling.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.speed import change_speed

PERCENT = (1, -1, 2, -2, 5, -5, 10, -10)
# Signalsmith draws random phases beyond a stretch by about two, and would not repeat itself.
WIDE_PERCENT = (25, -25, 50, -30)
CENTS = (5, -5, 100, -100)

_FRAME_S = 0.046
_TOLERANCE_S = 0.012


@attack(
    "tempo",
    {f"tempo_signalsmith_{p:+d}%": {"percent": p} for p in (*PERCENT, *WIDE_PERCENT)},
    changes_length=True,
    engine="Signalsmith Stretch (python-stretch)",
    delay=unknown_delay,
)
def tempo_signalsmith(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Faster by `percent`, at the same pitch."""
    return _signalsmith(audio, rate, tempo=1 + percent / 100)


@attack(
    "tempo",
    {f"tempo_wsola_{p:+d}%": {"percent": p} for p in (*PERCENT, *WIDE_PERCENT)},
    changes_length=True,
    delay=unknown_delay,
)
def tempo_wsola(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Faster by `percent`, at the same pitch."""
    return wsola(audio, rate, 1 + percent / 100)


@attack(
    "tempo",
    {f"tempo_atempo_{p:+d}%": {"percent": p} for p in PERCENT},
    changes_length=True,
    engine="FFmpeg atempo (PyAV)",
    delay=unknown_delay,
)
def tempo_atempo(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Faster by `percent`, at the same pitch."""
    import av  # takes 40 ms, in which `list attacks` is done

    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=rate, format="flt", layout=f"{len(audio)}c", time_base=Fraction(1, rate)
    )
    stretch, packed = graph.add("atempo", repr(1 + percent / 100)), graph.add("aformat", "sample_fmts=flt")
    graph.link_nodes(source, stretch, packed, graph.add("abuffersink")).configure()
    # Packed: of planar samples PyAV counts one plane too many where there are eight.
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(audio.T).reshape(1, -1), format="flt", layout=f"{len(audio)}c"
    )
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    graph.push(frame)
    graph.push(None)
    pieces = []
    while True:
        try:
            pieces.append(graph.pull().to_ndarray().reshape(-1, len(audio)))
        except (EOFError, av.error.BlockingIOError):
            break
    return np.ascontiguousarray(np.concatenate(pieces).T, dtype=np.float32)


@attack(
    "pitch",
    {f"pitch_signalsmith_{p:+d}%": {"factor": 1 + p / 100} for p in PERCENT}
    | {f"pitch_signalsmith_{c:+d}cents": {"factor": 2 ** (c / 1200)} for c in CENTS},
    engine="Signalsmith Stretch (python-stretch)",
)
def pitch_signalsmith(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """All frequencies times `factor`, at the same tempo."""
    return codecs.fit_length(_signalsmith(audio, rate, pitch=factor), audio.shape[1])


@attack("pitch", {f"pitch_wsola_{p:+d}%": {"factor": 1 + p / 100} for p in PERCENT})
def pitch_wsola(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """All frequencies times `factor`, at the same tempo."""
    return codecs.fit_length(change_speed(wsola(audio, rate, 1 / factor), factor), audio.shape[1])


def _signalsmith(audio: Audio, rate: int, *, tempo: float = 1.0, pitch: float = 1.0) -> Audio:
    import python_stretch  # here, so that the other attacks do without it

    engine = python_stretch.Signalsmith.Stretch()
    engine.preset(len(audio), float(rate))
    engine.setTimeFactor(tempo)
    engine.setTransposeFactor(pitch)
    return np.asarray(engine.process(np.ascontiguousarray(audio)), dtype=np.float32)


def wsola(audio: Audio, rate: int, tempo: float) -> Audio:
    """`audio` played `tempo` times as fast at the same pitch; round(samples / tempo) samples.

    Frames of 46 ms, half overlapping. Each is taken where it should come from, moved by up to 12 ms to where
    the sum of the channels is most like the natural continuation of the frame before.
    """
    from scipy.fft import next_fast_len

    hop = max(16, round(_FRAME_S * rate / 2))
    frame, reach = 2 * hop, round(_TOLERANCE_S * rate)
    samples = audio.shape[1]
    length = max(1, round(samples / tempo))
    frames = length // hop + 2
    margin = frame + reach
    padded = np.pad(audio.astype(np.float64), ((0, 0), (margin, 2 * margin + frame)))
    mix = padded.sum(axis=0)
    window = np.hanning(frame + 1)[:frame]
    size = next_fast_len(2 * reach + 1 + frame, real=True)
    out = np.zeros((len(audio), frames * hop + frame))
    # Frame 0 reaches back by one hop, so that the first sample out lies under full overlap.
    place = margin - hop
    best = place
    for i in range(frames):
        if i:
            place = min(margin - hop + round(i * hop * tempo), margin + samples)
            best = place + _most_alike(mix, best + hop, place, frame, reach, size)
        out[:, i * hop : i * hop + frame] += padded[:, best : best + frame] * window
    return out[:, hop : hop + length].astype(np.float32)


def _most_alike(mix: NDArray[np.float64], natural: int, place: int, frame: int, reach: int, size: int) -> int:
    """The move in [-reach, reach] after which the frame at `place` correlates best with that at `natural`."""
    from scipy.fft import irfft, rfft

    target = mix[natural : natural + frame]
    around = mix[place - reach : place + reach + frame]
    correlation = irfft(rfft(around, size) * np.conj(rfft(target, size)), size)[: 2 * reach + 1]
    energy = np.concatenate([[0.0], np.cumsum(around**2)])
    energy = energy[frame : frame + 2 * reach + 1] - energy[: 2 * reach + 1]
    score = correlation / np.sqrt(np.maximum(energy, 1e-12))
    # Rounding must not decide between places that are equally good: silence, and the natural one itself.
    score[reach] += 1e-9
    return int(np.argmax(score)) - reach
