"""Each clip is marked as far from the original as another system marks it, or as a number says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from soundsafe import datasets
from soundsafe.codecs import resample
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.metrics.quality import nmr_db
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.as_far import at_distance, log_distance, option_of, start_of, with_option
from soundsafe.eval.systems.interface import System
from soundsafe.stft import RATE

KEY, PAYLOAD = bytes(32), bytes(range(4))


def test_the_secant_finds_a_power_law() -> None:
    factor, distance, marked = at_distance(lambda f: (f, 2.0 * f**0.5), 3.0)
    assert distance == pytest.approx(3.0, abs=0.01)
    assert marked == factor
    assert at_distance(lambda f: (f, 1.0), None)[0] == 1.0


def test_a_far_start_and_a_steep_end_are_no_hindrance() -> None:
    def mark(factor: float) -> tuple[None, float]:
        return None, -6.0 + 2 * math.log(factor) - (0.3 / factor) ** 2

    assert at_distance(mark, -9.7, 12)[1] == pytest.approx(-9.7, abs=0.01)


def _distance(system: System, audio: np.ndarray, rate: int) -> float:
    marked = system.embed(audio.copy(), rate, PAYLOAD[: system.payload_bytes], KEY).audio
    assert marked is not None
    return math.exp(log_distance([(resample(audio, rate, RATE), resample(marked, rate, RATE))]))


@pytest.fixture(scope="module")
def clips() -> list[tuple[np.ndarray, int]]:
    read = [clip.read() for clip in datasets.load("bundled").clips[:2]]
    return [(audio[:, : 3 * rate], rate) for audio, rate in read]


@pytest.mark.parametrize("moving", ["", ",moving=scale"])
def test_every_clip_is_as_far_as_the_other_marks_it(clips: list[tuple[np.ndarray, int]], moving: str) -> None:
    name = f"spread-spectrum:equal_to=qim:step=0.003{moving}"
    system, other = registry.get(name), registry.get("qim:step=0.003")
    assert system.name == name
    for audio, rate in clips:
        assert _distance(system, audio, rate) == pytest.approx(_distance(other, audio, rate), rel=0.02)
    assert not system.decode(clips[0][0], *clips[0][1:], KEY).ok


@pytest.mark.slow
def test_in_a_run_the_other_is_marked_as_in_its_own_run(tmp_path: Path) -> None:
    names = ["spread-spectrum:equal_to=soundsafe-8", "soundsafe-8"]
    plan = make_plan(names, ["none"], "bundled", limit=2, seconds=2.5)
    rows = runner.run(plan, tmp_path / "run", jobs=0).rows
    first, second = (
        rows[(rows["system"] == name) & (rows["attack"] == "none")].groupby("clip")["zimtohrli"].first()
        for name in names
    )
    assert np.allclose(first, second, rtol=0.02)


def test_a_number_is_a_distance_too(clips: list[tuple[np.ndarray, int]]) -> None:
    audio, rate = clips[0]
    system = registry.get("classic-ss:bits=16,equal_to=1e-4")
    assert system.payload_bytes == 2
    assert _distance(system, audio, rate) == pytest.approx(1e-4, rel=0.02)


def test_the_noise_to_mask_ratio_can_be_equal_instead(clips: list[tuple[np.ndarray, int]]) -> None:
    audio, rate = clips[0]
    system, other = registry.get("spread-spectrum:equal_to=qim,equal_in=nmr"), registry.get("qim")
    marks = [each.embed(audio.copy(), rate, PAYLOAD, KEY).audio for each in (system, other)]
    noise = [nmr_db(audio, marked, rate) for marked in marks if marked is not None]
    assert noise[0] == pytest.approx(noise[1], abs=0.05)
    with pytest.raises(NotMarkable, match="nmr: scale brings null to 1e-10"):
        registry.get("null:equal_to=qim,equal_in=nmr").embed(audio, rate, PAYLOAD, KEY)


def test_what_cannot_be_reached_or_asked_is_said(clips: list[tuple[np.ndarray, int]]) -> None:
    audio, rate = clips[0]
    with pytest.raises(NotMarkable, match=r"zimtohrli: scale brings null to 1e-07, not 0\.0001"):
        registry.get("null:equal_to=1e-4").embed(audio, rate, PAYLOAD, KEY)
    for name, words in (
        ("qim:equal_to=2", "above 0 and below 1"),
        ("qim:equal_to=nobody", "unknown system nobody"),
        ("qim:moving=step", "moving stands beside equal_to"),
        ("qim:equal_in=nmr", "equal_in stands beside equal_to"),
        ("qim:equal_to=null,equal_in=snr", "unknown equal_in snr"),
        ("qim:equal_to=0.001,equal_in=nmr", "needs the name of a system"),
        ("qim:equal_to=null,moving=loudness", "no option loudness"),
    ):
        with pytest.raises(InputError, match=words):
            registry.get(name)


def test_the_option_that_is_moved() -> None:
    names = (
        "afiles-qim",
        "afiles-phase",
        "aware",
        "spread-spectrum:amount_db=2",
        "classic-ss:bits=16",
        "qim",
    )
    assert [option_of(name) for name in names] == [
        "step_scale", "scale", "scale", "amount_db", "strength", "scale"
    ]  # fmt: skip
    assert start_of("afiles-qim", "step_scale") == 0.1
    assert with_option("qim:step=1", "scale", 0.5) == "qim:step=1,scale=0.5"
