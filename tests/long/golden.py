"""Makes the marked files that every later version must read: `tests/soundsafe/golden/`.

    python tests/long/golden.py            # those of this version of the mark; earlier ones stay
    python tests/long/golden.py --check    # read them; exit code 1 where one does not give what it gave

Each is a bundled clip's first seconds, marked, with what they must give in `golden.json`: payload, whether it
comes with the warning of version 1, and for every second the digest of the slots that the audio itself names.
`--check` compares them, also under other versions of Python, torch and NumPy.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile
import torch

import soundsafe
from soundsafe import datasets
from soundsafe.cells.profile import LEARNABLE, ROBUST, Profile
from soundsafe.files.audio_file import read_audio
from soundsafe.keys import DEFAULT_KEY
from soundsafe.tiles.geometry import ROBUST_TILES

FOLDER = Path(__file__).parents[1] / "soundsafe" / "golden"

FILES = (
    # name, clip, seconds, channels, rate, payload, key, layers
    ("rock_stereo_both", "rock", 4.0, 2, 44_100, b"golden: both layers", None, ("eul", "tile")),
    ("strings_mono", "strings_canon", 4.0, 1, 44_100, bytes(range(256)), b"\x01" * 32, ("eul",)),
    ("caribbean_48k", "caribbean", 4.0, 1, 48_000, b"golden: 48 kHz", None, ("eul",)),
    ("choral_mono_both", "choral_nunc_dimittis", 4.0, 1, 44_100, b"\x00\xff", b"\x02" * 32, ("eul", "tile")),
)


def profile_of(mark: int) -> Profile:
    """The default profile of a version of the mark."""
    return {1: LEARNABLE, 2: ROBUST}[mark]


def slots_of(path: Path, key: bytes | None, mark: int) -> list[str]:
    """Digest of the slots of every second that lies on the file's own grid, by a version of the mark."""
    audio, info = read_audio(path)
    return [eul.slots for eul in soundsafe.layouts(audio, info.rate, key, profile=profile_of(mark))]


def make() -> None:
    """Write the files of this version, and `golden.json`."""
    import soxr

    clips = {clip.clip: clip for clip in datasets.load("bundled").clips}
    FOLDER.mkdir(exist_ok=True)
    held = json.loads((FOLDER / "golden.json").read_text())["files"]
    entries = {name: entry for name, entry in held.items() if entry["mark"] != ROBUST.version}
    for stem, clip, seconds, channels, rate, payload, key, layers in FILES:
        name = f"v{ROBUST.version}_{stem}"
        audio, own = clips[clip].read()
        audio = audio[:, : round(seconds * own)]
        audio = audio.mean(axis=0, keepdims=True) if channels == 1 else audio
        if rate != own:
            audio = soxr.resample(audio.T, own, rate, quality="VHQ").T.astype(np.float32)
        marked = soundsafe.embed(audio, rate, payload, key, layers=layers)
        path = FOLDER / f"{name}.flac"
        soundfile.write(path, marked.audio.T, rate, subtype="PCM_16")
        found = soundsafe.decode_file(path, key)
        assert found.payload == payload, name
        entries[name] = {
            "mark": ROBUST.version,
            "clip": clip,
            "payload_hex": payload.hex(),
            "key_hex": (key or DEFAULT_KEY).hex(),  # keys of these files alone
            "euls_ok": [eul.ok for eul in found.euls],
            "slots": slots_of(path, key, ROBUST.version),
        }
    document = {
        "version": version("soundsafe"),
        "profile": ROBUST.digest,
        "tile_profile": ROBUST_TILES.digest,
        "files": entries,
    }
    (FOLDER / "golden.json").write_text(json.dumps(document, indent=1) + "\n")


def check() -> dict[str, str]:
    """What does not give what it gave, by file."""
    entries = json.loads((FOLDER / "golden.json").read_text())["files"]
    names = [f"v{ROBUST.version}_{stem}" for stem, *_ in FILES]
    wrong = {name: "missing" for name in names if name not in entries}
    for name, entry in entries.items():
        key = bytes.fromhex(entry["key_hex"])
        path = FOLDER / f"{name}.flac"
        found = soundsafe.decode_file(path, key)
        if found.payload_hex != entry["payload_hex"]:
            wrong[name] = "payload"
        elif bool(found.warnings) != (entry["mark"] == 1):
            wrong[name] = "warning"
        elif slots_of(path, key, entry["mark"]) != entry["slots"]:
            wrong[name] = "slots"
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        make()
    wrong = check()
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    print(json.dumps({"files": len(list(FOLDER.glob("*.flac"))), "wrong": wrong, **versions}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
