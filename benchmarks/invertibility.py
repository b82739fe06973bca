"""How exactly a trained network inverts: `python benchmarks/invertibility.py CHECKPOINT DIR [--seconds 100]`.

Seconds of DIR's test split, each with random bits. Prints the largest relative error over all seconds of the
spectrum and of the message branch after the blocks and their inverse, in float32 and float64, and the same
with an ISTFT and STFT between the two.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

import torch

from soundsafe.training.checkpoint import read_checkpoint
from soundsafe.training.network_command import seconds_of


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=100)
    given = parser.parse_args()
    everything = torch.cat(seconds_of(given.folder, "test"))
    chosen = everything[:: max(1, len(everything) // given.seconds)][: given.seconds]
    trained = read_checkpoint(given.checkpoint).model().eval()
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(0, 2, (len(chosen), trained.bits), generator=generator)
    for dtype in (torch.float32, torch.float64):
        model = copy.deepcopy(trained).to(dtype)
        worst = {"spectrum": 0.0, "message": 0.0, "spectrum through audio": 0.0}
        for second, word in zip(chosen.to(dtype), bits.to(dtype), strict=True):
            with torch.no_grad():
                spectrum, message = model.stft(second[None]), model.coupling_net.spread(word[None])
                marked, rest = model(spectrum, message)
                audio, back = model.inverse(marked, rest)
                again = model.stft(model.stft.inverse(marked, len(second)))
                late, _ = model.inverse(again, rest)
            pairs = ((audio, spectrum), (back, message), (late, spectrum))
            for name, (got, true) in zip(worst, pairs, strict=True):
                worst[name] = max(worst[name], float((got - true).abs().max() / true.abs().max()))
        figures = ", ".join(f"{name} {value:.2e}" for name, value in worst.items())
        print(f"{len(chosen)} seconds, {dtype}: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
