"""Marks of released versions, kept as files, which every later version reads; by `tests/long/golden.py`."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

import soundsafe
from soundsafe.cells.profile import LEARNABLE, ROBUST
from soundsafe.files.audio_file import read_audio

FOLDER = Path(__file__).parent
FILES = json.loads((FOLDER / "golden.json").read_text())["files"]


@pytest.mark.parametrize("name", FILES)
def test_a_released_mark_reads(name: str) -> None:
    entry = FILES[name]
    key = bytes.fromhex(entry["key_hex"])
    audio, info = read_audio(FOLDER / f"{name}.flac")
    found = soundsafe.decode(audio, info.rate, key)
    assert found.payload_hex == entry["payload_hex"]
    # A later version may read more seconds, but not fewer.
    assert sum(eul.ok for eul in found.euls) >= sum(entry["euls_ok"])
    assert bool(found.warnings) == (entry["mark"] == 1)  # marks of version 1 can be forged


@pytest.mark.parametrize("name", FILES)
def test_the_audio_names_the_same_slots(name: str) -> None:
    entry = FILES[name]
    audio, info = read_audio(FOLDER / f"{name}.flac")
    profile = {1: LEARNABLE, 2: ROBUST}[entry["mark"]]
    found = soundsafe.layouts(audio, info.rate, bytes.fromhex(entry["key_hex"]), profile=profile)
    assert [eul.slots for eul in found] == entry["slots"]


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.flac")) < 2_000_000


def test_the_command_that_other_versions_run_finds_nothing_wrong() -> None:
    command = runpy.run_path(str(FOLDER.parents[1] / "long" / "golden.py"))
    assert command["check"]() == {}


def test_a_change_of_what_the_layers_share_needs_a_new_version() -> None:
    from soundsafe.tiles.geometry import ROBUST_TILES

    held = json.loads((FOLDER / "golden.json").read_text())
    assert (held["profile"], held["tile_profile"]) == (ROBUST.digest, ROBUST_TILES.digest)
