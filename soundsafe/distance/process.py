"""Zimtohrli in a process of its own, for `soundsafe.distance.zimtohrli`; run as a program, not imported.

Reads two lengths in bytes and two signals of so many, float32 at 48 kHz, and writes their distance and the
processor seconds that it took, again and again until its input ends. Its argument: the path of modules, JSON.
"""

from __future__ import annotations

import json
import struct
import sys
import time


def main() -> None:
    sys.path[:] = json.loads(sys.argv[1])
    import numpy as np
    import zimtohrli

    while len(head := sys.stdin.buffer.read(16)) == 16:
        sizes = struct.unpack("<qq", head)
        parts = [sys.stdin.buffer.read(size) for size in sizes]
        if [len(part) for part in parts] != list(sizes):
            return  # who asked was killed
        x, y = (np.frombuffer(part, np.float32) for part in parts)
        started = time.process_time()
        found = zimtohrli.Pyohrli().distance(x, y)
        sys.stdout.buffer.write(struct.pack("<dd", found, time.process_time() - started))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
