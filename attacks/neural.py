"""Neural codecs and a vocoder, by Hugging Face's transformers: what comes back is made anew by a network.

EnCodec (Défossez et al. 2022), DAC (Kumar et al. 2023), Mimi (Défossez et al. 2024; SoundStream's scheme with
a transformer) and the vocoder UnivNet (Jang et al. 2021), whose input is a mel spectrogram alone. No weights
come with this package and none are fetched: see `WEIGHTS`; an attack without them is left out. A folder is as
`save_pretrained` writes it, with safetensors. All are trained to give audio back in its place: no delay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack
from soundsafe.attacks.weights import Weights
from soundsafe.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["WEIGHTS"]

WEIGHTS = {
    name: Weights(f"SOUNDSAFE_WEIGHTS_{name.upper()}", "transformers", "neural")
    for name in ("encodec", "dac", "mimi", "univnet")
}
"""The environment variable for each model's folder."""

_ENGINE = "transformers"


@attack(
    "neural",
    {f"encodec_{kbps:g}": {"kbps": kbps} for kbps in (24.0, 12.0, 6.0, 3.0, 1.5)},
    engine=_ENGINE,
    weights=WEIGHTS["encodec"],
)
def encodec(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: float) -> Audio:
    """At `kbps` kbit/s a channel (of the model at 48 kHz: for both)."""
    model = _model("EncodecModel", WEIGHTS["encodec"].folder())
    if kbps not in model.config.target_bandwidths:
        rates = ", ".join(f"{rate:g}" for rate in model.config.target_bandwidths)
        raise InputError(f"the EnCodec model has no {kbps:g} kbit/s: {rates}")
    return _coded(audio, rate, model, lambda x: model(x, bandwidth=kbps).audio_values)


@attack(
    "neural",
    {"dac": {"quantizers": None}} | {f"dac_{n}q": {"quantizers": n} for n in (6, 3)},
    engine=_ENGINE,
    weights=WEIGHTS["dac"],
)
def dac(audio: Audio, rate: int, rng: np.random.Generator, *, quantizers: int | None) -> Audio:
    """With the first so many of its quantisers; None: all."""
    model = _model("DacModel", WEIGHTS["dac"].folder())
    return _coded(audio, rate, model, lambda x: model(x, n_quantizers=quantizers).audio_values)


@attack(
    "neural",
    {f"mimi_{n}q": {"quantizers": n} for n in (32, 16, 8)},
    engine=_ENGINE,
    weights=WEIGHTS["mimi"],
)
def mimi(audio: Audio, rate: int, rng: np.random.Generator, *, quantizers: int) -> Audio:
    """With the first so many of its quantisers."""
    model = _model("MimiModel", WEIGHTS["mimi"].folder())
    return _coded(audio, rate, model, lambda x: model(x, num_quantizers=quantizers).audio_values)


@attack("neural", {"vocoder_univnet": {}}, engine=_ENGINE, weights=WEIGHTS["univnet"])
def vocoder(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Each channel from its mel spectrogram alone: the phases are the network's own."""
    import torch

    folder = WEIGHTS["univnet"].folder()
    model, features = _model("UnivNetModel", folder), _model("UnivNetFeatureExtractor", folder)
    at = int(features.sampling_rate)

    def sing(batch: torch.Tensor) -> torch.Tensor:
        out = []
        for channel in batch[:, 0].numpy():
            given = features(
                [channel], sampling_rate=at, generator=rng, return_noise=True, return_tensors="pt"
            )
            out.append(codecs.fit_length(model(**given).waveforms.numpy(), len(channel)))
        return torch.from_numpy(np.stack(out))

    return _coded(audio, rate, model, sing, at)


@lru_cache(maxsize=4)
def _model(name: str, folder: Path) -> Any:
    import transformers  # here: an extra, and slow to import

    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, name)
    if name.endswith("Extractor"):
        return kind.from_pretrained(folder, local_files_only=True)
    return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()


def _coded(
    audio: Audio, rate: int, model: Any, code: Callable[[torch.Tensor], torch.Tensor], at: int | None = None
) -> Audio:
    """`audio` through `code`, which takes and gives `[batch, channels, samples]` at the model's own rate.

    A model of one channel codes each by itself, one of two codes pairs; an odd channel is paired with itself.
    """
    import torch

    at = at or int(model.config.sampling_rate)
    source = codecs.resample(audio, rate, at)
    width = int(getattr(model.config, "audio_channels", 1))
    hop = int(getattr(model.config, "hop_length", 1))
    source = codecs.fit_length(source, -(-source.shape[1] // hop) * hop)
    odd = np.repeat(source[-1:], -len(source) % width, axis=0)
    batch = np.concatenate([source, odd]).reshape(-1, width, source.shape[1])
    with torch.inference_mode():
        out = code(torch.from_numpy(batch)).numpy()
    out = out.reshape(-1, out.shape[-1])[: len(audio)].astype(np.float32)
    return codecs.fit_length(codecs.resample(out, at, rate), audio.shape[1])
