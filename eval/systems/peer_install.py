"""Making the environment that a peer lives in, with pins that are known to work, and trying it out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from soundsafe import datasets
from soundsafe.errors import InputError
from soundsafe.eval.systems.peer_catalogue import ENVIRONMENTS, PEERS, Environment
from soundsafe.eval.systems.peer_places import MARKER, environment_folder

__all__ = ["environment_of", "install", "tried"]

Say = Callable[[str], None]

_TRIED_ON = "speech_hungarian"
"""The bundled clip that a peer is tried on. Neither tones nor hiss hold a mark of every system; this does."""


def environment_of(name: str) -> Environment:
    """The environment of a peer, or the one of that name.

    Raises:
        InputError: there is none.
    """
    found = PEERS[name].environment if name in PEERS else name
    if found not in ENVIRONMENTS:
        also = " audiowmark is a program: build it from its source (uplex.de/audiowmark) and put it on PATH."
        raise InputError(
            f"unknown peer {name}: choose from {', '.join(ENVIRONMENTS)}"
            + (f".{also}" if name == "audiowmark" else "")
        )
    return ENVIRONMENTS[found]


def _python_version(python: str) -> tuple[int, int]:
    ask = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True, timeout=60)
        major, minor = done.stdout.split()
    except (OSError, subprocess.SubprocessError, ValueError):
        raise InputError(f"{python} is no Python") from None
    return int(major), int(minor)


def _run(command: list[str], what: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"])[-1]
        raise InputError(f"{what} failed: {last.strip()}")
    return done.stdout


def install(environment: Environment, python: str = sys.executable, say: Say = print) -> Path:
    """Make an environment afresh; an older one of the name goes.

    Args:
        environment: of the catalogue.
        python: the Python to make it with.
        say: is told each step.

    Returns:
        Its folder, whole: `installed.json` in it lists every package and version.

    Raises:
        InputError: the Python does not fit, or a step failed; what was made is gone again.
    """
    oldest, newest = environment.pythons
    version = _python_version(python)
    if not oldest <= version <= newest:
        fits = f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
        this = ".".join(map(str, version))
        raise InputError(f"{environment.name} needs Python {fits}, not {this}: name one with --python")
    folder = environment_folder(environment.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    inside = str(folder / "bin" / "python")
    try:
        say(f"making {folder}")
        _run([python, "-m", "venv", str(folder)], "venv")
        for step in environment.steps:
            say(f"pip install {' '.join(step)}")
            _run([inside, "-m", "pip", "install", "--quiet", *step], f"pip install {step[-1]}", folder)
        _without_cuda(folder, inside, say)
        packages = _run([inside, "-m", "pip", "list", "--format=json"], "pip list")
        versions = {item["name"]: item["version"] for item in json.loads(packages)}
        about = {"python": ".".join(map(str, version)), "packages": versions}
        (folder / MARKER).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _without_cuda(folder: Path, python: str, say: Say) -> None:
    """Take the compiled part out of a torchaudio that asks for a CUDA which torch lacks; no peer needs it."""
    for compiled in folder.glob("lib/python*/site-packages/torchaudio/lib"):
        done = subprocess.run([python, "-I", "-c", "import torchaudio"], capture_output=True, check=False)
        if done.returncode:
            say("torchaudio: without its compiled part, which does not load here")
            shutil.rmtree(compiled)


def tried(name: str) -> str:
    """Mark and read six seconds of bundled speech with an installed peer, and say in one line what came back.

    Raises:
        InputError: it is not there.
        NotMarkable, RuntimeError: it failed.
    """
    from soundsafe.eval.systems.peers import PeerSystem

    system = PeerSystem(PEERS[name])
    clip = next(clip for clip in datasets.load(datasets.BUNDLED).clips if clip.clip == _TRIED_ON)
    audio, rate = clip.read()
    audio = audio[:, : 6 * rate]
    bits = np.random.default_rng(1).integers(0, 2, system.payload_bits).astype(np.uint8)
    key = bytes(range(32))
    marked = system.embed(audio, rate, np.packbits(bits).tobytes(), key).audio
    found = system.decode(marked, rate, key)
    if not system.payload_bits:
        return f"{name} {system.version}: mark {'found' if found.ok else 'not found'}"
    right = 0 if found.bits is None else int((np.asarray(found.bits) == bits).sum())
    return f"{name} {system.version}: {right} of {len(bits)} bits read back"
