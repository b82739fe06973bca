"""Whether a GPU comes to what the CPU comes to: `python benchmarks/gpu.py DIR [--checkpoint FILE]`.

`--seconds` (100) of DIR's test split. Slots: the layouts of both profiles from audio on the GPU, and from
magnitudes that the GPU transformed (float64 of the float32 samples), against those of the CPU. Network
(fresh, or that of a checkpoint): the largest difference of marked samples and of the logits read from them,
and how many bits are read otherwise; with full float32, and with TF32, PyTorch's default for convolutions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from soundsafe.pipeline.features import magnitude, mono
from soundsafe.pipeline.ingest_and_chunk import allocate_slots_and_amplitudes
from soundsafe.pipeline.rules import ROBUST, SEED
from soundsafe.stft import Stft
from soundsafe.training import TrainConfig
from soundsafe.training.checkpoint import build_model, read_checkpoint
from soundsafe.training.command import evenly
from soundsafe.training.network_command import seconds_of


def _slots(seconds: torch.Tensor) -> None:
    for name, rules in (("seed", SEED), ("robust", ROBUST)):
        audio = spectra = 0
        for x in seconds:
            mag = Stft().forward(mono(x).cuda()).abs().cpu().numpy()
            here, there, other = (
                allocate_slots_and_amplitudes(m, rules=rules, anchor_seed=0).digest
                for m in (magnitude(x), magnitude(x.cuda()), mag)
            )
            audio += there == here
            spectra += other == here
        print(
            f"{name} rules, {len(seconds)} seconds: same slots from audio on the GPU {audio}, "
            f"from magnitudes of the GPU {spectra}"
        )


def _network(seconds: torch.Tensor, checkpoint: Path | None) -> None:
    fresh = TrainConfig(rs_payload_bytes=1)
    model = (read_checkpoint(checkpoint).model() if checkpoint else build_model(fresh)).eval()
    bits = torch.randint(0, 2, (len(seconds), model.bits), generator=torch.Generator().manual_seed(0)).float()
    pairs = list(zip(seconds.split(1), bits.split(1), strict=True))
    with torch.no_grad():
        marked = torch.cat([model.embed(x, b) for x, b in pairs])
        logits = torch.cat([model.read(x) for x in marked.split(1)])
        model = model.cuda()
        for short in (False, True):
            torch.backends.cudnn.allow_tf32 = short
            mark = torch.cat([model.embed(x.cuda(), b.cuda()).cpu() for x, b in pairs])
            read = torch.cat([model.read(x.cuda()).cpu() for x in marked.split(1)])
            other = int(((read > 0) != (logits > 0)).sum())
            print(
                f"network, {'TF32' if short else 'float32'}: "
                f"samples differ by {float((mark - marked).abs().max()):.1e}, "
                f"logits by {float((read - logits).abs().max()):.1e} of {float(logits.abs().max()):.1f}; "
                f"{other} of {bits.numel()} bits read otherwise"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--seconds", type=int, default=100)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this machine has no GPU")
    chosen = torch.stack(evenly(torch.cat(seconds_of(given.folder, "test")), given.seconds))
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    _slots(chosen)
    _network(chosen, given.checkpoint)
    return 0


if __name__ == "__main__":
    sys.exit(main())
