"""Published watermarks as systems under test, so that they stand beside this one on the same audio.

None of them is needed: one that is not there says how to get it. Their packages ask for versions that clash
with this package's and with each other's, so each may live in a Python of its own:

    SOUNDSAFE_PYTHON_PERTH=venv/bin/python     that Python; without it, the one that runs the bench
    SOUNDSAFE_WEIGHTS_AUDIOSEAL=folder         a model's weights, where its package holds none

A system is talked to by pipe (`peer_server`). It gets the mean of the channels at its own rate, and what it
added is added to every channel, so that the rest of the band stays as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
import zlib
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import soundfile

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem
from soundsafe.eval.systems.mixing import mixed_in

__all__ = ["PEERS", "Audiowmark", "NotInstalled", "Peer", "PeerSystem"]

Message: TypeAlias = dict[str, Any]
"""The JSON part of what is said to a peer, or answered by it."""


class NotInstalled(InputError):
    """The system is not there. The message says how to get it."""


@dataclass(frozen=True)
class Peer:
    """What a published system is: its distribution, its own rate, what it carries and what it needs.

    `minimum_s`: shorter audio it cannot mark. `weights`: what must be given, '' where the package holds it.
    """

    name: str
    distribution: str
    rate: int
    payload_bytes: int
    minimum_s: float
    weights: str
    install: str


PEERS = {
    p.name: p
    for p in (
        Peer("perth", "resemble-perth", 32_000, 0, 0.1, "",
             'pip install resemble-perth librosa torchaudio pyyaml "setuptools<81"'),
        Peer("audioseal", "audioseal", 16_000, 2, 0.1,
             "the folder of generator_base.pth and detector_base.pth", "pip install audioseal"),
        Peer("wavmark", "wavmark", 16_000, 2, 1.1, "the file of the model", "pip install wavmark"),
        Peer("silentcipher", "silentcipher", 44_100, 5, 1.0,
             "the folder of the 44.1 kHz model, with hparams.yaml", "pip install silentcipher"),
    )
}  # fmt: skip


@cache
def _version(python: str, distribution: str) -> str | None:
    """Version of a distribution in another Python; None where that has none."""
    if python == sys.executable:
        try:
            return installed_version(distribution)
        except PackageNotFoundError:
            return None
    ask = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    try:
        done = subprocess.run(
            [python, "-I", "-c", ask, distribution], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def _digest(path: Path) -> str:
    """16 hex digits over a file, or over the files of a folder by name."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        total.update(file.name.encode() + b"\0")
        with file.open("rb") as data:
            total.update(hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()[:16]


class _Server:
    """A running `peer_server`; it ends with the object."""

    def __init__(self, name: str, python: str, weights: str) -> None:
        script = str(Path(__file__).with_name("peer_server.py"))
        self.name = name
        self.process = subprocess.Popen(
            [python, "-I", script, name, weights],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.close = weakref.finalize(self, _end, self.process)
        self._answer()

    def ask(self, header: Message, audio: Audio) -> tuple[Message, Audio]:
        stdin = self.process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(header | {"samples": len(audio)}).encode() + b"\n" + audio.tobytes())
            stdin.flush()
        except OSError:
            raise self._ended() from None
        return self._answer()

    def _ended(self) -> RuntimeError:
        self.close()
        return RuntimeError(f"{self.name} ended by itself")

    def _answer(self) -> tuple[Message, Audio]:
        stdout = self.process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise self._ended()
        header = json.loads(line)
        if "error" in header:
            raise RuntimeError(f"{self.name}: {header['error']}")
        return header, np.frombuffer(stdout.read(4 * header["samples"]), np.float32)


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # what was not sent is lost with the process
                stream.close()
    process.terminate()
    process.wait()


class PeerSystem(SimpleSystem):
    """A system in a process of its own, started when it is first used. It takes no key."""

    def __init__(self, facts: Peer) -> None:
        """Raises NotInstalled."""
        self.facts, self.name, self.payload_bytes = facts, facts.name, facts.payload_bytes
        variable = facts.name.upper()
        self.python = os.environ.get(f"SOUNDSAFE_PYTHON_{variable}") or sys.executable
        self.weights = os.environ.get(f"SOUNDSAFE_WEIGHTS_{variable}", "")
        found = _version(self.python, facts.distribution)
        if found is None:
            raise NotInstalled(
                f"{facts.name} is not installed: {facts.install}, best in an environment of its own, "
                f"whose Python SOUNDSAFE_PYTHON_{variable} then names"
            )
        if facts.weights and not os.path.exists(self.weights):
            raise NotInstalled(
                f"{facts.name} has no weights: SOUNDSAFE_WEIGHTS_{variable} must name {facts.weights}"
            )
        self.version = found
        self._server: _Server | None = None

    def _ask(self, header: Message, audio: Audio) -> tuple[Message, Audio]:
        if self._server is not None and self._server.process.poll() is not None:
            self._server = None
        if self._server is None:
            self._server = _Server(self.name, self.python, self.weights)
        return self._server.ask(header, audio)

    def _own(self, audio: Audio, rate: int) -> Audio:
        mono = audio.mean(axis=0, dtype=np.float32)
        return resample(mono[None], rate, self.facts.rate)[0]

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        """Raises NotMarkable for audio that is too short."""
        if audio.shape[1] < self.facts.minimum_s * rate:
            raise NotMarkable(f"{self.name} needs {self.facts.minimum_s:g} s")
        host = self._own(audio, rate)
        bits = np.unpackbits(np.frombuffer(payload, np.uint8)).tolist()
        marked = self._ask({"do": "embed", "bits": bits}, host)[1]
        return mixed_in(audio, rate, (marked - host)[None], self.facts.rate)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        if audio.shape[1] < self.facts.minimum_s * rate:
            return Found(False, None)
        found = self._ask({"do": "decode"}, self._own(audio, rate))[0]
        payload = None if found["bits"] is None else np.packbits(np.array(found["bits"], np.uint8)).tobytes()
        return Found(payload is not None, payload, found["score"])

    def describe(self) -> dict[str, object]:
        out: dict[str, object] = {"version": self.version, "keyed": False}
        out |= {"rate": self.facts.rate, "minimum_s": self.facts.minimum_s}
        return out | ({"weights": _digest(Path(self.weights))} if self.facts.weights else {})


perth, audioseal, wavmark, silentcipher = (partial(PeerSystem, peer) for peer in PEERS.values())
"""What makes each of them, for the registry."""


class Audiowmark(SimpleSystem):
    """The program `audiowmark`: 128 bits, the last 32 of them a CRC here, since it checks no message itself.

    One block of it takes about 52 seconds; what can be read from shorter audio is the first part of a block.
    """

    name = "audiowmark"
    payload_bytes = 12

    def __init__(self) -> None:
        """Raises NotInstalled."""
        program = shutil.which("audiowmark")
        if program is None:
            raise NotInstalled("audiowmark is not installed: get it (uplex.de/audiowmark) and put it on PATH")
        self.program = program

    def _run(self, folder: str, key: bytes, *arguments: str) -> str:
        # A key file as the program writes them: 128 bits.
        path = Path(folder, "key")
        path.write_text(f"key {key[:16].hex()}\n")
        path.chmod(0o600)
        done = subprocess.run(
            [self.program, arguments[0], "--key", str(path), *arguments[1:]],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        # `get` ends with 1 where it finds nothing.
        if done.returncode and arguments[0] == "add":
            raise RuntimeError((done.stderr.strip().splitlines() or ["audiowmark failed"])[-1])
        return done.stdout

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        message = payload + zlib.crc32(payload).to_bytes(4, "big")
        with tempfile.TemporaryDirectory(prefix="soundsafe-") as folder:
            soundfile.write(Path(folder, "in.wav"), audio.T, rate, subtype="PCM_24")
            self._run(folder, key, "add", "in.wav", "out.wav", message.hex())
            marked = soundfile.read(Path(folder, "out.wav"), dtype="float32", always_2d=True)[0].T
        return Marked(np.ascontiguousarray(marked))

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        with tempfile.TemporaryDirectory(prefix="soundsafe-") as folder:
            soundfile.write(Path(folder, "in.wav"), np.clip(audio.T, -1, 1), rate, subtype="PCM_24")
            said = self._run(folder, key, "get", "--detect-speed", "in.wav")
        lines = [line.split() for line in said.splitlines()]
        # pattern TIME MESSAGE SYNC ERROR TYPE
        patterns = [line for line in lines if len(line) >= 5 and line[0] == "pattern"]
        score = max((1 - 2 * float(line[4]) for line in patterns), default=0.0)
        for line in patterns:
            message = bytes.fromhex(line[2])
            payload, check = message[: self.payload_bytes], message[self.payload_bytes :]
            if zlib.crc32(payload).to_bytes(4, "big") == check:
                return Found(True, payload, score)
        return Found(False, None, score)

    def describe(self) -> dict[str, object]:
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False)
        return {"version": done.stdout.strip() or "unknown", "crc_bits": 32, "options": "--detect-speed"}
