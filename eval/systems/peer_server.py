"""The other side of `soundsafe.eval.systems.peers`: one published system, alone with its own packages.

Runs by itself in any Python 3.9 or later that has NumPy and the system (`python -I peer_server.py NAME`), so
it imports nothing of this package. Each request and each answer is a line of JSON, followed by `samples`
float32 values of mono audio at the system's own rate. The first answer, before any request, is empty or an
`error`.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any, Optional

import numpy as np

# Optional and not `|`: also for a Python that lacks the latter in expressions.
Bits = Optional[list]  # noqa: UP045


class Perth:
    """Answers whether the mark is there; carries no payload."""

    def __init__(self, weights: str) -> None:
        model = import_module("perth.perth_net.perth_net_implicit.perth_watermarker")
        self.model = model.PerthImplicitWatermarker()
        self.rate = self.model.perth_net.hp.sample_rate

    def embed(self, x: np.ndarray, bits: list[int]) -> Any:
        return self.model.apply_watermark(x, sample_rate=self.rate)

    def decode(self, x: np.ndarray) -> tuple[float, Bits]:
        found = float(np.mean(self.model.get_watermark(x, sample_rate=self.rate, round=False)))
        return found, [] if found >= 0.5 else None


class AudioSeal:
    """16 bits. Weights: the folder of `generator_base.pth` and `detector_base.pth`."""

    def __init__(self, weights: str) -> None:
        seal, builder, loader = map(import_module, ("audioseal", "audioseal.builder", "audioseal.loader"))
        to_container = import_module("omegaconf").OmegaConf.to_container

        def load(card: str, kind: str, create: str, file: str) -> Any:
            config = to_container(loader.load_local_model_config(card))
            config.pop("checkpoint")
            state = loader.load_model_checkpoint(os.path.join(weights, file))
            settings = seal.AudioSeal.parse_config(config, config_type=getattr(builder, kind), nbits=16)
            model = getattr(builder, create)(settings)
            model.load_state_dict(state.get("model", state))
            return model.eval()

        self.torch = import_module("torch")
        self.generator = load(
            "audioseal_wm_16bits", "AudioSealWMConfig", "create_generator", "generator_base.pth"
        )
        self.detector = load(
            "audioseal_detector_16bits", "AudioSealDetectorConfig", "create_detector", "detector_base.pth"
        )

    def embed(self, x: np.ndarray, bits: list[int]) -> Any:
        message = self.torch.tensor([bits])
        with self.torch.no_grad():
            mark = self.generator.get_watermark(self.torch.from_numpy(x)[None, None], message=message)
        return x + mark[0, 0].numpy()

    def decode(self, x: np.ndarray) -> tuple[float, Bits]:
        with self.torch.no_grad():
            share, message = self.detector.detect_watermark(self.torch.from_numpy(x)[None, None])
        return float(share), message[0].tolist() if float(share) >= 0.5 else None


class WavMark:
    """32 bits a second, 16 of them a pattern that says that the mark is there. Weights: the model's file."""

    def __init__(self, weights: str) -> None:
        self.wavmark = import_module("wavmark")
        self.model = self.wavmark.load_model(weights)

    def embed(self, x: np.ndarray, bits: list[int]) -> Any:
        return self.wavmark.encode_watermark(self.model, x, np.array(bits), show_progress=False)[0]

    def decode(self, x: np.ndarray) -> tuple[float, Bits]:
        found, info = self.wavmark.decode_watermark(self.model, x, show_progress=False)
        return float(len(info["results"])), None if found is None else [int(b) for b in found]


class SilentCipher:
    """40 bits. Weights: the folder of the 44.1 kHz model, with `hparams.yaml`."""

    def __init__(self, weights: str) -> None:
        config = os.path.join(weights, "hparams.yaml")
        make = import_module("silentcipher").get_model
        self.model = make("44.1k", ckpt_path=weights, config_path=config)

    def embed(self, x: np.ndarray, bits: list[int]) -> Any:
        return self.model.encode_wav(x, 44100, np.packbits(np.array(bits, np.uint8)).tolist())[0]

    def decode(self, x: np.ndarray) -> tuple[float, Bits]:
        found = self.model.decode_wav(x, 44100, phase_shift_decoding=True)
        if not found["status"]:
            return 0.0, None
        message = found["messages"][0]
        bits = np.unpackbits(np.array(message, np.uint8)).tolist() if len(message) == 5 else None
        return float(np.mean(found["confidences"])), bits


PEERS: dict[str, Any] = {
    "perth": Perth, "audioseal": AudioSeal, "wavmark": WavMark, "silentcipher": SilentCipher,
}  # fmt: skip


def _refusal(error: Exception) -> dict[str, Any]:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return {"error": text[:200], "samples": 0}


def main(name: str, weights: str) -> None:
    """Answer requests until there are no more."""
    # What the system prints must not land among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def answer(header: dict[str, Any], audio: bytes = b"") -> None:
        answers.write(json.dumps(header).encode() + b"\n" + audio)
        answers.flush()

    try:
        peer = PEERS[name](weights)
    except Exception as error:
        answer(_refusal(error))
        return
    answer({"samples": 0})
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        x = np.frombuffer(sys.stdin.buffer.read(4 * request["samples"]), np.float32).copy()
        try:
            if request["do"] == "embed":
                y = x.copy()
                made = np.asarray(peer.embed(x.copy(), request["bits"]), np.float32).reshape(-1)[: len(x)]
                y[: len(made)] = made
                answer({"samples": len(y)}, y.tobytes())
            else:
                score, bits = peer.decode(x)
                answer({"samples": 0, "score": score, "bits": bits})
        except Exception as error:
            answer(_refusal(error))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
