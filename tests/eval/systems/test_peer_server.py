"""Adapters, each against a stand-in with the interface that its package publishes.

Names, arguments and shapes of the stand-ins are those of audioseal 0.2.0, wavmark 0.0.3, silentcipher 1.0.5,
aware 2.0.1, voicesign 0.3.1, the-a-files 2.0.1 and the code of Timbre. Their mark is a level of the last
samples.
"""

from __future__ import annotations

import enum
import io
import sys
import wave
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from soundsafe.eval.systems import peer_server
from soundsafe.eval.systems.peer_catalogue import PEERS

KEY = "07" * 32


def written(x, bits):
    """`x` whose last samples say the bits."""
    y = np.array(x, np.float32)
    y[-len(bits) :] = np.where(np.asarray(bits) > 0, 0.5, -0.5)
    return y


def read(x, n):
    return [int(v > 0) for v in np.asarray(x, np.float32).reshape(-1)[-n:]]


class Layer(torch.nn.Module):
    """A network with one weight, so that a checkpoint is loaded indeed."""

    def __init__(self, *given):
        super().__init__()
        self.given, self.weight = given, torch.nn.Parameter(torch.zeros(1))

    def get_watermark(self, x, message):
        assert self.weight == 3
        return torch.from_numpy(written(x[0, 0], message[0]) - x[0, 0].numpy())[None, None]

    def detect_watermark(self, x):
        return 0.9, torch.tensor([read(x, 16)])

    def test_forward(self, x, message=None):
        assert self.weight == 3
        if message is None:
            return torch.tensor(read(x, 30)).float()[None] - 0.5
        assert message.shape == (1, 1, 30)
        return torch.from_numpy(written(x[0, 0], message[0, 0]))[None, None], None


def audioseal(folder):
    for file in ("generator_base.pth", "detector_base.pth"):
        (folder / file).touch()
    builder = SimpleNamespace(
        AudioSealWMConfig="wm",
        AudioSealDetectorConfig="detector",
        create_generator=Layer,
        create_detector=Layer,
    )
    loader = SimpleNamespace(
        load_local_model_config=lambda card: {"checkpoint": "hub", "card": card},
        load_model_checkpoint=lambda path: {
            "model": {"weight": torch.full((1,), 3.0)},
            "path": Path(path).stat(),
        },
    )
    parse = SimpleNamespace(
        parse_config=lambda config, config_type, nbits: (config["card"], config_type, nbits)
    )
    omega = SimpleNamespace(OmegaConf=SimpleNamespace(to_container=dict))
    return {
        "audioseal": SimpleNamespace(AudioSeal=parse), "audioseal.builder": builder,
        "audioseal.loader": loader, "omegaconf": omega,
    }  # fmt: skip


def wavmark(folder):
    def encode(model, signal, payload, pattern_bit_length=16, min_snr=20, max_snr=38, show_progress=False):
        assert (model, payload.shape) == (str(folder), (16,))
        return written(signal, payload), {"snr": 30.0}

    def decode(model, signal, decode_batch_size=10, len_start_bit=16, show_progress=False):
        return np.array(read(signal, 16)), {"results": [1]}

    return {"wavmark": SimpleNamespace(load_model=str, encode_watermark=encode, decode_watermark=decode)}


def silentcipher(folder):
    def encode_wav(x, rate, message):
        return written(x, np.unpackbits(np.array(message, np.uint8))), 47.0

    def decode_wav(x, rate, phase_shift_decoding):
        message = np.packbits(read(x, 40)).tolist()
        return {"status": True, "messages": [message], "confidences": [0.9]}

    def get_model(model_type, ckpt_path, config_path):
        assert (model_type, config_path) == ("44.1k", str(folder / "hparams.yaml"))
        return SimpleNamespace(encode_wav=encode_wav, decode_wav=decode_wav)

    return {"silentcipher": SimpleNamespace(get_model=get_model)}


def aware(folder):
    embedder, detector = SimpleNamespace(tolerance_db=6.0), object()

    def embed_watermark(audio, sample_rate, watermark_bits, model):
        assert (sample_rate, model, model.tolerance_db) == (16_000, embedder, 3.0)
        return written(audio, watermark_bits)

    def detect_watermark(audio, sample_rate, model):
        assert model is detector
        return np.array(read(audio, 20)), 0.8

    return {
        "aware.utils.models": SimpleNamespace(load=lambda name: (embedder, detector)),
        "aware.service.embed": SimpleNamespace(embed_watermark=embed_watermark),
        "aware.service.detect": SimpleNamespace(detect_watermark=detect_watermark),
    }


def voicesign(folder):
    core = SimpleNamespace(EMBED_STRENGTH=0.04)

    def sign(audio_bytes, identity, salt=None):
        assert core.EMBED_STRENGTH == 0.1
        with wave.open(io.BytesIO(audio_bytes)) as file:
            assert (file.getnchannels(), file.getframerate()) == (1, 44_100)
        return audio_bytes + salt.encode()

    def verify(audio_bytes, identity, salt=None):
        return {"detected": salt == KEY, "correlation": 0.2}

    core.sign, core.verify = sign, verify
    return {"voicesign.core": core}


def a_files(folder):
    class Method:
        def __init__(self, key: int = 1, alpha: float = 0.05):
            assert (key, alpha) == (int(KEY[:8], 16), 0.2)

        def encode(self, data, message):
            return written(data, message)

        def decode(self, data, length):
            return read(data, length)

    MethodType = enum.Enum("MethodType", ["DSSS_METHOD"])
    return {
        "taf.models.types": SimpleNamespace(MethodType=MethodType),
        "taf.methods.factory": SimpleNamespace(BUILTIN_METHOD_CLASSES={MethodType.DSSS_METHOD: Method}),
    }


def timbre(folder):
    (folder / "config").mkdir()
    (folder / "results" / "ckpt" / "pth").mkdir(parents=True)
    texts = {"process": "audio: {win_len: 256}", "model": "dim: {embedding: 512}"}
    for name, text in (texts | {"train": "watermark: {length: 30}"}).items():
        (folder / "config" / f"{name}.yaml").write_text(text)
    state = {"weight": torch.full((1,), 3.0)}
    torch.save({"encoder": state, "decoder": state}, folder / "results" / "ckpt" / "pth" / "one.pth.tar")
    return {"model.conv2_mel_modules": SimpleNamespace(Encoder=Layer, Decoder=Layer)}


@pytest.mark.parametrize(
    ("make", "name", "options"),
    [
        (audioseal, "audioseal", {}),
        (wavmark, "wavmark", {}),
        (silentcipher, "silentcipher", {}),
        (aware, "aware", {"tolerance_db": 3.0}),
        (voicesign, "voicesign", {"EMBED_STRENGTH": 0.1}),
        (a_files, "afiles-dsss", {"method": "DSSS_METHOD", "alpha": 0.2}),
        (timbre, "timbre", {}),
    ],
)
def test_an_adapter_marks_and_reads(
    make, name, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module, content in make(tmp_path).items():
        monkeypatch.setitem(sys.modules, module, content)  # type: ignore[arg-type]
    facts = PEERS[name]
    kind = peer_server.AFiles if name.startswith("afiles-") else peer_server.PEERS[name]
    peer = kind(str(tmp_path), dict(options))
    bits = np.random.default_rng(0).integers(0, 2, facts.payload_bits).tolist()
    x = np.random.default_rng(1).normal(0, 0.1, 8000).astype(np.float32)
    ask = {"rate": facts.rate, "key": KEY}
    marked = np.asarray(peer.embed(x.copy(), bits, ask | {"bits": bits}), np.float32).reshape(-1)
    assert np.allclose(marked[: len(x) - 64], x[: len(x) - 64], atol=1e-4)
    assert peer.decode(marked[: len(x)], ask | {"bits": len(bits)})[1] == bits


def test_an_unknown_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("voicesign.core")
    monkeypatch.setitem(sys.modules, "voicesign.core", module)
    with pytest.raises(ValueError, match="no option loud"):
        peer_server.VoiceSign("", {"loud": 1})
