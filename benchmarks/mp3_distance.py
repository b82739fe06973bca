"""What a Zimtohrli distance means: that of MP3, on the bundled clips. `python benchmarks/mp3_distance.py`.

Prints, for each bit rate of LAME (-q 2, its delay undone), the mean and the worst of the clips; a clip's
distance is that of its worst channel, as the bench takes it for marked audio.
"""

from __future__ import annotations

import numpy as np

from soundsafe import codecs, datasets
from soundsafe.distance.zimtohrli import worst_channel


def main() -> None:
    clips = [clip.read() for clip in datasets.load("bundled").clips]
    print("kbit/s  mean      worst")
    for kbps in (320, 256, 192, 160, 128, 96):
        each = [
            worst_channel(audio, codecs.mp3_roundtrip(audio, rate, kbps=kbps, align=True), rate)
            for audio, rate in clips
        ]
        print(f"{kbps:6}  {np.mean(each):.2e}  {np.max(each):.2e}")


if __name__ == "__main__":
    main()
