"""Would a learned map under the lattice pay? A trial of scale-only blocks: steps that follow the audio.

    python benchmarks/learned_threshold.py path/to/dev

The masking threshold of every cell is multiplied by exp(s), where s comes from the levels of the bands around
it in frequency and time: a near-identity, invertible map of the spectrum, known to both sides because both
compute it from the audio that they have. It is trained on what real codecs do to carriers (the share of wrong
bits, smoothly), with each second's cost, the mean square of all steps, held where it was. Then the codec
itself marks and reads with three maps: none, the trained one's mean over the training audio (a static map),
and the trained one. Printed: wrong bits of 2040 after each codec, and the Zimtohrli distance.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from soundsafe.aliases import Audio
from soundsafe.cells import masking
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import mark_block
from soundsafe.cells.lattice import cell_index, project
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PHASES, ROBUST
from soundsafe.cells.reading import read_second
from soundsafe.cells.settings import QUALITIES
from soundsafe.codecs import aac_roundtrip, fit_length, mp3_roundtrip, opus_roundtrip, resample
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.files.audio_folder import read_folder
from soundsafe.message.coding import N
from soundsafe.stft import RATE, stft
from soundsafe.training.command import evenly

CODECS: dict[str, Callable[[Audio], Audio]] = {
    "mp3_192": lambda x: mp3_roundtrip(x, RATE, kbps=192, align=True, effort=3),
    "mp3_128": lambda x: mp3_roundtrip(x, RATE, kbps=128, align=True, effort=3),
    "aac_128": lambda x: aac_roundtrip(x, RATE, kbps=128, align=True),
    "opus_96": lambda x: opus_roundtrip(x, RATE, kbps=96, align=True),
}
PLACES = ("cells.cut", "cells.embedder", "cells.reading", "cells.sync")
MOST = 0.7
"""Of s: steps change by no more than a factor of 2."""


class Scale(nn.Module):
    """s of every band and frame, from the levels of bands around, relative to the frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, 1, (3, 1), padding=(1, 0))
        self.net = nn.Sequential(
            nn.Conv2d(1, width, (5, 3), padding=(2, 1)), nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, (5, 3), padding=(2, 1)), nn.LeakyReLU(0.2),
            last,
        )  # fmt: skip
        self.own = nn.Parameter(torch.zeros(24, 1))
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        """``[bands, frames]`` of band powers of the same shape."""
        level = torch.log(power.clamp(min=1e-12))
        level = (level - level.mean(0, keepdim=True)) / 4.0
        return MOST * torch.tanh(self.own + self.net(level[None, None])[0, 0])


def of_bins(s: torch.Tensor) -> torch.Tensor:
    """``[bins, frames]`` of s ``[bands, frames]``."""
    return s[torch.from_numpy(masking.ANALYZER.band_indices)]


def scaled(scale: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    """`soundsafe.cells.masking.threshold` times exp(s)."""
    plain = masking.threshold

    def threshold(spectrum: torch.Tensor, profile: object, bins: torch.Tensor | None = None) -> torch.Tensor:
        own = plain(spectrum, profile, bins)  # type: ignore[arg-type]
        power = masking.band_power(spectrum.real.square() + spectrum.imag.square(), profile)  # type: ignore
        flat = power.reshape(-1, *power.shape[-2:])
        with torch.no_grad():
            s = torch.stack([of_bins(scale(one)) for one in flat])
        s = s[:, : spectrum.shape[-2]] if bins is None else s[:, bins]
        return own * torch.exp(s).reshape(own.shape)

    return threshold


@contextlib.contextmanager
def in_codec(threshold: Callable[..., torch.Tensor] | None) -> Iterator[None]:
    """The codec with another threshold."""
    modules = [importlib.import_module(f"soundsafe.{name}") for name in PLACES]
    before = [vars(m)["threshold"] for m in modules]
    if threshold is not None:
        for m in modules:
            vars(m)["threshold"] = threshold
    try:
        yield
    finally:
        for m, old in zip(modules, before, strict=True):
            vars(m)["threshold"] = old


def clips_of(folder: Path, split: str, count: int, seconds: int) -> list[Audio]:
    """The mean of each clip's channels, from its middle."""
    out = []
    for clip in evenly(read_folder(folder, split).clips, count):
        audio, rate = clip.read()
        x = resample(audio.mean(axis=0, keepdims=True), rate, RATE)
        if x.shape[1] >= seconds * RATE and float(np.abs(x).max()) > 1e-3:
            first = (x.shape[1] - seconds * RATE) // 2
            out.append(np.ascontiguousarray(x[:, first : first + seconds * RATE]))
    return out


def train(clips: list[Audio], steps: int, width: int, seed: int) -> Scale:
    """The map that lowers the wrong bits of carriers at the same mean square of steps."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    geo, net = CellCode().geometry, Scale(width)
    index = cell_index(geo, torch.zeros(1, dtype=torch.int64), EUL_FRAMES)[0]
    data = torch.from_numpy(geo.data)
    bins = torch.from_numpy(geo.bins)[data]
    frame = torch.from_numpy(geo.frame)[data]
    squared = geo.step[data].square()
    pairs = []
    for x in clips:
        for codec in CODECS.values():
            y = fit_length(codec(x), x.shape[1])
            for i in range(x.shape[1] // RATE):
                pairs.append([stft(torch.from_numpy(z[0, i * RATE : (i + 1) * RATE].copy()))[:, :EUL_FRAMES]
                              for z in (x, y)])  # fmt: skip
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

    def positions(spectrum: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        power = masking.band_power(spectrum.real.square() + spectrum.imag.square(), ROBUST)
        s = of_bins(net(power))
        ratio = spectrum / (masking.threshold(spectrum, ROBUST) * torch.exp(s))
        return project(ratio, index, geo)[data] / geo.step[data], s

    for step in range(steps):
        before, after = pairs[int(rng.integers(len(pairs)))]
        (a, s), (b, _) = positions(before), positions(after)
        wrong = torch.sin(torch.pi / 2 * (a - b)).square().mean()
        cost = torch.log((squared * torch.exp(2 * s[bins[:, 0], frame])).mean() / squared.mean())
        loss = wrong + 2.0 * cost.square() + 0.15 * cost
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: smooth wrong bits {float(wrong):.3f}, cost {float(cost):+.3f}", flush=True)
    return net.eval()


def measured(
    clips: list[Audio], threshold: Callable[..., torch.Tensor] | None, seed: int
) -> list[list[float]]:
    """Of each clip the distance and the share of wrong bits after each codec."""
    code, out = CellCode(), []
    for number, x in enumerate(clips):
        euls = x.shape[1] // EUL_SAMPLES
        coded = np.random.default_rng((seed, number)).integers(0, 2, (euls, N)).astype(np.uint8)
        with in_codec(threshold):
            marked = mark_block(x, 0, coded, 0, code, QUALITIES["fast"])
            row = [worst_channel(x, marked, RATE)]
            for codec in CODECS.values():
                attacked, wrong = fit_length(codec(marked), x.shape[1]), []
                for i in range(euls):
                    reading = read_second(attacked, i * EUL_SAMPLES, i % PHASES, code)
                    bad = 0.5 if reading is None else np.mean((reading.llr < 0) != (coded[i] == 1))
                    wrong.append(float(bad))
                row.append(float(np.mean(wrong)))
        out.append(row)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    held = clips_of(args.folder, "val", args.clips, 2)
    net = train(clips_of(args.folder, "train", 2 * args.clips, 2), args.steps, args.width, args.seed)
    levels = []
    for x in clips_of(args.folder, "train", args.clips, 2):
        spectrum = stft(torch.from_numpy(x[0]))
        with torch.no_grad():
            levels.append(net(masking.band_power(spectrum.abs().square(), ROBUST)).mean(1))
    mean = torch.stack(levels).mean(0)[:, None]
    maps = {
        "none": None,
        "static mean": scaled(lambda power: mean.expand(power.shape)),
        "learned": scaled(net),
    }
    print("| map | distance | " + " | ".join(CODECS) + " |")
    for name, threshold in maps.items():
        rows = np.array(measured(held, threshold, args.seed))
        figures = " | ".join(f"{100 * value:.2f} %" for value in rows[:, 1:].mean(0))
        print(f"| {name} | {np.exp(np.log(rows[:, 0]).mean()):.2e} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
