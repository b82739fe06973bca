"""Published watermarks as systems under test, so that they stand beside this one on the same audio.

None of them is needed: one that is not there says how to get it. What each is stands in `peer_catalogue`,
where it lives in `peer_places`. A system is talked to by pipe (`peer_server`). It gets the mean of the
channels at its own rate, and what it added is added to every channel: the rest of the band stays as it is.

Options stand behind a name: `aware:tolerance_db=3`, `afiles-dsss:bits=40,alpha=0.2`, `audiowmark:bits=16`.
`scale` multiplies what a peer adds to the audio.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
import zlib
from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TypeAlias, TypedDict

import numpy as np
import soundfile

from soundsafe.aliases import Audio, Bits
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.rows import NAN
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem
from soundsafe.eval.systems.peer_catalogue import ENVIRONMENTS, PEERS, Peer
from soundsafe.eval.systems.peer_places import digest, python_of, weights_of
from soundsafe.eval.systems.whole_clip import WholeClipSystem

__all__ = ["Audiowmark", "NotInstalled", "PeerSystem", "factory"]

Option: TypeAlias = float | int | str


class _Reply(TypedDict, total=False):
    """The JSON part of what a peer answers: `samples` always, the others where they are asked for."""

    samples: int
    score: float | None
    bits: list[int] | None
    error: str
    refused: bool


class NotInstalled(InputError):
    """The system is not there. The message says how to get it."""


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


class _Server:
    """A running `peer_server`; it ends with the object."""

    def __init__(self, name: str, python: str, weights: str, options: Mapping[str, object]) -> None:
        script = str(Path(__file__).with_name("peer_server.py"))
        self.name = name
        self.process = subprocess.Popen(
            [python, "-I", script, name, weights, json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.close = weakref.finalize(self, _end, self.process)
        self._answer()

    def ask(self, header: Mapping[str, object], audio: Audio) -> tuple[_Reply, Audio]:
        stdin = self.process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({**header, "samples": len(audio)}).encode() + b"\n" + audio.tobytes())
            stdin.flush()
        except OSError:
            raise self._ended() from None
        return self._answer()

    def _ended(self) -> RuntimeError:
        self.close()
        return RuntimeError(f"{self.name} ended by itself")

    def _answer(self) -> tuple[_Reply, Audio]:
        stdout = self.process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise self._ended()
        header: _Reply = json.loads(line)
        if "error" in header:
            # A peer that says no to this audio refuses it; anything else went wrong.
            kind = NotMarkable if header.get("refused") else RuntimeError
            raise kind(f"{self.name}: {header['error']}")
        return header, np.frombuffer(stdout.read(4 * header["samples"]), np.float32)


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # what was not sent is lost with the process
                stream.close()
    process.terminate()
    process.wait()


class PeerSystem(WholeClipSystem):
    """A system in a process of its own, started when it is first used."""

    mono = True

    def __init__(self, facts: Peer, *, scale: float = 1.0, **options: Option) -> None:
        """Raises NotInstalled, and InputError for an option that there is not."""
        self.facts, self.name, self.scale = facts, facts.name, float(scale)
        self.rate, self.keyed, self.minimum_s = facts.rate, facts.keyed, facts.minimum_s
        bits = options.pop("bits", facts.payload_bits)
        if bits != facts.payload_bits and not (facts.any_bits and isinstance(bits, int) and bits > 0):
            raise InputError(f"{facts.name} carries {facts.payload_bits} bits, not {bits}")
        self.payload_bits = int(bits)
        known = [name for name in (facts.strength,) if name]
        if wrong := [name for name in options if name not in known]:
            raise InputError(f"{facts.name} has no option {wrong[0]}: {', '.join(['bits', 'scale', *known])}")
        method: dict[str, Option] = {"method": facts.method} if facts.method else {}
        self.options = method | options
        self.python = python_of(facts.environment)
        self.weights = weights_of(facts.name).path
        found = _version(self.python, ENVIRONMENTS[facts.environment].distribution)
        if found is None:
            raise NotInstalled(
                f"{facts.name} is not installed: soundsafe-eval peer install {facts.environment}"
            )
        if facts.weights and not os.path.exists(self.weights):
            raise NotInstalled(
                f"{facts.name} has no weights: soundsafe-eval peer weights {facts.name} PATH, "
                f"where PATH is {facts.weights}"
            )
        self.version = found
        self._server: _Server | None = None

    def _ask(self, header: Mapping[str, object], audio: Audio) -> tuple[_Reply, Audio]:
        if self._server is not None and self._server.process.poll() is not None:
            self._server = None
        if self._server is None:
            self._server = _Server(self.facts.name, self.python, self.weights, self.options)
        return self._server.ask(header, audio)

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        ask = {"do": "embed", "rate": rate, "key": key.hex(), "bits": bits.tolist()}
        marked = self._ask(ask, audio[0])[1][None]
        return marked if self.scale == 1.0 else audio + np.float32(self.scale) * (marked - audio)

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        ask = {"do": "decode", "rate": rate, "key": key.hex(), "bits": self.payload_bits}
        found = self._ask(ask, audio[0])[0]
        score = NAN if found["score"] is None else found["score"]
        if found["bits"] is None:
            return Found(False, None, score)
        bits = [int(b) for b in found["bits"][: self.payload_bits]]
        bits += [0] * (self.payload_bits - len(bits))  # a method may give fewer
        return Found(True, None if bits else b"", score, bits=bits or None)

    def describe(self) -> dict[str, object]:
        out = super().describe() | {"version": self.version, "checked": self.facts.checked}
        if options := {k: v for k, v in self.options.items() if k != "method"}:
            out["options"] = options
        out |= {"scale": self.scale} if self.scale != 1.0 else {}
        out |= {"method": self.facts.method} if self.facts.method else {}
        return out | ({"weights": digest(Path(self.weights))} if self.facts.weights else {})


def factory(name: str) -> partial[PeerSystem]:
    """What makes the peer of that name, for the registry."""
    return partial(PeerSystem, PEERS[name])


class Audiowmark(SimpleSystem):
    """The program `audiowmark`.

    With 96 `bits`, the default, its message of 128 ends in a CRC here, since it checks no message itself;
    with 128 each message that it prints is one. 16 bits are a short message, which it checks. One block of
    128 takes about 52 seconds; what can be read from shorter audio is the first part of a block.
    """

    name = "audiowmark"

    def __init__(self, bits: int = 96, strength: float = 10.0) -> None:
        """Raises NotInstalled, and InputError for another number of bits."""
        if bits not in (16, 96, 128):
            raise InputError(f"audiowmark carries 16, 96 or 128 bits, not {bits}")
        program = shutil.which("audiowmark")
        if program is None:
            raise NotInstalled("audiowmark is not installed: get it (uplex.de/audiowmark) and put it on PATH")
        self.program, self.payload_bits, self.strength = program, bits, float(strength)
        self.payload_bytes = bits // 8

    def _run(self, folder: str, key: bytes, *arguments: str) -> str:
        # A key file as the program writes them: 128 bits.
        path = Path(folder, "key")
        path.write_text(f"key {key[:16].hex()}\n")
        path.chmod(0o600)
        command, *rest = arguments
        own = ["--key", str(path)]
        own += ["--strength", f"{self.strength:g}"] if command == "add" else []  # `get` refuses it
        own += ["--short", "16"] if self.payload_bits == 16 else []
        done = subprocess.run(
            [self.program, command, *own, *rest], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["audiowmark failed"])[-1])
        return done.stdout

    def _message(self, payload: bytes) -> str:
        """The digits that the program takes."""
        crc = zlib.crc32(payload).to_bytes(4, "big") if self.payload_bits == 96 else b""
        return (payload + crc).hex()

    def _payload(self, digits: str) -> bytes | None:
        """The payload of a message; None where it does not check."""
        message = bytes.fromhex(digits)
        if self.payload_bits != 96:
            return message
        payload, check = message[:12], message[12:]
        return payload if zlib.crc32(payload).to_bytes(4, "big") == check else None

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        with tempfile.TemporaryDirectory(prefix="soundsafe-") as folder:
            soundfile.write(Path(folder, "in.wav"), audio.T, rate, subtype="PCM_24")
            self._run(folder, key, "add", "in.wav", "out.wav", self._message(payload))
            marked = soundfile.read(Path(folder, "out.wav"), dtype="float32", always_2d=True)[0].T
        return Marked(np.ascontiguousarray(marked))

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        with tempfile.TemporaryDirectory(prefix="soundsafe-") as folder:
            soundfile.write(Path(folder, "in.wav"), np.clip(audio.T, -1, 1), rate, subtype="PCM_24")
            said = self._run(folder, key, "get", "--detect-speed", "in.wav")
        lines = [line.split() for line in said.splitlines()]
        # pattern TIME MESSAGE SYNC ERROR TYPE
        patterns = [line for line in lines if len(line) >= 5 and line[0] == "pattern"]
        patterns.sort(key=lambda line: float(line[4]))  # the fewest wrong bits first
        score = 1 - 2 * float(patterns[0][4]) if patterns else 0.0
        for line in patterns:
            if (payload := self._payload(line[2])) is not None:
                return Found(True, payload, score)
        return Found(False, None, score)

    def describe(self) -> dict[str, object]:
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False)
        return {
            "version": done.stdout.strip() or "unknown",
            "payload_bits": self.payload_bits,
            "checked": self.payload_bits != 128,
            "crc_bits": 32 if self.payload_bits == 96 else 0,
            "options": {"detect-speed": True, "strength": self.strength},
        }
