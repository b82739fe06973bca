"""Every reader of bytes and files from outside, with sound examples cut, flipped, and overwritten."""

from __future__ import annotations

import contextlib
import importlib
import json
import runpy
from pathlib import Path

import lameenc
import numpy as np
import pytest
import soundfile

import soundsafe
from soundsafe.errors import InputError
from soundsafe.files.audio_file import read_audio
from soundsafe.service.registry import Registry

TARGETS = runpy.run_path(str(Path(__file__).parents[2] / "long" / "readers.py"))["TARGETS"]
INPUTS = 60


def damaged(sound: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(sound)
    kind = int(rng.integers(4))
    at = int(rng.integers(max(1, len(data))))
    length = int(rng.integers(1, 64))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for bit in rng.integers(8 * max(1, len(data)), size=int(rng.integers(1, 9))):
            if data:
                data[bit // 8] ^= 1 << bit % 8
    elif kind == 2:
        data[at : at + length] = rng.bytes(length) if rng.integers(2) else bytes(length)
    else:
        other = int(rng.integers(max(1, len(data))))
        data[at:at] = data[other : other + length]
    return bytes(data)


# Whole decodes take long, and have a test of their own.
@pytest.mark.parametrize("name", [name for name in TARGETS if name != "decode"])
def test_damage_is_said_in_one_way(name: str, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    examples: list[bytes] = []
    check = TARGETS[name](importlib.import_module, tmp_path, examples)
    rng = np.random.default_rng(7)
    for example in examples:
        if name not in ("manifest", "registry"):
            with contextlib.suppress(InputError):
                check(example)
        for _ in range(INPUTS // len(examples)):
            with contextlib.suppress(InputError):
                check(damaged(example, rng))
    check_refuses(check, name)


def check_refuses(check: object, name: str) -> None:
    """Bytes that are nothing at all are refused by whatever has a format."""
    if name in ("container", "results", "list"):
        return
    with pytest.raises(InputError):
        check(b"\xff\xfe\x00nothing")  # type: ignore[operator]


@pytest.mark.parametrize(("suffix", "inputs"), [("wav", 12), ("flac", 12), ("mp3", 4)])
def test_damaged_marked_audio_gives_its_payload_or_none(suffix: str, inputs: int, tmp_path: Path) -> None:
    """Whole decodes; never another payload."""
    golden = Path(__file__).parents[1] / "golden"
    entry = json.loads((golden / "golden.json").read_text())["files"]["v2_choral_mono_both"]
    audio, info = read_audio(golden / "v2_choral_mono_both.flac")
    audio = audio[:, : 2 * info.rate]  # what is read in vain is searched, at length
    path = tmp_path / f"x.{suffix}"
    if suffix == "mp3":
        encoder = lameenc.Encoder()
        encoder.set_bit_rate(192)
        encoder.set_in_sample_rate(info.rate)
        encoder.set_channels(1)
        encoder.silence()
        pcm = (audio[0] * 32_767).astype("<i2").tobytes()
        path.write_bytes(bytes(encoder.encode(pcm)) + bytes(encoder.flush()))
    else:
        soundfile.write(path, audio.T, info.rate)
    sound, rng, answers = path.read_bytes(), np.random.default_rng(3), set()
    for _ in range(inputs):
        path.write_bytes(damaged(sound, rng))
        try:
            answers.add(soundsafe.decode_file(path, bytes.fromhex(entry["key_hex"])).payload_hex)
        except InputError:
            answers.add("refused")
    assert answers <= {entry["payload_hex"], None, "refused"}
    assert entry["payload_hex"] in answers or suffix == "flac"  # which has checksums


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("baseline", DEEP),
        ("config", b"seed = " + DEEP),
        ("config_json", DEEP),
        ("suite", b"suite = " + DEEP),
        ("suite", b'suite = "x"\nversion = 1\nleaves_out = 5'),
        ("run_folder", b"\x00" + DEEP),  # its summary.json
    ],
)
def test_what_once_got_out_as_another_error(name: str, content: bytes, tmp_path: Path) -> None:
    check = TARGETS[name](importlib.import_module, tmp_path, [])
    with pytest.raises(InputError):
        check(content)


@pytest.mark.parametrize(
    ("tensors", "changes"),
    [
        (("x",), {}),
        (("a.b",), {}),
        (("model.x",), {"data_hash": None}),
        (("model.x",), {"config": DEEP.decode()}),
        (("model.x",), {"rng": DEEP.decode()}),
        (("model.x",), {}),  # read, but of no network
    ],
)
def test_checkpoints_that_are_none(
    tensors: tuple[str, ...], changes: dict[str, str | None], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    from soundsafe.training.checkpoint import read_checkpoint
    from soundsafe.training.config import TrainConfig

    sound = {"config": json.dumps(TrainConfig().to_json()), "data_hash": "", "code_version": "", "step": "1"}
    merged = sound | {"rng": "{}"} | changes
    meta = {key: value for key, value in merged.items() if value is not None}
    save_file({name: torch.zeros(1) for name in tensors}, str(tmp_path / "x"), metadata=meta)
    if changes or tensors != ("model.x",):
        with pytest.raises(InputError):
            read_checkpoint(tmp_path / "x")
    else:
        checkpoint = read_checkpoint(tmp_path / "x")
        with pytest.raises(InputError):
            checkpoint.model()


def test_a_list_that_libsndfile_would_read_for_ever(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((400, 2)), 8000)
    data = (tmp_path / "a.wav").read_bytes()
    size = (2**32 - 9).to_bytes(4, "little")
    entry = b"LIST" + (20).to_bytes(4, "little") + b"INFOIN\xbf\xb2" + size + bytes(8)
    (tmp_path / "a.wav").write_bytes(data[:36] + entry + data[36:])
    with pytest.raises(InputError, match="header is damaged"):
        read_audio(tmp_path / "a.wav")


def test_a_registry_whose_errors_are_no_text(tmp_path: Path) -> None:
    with (
        Registry(tmp_path / "r.sqlite", write=True) as registry,
        pytest.raises(InputError, match="cannot be used"),
        registry._errors(),
    ):
        b"\x9e".decode()
