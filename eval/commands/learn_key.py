"""What a key gives away to somebody who has marked audio and the program: learning, forging, removing.

``python -m soundsafe.eval.commands.learn_key [DATASET] [--files N]... [--own] [--learnable]``
joins clips to files of so many seconds, marks them with one key, learns from the first N files, without the
key, the symbols of the tile layer and the pilots of the cell layer, and prints one JSON line for each step:

- `learn_described`: what blocks of one description at one place of the cycle give away, the commonest three;
- `learn`: how many of symbols, pilots and signs are right, from how much audio, in how much CPU time;
- `forge`: a file that was never marked, with the learned word written into it, and what `decode` says;
- `remove`: a marked file with the learned pilots moved by half a step, the same with its beginning cut off,
  and beside it the same with patterns drawn by lot, and white noise of the same size.

`--learnable`: marks of version 1. `--own`: each file carries a payload of its own.
`--targets`: pieces that are forged, from audio that was not marked, and as many of the marked files that are
freed of their mark (none with `--forge-only`); they have `--target-seconds`, or as much as a file. So
`--files 1 --seconds 3600 --targets 3 --target-seconds 30` takes an hour and a minute and a half of audio.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.attacks import at_snr
from soundsafe.attacks.learned import remove_pilots, remove_tile_pilots, write_tiles
from soundsafe.attacks.learning import (
    DescribedSymbols,
    Pilot,
    TileSymbols,
    learn_described,
    learn_pilots,
    learn_tiles,
)
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import LEARNABLE, PATTERNS, ROBUST
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.errors import InputError
from soundsafe.eval.commands.json_rows import print_rows
from soundsafe.eval.running import seeds
from soundsafe.stft import RATE
from soundsafe.tiles.blocks import symbols_of_blocks
from soundsafe.tiles.geometry import ROBUST_TILES, TileCode

__all__ = [
    "Learned",
    "LearnedDescribed",
    "Outcome",
    "joined",
    "main",
    "pieces",
    "right_described",
    "right_pilots",
    "right_symbols",
    "study",
]


_CUT = 12_345
"""Samples that are cut off, so that a second begins at no place where the detector looks first."""


@dataclass(frozen=True)
class Learned:
    """How much of a key was learned. `symbols`, `pilots`, `signs` are counts of what is right, each with how
    many there are; `cpu_s` in seconds for both layers."""

    files: int
    seconds: float
    own_payloads: bool
    symbols: int
    of_symbols: int
    pilots: int
    of_pilots: int
    signs: int
    of_signs: int
    cpu_s: float
    step: str = "learn"


@dataclass(frozen=True)
class Outcome:
    """What `decode` says of a changed file. `step`: forge or remove; `by`: what was done; `seconds_ok`:
    single seconds that still read, of `seconds`; `snr_db`, `zimtohrli`: from the file as it was before."""

    step: str
    by: str
    files: int
    ok: bool
    id_ok: bool
    seconds_ok: int
    seconds: int
    snr_db: float
    zimtohrli: float


def right_symbols(found: TileSymbols, key: bytes) -> tuple[int, int]:
    """How many of the learned symbols are those of `key`, up to a sign; and how many there are."""
    geo = TileCode(key).geometry
    true = np.zeros((len(geo.band), found.pattern.shape[2]), np.int64)
    np.put_along_axis(true, geo.position, geo.sign.astype(np.int64), axis=1)
    each = true.reshape(found.pattern.shape)
    same = [(found.pattern[:, i] == s * each[:, j]).all(-1) for i in (0, 1) for j in (0, 1) for s in (1, -1)]
    return int(np.sum(same)), len(geo.band)


@dataclass(frozen=True)
class LearnedDescribed:
    """What was learned of blocks that are described alike: of so many `blocks` there are `sets`, the largest
    three of `sizes`; `symbols` of `of_symbols` that were looked at in these are right."""

    files: int
    blocks: int
    sets: int
    sizes: list[int]
    symbols: int
    of_symbols: int
    cpu_s: float
    step: str = "learn_described"


_LOOKED_AT = np.arange(4, 148, 16)
"""Bands whose symbols are looked at in blocks that are described alike, none of pilots."""


def right_described(found: Sequence[DescribedSymbols], key: bytes) -> tuple[int, int]:
    """How many symbols are those of `key`, up to a sign, and how many were looked at."""
    code = TileCode(key)
    right = of = 0
    for one in found:
        own = symbols_of_blocks(np.array([one.place]), [one.word], code)
        true = np.zeros((len(code.geometry.band), one.pattern.shape[2]), np.int64)
        np.put_along_axis(true, own.position[0], own.sign[0].astype(np.int64), axis=1)
        each = true.reshape(one.pattern.shape)
        of += 2 * len(_LOOKED_AT)
        right += sum(
            int((one.pattern[_LOOKED_AT, i] == s * each[_LOOKED_AT, j]).all(-1).sum())
            for i in (0, 1) for j in (0, 1) for s in (1, -1)
        )  # fmt: skip
    return right, of


def _described(files: Sequence[Audio], key: bytes) -> LearnedDescribed:
    started = time.process_time()
    found, sets = learn_described(files, bands=_LOOKED_AT)
    took = time.process_time() - started
    blocks = sum(audio.shape[1] // TileCode(key).profile.block for audio in files)
    sizes = [one.blocks for one in found]
    return LearnedDescribed(len(files), blocks, sets, sizes, *right_described(found, key), round(took, 2))


def right_pilots(found: Sequence[Pilot], key: bytes) -> tuple[int, int]:
    """How many of the learned carriers are those of `key`, and how many of their signs, up to one each."""
    geo = CellCode(key).geometry
    carriers = signs = 0
    for pilot in found:
        at = [int(geo.band[k]) for k in geo.pilot[pilot.pattern]].index(pilot.band)
        row = int(geo.pilot[pilot.pattern, at])
        weight = geo.weight[row].numpy()
        weighed = {int(b): w / abs(w) for b, w in zip(geo.bins[row], weight, strict=True) if w}
        turn = [
            root * np.conj(weighed.get(int(b), 0)) for b, root in zip(pilot.bins, pilot.root, strict=True)
        ]
        right = len(turn) == len(weighed) and (np.allclose(turn, 1) or np.allclose(turn, -1))
        carriers += right
        true = geo.pilot_sign.numpy()[:, pilot.pattern :: PATTERNS, at].reshape(-1)
        agree = int((true == pilot.sign).sum())
        signs += max(agree, int((true == -pilot.sign).sum())) if right else 0
    return carriers, signs


def joined(clips: Sequence[datasets.Clip], lengths: Iterable[int]) -> Iterator[Audio]:
    """Clips at 44.1 kHz, their mean over channels, joined to files of so many samples each, while there are
    clips. A clip is read when a file needs it, and each sample is copied once."""
    readable = (audio.mean(axis=0) for clip in clips for audio, rate in [clip.read()] if rate == RATE)
    left = np.zeros(0, np.float32)
    for length in lengths:
        file, filled = np.empty((1, length), np.float32), 0
        while filled < length:
            if not len(left):
                clip = next(readable, None)
                if clip is None:
                    return
                left = clip
            part, left = left[: length - filled], left[length - filled :]
            file[0, filled : filled + len(part)] = part
            filled += len(part)
        yield file


def pieces(files: Sequence[Audio], length: int, count: int) -> Iterator[Audio]:
    """`count` pieces of at most so many samples, as many of each file as of any other as far as that goes,
    spread evenly. They start where everything that repeats in a mark starts again."""
    cycle = ROBUST_TILES.cycle * ROBUST_TILES.block
    for i, file in enumerate(files):
        wanted = len(range(i, count, len(files)))
        fitting = 1 + max(0, file.shape[1] - length) // cycle
        apart = max(1, fitting // max(1, wanted), -(-length // cycle))
        for start in range(0, fitting, apart)[:wanted]:
            yield file[:, start * cycle : start * cycle + length]


def _learned(files: Sequence[Audio], own: bool, key: bytes) -> tuple[TileSymbols, list[Pilot], Learned]:
    started = time.process_time()
    symbols, pilots = learn_tiles(files, alike=not own), learn_pilots(files)
    took = time.process_time() - started
    seconds = sum(audio.shape[1] for audio in files) / RATE
    carriers, signs = right_pilots(pilots, key)
    of_signs = sum(len(pilot.sign) for pilot in pilots)
    row = Learned(
        len(files), round(seconds, 1), own, *right_symbols(symbols, key), carriers, len(pilots), signs,
        of_signs, round(took, 2),
    )  # fmt: skip
    return symbols, pilots, row


def _outcome(step: str, by: str, files: int, before: Audio, after: Audio, code: CellCode) -> Outcome:
    found = soundsafe.decode(after, RATE, code.key, profile=code.profile)
    noise = float(np.sum((after - before).astype(np.float64) ** 2))
    snr = 10 * np.log10(float(np.sum(before.astype(np.float64) ** 2)) / max(noise, 1e-20))
    return Outcome(
        step, by, files, found.ok, found.id_ok, sum(eul.ok for eul in found.euls), len(found.euls),
        round(float(snr), 1), float(worst_channel(before, after, RATE)),
    )  # fmt: skip


def _by_lot(symbols: TileSymbols, pilots: Sequence[Pilot]) -> tuple[TileSymbols, list[Pilot]]:
    """Patterns of the same kind that have nothing to do with the key."""
    rng = np.random.default_rng(0)
    other = dataclasses.replace(symbols, pattern=rng.permuted(symbols.pattern, axis=-1))
    roots = np.array([1, 1j, -1, -1j], np.complex64)
    return other, [
        dataclasses.replace(p, root=roots[rng.integers(4, size=len(p.root))], dither=float(rng.random()))
        for p in pilots
    ]


def study(
    clips: Sequence[datasets.Clip],
    files: Sequence[int],
    seconds: float,
    own: bool,
    targets: int,
    seed: int,
    learnable: bool = False,
    target_seconds: float | None = None,
    forge_only: bool = False,
) -> Iterator[Learned | LearnedDescribed | Outcome]:
    """The rows, as they come; see the module. Raises InputError where there is too little audio."""
    key = seeds.bench_key(seed)
    most = max(files)
    longest = round((seconds if target_seconds is None else target_seconds) * RATE)
    plain = list(joined(clips, [round(seconds * RATE)] * most + [longest] * targets))
    if len(plain) < most + targets:
        also = "" if target_seconds is None else f" and {targets} of {target_seconds:g} s"
        needed = f"{most if also else most + targets} files of {seconds:g} s{also}"
        raise InputError(f"{needed} are needed, the clips make {len(plain)}")
    code = CellCode(key, LEARNABLE if learnable else ROBUST)
    marked = []
    for i in range(most):
        payload = seeds.payload_of(seed, f"file {i if own else 0}", 16)
        done = soundsafe.embed(plain.pop(0), RATE, payload, key, quality="fast", profile=code.profile).audio
        assert done is not None  # only files leave it out
        marked.append(done)
    for n in files:
        symbols, pilots, row = _learned(marked[:n], own, key)
        yield row
        if not (learnable or own):
            yield _described(marked[:n], key)
        for audio in [] if own else plain:
            forged = write_tiles(audio, symbols)
            yield _outcome("forge", "learned word", n, audio, forged, code)
        for audio in pieces(marked[:n], longest, 0 if forge_only else targets):
            removed = remove_tile_pilots(remove_pilots(audio, pilots), symbols)
            outcome = _outcome("remove", "learned pilots", n, audio, removed, code)
            yield outcome
            yield _outcome("remove", "learned pilots, and a cut", n, audio[:, _CUT:], removed[:, _CUT:], code)
            other_symbols, other_pilots = _by_lot(symbols, pilots)
            other = remove_tile_pilots(remove_pilots(audio, other_pilots), other_symbols)
            yield _outcome("remove", "patterns by lot", n, audio, other, code)
            noise = np.random.default_rng(seed).standard_normal(audio.shape).astype(np.float32)
            yield _outcome("remove", "white noise", n, audio, at_snr(audio, noise, outcome.snr_db), code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows as JSON, one a line."""
    parser = argparse.ArgumentParser(prog="python -m soundsafe.eval.commands.learn_key")
    parser.add_argument("dataset", nargs="?", default="bundled")
    parser.add_argument("--split")
    parser.add_argument("--files", type=int, nargs="+", default=[1, 7])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--learnable", action="store_true")
    parser.add_argument("--targets", type=int, default=1)
    parser.add_argument("--target-seconds", type=float)
    parser.add_argument("--forge-only", action="store_true", help="free no file of its mark")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)

    def rows() -> Iterator[Learned | LearnedDescribed | Outcome]:
        clips = datasets.load(asked.dataset, split=asked.split).clips
        yield from study(
            clips,
            asked.files,
            asked.seconds,
            asked.own,
            asked.targets,
            asked.seed,
            asked.learnable,
            asked.target_seconds,
            asked.forge_only,
        )

    return print_rows(rows)


if __name__ == "__main__":
    sys.exit(main())
