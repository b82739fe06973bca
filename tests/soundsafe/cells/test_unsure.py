"""Seconds of a short word that do not show how they were marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks, embed
from soundsafe.cells.code import CellCode
from soundsafe.cells.combining import combine
from soundsafe.cells.detector import detect
from soundsafe.cells.layout import Features, choose_layout
from soundsafe.cells.pooled import Part, mixed_soft_values, pooled_soft_values
from soundsafe.cells.profile import SHORT_SCALES
from soundsafe.cells.reading import Projected, read_second
from soundsafe.cells.unsure import likely_ways
from soundsafe.stft import RATE

KEY = bytes(range(32))
CODE = CellCode(KEY)
PAYLOAD = b"sixteen bytes it"
FULL = Features(np.array([-9.0, *np.linspace(0, -40, 20), -70.0, -80.0, -90.0]))
"""Levels of bands of audio with all of them up to 11 kHz."""


def projected(
    rng: np.random.Generator, noise: float, scale: float, heard: Features = FULL
) -> tuple[Projected, ...]:
    """One second of a word under the second of three codes that its audio, as it now is `heard`, may name."""
    codes = [CODE.of_host(int(word), 0) for word in rng.choice(256, 3, replace=False)]
    out = []
    for number, code in enumerate(codes):
        geo = code.geometry
        p = rng.uniform(-20, 20, len(geo.step))
        if number == 1:
            lay = choose_layout(FULL, code, 0)
            u = (CODE.encode_short_word(PAYLOAD) ^ geo.scramble) + 2.0 * rng.integers(-2, 3, 2040)
            u = u - lay.dither.numpy() + noise / scale * rng.standard_normal(2040)
            p[lay.slots] = scale * u * geo.step.numpy()[lay.slots]
        out.append(Projected(p.astype(np.float32), code, 0.2 * number, 0, heard))
    return tuple(out)


def test_code_and_scale_of_each_second_show_in_all() -> None:
    rng = np.random.default_rng(0)
    scales = [1.0, 0.72, 0.85, 1.0, 0.6, 0.85]
    seconds = [(projected(rng, 0.42, scale),) for scale in scales]
    best = likely_ways(seconds, CODE, 2)[0]
    weight = best.weight.reshape(6, 3, len(SHORT_SCALES))
    assert weight.sum(axis=(1, 2)) == pytest.approx(np.ones(6))
    assert weight[:, 1].sum(axis=1).mean() > 0.6  # a third by chance
    assert CODE.read_short_word(best.soft_values(CODE)).payload == PAYLOAD


def test_beliefs_and_unusual_scales() -> None:
    rng = np.random.default_rng(1)
    ways = likely_ways([(projected(rng, 0.2, 0.5),) for _ in range(3)], CODE, 1)[0]
    weak = SHORT_SCALES.index(0.5)
    any_scale = ways.weighed(CODE, usual=False).weight.sum(axis=0)[weak]
    assert any_scale > ways.weighed(CODE).weight.sum(axis=0)[weak]
    true = 20.0 * (1.0 - 2.0 * CODE.encode_short_word(PAYLOAD))
    assert ways.weighed(CODE, true, usual=False).weight.sum(axis=0)[weak] > 2.7


@pytest.mark.parametrize("change", ["filtered", "noisy"])
def test_the_highest_band_shows_in_all(change: str) -> None:
    """A filter took bands 15 and up, or noise filled those above the marked audio's."""
    level = FULL.level_db.copy()
    if change == "filtered":
        level[15:] = -120.0
    else:
        level[21:] = -30.0
    rng = np.random.default_rng(2)
    seconds = [(projected(rng, 0.35, 1.0, Features(level)),) for _ in range(4)]
    best = likely_ways(seconds, CODE, 1)[0]
    assert CODE.read_short_word(best.soft_values(CODE)).payload == PAYLOAD


def test_noise_is_not_a_word() -> None:
    rng = np.random.default_rng(3)
    seconds = [(projected(rng, 9.0, 1.0),) for _ in range(4)]
    for ways in likely_ways(seconds, CODE, 3):
        assert CODE.read_short_word(ways.soft_values(CODE)).payload is None


def test_parts_count_as_they_are_likely() -> None:
    rng = np.random.default_rng(4)
    _, right, wrong = (one.on_layout(None) for one in projected(rng, 0.3, 1.0))
    assert right is not None
    assert wrong is not None
    alone = mixed_soft_values([Part(right, 1.0, 0, 0)], CODE)
    assert np.array_equal(alone, pooled_soft_values([[right]], [1.0], CODE))
    word = 1.0 - 2.0 * CODE.encode_short_word(PAYLOAD)
    half = mixed_soft_values([Part(right, 1.0, 0, 0, 0.5), Part(wrong, 1.0, 0, 0, 0.5)], CODE)
    assert 0.1 * (alone * word).mean() < (half * word).mean() < 0.7 * (alone * word).mean()


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["telephone_g711_mulaw", "telephone_g722_64", "noise_white_20dB"])
def test_real_audio(attack: str, cut: Callable[..., NDArray[np.float32]]) -> None:
    """What eight seconds give together."""
    audio = embed(cut("soundtrack_a_new_journey", 8.0), RATE, PAYLOAD).audio
    assert audio is not None
    attacked = attacks.get(attack).apply(audio, RATE, np.random.default_rng(0))
    assert detect([attacked], CellCode()).payload == PAYLOAD


def test_seconds_that_are_sure_are_read_as_before(marked: Callable[..., Any]) -> None:
    audio = marked("rock").audio
    readings = [read_second(audio, number * RATE, number % 4, CellCode()) for number in range(3)]
    assert all(one is not None and not one.short.projected for one in readings)
    assert combine([one for one in readings if one is not None], [], CellCode()).payload is not None
