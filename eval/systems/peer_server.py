"""The other side of `soundsafe.eval.systems.peers`: one published system, alone with its own packages.

Runs by itself in any Python 3.9 or later that has NumPy and the system (`python -I peer_server.py NAME
WEIGHTS OPTIONS`, the last as JSON), so it imports nothing of this package. Each request and each answer is a
line of JSON, followed by `samples` float32 values of mono audio at the request's `rate`. The first answer,
before any request, is empty or an `error`.

A `Peer` is made of its weights and options.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import sys
import wave
from collections.abc import Callable
from importlib import import_module
from typing import Any, Optional, Protocol

import numpy as np

# Optional and not `|`: also for a Python that lacks the latter in expressions.
Bits = Optional[list]  # noqa: UP045
Ask = dict
"""A request: `do`, `rate`, `key` (64 hex digits), and `bits`, the message itself or how many of them."""

Options = dict


class Peer(Protocol):
    """What stands for one published system."""

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        """The marked audio, as anything that NumPy takes."""

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        """A score, and the message; None where there is no mark."""


class Perth:
    """Answers whether the mark is there; carries no payload."""

    def __init__(self, weights: str, options: Options) -> None:
        model = import_module("perth.perth_net.perth_net_implicit.perth_watermarker")
        self.model = model.PerthImplicitWatermarker()
        self.rate = self.model.perth_net.hp.sample_rate

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        return self.model.apply_watermark(x, sample_rate=self.rate)

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        found = float(np.mean(self.model.get_watermark(x, sample_rate=self.rate, round=False)))
        return found, [] if found >= 0.5 else None


class AudioSeal:
    """16 bits. Weights: the folder of `generator_base.pth` and `detector_base.pth`."""

    def __init__(self, weights: str, options: Options) -> None:
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

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        message = self.torch.tensor([bits])
        with self.torch.no_grad():
            mark = self.generator.get_watermark(self.torch.from_numpy(x)[None, None], message=message)
        return x + mark[0, 0].numpy()

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        with self.torch.no_grad():
            share, message = self.detector.detect_watermark(self.torch.from_numpy(x)[None, None])
        return float(share), message[0].tolist() if float(share) >= 0.5 else None


class WavMark:
    """32 bits a second, 16 of them a pattern that says that the mark is there. Weights: the model's file."""

    def __init__(self, weights: str, options: Options) -> None:
        self.wavmark = import_module("wavmark")
        self.model = self.wavmark.load_model(weights)

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        return self.wavmark.encode_watermark(self.model, x, np.array(bits), show_progress=False)[0]

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        found, info = self.wavmark.decode_watermark(self.model, x, show_progress=False)
        return float(len(info["results"])), None if found is None else [int(b) for b in found]


class SilentCipher:
    """40 bits. Weights: the folder of the 44.1 kHz model, with `hparams.yaml`."""

    def __init__(self, weights: str, options: Options) -> None:
        config = os.path.join(weights, "hparams.yaml")
        make = import_module("silentcipher").get_model
        self.model = make("44.1k", ckpt_path=weights, config_path=config)

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        return self.model.encode_wav(x, 44100, np.packbits(np.array(bits, np.uint8)).tolist())[0]

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        found = self.model.decode_wav(x, 44100, phase_shift_decoding=True)
        if not found["status"]:
            return 0.0, None
        message = found["messages"][0]
        bits = np.unpackbits(np.array(message, np.uint8)).tolist() if len(message) == 5 else None
        return float(np.mean(found["confidences"])), bits


class Aware:
    """20 bits; a fixed detector whose weights follow from a seed, an embedder that optimises against it."""

    card = "AWARE"

    def __init__(self, weights: str, options: Options) -> None:
        self.embedder, self.detector = import_module("aware.utils.models").load(self.card)
        self.mark = import_module("aware.service.embed").embed_watermark
        self.read = import_module("aware.service.detect").detect_watermark
        for name, value in options.items():
            if not hasattr(self.embedder, name):
                raise ValueError(f"no option {name}")
            setattr(self.embedder, name, value)

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        return self.mark(x, ask["rate"], np.array(bits), self.embedder)

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        bits, chance = self.read(x, ask["rate"], self.detector)[:2]
        return float(chance), [int(b) for b in bits] if float(chance) >= 0.5 else None


class AwareSegments(Aware):
    """The same 20 bits in every second."""

    card = "AWARE(20bps)"


class VoiceSign:
    """Whether audio bears the mark of an identity; the key is its salt. Works on 16-bit WAV in memory."""

    identity = "bench"

    def __init__(self, weights: str, options: Options) -> None:
        self.core = import_module("voicesign.core")
        for name, value in options.items():
            if not hasattr(self.core, name):
                raise ValueError(f"no option {name}")
            setattr(self.core, name, value)

    def wav(self, x: np.ndarray, rate: int) -> bytes:
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes((np.clip(x, -1, 1) * 32767).astype("<i2").tobytes())
        return file.getvalue()

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        made = self.core.sign(self.wav(x, ask["rate"]), identity=self.identity, salt=ask["key"])
        with wave.open(io.BytesIO(made)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32767

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        found = self.core.verify(self.wav(x, ask["rate"]), identity=self.identity, salt=ask["key"])
        return float(found["correlation"]), [] if found["detected"] else None


class AFiles:
    """One of the methods of The A-Files. None says whether there is a message: each reading is one."""

    def __init__(self, weights: str, options: Options) -> None:
        types = import_module("taf.models.types").MethodType
        self.method = import_module("taf.methods.factory").BUILTIN_METHOD_CLASSES[
            types[options.pop("method")]
        ]
        self.options = options
        known = inspect.signature(self.method).parameters
        for name in options:
            if name not in known:
                raise ValueError(f"no option {name}: {', '.join(known)}")

    def made(self, ask: Ask) -> Any:
        """The method at the request's rate and key."""
        known = inspect.signature(self.method).parameters
        own = {"sr": ask["rate"], "key": int(ask["key"][:8], 16) % 2**31}
        return self.method(**{k: v for k, v in own.items() if k in known}, **self.options)

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        return self.made(ask).encode(x, bits)

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        return float("nan"), [int(b) for b in self.made(ask).decode(x, ask["bits"])]


class Timbre:
    """30 bits. Weights: the folder `watermarking_model` of its repository, code and checkpoint."""

    def __init__(self, weights: str, options: Options) -> None:
        os.chdir(weights)  # its code opens files by relative names
        sys.path.insert(0, weights)
        self.torch, yaml = import_module("torch"), import_module("yaml")

        def config(name: str) -> dict[str, dict[str, int]]:
            with open(os.path.join("config", name), encoding="utf-8") as file:
                return dict(yaml.safe_load(file))

        process, model = config("process.yaml"), config("model.yaml")
        folder = os.path.join("results", "ckpt", "pth")
        files = sorted(f for f in os.listdir(folder) if ".pth" in f)
        state = self.torch.load(os.path.join(folder, files[-1]), map_location="cpu", weights_only=False)
        modules = import_module("model.conv2_mel_modules")
        sizes = config("train.yaml")["watermark"]["length"], process["audio"]["win_len"]
        self.encoder = modules.Encoder(process, model, *sizes, model["dim"]["embedding"]).eval()
        self.decoder = modules.Decoder(process, model, *sizes, model["dim"]["embedding"]).eval()
        self.encoder.load_state_dict(state["encoder"])
        self.decoder.load_state_dict(state["decoder"], strict=False)
        self.decoder.robust = False

    def embed(self, x: np.ndarray, bits: list[int], ask: Ask) -> object:
        message = self.torch.tensor([[bits]]).float() * 2 - 1
        with self.torch.no_grad():
            return self.encoder.test_forward(self.torch.from_numpy(x)[None, None], message)[0].numpy()

    def decode(self, x: np.ndarray, ask: Ask) -> tuple[float, Bits]:
        with self.torch.no_grad():
            found = self.decoder.test_forward(self.torch.from_numpy(x)[None, None]).numpy().reshape(-1)
        return float(np.abs(found).mean()), [int(v >= 0) for v in found]


PEERS: dict[str, Callable[[str, Options], Peer]] = {
    "perth": Perth, "audioseal": AudioSeal, "wavmark": WavMark, "silentcipher": SilentCipher, "aware": Aware,
    "aware-segments": AwareSegments, "voicesign": VoiceSign, "timbre": Timbre,
}  # fmt: skip
"""By name; what begins with `afiles-` is a method of The A-Files."""


def _refusal(error: Exception) -> dict[str, object]:
    """A ValueError is a peer's own no: too short, too long a message, nothing that it takes for audio."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return {"error": text[:200], "refused": isinstance(error, ValueError), "samples": 0}


def _finite(value: float) -> Optional[float]:  # noqa: UP045
    return value if np.isfinite(value) else None


def main(name: str, weights: str, options: Options) -> None:
    """Answer requests until there are no more."""
    # What the system prints must not land among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def answer(header: dict[str, object], audio: bytes = b"") -> None:
        answers.write(json.dumps(header).encode() + b"\n" + audio)
        answers.flush()

    try:
        peer = (AFiles if name.startswith("afiles-") else PEERS[name])(weights, options)
    except Exception as error:
        answer(_refusal(error))
        return
    answer({"samples": 0})
    while line := sys.stdin.buffer.readline():
        ask = json.loads(line)
        x = np.frombuffer(sys.stdin.buffer.read(4 * ask["samples"]), np.float32).copy()
        try:
            if ask["do"] == "embed":
                y = x.copy()
                made = np.asarray(peer.embed(x.copy(), ask["bits"], ask), np.float32).reshape(-1)[: len(x)]
                y[: len(made)] = made
                answer({"samples": len(y)}, y.tobytes())
            else:
                score, bits = peer.decode(x, ask)
                answer({"samples": 0, "score": _finite(score), "bits": bits})
        except Exception as error:
            answer(_refusal(error))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
