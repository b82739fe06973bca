"""Marks through a learned map: they read with it, not without it, and `decode` finds out by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection
from soundsafe.cells.learned import LearnedProfile, learned_factors, model_card, profile_of, with_model
from soundsafe.cells.masking import masked, threshold
from soundsafe.cells.profile import ROBUST
from soundsafe.cells.reading import read_second
from soundsafe.cli import main
from soundsafe.errors import InputError
from soundsafe.models.steps import StepMap, write_map
from soundsafe.stft import RATE, stft
from soundsafe.streams import reader
from soundsafe.streams.eul_driver import EULDriver

Cut = Callable[..., Audio]

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map whose factors differ much from frame to frame."""
    torch.manual_seed(1)
    model = StepMap(fixed=(9, 13))
    with torch.no_grad():
        for half in model.halves:
            assert isinstance(half, torch.nn.Sequential)
            torch.nn.init.normal_(half[-1].weight, std=2.0)
    path = tmp_path_factory.mktemp("model") / "wild.npz"
    write_map(path, model, {"name": "wild"})
    return path


def test_the_bundled_network_says_what_it_is() -> None:
    profile = with_model("steps")
    card = model_card(profile)
    assert profile.model == "steps"
    assert {"command", "seconds", "wrong_bits_val", "size"} <= set(card)
    assert profile.digest != ROBUST.digest
    assert model_card(ROBUST) == {}


def test_profiles_by_option(wild: Path) -> None:
    assert profile_of(None) is ROBUST
    assert profile_of(None, "rs").code == "rs"
    assert profile_of(str(wild), "rs").code == "rs"
    assert profile_of(str(wild)).model == str(wild)
    assert profile_of(str(wild)) == profile_of(str(wild))


@pytest.mark.parametrize("name", ["nothing", "", "/"])
def test_no_such_network_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="steps"):
        with_model(name)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is no model"):
        with_model(str(tmp_path / "x.npz"))


def test_a_file_that_changes_later_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_map(path, StepMap(), {})
    first = with_model(str(path))
    path.write_bytes(b"other")
    with pytest.raises(InputError):
        learned_factors(torch.ones(24, 100), LearnedProfile(file=first.file, weights="0" * 64))


def test_factors_of_seconds_do_not_depend_on_their_neighbours(wild: Path) -> None:
    profile = with_model(str(wild))
    power = torch.rand(24, 300, generator=torch.Generator().manual_seed(0)) + 1e-3
    whole = learned_factors(power, profile)
    apart = [learned_factors(power[:, at : at + 100], profile) for at in (0, 100, 200)]
    assert torch.allclose(whole, torch.cat(apart, dim=1), atol=1e-5)
    assert whole[9].eq(1.0).all()
    assert whole.std() > 0.1


def test_the_threshold_has_the_factors(wild: Path, cut: Cut) -> None:
    spectrum = stft(torch.from_numpy(cut("rock", 1.0)[0]))[:, :100]
    plain, profile = masked(spectrum, ROBUST), with_model(str(wild))
    ratio = threshold(spectrum, profile) / plain
    assert torch.equal(threshold(spectrum, ROBUST), plain)
    assert ratio.min() < 0.75
    assert ratio.max() > 1.3


@pytest.mark.parametrize("payload", [b"short", bytes(range(100))])
def test_a_mark_reads_best_through_its_map(wild: Path, payload: bytes, cut: Cut) -> None:
    x, profile = cut("rock", 2.0), with_model(str(wild))
    marked = soundsafe.embed(x, RATE, payload, KEY, profile=profile, quality="fast", layers="eul").audio
    read = soundsafe.decode(marked, RATE, KEY, profile=profile)
    assert (read.payload, read.model) == (payload, str(wild))
    assert soundsafe.decode(marked, RATE, bytes(32), profile=profile).payload is None
    through, without = (read_second(marked, 0, 0, CellCode(KEY, one)) for one in (profile, ROBUST))
    assert through is not None
    assert without is not None
    assert through.fit > 1.3 * without.fit


def test_decode_tries_networks_of_the_package_by_itself(
    wild: Path, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, profile = cut("rock", 5.3), with_model(str(wild))
    marked = soundsafe.embed(x, RATE, b"by itself", KEY, profile=profile, quality="fast", layers="eul")
    # As if the map mattered more than it does: without it nothing is read.
    plain = reader.detect

    def detect(blocks: Iterable[Audio], code: CellCode, *rest: Any) -> Detection:
        found = plain(blocks, code, *rest)
        return found if code.profile.model else replace(found, payload=None, payloads=())

    monkeypatch.setattr(reader, "detect", detect)
    monkeypatch.setattr(reader, "MODELS", (str(wild),))
    read = soundsafe.decode(marked.audio[:, 12_345:], RATE, KEY)
    assert (read.payload, read.model) == (b"by itself", str(wild))
    assert read.to_json()["model"] == str(wild)
    assert soundsafe.decode(x, RATE, KEY).model is None


def test_the_command_marks_and_reads(wild: Path, cut: Cut, tmp_path: Path) -> None:
    source, target = str(tmp_path / "in.wav"), str(tmp_path / "out.wav")
    soundfile.write(source, cut("rock", 2.0).T, RATE)
    options = ["--model", str(wild)]
    assert run("embed", source, target, "--message", "hello", "--quality", "fast", *options) == 0
    assert run("decode", target, *options) == 0
    assert run("decode", target, "--model", "nothing") == 2
    assert run("embed", source, target, "--message", "hello", "--model", "nothing") == 2


def run(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_the_driver_carries_191_bytes_through_a_map(wild: Path, cut: Cut) -> None:
    x, payload = cut("rock", 1.0), bytes(range(191))
    driver = EULDriver(key=KEY, quality="fast", model=str(wild))
    marked = driver.encode_eul(x, payload)
    assert driver.decode_eul(marked) == payload
    with pytest.raises(ValueError, match="robust"):
        EULDriver(profile="seed", model="steps")
    with pytest.raises(ValueError, match="cannot read the model"):
        EULDriver(model="nothing")
