"""Every random number of a run, from its seed: the bench's keys, the payload of a clip, an attack's draws."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

__all__ = ["SEED_VERSION", "bench_key", "generator", "payload_of", "wrong_key"]

SEED_VERSION = 1
"""Part of every seed: raised when a draw changes its meaning."""


def _digest(*parts: object) -> bytes:
    text = json.dumps([SEED_VERSION, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def bench_key(seed: int) -> bytes:
    """The 32-byte key that all clips of a run are marked with. It is public: the bench keeps no secrets."""
    return _digest("bench key", seed)


def wrong_key(seed: int) -> bytes:
    """The key of the control `wrong_key`."""
    return _digest("wrong key", seed)


def payload_of(seed: int, clip: str, n_bytes: int) -> bytes:
    """The payload of a clip: `n_bytes` random bytes."""
    return generator(seed, clip, "payload", {}).bytes(n_bytes)


def generator(seed: int, clip: str, attack: str, params: Mapping[str, object]) -> np.random.Generator:
    """The generator for an attack on a clip: SHA-256 of seed, clip, attack, parameters, version."""
    return np.random.default_rng(int.from_bytes(_digest(seed, clip, attack, dict(params)), "big"))
