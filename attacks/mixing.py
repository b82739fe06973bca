"""Other sound on top: a voice over it, music under it, the user's recordings, audio of the same key.

Ratios are those of mean powers: at 0 dB both are as loud. No delay, length kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe import codecs
from soundsafe.attacks.access import Access, at_snr
from soundsafe.attacks.folders import MUSIC, NOISES, ROOMS, Folder
from soundsafe.attacks.registry import Audio, attack, unknown_delay

SNR_DB = (0, 10, 20)
BEDS_DB = (0, 10, 17, 20)


@attack("voice_over", {f"voice_over_{db}dB": {"snr_db": db} for db in SNR_DB}, differentiable=True)
def voice_over(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """A voice that says nothing: pulses through formants that change five times a second, with pauses; the
    same in all channels."""
    return at_snr(audio, np.repeat(voice(audio.shape[1], rate, rng), len(audio), axis=0), snr_db)


@attack("music_bed", {f"music_bed_{db}dB": {"snr_db": db} for db in BEDS_DB}, differentiable=True)
def music_bed(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """Plucked chords and a beat, made by rule; the same in all channels."""
    return at_snr(audio, np.repeat(music(audio.shape[1], rate, rng), len(audio), axis=0), snr_db)


def voice(samples: int, rate: int, rng: np.random.Generator) -> Audio:
    """`[1, samples]` of something like speech."""
    from scipy.signal import lfilter

    syllable = max(1, round(0.2 * rate))
    out = np.zeros(samples + syllable)
    phase = 0.0
    for start in range(0, samples, syllable):
        if rng.random() < 0.2:
            continue
        hz = 120 * 2 ** rng.normal(0, 0.2)
        turns = phase + np.cumsum(np.full(syllable, hz / rate))
        pulses = np.diff(np.floor(turns), prepend=np.floor(phase))
        phase = float(turns[-1] % 1)
        sound = pulses + 0.02 * rng.standard_normal(syllable)
        for middle in (rng.uniform(300, 800), rng.uniform(900, 2200), rng.uniform(2300, 3200)):
            w = 2 * np.pi * min(middle, 0.45 * rate) / rate
            r = np.exp(-np.pi * 100 / rate)
            sound = lfilter([1 - r], [1, -2 * r * np.cos(w), r * r], sound)
        out[start : start + syllable] += sound * np.hanning(syllable)
    return out[None, :samples].astype(np.float32)


def music(samples: int, rate: int, rng: np.random.Generator) -> Audio:
    """`[1, samples]` of chords, one each half second, over a beat."""
    beat = max(1, round(0.5 * rate))
    t = np.arange(beat) / rate
    out = np.zeros(samples + beat)
    for start in range(0, samples, beat):
        root = 110 * 2 ** (int(rng.choice([0, 3, 5, 7, 10])) / 12)
        chord = sum(
            np.exp(-4 * t) * np.sin(2 * np.pi * root * r * k * t) / k
            for r in (1, 1.26, 1.5)
            for k in (1, 2, 3)
        )
        drum = np.exp(-60 * t) * rng.standard_normal(beat)
        out[start : start + beat] += chord + 2 * drum
    return out[None, :samples].astype(np.float32)


def _recorded(folder: Folder, audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """One recording of the folder, drawn by lot, as long and with as many channels as `audio`."""
    recorded, its_rate = folder.sound(int(rng.integers(len(folder.recordings()))))
    sound = codecs.resample(recorded, its_rate, rate)
    times = -(-audio.shape[1] // sound.shape[1])
    sound = np.tile(sound, times)[:, : audio.shape[1]]
    return sound if len(sound) == len(audio) else np.repeat(sound[:1], len(audio), axis=0)


@attack(
    "recorded",
    {f"recorded_music_{db}dB": {"snr_db": db} for db in BEDS_DB},
    differentiable=True,
    folder=MUSIC,
)
def recorded_music(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """A recording of the user's music under the clip."""
    return at_snr(audio, _recorded(MUSIC, audio, rate, rng), snr_db)


@attack(
    "recorded",
    {f"recorded_noise_{db}dB": {"snr_db": db} for db in (0, 10, 20, 30)},
    differentiable=True,
    folder=NOISES,
)
def recorded_noise(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """A recorded noise of the user's."""
    return at_snr(audio, _recorded(NOISES, audio, rate, rng), snr_db)


@attack(
    "recorded",
    {f"recorded_room_{k}": {"number": k} for k in (1, 2, 3)},
    differentiable=True,
    delay=unknown_delay,
    folder=ROOMS,
)
def recorded_room(audio: Audio, rate: int, rng: np.random.Generator, *, number: int) -> Audio:
    """One of the user's recorded rooms: the `number`-th in the order of paths, from the first again after the
    last, at the clip's own level."""
    from scipy.signal import oaconvolve

    recorded, its_rate = ROOMS.sound(number - 1)
    response = codecs.resample(recorded[:1], its_rate, rate)
    wet: NDArray[np.float64] = oaconvolve(audio.astype(np.float64), response, axes=1)[:, : audio.shape[1]]
    before, after = (float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) for x in (audio, wet))
    return (wet * (before / after)).astype(np.float32) if after > 0 else audio


@attack(
    "marked_mix",
    {f"marked_mix_{db}dB": {"snr_db": db} for db in SNR_DB},
    differentiable=True,
    needs_access=True,
)
def marked_mix(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, access: Access) -> Audio:
    """Another piece of audio marked with the same key (`access.others`), repeated where it is too short, on
    top."""
    other = access.others(1)[0]
    times = -(-audio.shape[1] // other.shape[1])
    return at_snr(audio, np.tile(other, times)[:, : audio.shape[1]], snr_db)
