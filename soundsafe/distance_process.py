"""Zimtohrli in a process of its own, for `soundsafe.distance`; run as a program, not imported.

Reads a length in bytes and two signals of so many, float32 at 48 kHz, and writes their distance and the
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

    while head := sys.stdin.buffer.read(8):
        size = struct.unpack("<q", head)[0]
        x, y = (np.frombuffer(sys.stdin.buffer.read(size), np.float32) for _ in range(2))
        started = time.process_time()
        found = zimtohrli.Pyohrli().distance(x, y)
        sys.stdout.buffer.write(struct.pack("<dd", found, time.process_time() - started))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
