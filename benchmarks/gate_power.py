"""Whether the gate trips on a weakened codec and on nothing else: `python benchmarks/gate_power.py`.

Runs the suite `smoke` on bundled clips with one seed for the baseline, then with what the codec adds halved,
which must not pass, and with other seeds, which must. Prints one line for each run; exits with 1 where the
gate erred.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.eval import evaluate
from soundsafe.eval.analysis import gate
from soundsafe.eval.systems.codec import Soundsafe


class Weakened(Soundsafe):
    """The codec under its own name, what it adds multiplied by `strength`."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Any:
        marked = super().embed(audio, rate, payload, key)
        return dataclasses.replace(marked, audio=audio + np.float32(self.strength) * (marked.audio - audio))


def _judge(label: str, system: Soundsafe, seed: int, baseline: gate.Baseline, run: dict[str, Any]) -> bool:
    result = gate.check(evaluate(system, "smoke", seed=seed, **run), baseline)
    failed = [f"{c.attack} {c.metric}: {c.message}" for c in result.checks if not c.ok]
    print(f"{label}, seed {seed}: {'passed' if result.ok else 'FAILED ' + '; '.join(failed)}", flush=True)
    return result.ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="unchanged runs")
    parser.add_argument("--strength", type=float, default=0.5, help="of the weakened codec; 1: unchanged")
    parser.add_argument("--seconds", type=float, default=None, help="of each clip")
    parser.add_argument("--limit", type=int, default=None, help="number of clips")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    run = {"seconds": given.seconds, "limit": given.limit, "jobs": given.jobs}
    baseline = gate.make_baseline(evaluate(Soundsafe(), "smoke", **run), {})
    tripped = not _judge("weakened", Weakened(given.strength), given.seeds + 1, baseline, run)
    passed = sum(_judge("unchanged", Soundsafe(), s, baseline, run) for s in range(1, given.seeds + 1))
    verdict = "failed" if tripped else "passed"
    print(f"{passed} of {given.seeds} unchanged runs passed; the weakened one {verdict}")
    return 0 if passed == given.seeds and tripped else 1


if __name__ == "__main__":
    sys.exit(main())
