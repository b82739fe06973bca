"""Marking a stream of blocks at any rate.

The mark is made at 44.1 kHz and added as a difference, so that what lies outside its band is left as it is.
Blocks of 16 seconds lie on a grid fixed by absolute position and are worked with a second on either side; a
file of any length therefore takes the memory of a few blocks, and gives the same result however it is read
and however many of them are marked side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from threadpoolctl import threadpool_limits

from soundsafe.aliases import Audio, Bits
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import HEADROOM, mark_block
from soundsafe.cells.profile import EUL_SAMPLES, PHASES
from soundsafe.cells.settings import QUALITIES, SHORT_QUALITIES
from soundsafe.codecs import fit_length, resample
from soundsafe.message.container import cycle_of, pack
from soundsafe.message.short_words import is_short
from soundsafe.stft import RATE
from soundsafe.streams.both_layers import CHUNK_EULS, mark_both
from soundsafe.streams.polarity import opposed, turned
from soundsafe.streams.short_marks import mark_short
from soundsafe.tiles.geometry import TileCode

__all__ = ["BLOCK_EULS", "Marker", "change_by", "with_change", "words_of_seconds"]

BLOCK_EULS = CHUNK_EULS
"""Seconds that are marked at a time."""

_RAMP_S = 0.003

_FINER = 2.0**-8
"""Steps of 24 bits in those of 16."""

_MOST_LANES = 4
"""Blocks that are marked side by side, at most; each needs some 300 MB."""


def _digital_silence(audio: Audio, rate: int) -> NDArray[np.bool_]:
    """Which samples of ``[channels, samples]`` lie in a run of zeros of a millisecond or more."""
    run = max(1, rate // 1000)
    zero = np.pad(audio == 0.0, ((0, 0), (1, 1)))
    out = np.zeros(audio.shape, np.bool_)
    for channel, flags in enumerate(np.diff(zero.astype(np.int8), axis=1)):
        for first, end in zip(np.flatnonzero(flags == 1), np.flatnonzero(flags == -1), strict=True):
            out[channel, first:end] = end - first >= run
    return out


def _away_from_silence(audio: Audio, rate: int) -> Audio:
    """0 in digital silence, 1 from `_RAMP_S` away from it on: a mark that ended at once would click."""
    width = round(_RAMP_S * rate) | 1
    silent = maximum_filter1d(_digital_silence(audio, rate).astype(np.float32), width, axis=1)
    return 1.0 - uniform_filter1d(silent, width, axis=1)


def has_short_word(payload: bytes, code: CellCode) -> bool:
    """Whether a payload is marked with short words."""
    return is_short(payload) and code.has_short_words


def words_of_seconds(payload: bytes, code: CellCode, seconds: int, first: int = 0) -> Bits:
    """The coded bits of some seconds.

    Args:
        payload: 1 to 4096 bytes.
        code: key and profile.
        seconds: how many.
        first: number of the first.

    Returns:
        ``[seconds, 2040]``, each 0 or 1, in the order of the code.

    Raises:
        InputError: a payload of another length.
    """
    if has_short_word(payload, code):
        return np.tile(code.encode_short_word(payload), (seconds, 1))
    words = np.stack([code.encode_block(block) for block in pack(payload, code.key)])
    return words[(first + np.arange(seconds)) % cycle_of(len(words)) % len(words)]


def _finely(code: CellCode) -> CellCode:
    """The same code for an embedder whose output keeps 256 times finer steps."""
    # What lies at the threshold's own floor has nothing that could mask a mark.
    floor = max(code.profile.mark_floor * _FINER**2, 2.0 * code.profile.threshold_floor)
    return replace(code, profile=replace(code.profile, mark_floor=floor))


class Marker:
    """Marks a stream of blocks at any rate; ``feed`` and ``finish`` return what is ready.

    Each block is marked in the unmarked audio round it, so that blocks need not wait for each other and one
    thread each may work on them; where two meet, their changes add.

    Args:
        rate: samples per second of the blocks, 8,000 to 192,000.
        channels: of the blocks, 1 to 8.
        payload: 1 to 4096 bytes.
        code: key and profile of the cell layer.
        tiles: those of the tile layer; None: seconds alone are marked.
        quality: how hard to work, a name of `QUALITIES`.
        strength_db: of the mark, against the default.
        fine: what is made keeps 24 bits or floating point, so that changes under the steps of 16 bits stay:
            passages are marked however quiet they are.
    """

    def __init__(
        self,
        rate: int,
        channels: int,
        payload: bytes,
        code: CellCode,
        tiles: TileCode | None,
        quality: str = "default",
        strength_db: float = 0.0,
        *,
        fine: bool = False,
    ) -> None:
        self.rate, self.payload = rate, payload
        self.code = _finely(code) if fine else code
        self.is_short = has_short_word(payload, code)
        self.tiles = tiles.short if tiles is not None and self.is_short else tiles
        self.strength = 10.0 ** (strength_db / 20.0)
        self.quality = (SHORT_QUALITIES if self.is_short else QUALITIES)[quality].louder(self.strength)
        self.lanes = min(torch.get_num_threads(), _MOST_LANES)
        self.audio = np.zeros((channels, 0), np.float32)  # unmarked, from `lead` before the next block on
        self.change = np.zeros((channels, 0), np.float32)  # what is to be added to it so far
        self.lead = 0
        self.first = 0  # number of the next second
        self.opposed: bool | None = None  # whether the channels are opposite; None until something sounds

    def feed(self, block: Audio) -> Iterator[Audio]:
        if self.opposed is None and block.any():
            self.opposed = opposed(block)
        self.audio = np.concatenate([self.audio, turned(block) if self.opposed else block], axis=1)
        while self.audio.shape[1] - self.lead >= (self.lanes * BLOCK_EULS + 1) * self.rate:
            yield self._mark([BLOCK_EULS] * self.lanes)

    def upright(self, blocks: Iterable[Audio]) -> Iterable[Audio]:
        """Blocks of what was marked, as they are read: the second channel turned over where it was for
        marking."""
        return map(turned, blocks) if self.opposed else blocks

    def finish(self) -> Iterator[Audio]:
        left = (self.audio.shape[1] - self.lead) // self.rate
        sizes = [min(BLOCK_EULS, left - done) for done in range(0, left, BLOCK_EULS)]
        for i in range(0, len(sizes), self.lanes):
            yield self._mark(sizes[i : i + self.lanes], last=i + self.lanes >= len(sizes))
        yield self._added(self.audio.shape[1])

    def _mark(self, sizes: list[int], last: bool = False) -> Audio:
        """Mark blocks of so many seconds side by side and return all that no later block will touch."""
        jobs, at, first = [], self.lead, self.first
        for number, euls in enumerate(sizes):
            begin, end = max(0, at - self.rate), at + (euls + 1) * self.rate
            here = self.audio[:, begin:end]
            ends = last and number == len(sizes) - 1
            jobs.append((here, at - begin, first, euls, ends, len(sizes) == 1))
            at, first = at + euls * self.rate, first + euls
        total = np.zeros((len(self.audio), min(self.audio.shape[1], at + self.rate)), np.float32)
        total[:, : self.change.shape[1]] = self.change[:, : total.shape[1]]
        with ThreadPoolExecutor(len(jobs)) as pool:
            changes = list(pool.map(lambda job: self._changed(*job), jobs))
        for (here, lead, number, *_), change in zip(jobs, changes, strict=True):
            begin = self.lead + (number - self.first) * self.rate - lead
            total[:, begin : begin + here.shape[1]] += change
        self.change = total
        out = self._added(at - self.rate)
        self.lead, self.first = self.rate, first
        return out

    def _added(self, samples: int) -> Audio:
        """The first `samples`, marked; they are let go."""
        self.change = np.pad(self.change, ((0, 0), (0, max(0, samples - self.change.shape[1]))))
        plain, change = self.audio[:, :samples], self.change[:, :samples]
        self.audio, self.change = self.audio[:, samples:], self.change[:, samples:]
        marked = with_change(plain, change)
        return turned(marked) if self.opposed else marked

    def _changed(self, buffer: Audio, lead: int, first: int, euls: int, last: bool, alone: bool) -> Audio:
        """What marking `euls` seconds from sample `lead` on adds to `buffer`; `first`: the first's number."""
        torch.get_num_threads()  # torch decides on a new thread's number when it is first asked
        with threadpool_limits(limits=None if alone else 1, user_api="openmp"):
            coded = words_of_seconds(self.payload, self.code, euls, first)
            start = lead // self.rate * EUL_SAMPLES
            return change_by(
                lambda x: self._marked(x, start, coded, first, last),
                buffer,
                self.rate,
            )

    def _marked(self, x: Audio, start: int, coded: Bits, first: int, last: bool) -> Audio:
        """`x` at 44.1 kHz, marked from sample `start` on with seconds that begin with number `first`."""
        phase, code, quality = first % PHASES, self.code, self.quality
        if self.is_short:
            return mark_short(
                x,
                start,
                coded,
                first,
                phase,
                self.payload,
                code,
                self.tiles,
                quality,
                self.strength,
                last=last,
            )
        if self.tiles is None:
            origin = first * EUL_SAMPLES - start
            return mark_block(x, start, coded, phase, code, quality, origin=origin)
        return mark_both(x, start, coded, first, phase, self.payload, code, self.tiles, quality, last=last)


def change_by(mark: Callable[[Audio], Audio], audio: Audio, rate: int) -> Audio:
    """What marking adds to audio at any rate: nothing in digital silence.

    Args:
        mark: gives ``[channels, samples]`` at 44.1 kHz with the mark in it.
        audio: ``[channels, samples]``.
        rate: its samples per second.

    Returns:
        The change, of the same shape and rate.
    """
    x = fit_length(resample(audio, rate, RATE), -(-audio.shape[1] * RATE // rate))
    y = mark(x)
    if rate != RATE:
        bound = np.maximum(np.abs(audio), HEADROOM)
        y = np.clip(audio + fit_length(resample(y - x, RATE, rate), audio.shape[1]), -bound, bound)
    return _away_from_silence(audio, rate) * (y - audio)


def with_change(audio: Audio, change: Audio) -> Audio:
    """`audio` with a change of its shape added, no louder than it was where it nears full scale."""
    bound = np.maximum(np.abs(audio), HEADROOM)
    return np.clip(audio + change, -bound, bound)
