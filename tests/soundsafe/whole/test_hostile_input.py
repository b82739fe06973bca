"""Bad input through the real command line: exit code 2, one line on stderr, and nothing left."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import soundsafe
from soundsafe import cli
from soundsafe.errors import InputError
from soundsafe.files.audio_file import read_audio
from soundsafe.keys import write_key_file

RATE = 44_100
MESSAGE = ("--message", "x")


def wav(rate: int = RATE, channels: int = 1, frames: int = 50_000, data: bytes | None = None) -> bytes:
    data = bytes(2 * channels * frames) if data is None else data
    width = 2 * channels
    fmt = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * width & 0xFFFFFFFF, width & 0xFFFF, 16
    )
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def noise(seconds: float, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((int(seconds * RATE), channels)) * 0.05


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    soundfile.write("good.wav", noise(2), RATE)
    soundfile.write("short.wav", noise(0.9), RATE)
    soundfile.write("good.flac", noise(3), RATE)
    write_key_file("good.key")
    Path("good.key").chmod(0o600)
    Path("empty.wav").write_bytes(b"")
    Path("text.wav").write_text("not audio at all\n" * 1000)
    Path("text.mp3").write_text("not audio at all\n" * 1000)
    Path("random.flac").write_bytes(np.random.default_rng(0).bytes(50_000))
    Path("random.ogg").write_bytes(b"OggS" + np.random.default_rng(0).bytes(50_000))
    Path("image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    Path("header.wav").write_bytes(wav()[:20])
    Path("header.flac").write_bytes(Path("good.flac").read_bytes()[:30])
    Path("no_samples.wav").write_bytes(wav(frames=0))
    Path("nine.wav").write_bytes(wav(channels=9))
    Path("many.wav").write_bytes(wav(channels=65_535, frames=2))
    Path("slow.wav").write_bytes(wav(rate=7_999))
    Path("fast.wav").write_bytes(wav(rate=192_001))
    Path("norate.wav").write_bytes(wav(rate=0))
    for name in ("good.ogg", "good.mp3"):
        soundfile.write(name, noise(2), RATE)
    Path("cut.flac").write_bytes(Path("good.flac").read_bytes()[:-60_000])
    flac = bytearray(Path("good.flac").read_bytes())
    flac[100_000:102_000] = bytes(2_000)
    Path("hole.flac").write_bytes(bytes(flac))
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        audio = noise(2)
        audio[RATE + 5] = value
        soundfile.write(f"{name}.wav", audio, RATE, subtype="FLOAT")
    audio = noise(2)
    audio[RATE + 5] = 1e20
    soundfile.write("spike.wav", audio, RATE, subtype="FLOAT")
    Path("cut.wav").write_bytes(Path("good.wav").read_bytes()[:100_000])
    Path("folder.wav").mkdir()
    os.mkfifo("pipe.wav")
    os.symlink("good.wav", "symlink.wav")
    os.link("good.wav", "hardlink.wav")
    os.symlink("loop.wav", "loop.wav")
    os.symlink("nowhere.wav", "dangling.wav")
    Path("empty.bin").write_bytes(b"")
    Path("long.bin").write_bytes(bytes(4097))
    Path("room.bin").write_bytes(bytes(351))
    Path("short.key").write_text("0123456789abcdef" * 3 + "\n")
    Path("words.key").write_text("correct horse battery staple\n")
    Path("binary.key").write_bytes(bytes(range(256)))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {p.name: p.read_bytes() if p.is_file() else None for p in folder.iterdir()}


EMBED = [
    # audio that cannot be read
    (["missing.wav", "out.wav", *MESSAGE], r"missing\.wav: No such file"),
    (["empty.wav", "out.wav", *MESSAGE], r"empty\.wav is empty"),
    (["text.wav", "out.wav", *MESSAGE], r"text\.wav is not audio"),
    (["text.mp3", "out.wav", *MESSAGE], r"text\.mp3 is not audio"),
    (["random.flac", "out.wav", *MESSAGE], r"random\.flac is not audio"),
    (["random.ogg", "out.wav", *MESSAGE], r"random\.ogg is not audio"),
    (["image.png", "out.wav", *MESSAGE], r"image\.png is not audio"),
    (["header.wav", "out.wav", *MESSAGE], r"header\.wav .* header is damaged"),
    (["header.flac", "out.wav", *MESSAGE], r"header\.flac .* header is damaged"),
    (["no_samples.wav", "out.wav", *MESSAGE], r"no_samples\.wav holds no audio"),
    (["cut.flac", "out.wav", *MESSAGE], r"cut\.flac is damaged"),
    (["hole.flac", "out.wav", *MESSAGE], r"hole\.flac is damaged"),
    (["nan.wav", "out.wav", *MESSAGE], r"nan\.wav has samples that are not finite .* 1\.000 s"),
    (["inf.wav", "out.wav", *MESSAGE], r"inf\.wav has samples that are not finite"),
    (["spike.wav", "out.wav", *MESSAGE], r"spike\.wav has a sample of 1e\+20 .* 1\.000 s"),
    (["cut.wav", "out.wav", *MESSAGE], r"cut\.wav is cut off: it holds 99956 of 176400 bytes"),
    (["nine.wav", "out.wav", *MESSAGE], r"nine\.wav has 9 channels: 1 to 8"),
    (["many.wav", "out.wav", *MESSAGE], r"many\.wav"),
    (["slow.wav", "out.wav", *MESSAGE], r"7999 Hz: 8000 to 192000"),
    (["fast.wav", "out.wav", *MESSAGE], r"192001 Hz: 8000 to 192000"),
    (["norate.wav", "out.wav", *MESSAGE], r"norate\.wav .* header is damaged"),
    (["short.wav", "out.wav", *MESSAGE], r"short\.wav .*second"),
    (["folder.wav", "out.wav", *MESSAGE], r"folder\.wav is a folder"),
    (["pipe.wav", "out.wav", *MESSAGE], r"pipe\.wav is not a regular file"),
    (["/dev/zero", "out.wav", *MESSAGE], r"/dev/zero is not a regular file"),
    (["loop.wav", "out.wav", *MESSAGE], r"loop\.wav: Too many levels"),
    (["good.wav/x.wav", "out.wav", *MESSAGE], r"Not a directory"),
    (["", "out.wav", *MESSAGE], r"."),
    # outputs that cannot be
    (["good.wav", "good.wav", *MESSAGE], "the same file"),
    (["good.wav", "symlink.wav", *MESSAGE], "the same file"),
    (["good.wav", "hardlink.wav", *MESSAGE], "the same file"),
    (["symlink.wav", "./good.wav", *MESSAGE], "the same file"),
    (["good.wav", "nowhere/out.wav", *MESSAGE], "there is no folder nowhere"),
    (["good.wav", "good.key/out.wav", *MESSAGE], r"good\.key is not a folder"),
    (["good.wav", "folder.wav", *MESSAGE], "it is a folder"),
    (["good.wav", "pipe.wav", *MESSAGE], "not a regular file"),
    (["good.wav", "/proc/out.wav", *MESSAGE], r"cannot write /proc/out\.wav"),
    (["good.wav", "out.mp3", *MESSAGE], r"must end in \.wav or \.flac"),
    (["good.wav", "out", *MESSAGE], r"must end in \.wav or \.flac"),
    (["good.wav", "y" * 300 + ".wav", *MESSAGE], "File name too long"),
    # payloads
    (["good.wav", "out.wav"], "give the payload once"),
    (["good.wav", "out.wav", *MESSAGE, "--payload-hex", "00"], "give the payload once"),
    (["good.wav", "out.wav", "--message", ""], "--message is empty"),
    (["good.wav", "out.wav", "--message", "ü" * 2049], "4098 bytes: a payload has 1 to 4096"),
    (["good.wav", "out.wav", "--message", "\udcff"], "not valid text"),
    (["good.wav", "out.wav", "--payload-hex", ""], "--payload-hex is empty"),
    (["good.wav", "out.wav", "--payload-hex", "abc"], "even number of hexadecimal digits"),
    (["good.wav", "out.wav", "--payload-hex", "zz"], "even number of hexadecimal digits"),
    (["good.wav", "out.wav", "--payload-hex", "00 11"], "even number of hexadecimal digits"),
    (["good.wav", "out.wav", "--payload-hex", "00" * 4097], "4097 bytes: a payload has 1 to 4096"),
    (["good.wav", "out.wav", "--payload-file", "empty.bin"], r"empty\.bin is empty"),
    (["good.wav", "out.wav", "--payload-file", "long.bin"], r"long\.bin has too many bytes"),
    (["good.wav", "out.wav", "--payload-file", "room.bin"], r"room for 350 bytes: 351 need 3 seconds"),
    (["good.wav", "out.wav", "--payload-file", "missing.bin"], r"missing\.bin: No such file"),
    (["good.wav", "out.wav", "--payload-file", "folder.wav"], r"folder\.wav: Is a directory"),
    # keys
    (["good.wav", "out.wav", *MESSAGE, "--key-file", "missing.key"], r"missing\.key: No such file"),
    (["good.wav", "out.wav", *MESSAGE, "--key-file", "short.key"], r"short\.key is not a key file"),
    (["good.wav", "out.wav", *MESSAGE, "--key-file", "words.key"], r"words\.key is not a key file"),
    (["good.wav", "out.wav", *MESSAGE, "--key-file", "binary.key"], r"binary\.key is not a key file"),
    # usage
    (["good.wav", "out.wav", *MESSAGE, "--quality", "superb"], "superb"),
    (["good.wav", "out.wav", *MESSAGE, "--louder"], "No such option: --louder"),
    (["good.wav", "out.wav", *MESSAGE, "more"], r"unexpected extra argument.*more"),
    (["good.wav", "out.wav", "--message"], "requires an argument"),
    (["good.wav"], "Missing argument 'OUT'"),
    ([], "Missing argument 'IN'"),
]

OTHERS = [
    (["decode", "missing.wav"], r"missing\.wav: No such file"),
    (["decode", "empty.wav"], r"empty\.wav is empty"),
    (["decode", "text.mp3"], r"text\.mp3 is not audio"),
    (["decode", "header.wav"], "header is damaged"),
    (["decode", "nan.wav"], "not finite"),
    (["decode", "spike.wav"], "a sample of"),
    (["decode", "hole.flac"], "damaged"),
    (["decode", "nine.wav"], "9 channels"),
    (["decode", "folder.wav"], "is a folder"),
    (["decode", "good.wav", "--key-file", "words.key"], r"words\.key is not a key file"),
    (["decode"], "Missing argument 'FILE'"),
    (["info", "text.wav"], r"text\.wav is not audio"),
    (["keygen", "good.key"], "never overwritten"),
    (["keygen", "dangling.wav"], "never overwritten"),
    (["keygen", "nowhere/k"], "No such file"),
    (["train", "large"], "cannot train large"),
    (["emded", "good.wav"], "No such command 'emded'"),
    ([], "name a command"),
    (["--nope"], "No such option"),
]

CASES = [(["embed", *arguments], pattern) for arguments, pattern in EMBED] + OTHERS
IDS = [" ".join(arguments)[:60].replace("\udcff", "?") for arguments, _ in CASES]


def check(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], pattern: str, as_json: bool
) -> None:
    before = contents(folder)
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--json"] if as_json else arguments)
    out, err = capfd.readouterr()
    assert caught.value.code == 2, err
    lines = [line for line in err.split("\n") if line.strip()]
    assert len(lines) == 1, err
    assert re.search(pattern, lines[0])
    assert lines[0].startswith("soundsafe: ")
    assert "internal error" not in err
    assert "Traceback" not in err + out
    if as_json:
        assert list(json.loads(out)) == ["error"]
    else:
        assert out == ""
    assert contents(folder) == before


@pytest.mark.parametrize(("arguments", "pattern"), CASES, ids=IDS)
def test_bad_input(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], pattern: str
) -> None:
    check(folder, capfd, arguments, pattern, False)


@pytest.mark.parametrize(
    ("arguments", "pattern"), [case for case in CASES if case[0][:1] in (["embed"], ["decode"])][::5]
)
def test_bad_input_with_json(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], pattern: str
) -> None:
    check(folder, capfd, arguments, pattern, True)


def test_keys_are_not_shown_in_any_message(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("short.key", "words.key"):
        with pytest.raises(SystemExit):
            cli.main(["decode", "good.wav", "--key-file", name])
        out, err = capfd.readouterr()
        assert "0123456789" not in out + err
        assert "horse" not in out + err


def test_a_name_that_would_break_the_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("two\nlines\x1b[2J.wav").write_bytes(b"")
    check(folder, capfd, ["decode", "two\nlines\x1b[2J.wav"], r"two\\nlines\\x1b\[2J\.wav is empty", False)


def test_a_read_only_folder(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests may run as root, whom no mode keeps out.
    real = os.open

    def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    check(folder, capfd, ["embed", "good.wav", "out.wav", *MESSAGE], r"out\.wav: Permission denied", False)


# --- as a process


def process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "soundsafe.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_full_disk(folder: Path, name: str) -> None:
    import resource

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))

    before = contents(folder)
    with process("embed", "good.wav", name, *MESSAGE, preexec_fn=small_files_only) as run:
        out, err = run.communicate(timeout=120)
    assert (run.returncode, out) == (2, "")
    assert err == f"soundsafe: cannot write {name}: File too large\n"
    assert contents(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_no_file(folder: Path, number: int) -> None:
    soundfile.write("long.wav", noise(120, 2), RATE)
    before = contents(folder)
    with process("embed", "long.wav", "out.wav", *MESSAGE, "--quality", "best") as run:
        end = time.monotonic() + 60
        while contents(folder) == before and time.monotonic() < end:
            time.sleep(0.05)
        assert contents(folder) != before, "nothing was begun"
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (128 + number, "")
    assert "Traceback" not in err
    assert contents(folder) == before


def test_a_wav_from_a_pipe_may_not_know_its_size(folder: Path) -> None:
    piped = bytearray(Path("good.wav").read_bytes())
    at = piped.index(b"data") + 4
    piped[4:8] = piped[at : at + 4] = b"\xff" * 4
    Path("piped.wav").write_bytes(piped)
    assert read_audio("piped.wav")[0].shape == (1, 2 * RATE)


def test_names_that_are_not_text(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"n\xff.wav")
    os.rename("good.wav", name)
    assert read_audio(name)[0].shape == (1, 2 * RATE)


@pytest.mark.slow
def test_a_key_that_others_can_read_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("good.key").chmod(0o644)
    with pytest.raises(SystemExit) as caught:
        cli.main(["decode", "good.wav", "--key-file", "good.key", "--json"])
    out, err = capfd.readouterr()
    assert caught.value.code == 1
    assert json.loads(out)["ok"] is False
    assert err == "soundsafe: good.key can be read by others (mode 644): chmod 600 keeps it secret\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((np.zeros((1, 2 * RATE)), RATE, "x", None), "payload is bytes"),
        ((np.zeros((1, 2 * RATE)), "44100", b"x", None), "whole number of Hz"),
        ((np.zeros((1, 2 * RATE)), RATE, b"x", b""), "a key is 32 bytes"),
        ((np.zeros((1, 2 * RATE)), RATE, b"x", "key"), "a key is 32 bytes"),
        ((np.full((1, 2 * RATE), 1e39), RATE, b"x", None), "full scale is 1"),
        ((np.zeros((1, 2 * RATE)), RATE, bytes(351), None), "room for 350 bytes"),
    ],
)
def test_what_the_python_function_refuses(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        soundsafe.embed(*arguments)
