"""The command line against a stand-in codec: options, exit codes, streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import soundsafe
from soundsafe import cli
from soundsafe.aliases import Progress
from soundsafe.cells.profile import Profile
from soundsafe.errors import InputError, NotMarkable
from soundsafe.keys import DEFAULT_KEY, read_key_file, write_key_file
from soundsafe.result import Eul, FoundPayload

Run = Callable[..., tuple[int, str, str]]


@dataclass
class FakeEmbedded:
    euls: int = 3
    euls_verified: int = 2
    snr_db: float | None = 31.25
    nmr_db: float = -19.04
    zimtohrli: float = 5.2e-5
    margin_db: float = 4.0
    seconds: float = 0.5
    warnings: tuple[str, ...] = ("second 2: digital silence",)

    def to_json(self) -> dict[str, Any]:
        return {"euls": self.euls, "snr_db": float("nan"), "warnings": list(self.warnings)}


@dataclass
class FakeDecoded:
    ok: bool = True
    payload: bytes | None = b"hello"
    score: float = 2.0
    id_ok: bool = False
    id_hex: str | None = None
    layer: str | None = "eul"
    tempo: float = 1.0
    pitch: float = 1.0
    euls: tuple[Eul, ...] = ()
    payloads: tuple[FoundPayload, ...] = ()
    false_accept_bound: float = 2e-16
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "payload_hex": self.payload.hex() if self.payload else None,
            "score": self.score,
        }


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).standard_normal((3 * 8000 + 10, 2)) * 0.1
    soundfile.write(tmp_path / "in.wav", noise, 8000)
    return tmp_path / "in.wav"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            cli.main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, out, err

    return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    seen: list[tuple[Any, ...]] = []

    def embed_file(
        *arguments: Any,
        quality: str,
        layers: tuple[str, ...],
        strength: float,
        profile: Profile,
        progress: Progress,
    ) -> FakeEmbedded:
        seen.append((*arguments, quality, layers, strength, profile))
        progress(0.5, "marking")
        return FakeEmbedded()

    def decode_file(*arguments: Any, progress: Progress, **options: Any) -> FakeDecoded:
        seen.append(arguments)
        return FakeDecoded()

    monkeypatch.setattr(soundsafe, "embed_file", embed_file, raising=False)
    monkeypatch.setattr(soundsafe, "decode_file", decode_file, raising=False)
    return seen


# --- embed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "value", "payload"),
    [
        ("--payload-hex", "00ffAB", b"\x00\xff\xab"),
        ("--payload-file", "payload.bin", b"\x01\n\x00\xff"),
        ("--message", "grüße", "grüße".encode()),
        ("--message", "x" * 4096, b"x" * 4096),
        ("--payload-hex", "5a" * 4096, b"Z" * 4096),
    ],
)
def test_payloads(run: Run, clip: Path, calls: list[Any], option: str, value: str, payload: bytes) -> None:
    Path("payload.bin").write_bytes(b"\x01\n\x00\xff")
    code, out, err = run("embed", "in.wav", "out.flac", option, value)
    assert code == 0
    source, target, got, key, quality = calls[0][:5]
    assert (source, target, got, key, quality) == (
        Path("in.wav"),
        Path("out.flac"),
        payload,
        DEFAULT_KEY,
        "default",
    )
    assert (
        out == f"out.flac: {len(payload)} bytes, read back from 2 of 3 seconds"
        " (SNR 31.2 dB, NMR -19.0 dB, Zimtohrli distance 5.2e-5, margin 4.0 dB, 0.5 s of work)\n"
    )
    assert err.splitlines() == [
        "soundsafe: warning: second 2: digital silence",
        "soundsafe: no key file: the public default key gives detection, but no security",
    ]


def test_key_file_and_quality_reach_the_codec(run: Run, clip: Path, calls: list[Any]) -> None:
    write_key_file("k")
    code, _, err = run(
        "embed", "in.wav", "out.wav", "--message", "m", "--key-file", "k", "--quality", "best", "--json"
    )
    assert code == 0
    assert calls[0][3:5] == (read_key_file("k"), "best")
    assert "key" not in err


@pytest.mark.parametrize(
    ("name", "layers"), [("eul", ("eul",)), ("eul,tile", ("eul", "tile")), ("both", ("eul", "tile"))]
)
def test_layers_reach_the_codec(
    run: Run, clip: Path, calls: list[Any], name: str, layers: tuple[str, ...]
) -> None:
    assert run("embed", "in.wav", "out.wav", "--message", "m", "--layers", name)[0] == 0
    assert calls[0][5] == layers


@pytest.mark.parametrize(("asked", "decibels"), [("quiet", -3.0), ("default", 0.0), ("1.5", 1.5)])
def test_strength_reaches_the_codec(
    run: Run, clip: Path, calls: list[Any], asked: str, decibels: float
) -> None:
    assert run("embed", "in.wav", "out.wav", "--message", "m", "--strength", asked)[0] == 0
    assert calls[0][6] == decibels


@pytest.mark.parametrize("name", ["ldpc", "rs"])
def test_the_code_reaches_the_codec(run: Run, clip: Path, calls: list[Any], name: str) -> None:
    assert run("embed", "in.wav", "out.wav", "--message", "m", "--code", name)[0] == 0
    assert calls[0][7].code == name


def test_an_unknown_code_is_refused(run: Run, clip: Path, calls: list[Any]) -> None:
    code, out, err = run("embed", "in.wav", "out.wav", "--message", "m", "--code", "turbo")
    assert (code, out, err) == (2, "", "soundsafe: unknown code 'turbo': ldpc or rs\n")
    assert not calls


def test_an_unknown_strength_is_refused(run: Run, clip: Path, calls: list[Any]) -> None:
    code, out, err = run("embed", "in.wav", "out.wav", "--message", "m", "--strength", "loud")
    assert (code, out) == (2, "")
    assert err == ("soundsafe: unknown strength loud: quiet, default, strong, or decibels from -6 to 6\n")
    assert not calls


def test_unknown_layers_are_refused(run: Run, clip: Path, calls: list[Any]) -> None:
    code, out, err = run("embed", "in.wav", "out.wav", "--message", "m", "--layers", "lead")
    assert (code, out, err) == (2, "", "soundsafe: unknown layers lead: eul or eul,tile\n")
    assert not calls


def test_embed_json_is_one_document_without_nan(run: Run, clip: Path, calls: list[Any]) -> None:
    code, out, _ = run("embed", "in.wav", "out.wav", "--message", "m", "--json")
    assert code == 0
    assert json.loads(out) == {"euls": 3, "snr_db": None, "warnings": ["second 2: digital silence"]}
    assert out.count("\n") == 1


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_audio_that_cannot_be_marked_is_exit_1(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, as_json: list[str]
) -> None:
    def embed_file(*arguments: Any, **options: Any) -> None:
        raise NotMarkable("in.wav is silent throughout")

    monkeypatch.setattr(soundsafe, "embed_file", embed_file, raising=False)
    code, out, err = run("embed", "in.wav", "out.wav", "--message", "m", *as_json)
    assert code == 1
    assert err == "soundsafe: in.wav is silent throughout\n"
    assert (json.loads(out) == {"error": "in.wav is silent throughout"}) if as_json else out == ""


# --- decode


def test_decode_prints_payload_and_text(run: Run, clip: Path, calls: list[Any]) -> None:
    code, out, err = run("decode", "in.wav")
    assert (code, out.splitlines()[:2]) == (0, ["payload: 68656c6c6f", "text: hello"])
    assert "no security" in err
    assert calls[0][:2] == (Path("in.wav"), DEFAULT_KEY)


def test_decode_says_what_was_undone(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = FakeDecoded(payload=b"\xff", layer="tile", tempo=1.05)
    monkeypatch.setattr(soundsafe, "decode_file", lambda *a, **options: found, raising=False)
    code, out, _ = run("decode", "in.wav")
    assert (code, out.splitlines()) == (
        0,
        [
            "payload: ff",
            "where: all over it (tile layer), 0 of 0 seconds by themselves",
            "sure: of unmarked audio, fewer than 1 in 10^15 would give such an answer",
            "changed: tempo times 1.05000, pitch times 1.00000 (tile layer)",
        ],
    )


def test_decode_says_where_each_payload_is(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = (
        FoundPayload(b"to A", 3, ((0.0, 2.0), (130.0, 131.0)), "k1"),
        FoundPayload(b"\xfe", 1, ((5.0, 6.0),), "k2"),
    )
    euls = tuple(Eul(float(i), i < 4, 0, 0, {}) for i in range(5))
    found = FakeDecoded(payload=b"to A", euls=euls, payloads=payloads)
    monkeypatch.setattr(soundsafe, "decode_file", lambda *a, **options: found, raising=False)
    assert run("decode", "in.wav")[1].splitlines()[:-1] == [
        "payload: 746f2041",
        "text: to A",
        "key: k1",
        "where: 0.0-2.0 s, 2:10-2:11 (3 of 5 seconds)",
        "another payload: fe",
        "key: k2",
        "where: 5.0-6.0 s (1 of 5 seconds)",
    ]


@pytest.mark.parametrize("payload", [b"\x1b[2Jgotcha", b"\xff\xfe", b"two\nlines"])
def test_decode_prints_no_text_that_could_act_on_a_terminal(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr(
        soundsafe, "decode_file", lambda *a, **options: FakeDecoded(payload=payload), raising=False
    )
    code, out, _ = run("decode", "in.wav")
    assert (code, out.splitlines()[0]) == (0, f"payload: {payload.hex()}")
    assert "text" not in out


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (FakeDecoded(False, None, 0.25), "no mark found (score 0.2)\n"),
        (
            FakeDecoded(False, None, 9.0, euls=(Eul(0, True, 0, 0, {}), Eul(1, False, 0, 0, {}))),
            "a mark was found, but not all of its payload: 1 of 2 seconds read\n",
        ),
        (
            FakeDecoded(False, None, 4.0, True, "ba7816bf8f01cfea"),
            "the payload cannot be read; its identifier is ba7816bf8f01cfea\n",
        ),
    ],
)
def test_decode_without_a_payload_is_exit_1(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, result: FakeDecoded, text: str
) -> None:
    monkeypatch.setattr(soundsafe, "decode_file", lambda *a, **options: result, raising=False)
    code, out, _ = run("decode", "in.wav")
    assert (code, out.splitlines()[0]) == (1, text.strip())
    assert ("sure: " in out) == (text != "no mark found (score 0.2)\n")
    code, out, _ = run("decode", "in.wav", "--json")
    assert code == 1
    assert json.loads(out) == {"ok": False, "payload_hex": None, "score": result.score}


# --- info, keygen, train, version, help


def test_info_names_capacity_profile_and_versions(run: Run, clip: Path) -> None:
    code, out, err = run("info", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["capacity_bytes_per_eul"] == 175
    assert document["max_payload_bytes"] == 4096
    assert set(document) >= {"version", "profile", "model", "code", "qualities", "packages"}
    code, out, _ = run("info")
    assert code == 0
    assert "capacity bytes per eul: 175\n" in out


def test_info_of_a_file(run: Run, clip: Path) -> None:
    code, out, _ = run("info", "in.wav", "--json")
    assert code == 0
    assert json.loads(out)["file"] == {
        "path": "in.wav",
        "rate": 8000,
        "channels": 2,
        "seconds": 3.001,
        "format": "WAV",
        "subtype": "PCM_16",
        "tags": {},
        "euls": 3,
        "largest_payload_bytes": 525,
    }
    assert run("info", "in.wav")[1].splitlines() == [
        "in.wav: room for a payload of 1 to 525 bytes; up to 175 are repeated in each of its 3 seconds",
        "audio: 3.001 s, 8000 Hz, stereo, WAV PCM_16",
    ]


def test_keygen_makes_a_key_once_and_never_shows_it(run: Run, clip: Path) -> None:
    code, out, err = run("keygen", "k")
    assert code == 0
    assert Path("k").stat().st_mode & 0o777 == 0o600
    secret = Path("k").read_text().strip()
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in out + err
    code, out, err = run("keygen", "k")
    assert (code, out) == (2, "")
    assert err == "soundsafe: k exists already, and a key is never overwritten: give a new name\n"
    assert Path("k").read_text().strip() == secret


def test_keygen_derives_a_key_for_each_name(run: Run, clip: Path) -> None:
    assert run("keygen", "main")[0] == 0
    for path, name in (("a", "label A"), ("again", "label A"), ("b", "label B")):
        code, out, _ = run("keygen", path, "--from-key", "main", "--name", name)
        assert code == 0
        assert f"the key of '{name}', identifier " in out
        assert Path(path).read_text().strip() not in out
        assert Path(path).stat().st_mode & 0o777 == 0o600
    texts = {path: Path(path).read_text() for path in ("main", "a", "again", "b")}
    assert texts["a"] == texts["again"]
    assert len(set(texts.values())) == 3
    for options in (["--name", "x"], ["--from-key", "main"]):
        assert run("keygen", "c", *options)[::2] == (2, "soundsafe: --from-key and --name go together\n")
    assert "1 to 200 characters" in run("keygen", "c", "--from-key", "main", "--name", "")[2]
    assert not Path("c").exists()


def test_train_says_what_it_cannot(run: Run, clip: Path) -> None:
    code, out, err = run("train", "large", "--data", "d")
    assert (code, out) == (2, "")
    assert err.startswith("soundsafe: cannot train large")
    assert err.count("\n") == 1


def test_version_and_help(run: Run, clip: Path) -> None:
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out.startswith("soundsafe ")
    commands = ("embed", "decode", "info", "keygen", "train", "lookup", "serve", "batch", "batch embed")
    for command in ([], *(words.split() for words in commands)):
        code, out, err = run(*command, "--help")
        assert (code, err) == (0, "")
        assert "Usage: soundsafe" in out


# --- errors at the top


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("in.wav is\nodd\x1b[31m"), r"in.wav is\nodd\x1b[31m"),
        (OSError(28, "No space left on device", "out.wav"), "No space left on device: out.wav"),
        (MemoryError(), "out of memory"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_no_error_gets_out_as_a_traceback(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def decode_file(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(soundsafe, "decode_file", decode_file, raising=False)
    code, out, err = run("decode", "in.wav")
    assert (code, out) == (2, "")
    assert err.startswith("soundsafe: ")
    assert err.endswith(f"{message}\n")
    assert err.count("\n") == 1
    code, out, _ = run("decode", "in.wav", "--json")
    assert code == 2
    assert list(json.loads(out)) == ["error"]


def test_interrupts(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode_file(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(soundsafe, "decode_file", decode_file, raising=False)
    assert run("decode", "in.wav") == (130, "", "soundsafe: interrupted\n")
    before = signal.getsignal(signal.SIGTERM)

    def terminated(*arguments: Any, **options: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(soundsafe, "decode_file", terminated, raising=False)
    assert run("decode", "in.wav") == (143, "", "")
    assert signal.getsignal(signal.SIGTERM) is before


# --- as a process


def soundsafe_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "soundsafe.cli", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--version"], ["info"], ["info", "--json"]])
def test_an_answer_that_cannot_be_written(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "soundsafe.cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "soundsafe: cannot write the answer: No space left on device\n"


@pytest.mark.slow
def test_a_reader_that_goes_away(clip: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "soundsafe.cli", "info", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


def test_chatter_of_native_libraries_is_kept_away(clip: Path) -> None:
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(44_100)
    encoder.set_channels(1)
    encoder.silence()
    noise = np.random.default_rng(0).integers(-5000, 5000, 50_000).astype("<i2")
    data = bytes(encoder.encode(noise.tobytes())) + bytes(encoder.flush())
    Path("bad.mp3").write_bytes(data[:300])
    done = soundsafe_process("decode", "bad.mp3")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "soundsafe: bad.mp3 is not audio that can be read, or its header is damaged:"
        " WAV, FLAC, MP3, OGG, M4A and most others work"
    ]
