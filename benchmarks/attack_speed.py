"""How fast attacks are beside those of another version: `python benchmarks/attack_speed.py THEN NOW`.

THEN and NOW are folders that hold the package, as `pip install --no-deps --target THEN path/to/checkout`
makes them. Each version runs in a process of its own, with one thread and the same libraries. One strength of
each kind of attack that both have by the same name is applied to five seconds of stereo, by both in turn, now
the one first and now the other; what counts is processor time, the median of the rounds after one to warm up.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from statistics import median

_WORKER = """
import json, os, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
answers, sys.stdout = sys.stdout, sys.stderr
from soundsafe import attacks, datasets
audio = next(c for c in datasets.load("bundled").clips if c.clip == "rock").read()[0]
audio = np.ascontiguousarray(np.tile(audio, (1, 2))[:, : 5 * 44_100])
for line in sys.stdin:
    name = json.loads(line)
    if name is None:
        answer = [[a.name, a.family, a.kind, a.engine] for a in attacks.all_attacks()
                  if not (a.needs_access or a.left_out)]
    else:
        start = time.process_time()
        attacks.get(name).apply(audio, 44_100, np.random.default_rng(0))
        answer = time.process_time() - start
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
"""


class _Version:
    """Attacks of one folder, in a process."""

    def __init__(self, folder: str) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            env=os.environ | one | {"PYTHONPATH": os.path.abspath(folder)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _answer(self, question: str | None) -> str:
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        into.write(json.dumps(question) + "\n")
        into.flush()
        return out.readline()

    def attacks(self) -> dict[str, tuple[str, str, str]]:
        """Family, kind and engine of each that can be applied to audio alone here."""
        return {name: (family, kind, engine) for name, family, kind, engine in json.loads(self._answer(None))}

    def seconds(self, name: str) -> float:
        return float(json.loads(self._answer(name)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("then")
    parser.add_argument("now")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    then, now = _Version(asked.then), _Version(asked.now)
    before, kinds = then.attacks(), defaultdict(list)
    for name, kind in now.attacks().items():
        if name in before:
            kinds[kind].append(name)
    rows = []
    for (family, *_), names in kinds.items():
        name = names[len(names) // 2]
        times: dict[_Version, list[float]] = {then: [], now: []}
        for rounds in range(asked.rounds + 1):
            for version in (then, now) if rounds % 2 else (now, then):
                times[version].append(version.seconds(name))
        old, new = (median(times[version][1:]) for version in (then, now))
        rows.append((family, name, old, new))
    print("| attack | then, ms | now, ms | times as fast |\n|---|--:|--:|--:|")
    for _, name, old, new in sorted(rows, key=lambda row: row[2] / row[3]):
        print(f"| `{name}` | {1000 * old:.1f} | {1000 * new:.1f} | {old / new:.2f} |")
    whole = sum(row[2] for row in rows) / sum(row[3] for row in rows)
    print(f"\n{len(rows)} kinds, {sum(map(len, kinds.values()))} attacks in common; median ratio", end=" ")
    print(f"{median(row[2] / row[3] for row in rows):.2f}, all their work together {whole:.2f}")


if __name__ == "__main__":
    main()
