"""The two commands on real files, in processes of their own: nothing is replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks
from soundsafe.aliases import Audio
from soundsafe.errors import NotMarkable
from soundsafe.keys import write_key_file

RATE = 44_100

EMBED_KEYS = {
    "euls",
    "euls_verified",
    "payload_bytes",
    "capacity_bytes_per_eul",
    "snr_db",
    "nmr_db",
    "margin_db",
    "strength_db",
    "zimtohrli",
    "seconds",
    "realtime_factor",
    "warnings",
}
DECODE_KEYS = {
    "ok",
    "payloads",
    "warnings",
    "payload_hex",
    "text",
    "score",
    "code",
    "model",
    "layer",
    "id_ok",
    "id_hex",
    "euls",
    "combined",
    "speed",
    "tempo",
    "pitch",
    "factor_confidence",
    "offset_samples",
    "false_accept_bound",
    "seconds",
    "realtime_factor",
}


@pytest.fixture
def folder(tmp_path: Path, cut: Callable[..., NDArray[np.float32]]) -> Path:
    soundfile.write(tmp_path / "in.flac", cut("strings_canon", 4.0).T, RATE, subtype="PCM_16")
    soundfile.write(tmp_path / "silence.wav", np.zeros((2 * RATE, 2)), RATE)
    for name in ("mine.key", "other.key"):
        write_key_file(tmp_path / name)
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "soundsafe.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def document(out: str) -> dict[str, Any]:
    assert out.count("\n") == 1
    return dict(json.loads(out))


@pytest.mark.slow
def test_embed_attack_decode(folder: Path) -> None:
    payload = "00ff10"
    code, out, err = run(
        folder, "embed", "in.flac", "out.flac", "--payload-hex", payload, "--key-file", "mine.key", "--json"
    )
    assert (code, err) == (0, "")
    answer = document(out)
    assert set(answer) == EMBED_KEYS
    assert answer["euls"] == 4
    assert answer["payload_bytes"] == 3

    before, after = soundfile.info(folder / "in.flac"), soundfile.info(folder / "out.flac")
    for name in ("frames", "samplerate", "channels", "subtype", "format"):
        assert getattr(before, name) == getattr(after, name)

    code, out, err = run(folder, "decode", "out.flac", "--key-file", "mine.key", "--json")
    assert (code, err) == (0, "")
    answer = document(out)
    assert set(answer) == DECODE_KEYS
    assert answer["ok"] is True
    assert answer["payload_hex"] == payload
    assert answer["offset_samples"] == 0

    audio, _ = soundfile.read(folder / "out.flac", dtype="float32", always_2d=True)
    heard = attacks.get("mp3_192").apply(audio.T.copy(), RATE, np.random.default_rng(0))
    soundfile.write(folder / "heard.wav", heard.T, RATE)
    code, out, _ = run(folder, "decode", "heard.wav", "--key-file", "mine.key")
    assert (code, out.splitlines()[:2]) == (
        0,
        [f"payload: {payload}", "where: 0.0-4.0 s (4 of 4 seconds)"],
    )

    for wrong in (["--key-file", "other.key"], []):
        code, out, _ = run(folder, "decode", "out.flac", *wrong, "--json")
        assert code == 1
        answer = document(out)
        assert set(answer) == DECODE_KEYS
        assert (answer["ok"], answer["payload_hex"], answer["id_hex"]) == (False, None, None)


@pytest.mark.slow
def test_a_message_under_the_public_key(folder: Path) -> None:
    code, out, err = run(folder, "embed", "in.flac", "out.wav", "--message", "grüße", "--quality", "fast")
    assert code == 0
    assert out.startswith("out.wav: 7 bytes, read back from ")
    assert err == "soundsafe: no key file: the public default key gives detection, but no security\n"
    code, out, _ = run(folder, "decode", "out.wav")
    assert code == 0
    assert out.splitlines()[:2] == [f"payload: {'grüße'.encode().hex()}", "text: grüße"]


@pytest.mark.slow
def test_unmarked_audio_is_a_no(folder: Path) -> None:
    code, out, _ = run(folder, "decode", "in.flac")
    assert code == 1
    assert out.startswith("no mark found (score ")


@pytest.mark.slow
def test_silence_is_a_no_and_leaves_nothing(folder: Path) -> None:
    code, out, err = run(folder, "embed", "silence.wav", "out.wav", "--message", "x", "--json")
    assert code == 1
    assert "silent throughout" in document(out)["error"]
    assert err.count("\n") == 1
    assert not (folder / "out.wav").exists()


@pytest.mark.slow
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_how_quiet_audio_may_be_follows_its_sample_format(
    tmp_path: Path, cut: Callable[..., Audio], subtype: str
) -> None:
    audio = cut("rock", 3.0)
    quiet = audio * (10 ** (-70 / 20) / np.abs(audio).max())
    soundfile.write(tmp_path / "a.wav", quiet.T, 44_100, subtype=subtype)
    arguments = tmp_path / "a.wav", tmp_path / "b.wav", b"x"
    if subtype == "PCM_16":  # twenty steps of it are no room for a mark
        with pytest.raises(NotMarkable):
            soundsafe.embed_file(*arguments, quality="fast", layers=("eul",))
        return
    answer = soundsafe.embed_file(*arguments, quality="fast", layers=("eul",))
    assert (answer.euls_verified, answer.euls) == (3, 3)
    assert soundsafe.decode_file(tmp_path / "b.wav").payload == b"x"
