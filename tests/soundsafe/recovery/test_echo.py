from __future__ import annotations

import numpy as np
import pytest

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.message.container import Tally
from soundsafe.recovery.echo import Echo, find_echoes, read_echoed, undo_echo, undo_echoes

CODE = CellCode()

RATE = 44_100
PAYLOAD = bytes(range(175))


def with_echo(audio: Audio, delay: int, gain: float) -> Audio:
    out = audio.copy()
    out[:, delay:] += np.float32(gain) * audio[:, :-delay]
    return out


def clip(name: str, seconds: int) -> Audio:
    found = next(c for c in datasets.load("bundled").clips if name in c.clip)
    audio, rate = found.read()
    return audio[:, : seconds * rate]


@pytest.fixture(scope="module")
def marked() -> Audio:
    return soundsafe.embed(clip("rock", 4), RATE, PAYLOAD, quality="fast", layers=("eul",)).audio


@pytest.mark.slow
@pytest.mark.parametrize(
    ("delay", "gain"), [(220, 0.5), (4410, 0.3), (22_050, 0.5), (3000, -0.5), (8820, 0.9)]
)
def test_every_second_reads_behind_an_echo(marked: Audio, delay: int, gain: float) -> None:
    echoed = with_echo(marked, delay, gain)
    plain = soundsafe.decode(marked, RATE)
    read = read_echoed(echoed, 0.0, CODE, Tally())
    assert read is not None
    found, echoes = read
    assert found.payload == PAYLOAD
    assert [e.delay for e in echoes] == [delay]
    assert echoes[0].gain == pytest.approx(gain, abs=0.03)
    assert sum(e.ok for e in found.euls) == sum(e.ok for e in plain.euls)


def test_a_stretch_of_next_to_nothing_hides_no_echo() -> None:
    echoed = with_echo(clip("rock", 4), 4410, 0.5)
    rest = np.random.default_rng(0).standard_normal((2, 4 * RATE)).astype(np.float32) * np.float32(1e-25)
    with np.errstate(divide="raise", invalid="raise"):
        found = find_echoes(np.concatenate([echoed, rest], axis=1))
    assert found[0].delay == 4410


@pytest.mark.slow
def test_decode_undoes_an_echo(marked: Audio) -> None:
    echoed = with_echo(marked, 220, 0.5)
    answer = soundsafe.decode(echoed, RATE)
    assert answer.payload == PAYLOAD
    assert answer.layer == "eul"
    assert 0 < answer.false_accept_bound < 1e-15
    assert soundsafe.decode(echoed, RATE, bytes(32)).payload is None


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.1, -0.02])
def test_decode_bears_a_constant_offset(marked: Audio, offset: float) -> None:
    answer = soundsafe.decode(marked + np.float32(offset), RATE)
    assert answer.payload == PAYLOAD
    assert answer.offset_samples == 0


def test_two_echoes_are_undone_one_after_the_other(marked: Audio) -> None:
    echoed = with_echo(with_echo(marked, 4000, 0.5), 10_007, 0.5)
    read = read_echoed(echoed, 0.0, CODE, Tally())
    assert read is not None
    assert read[0].payload == PAYLOAD


def test_unmarked_audio_with_an_echo_reads_nothing() -> None:
    assert read_echoed(with_echo(clip("rock", 4), 4410, 0.5), 0.0, CODE, Tally()) is None


def test_an_echo_is_undone_exactly_in_a_stream() -> None:
    audio = (0.1 * np.random.default_rng(0).standard_normal((2, 30_000))).astype(np.float32)
    echoed = with_echo(audio, 700, 0.6)
    np.testing.assert_allclose(undo_echo(echoed, Echo(700, 0.6)), audio, atol=1e-6)
    blocks = [echoed[:, :100], echoed[:, 100:9000], echoed[:, 9000:]]
    np.testing.assert_allclose(
        np.concatenate(list(undo_echoes(blocks, [Echo(700, 0.6)])), axis=1), audio, atol=1e-6
    )


@pytest.mark.parametrize("samples", [0, 10, 5000, 40_000])
def test_silence_and_short_audio_have_no_echoes(samples: int) -> None:
    assert find_echoes(np.zeros((2, samples), np.float32)) == []
