"""The picture of README: `python docs/picture.py` marks a bundled clip, attacks it, reads it, and draws that.

Writes `docs/picture.svg`. Its colours follow the reader's light or dark mode.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks, datasets

CLIP, ATTACK, MESSAGE = "rock", "mp3_128", "licensed to A"
WIDTH, LEFT, RIGHT = 960, 24, 936
ROW, GAP, TOP = 92, 46, 44
MAGNIFIED = 10

STYLE = """
  svg { color-scheme: light dark }
  text { font: 15px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 13px; fill: #57606a }
  .audio { fill: #8c959f } .mark { fill: #bc4c00 } .after { fill: #0969da }
  .second { fill: none; stroke: #8c959f; stroke-opacity: .45 }
  .read { fill: #0969da; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9da7b3 }
    .audio { fill: #7d8590 } .mark { fill: #f0883e } .after { fill: #58a6ff } .read { fill: #58a6ff }
  }
"""


def outline(samples: NDArray[np.float32], middle: float, columns: int = 456) -> str:
    """The points of a polygon round a waveform: the highest and lowest sample of each column of pixels.

    Args:
        samples: audio `[samples]`, full scale 1.
        middle: height of the zero line, in pixels.
        columns: how many columns there are between the left and the right margin.
    """
    parts = np.array_split(np.clip(samples, -1, 1), columns)
    x = np.linspace(LEFT, RIGHT, columns)
    high = [middle - p.max() * ROW / 2 for p in parts]
    low = [middle - p.min() * ROW / 2 for p in parts]
    there = [f"{a:.0f},{b:.1f}" for a, b in zip(x, high, strict=True)]
    back = [f"{a:.0f},{b:.1f}" for a, b in zip(x[::-1], low[::-1], strict=True)]
    return " ".join(there + back)


def draw() -> str:
    """The picture as SVG."""
    clip = next(c for c in datasets.load("bundled").clips if c.clip == CLIP)
    audio, rate = clip.read()
    marked = soundsafe.embed(audio, rate, MESSAGE.encode())
    assert marked.audio is not None  # there is none only where a file was marked
    attacked = attacks.get(ATTACK).apply(marked.audio, rate, np.random.default_rng(0))
    found = soundsafe.decode(attacked, rate)
    text = found.payload.decode() if found.payload else "no payload"
    alone = sum(e.ok for e in found.euls)

    seconds = audio.shape[1] // rate
    louder = 1 / np.abs(audio).max()
    read = f"{alone} of {seconds} seconds read alone; combined, they give the payload"
    rows = [
        ("audio", "The audio", f"{CLIP}.flac, {seconds} seconds", audio[0] * louder),
        ("mark", "The mark", f"what embed adds, drawn {MAGNIFIED} times larger",
         (marked.audio - audio)[0] * louder * MAGNIFIED),
        ("after", "After MP3 at 128 kbit/s", read, attacked[0] * louder),
    ]  # fmt: skip
    height = TOP + len(rows) * (ROW + GAP) + 8
    said = f"{text!r} is read from the audio after MP3 at 128 kbit/s"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{said}">',
        f"<style>{STYLE}</style>",
    ]
    for i, (name, title, note, samples) in enumerate(rows):
        top = TOP + i * (ROW + GAP)
        lines.append(f'<text x="{LEFT}" y="{top - 12}">{title}</text>')
        lines.append(f'<text x="{RIGHT}" y="{top - 12}" class="small" text-anchor="end">{note}</text>')
        lines.append(f'<polygon class="{name}" points="{outline(samples, top + ROW / 2)}"/>')
    width = (RIGHT - LEFT) / seconds
    for second in range(seconds):
        x = LEFT + second * width
        lines.append(
            f'<rect class="second" x="{x:.1f}" y="{top - 2}" width="{width:.1f}" height="{ROW + 4}"/>'
        )
    lines.append(f'<text x="{LEFT}" y="{height - 8}" class="read">decode reads: {text}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    target = Path(__file__).with_name("picture.svg")
    target.write_text(draw(), encoding="utf-8")
    print(target)
