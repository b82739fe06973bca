"""Controls: the audio as it is. The harness gives the names their meaning.

`none` decodes the marked audio, `unmarked` the original, `wrong_key` the marked audio with another key.
"""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack("control", {"none": {}, "unmarked": {}, "wrong_key": {}}, differentiable=True)
def control(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The same audio."""
    return audio
