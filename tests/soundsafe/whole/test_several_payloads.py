"""Several payloads in one file: each is named, with its seconds, and none that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import soundsafe
from soundsafe import cli
from soundsafe.keys import key_id, read_key_file, write_key_file

RATE = 44_100
Audio = NDArray[np.float32]


def embedded(audio: Audio, payload: bytes, key: bytes | None = None) -> Audio:
    found = soundsafe.embed(audio, RATE, payload, key, quality="fast", layers=("eul",)).audio
    assert found is not None
    return found


@pytest.fixture(scope="module")
def marked(cut: Callable[..., Audio]) -> dict[bytes, Audio]:
    """One piece of audio for several licensees."""
    audio = cut("rock", 8.0)
    return {name: embedded(audio, name) for name in (b"licensee A", b"licensee B", b"licensee C")}


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0, 10_007])
def test_halves_of_two_licensees(marked: dict[bytes, Audio], shift: int) -> None:
    a, b, _ = marked
    joined = np.concatenate([marked[a][:, : 3 * RATE], marked[b][:, 3 * RATE + shift :]], axis=1)
    found = soundsafe.decode(joined, RATE)
    assert found.payload == b
    assert [each.payload for each in found.payloads] == [b, a]
    assert found.payloads[1].ranges[0][0] < 0.1
    assert found.payloads[1].ranges[0][1] <= 3.1
    assert found.payloads[0].ranges[0][0] >= 2.9
    names = [eul.id_hex for eul in found.euls if eul.ok]
    assert set(names) == {each.id_hex for each in found.payloads}
    assert sum(each.euls for each in found.payloads) <= len(found.euls)


@pytest.mark.slow
def test_a_second_of_each_in_turn(marked: dict[bytes, Audio]) -> None:
    names = list(marked)
    pieces = [marked[names[n % 3]][:, n * RATE : (n + 1) * RATE] for n in range(8)]
    found = soundsafe.decode(np.concatenate(pieces, axis=1), RATE)
    assert {each.payload for each in found.payloads} == set(names)


@pytest.mark.slow
def test_one_payload_is_one(marked: dict[bytes, Audio]) -> None:
    a = next(iter(marked))
    found = soundsafe.decode(marked[a], RATE)
    (only,) = found.payloads
    assert (only.payload, only.text) == (a, a.decode())
    assert only.ranges == ((0.0, 8.0),)


@pytest.mark.slow
def test_the_command_names_all_and_takes_several_keys(
    marked: dict[bytes, Audio],
    cut: Callable[..., Audio],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    a, b, _ = marked
    joined = np.concatenate([marked[a][:, : 5 * RATE], marked[b][:, 5 * RATE :]], axis=1)
    soundfile.write("two.flac", joined.T, RATE)

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(["decode", "two.flac", *arguments])
        assert isinstance(caught.value.code, int)
        return caught.value.code, capfd.readouterr().out

    code, out = run()
    assert code == 0
    assert f"payload: {a.hex()}" in out
    assert f"another payload: {b.hex()}\ntext: licensee B\nwhere: 5.0-8.0 s (3 of 8 seconds)\n" in out
    write_key_file("k1")
    write_key_file("k2")
    soundfile.write("two.flac", embedded(cut("rock", 8.0), b"mine", read_key_file("k2")).T, RATE)
    code, out = run("--key-file", "k1", "--key-file", "k2", "--json")
    assert code == 0
    (entry,) = json.loads(out)["payloads"]
    assert (entry["text"], entry["key_id"]) == ("mine", key_id(read_key_file("k2")))
