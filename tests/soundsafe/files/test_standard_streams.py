"""`-` for standard input and output, in processes of their own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "soundsafe.cli", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=240, check=False)


def sound(fmt: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).standard_normal((2 * 44_100, 1)) * 0.1
    soundfile.write(buffer, noise, 44_100, format=fmt, subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.slow
def test_from_pipe_to_pipe(tmp_path: Path) -> None:
    flac = bytearray(sound("FLAC"))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)  # as a pipe leaves it
    made = run("embed", "-", "-", "--message", "x", "--layers", "eul", data=bytes(flac))
    assert made.returncode == 0, made.stderr
    assert b"standard output: 1 bytes, read back from" in made.stderr
    assert soundfile.info(io.BytesIO(made.stdout)).frames == 88_200
    read = run("decode", "-", "--json", data=made.stdout)
    assert json.loads(read.stdout)["payload_hex"] == b"x".hex()
    told = run("info", "-", "--json", data=made.stdout)
    assert json.loads(told.stdout)["file"]["path"] == "standard input"


@pytest.mark.slow
def test_what_cannot_be(tmp_path: Path) -> None:
    refused = run("embed", "-", "-", "--message", "x", "--json", data=sound())
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["error"].startswith("OUT is standard output")
    nothing = run("decode", "-", data=b"")
    assert (nothing.returncode, nothing.stderr) == (2, b"soundsafe: standard input is empty\n")
    noise = run("embed", "-", "-", "--message", "x", data=b"no audio" * 99)
    assert noise.returncode == 2
    assert noise.stdout == b""
    assert noise.stderr.startswith(b"soundsafe: standard input is not audio")
