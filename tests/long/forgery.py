"""Attempts to be accepted without the key: at the tag alone, and with whole audio.

    python tests/long/forgery.py tags --n 1000000
    python tests/long/forgery.py decodes --n 10000

Prints one JSON document; exit code 1 where anything was accepted. With 0 accepted of n the chance of one
attempt is below 3/n with 95 % confidence (rule of three); the analytic bound is that of a 64-bit tag.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from soundsafe.errors import NotMarkable
from soundsafe.message import container
from soundsafe.message.container import BLOCK, FALSE_ACCEPT, open_part, pack

KEY = b"a key that nobody of these knows"


def tags(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Blocks of five kinds, as many of each. `longest_match`: most leading bits in which a tag that was tried
    agreed with the right one, some log2(n) where tags are as good as random."""
    accepted = dict.fromkeys(("random", "random_tag", "changed_body", "changed_head", "other_key"), 0)
    longest = 0
    for kind in accepted:
        for _ in range(n // len(accepted)):
            block = bytearray(pack(rng.bytes(175), KEY)[0])  # another one each time: the tag is deterministic
            if kind == "random":
                block = bytearray(rng.bytes(BLOCK))
                block[:2] = b"\x01\x00"  # as if it were a sound one
            elif kind == "random_tag":
                block[8:16] = rng.bytes(8)
            elif kind == "changed_body":
                bit = int(rng.integers(8 * 16, 8 * BLOCK))
                block[bit // 8] ^= 1 << bit % 8
            elif kind == "changed_head":
                bit = int(rng.integers(8 * 8))
                block[bit // 8] ^= 1 << bit % 8
            else:
                other = rng.bytes(32)
                block[8:16] = container._tag(bytes(block[:8]), bytes(block[16:]), other)
            content = bytes(block)
            accepted[kind] += open_part(content, KEY) is not None
            right = int.from_bytes(container._tag(content[:8], content[16:], KEY), "big")
            tried = int.from_bytes(content[8:16], "big")
            longest = max(longest, 64 - (right ^ tried).bit_length())
    tried_in_all = n // len(accepted) * len(accepted)
    return {"attempts": tried_in_all, "accepted": accepted, "longest_match": longest}


def decodes(n: int, seconds: float, limit_s: float, rng: np.random.Generator) -> dict[str, Any]:
    """Whole audio: unmarked, noise, marked with another key, and a mark copied from elsewhere by somebody who
    has the original of that too."""
    import soundsafe
    from soundsafe import datasets

    clips = [clip.read() for clip in datasets.load("bundled").clips]
    tried = dict.fromkeys(("unmarked", "noise", "other_key", "copied"), 0)
    accepted = dict(tried)
    bounds = 0.0

    def piece() -> np.ndarray:
        audio, rate = clips[int(rng.integers(len(clips)))]
        start = int(rng.integers(audio.shape[1] - int(seconds * rate)))
        return audio[:1, start : start + int(seconds * rate)]

    def marked(audio: np.ndarray, key: bytes) -> np.ndarray:
        return soundsafe.embed(audio, 44_100, rng.bytes(8), key, quality="fast").audio

    def attempt(kind: str) -> np.ndarray:
        audio = piece()
        if kind == "noise":
            return (rng.standard_normal(audio.shape) * 0.1).astype(np.float32)
        if kind == "other_key":
            return marked(audio, rng.bytes(32))
        if kind == "copied":
            source = piece()
            return np.clip(audio + marked(source, KEY) - source, -1, 1)
        return audio

    started = time.monotonic()
    while sum(tried.values()) < n and time.monotonic() - started < limit_s:
        kind = list(tried)[sum(tried.values()) % len(tried)]
        try:
            audio = attempt(kind)
        except NotMarkable:  # a pause in speech, say: another piece
            continue
        found = soundsafe.decode(audio, 44_100, KEY)
        tried[kind] += 1
        accepted[kind] += found.ok or found.id_ok
        bounds += found.false_accept_bound
    return {
        "attempts": sum(tried.values()),
        "seconds_each": seconds,
        "tried": tried,
        "accepted": accepted,
        "sum_of_bounds": bounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("tags", "decodes"))
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of audio in a decode")
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="end decodes after so long")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    started = time.monotonic()
    if asked.what == "tags":
        found = tags(asked.n, rng)
    else:
        found = decodes(asked.n, asked.seconds, asked.limit_s, rng)
    total = sum(found["accepted"].values())
    more = {
        "bound_95": None if total else 3 / found["attempts"],
        "analytic": FALSE_ACCEPT,
        "seed": asked.seed,
        "took_s": round(time.monotonic() - started, 1),
    }
    print(json.dumps(found | more))
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
