"""Peers: absent ones say how to get them; a present one is asked at its own rate and answers for itself.

The peers here are made up: a package of the same name in an environment of its own, and a program on PATH,
that mark in the simplest way. What the real ones do is measured, not tested.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.commands import cli
from soundsafe.eval.systems import peer_catalogue, peers
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.answers import answer
from soundsafe.eval.systems.interface import System

KEY = bytes(32)

PERTH = """
from types import SimpleNamespace
import numpy as np

print("loading")


class PerthImplicitWatermarker:
    def __init__(self):
        self.perth_net = SimpleNamespace(hp=SimpleNamespace(sample_rate=32000))

    def tone(self, x):
        return np.sin(2 * np.pi * 1000 / 32000 * np.arange(len(x))).astype(np.float32)

    def apply_watermark(self, x, sample_rate):
        print("marking", sample_rate)
        if not x.any():
            raise ValueError("silence\\nhas no mark")
        return (x + 0.01 * self.tone(x))[:-5]

    def get_watermark(self, x, sample_rate, round):
        return np.array(100 * np.mean(x * self.tone(x)) * 2)
"""

AUDIOWMARK = """#!{python}
import pathlib, shutil, sys
command, *rest = sys.argv[1:]
rest = [r for i, r in enumerate(rest) if '--strength' not in rest[max(0, i - 1) : i + 1]]
state = pathlib.Path(__file__).with_name("state")
if command == "--version":
    print("audiowmark 0.0.0")
elif command == "add":
    shutil.copy(rest[2], rest[3])
    state.write_text(pathlib.Path(rest[1]).read_text() + "\\n" + rest[4])
elif len(rest) < len(sys.argv[2:]):
    sys.exit("audiowmark: unsupported option '--strength' for command 'get'")
else:
    key, message = state.read_text().split("\\n\\n")
    print("pattern  0:01 c6141f3d25720eb0dbd0e38ee2355ff4 0.185 0.382 B")
    if key.strip() == pathlib.Path(rest[1]).read_text().strip():
        print("pattern   all " + message + " 1.399 0.035")
"""


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that holds NumPy, by way of this one's packages, and a made-up Perth."""
    folder = tmp_path_factory.mktemp("peer")
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "these.pth").write_text(str(Path(np.__file__).parents[1]))
    module = packages / "perth" / "perth_net" / "perth_net_implicit"
    module.mkdir(parents=True)
    (module / "perth_watermarker.py").write_text(PERTH)
    about = packages / "resemble_perth-9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: resemble-perth\nVersion: 9.9\n")
    return folder / "bin" / "python"


def noise(channels: int, samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.001, (channels, samples)).astype(np.float32)


@pytest.mark.parametrize("rate", [32_000, 44_100])
def test_a_peer_in_a_python_of_its_own(
    other_python: Path, monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    monkeypatch.setenv("SOUNDSAFE_PYTHON_PERTH", str(other_python))
    perth = systems.get("perth")
    assert isinstance(perth, System)
    assert perth.describe() == {
        "version": "9.9", "keyed": False, "rate": 32_000, "minimum_s": 0.1, "payload_bits": 0, "checked": True
    }  # fmt: skip
    audio = noise(2, rate)
    marked = perth.embed(audio, rate, b"", KEY).audio
    assert marked.shape == audio.shape
    added = marked - audio
    assert np.allclose(added[0], added[1], atol=1e-6)
    assert np.std(added) == pytest.approx(0.01 / np.sqrt(2), rel=0.02)
    found = answer(perth.decode(marked, rate, KEY))
    assert (found.ok, found.payload) == (True, b"")
    assert found.score == pytest.approx(1.0, abs=0.1)
    assert not perth.decode(audio, rate, KEY).ok


def test_an_error_is_one_line_and_it_goes_on(other_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDSAFE_PYTHON_PERTH", str(other_python))
    perth = systems.get("perth")
    with pytest.raises(NotMarkable, match=r"^perth: ValueError: silence has no mark$"):
        perth.embed(np.zeros((1, 32_000), np.float32), 32_000, b"", KEY)
    assert perth.embed(noise(1, 32_000), 32_000, b"", KEY).audio.shape == (1, 32_000)
    with pytest.raises(NotMarkable, match=r"0\.1 s"):
        perth.embed(noise(1, 320), 32_000, b"", KEY)
    assert not perth.decode(noise(1, 320), 32_000, KEY).ok


def test_a_peer_that_died_is_started_again(other_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDSAFE_PYTHON_PERTH", str(other_python))
    perth = systems.get("perth")
    audio = noise(1, 32_000)
    assert not perth.decode(audio, 32_000, KEY).ok
    assert isinstance(perth, peers.PeerSystem)
    assert perth._server is not None
    perth._server.process.kill()
    with contextlib.suppress(RuntimeError):  # it may be noticed while it is asked
        perth.decode(audio, 32_000, KEY)
    assert not perth.decode(audio, 32_000, KEY).ok


def test_a_peer_whose_package_does_not_load(other_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDSAFE_PYTHON_PERTH", str(other_python))
    wavmark = dataclasses.replace(peer_catalogue.PEERS["perth"], name="wavmark")
    broken = peers.PeerSystem(wavmark)  # of which this Python has nothing
    with pytest.raises(RuntimeError, match=r"^wavmark: ModuleNotFoundError"):
        broken.decode(noise(1, 32_000), 32_000, KEY)


def test_absent_ones_say_how_to_get_them(other_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("SOUNDSAFE_PEERS", "/nowhere")
    monkeypatch.setenv("SOUNDSAFE_PYTHON_PERTH", "/nowhere/python")
    monkeypatch.setenv("SOUNDSAFE_PYTHON_AUDIOSEAL", str(other_python))
    (next(other_python.parents[1].glob("lib/python*/site-packages")) / "audioseal-1.dist-info").mkdir()
    (next(other_python.parents[1].glob("lib/python*/site-packages/audioseal-1*")) / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: audioseal\nVersion: 1\n"
    )
    for name, words in (
        ("perth", "not installed: soundsafe-eval peer install perth"),
        ("audiowmark", "not installed"),
        ("audioseal", "peer weights audioseal PATH, where PATH is the folder of generator_base"),
    ):
        with pytest.raises(InputError, match=words) as error:
            systems.get(name)
        assert "\n" not in str(error.value)
    found = {item["system"]: item for item in systems.listing()}
    assert not found["perth"]["available"]
    assert "peer install perth" in found["perth"]["missing"]
    assert found["null"]["available"]
    assert not found["null"]["missing"]


@pytest.mark.parametrize("name", ["aware", "afiles-dsss:bits=40,alpha=0.2", "timbre", "audiowmark"])
def test_a_run_of_an_absent_one_is_one_line_and_exit_2(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    for environment in peer_catalogue.ENVIRONMENTS:
        monkeypatch.setenv(f"SOUNDSAFE_PYTHON_{environment.upper()}", "/nowhere/python")
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "--suite", "smoke", "--system", name, "--out", str(tmp_path / "run")])
    said = capsys.readouterr()
    assert (stop.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"{name.partition(':')[0]} is not installed: " in said.err
    assert not (tmp_path / "run").exists()


def test_audiowmark_is_asked_for_messages_that_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "audiowmark"
    program.write_text(AUDIOWMARK.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    audiowmark = systems.get("audiowmark")
    assert isinstance(audiowmark, System)
    assert audiowmark.describe()["version"] == "audiowmark 0.0.0"
    audio, payload = noise(2, 44_100), bytes(range(12))
    marked = audiowmark.embed(audio, 44_100, payload, KEY).audio
    assert np.allclose(marked, audio, atol=1e-6)
    found = answer(audiowmark.decode(marked, 44_100, KEY))
    assert (found.ok, found.payload, found.score) == (True, payload, pytest.approx(0.93))
    assert not audiowmark.decode(marked, 44_100, bytes(range(32))).ok
