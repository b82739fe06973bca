"""Sections on the marked sound: quality figures, their spread, the worst clips, and examples to hear."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import stft

from soundsafe.eval.analysis.sound import metrics
from soundsafe.eval.analysis.stored import Example
from soundsafe.eval.rows import QUALITY, control_of
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import fitting
from soundsafe.reports.cells import name_cell, number_cell
from soundsafe.reports.load import Evidence
from soundsafe.reports.model import (
    Audio,
    Block,
    Column,
    Figure,
    Folded,
    Heading,
    Section,
    Table,
    TableCell,
    Text,
    Track,
)
from soundsafe.reports.svg import Point, strips

__all__ = [
    "PLAYED_S", "RESIDUAL_GAIN_DB", "examples_blocks", "flac", "mp3", "quality", "spectrogram",
    "worst_clips",
]  # fmt: skip

RESIDUAL_GAIN_DB = 20.0
"""How much the difference of marked and clean audio is amplified to be heard."""

# Shown multiplied by this, with so many decimals, under this unit.
_SHOWN = {
    "snr_db": ("SNR", 1.0, 1, "dB"),
    "zimtohrli": ("Zimtohrli", 1e5, 1, "1e-5"),
    "visqol": ("ViSQOL", 1.0, 2, "MOS-LQO"),
    "nmr_db": ("NMR", 1.0, 1, "dB"),
    "lufs_difference": ("Loudness", 1.0, 3, "LU"),
    "clipped_samples": ("Clipped", 1.0, 0, "samples"),
    "silence_peak": ("In silence", 1e6, 1, "1e-6"),
    "pesq": ("PESQ", 1.0, 2, "MOS-LQO"),
    "stoi": ("STOI", 1.0, 3, "0 to 1"),
}


def _measured(e: Evidence) -> list[str]:
    """Quality figures that any system has."""
    rows = [vars(row) for run in e.runs for row in run.summary.quality]
    return [n for n in QUALITY if any(row[n] is not None for row in rows)]


def _shown(name: str) -> tuple[str, float, int, str]:
    return _SHOWN.get(name, (name, 1.0, 3, ""))


def _marked_clips(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop_duplicates("clip")


def quality(e: Evidence) -> Section | None:
    """What marking did to the sound: means and worst by category, and the spread over clips."""
    names = _measured(e)
    if not names:
        return None
    units = {m.name: m for m in metrics()}
    columns = [Column("System"), Column("Category"), Column("Clips", True)]
    for n in names:
        title, _, _, unit = _shown(n)
        group = f"{title}, {unit}" if unit else title
        text = units[n].description if n in units else ""
        columns += [Column("mean", True, group, text), Column("worst", True, group, text)]
    rows = []
    for s in e.subjects:
        for category in ("all", *e.categories):
            row = s.quality(category)
            if row is None:
                continue
            cells = [name_cell(s.label), name_cell(category), number_cell(row.clips, 0)]
            for n in names:
                _, scale, digits, _ = _shown(n)
                cells += [number_cell(vars(row)[f], digits, scale) for f in (n, f"{n}_worst")]
            rows.append(tuple(cells))
    blocks: list[Block] = [
        Table(
            "quality-table",
            "Marked against original audio: mean and worst clip.",
            tuple(columns),
            tuple(rows),
        )
    ]
    strip: list[Block] = []
    for n in names:
        title, scale, digits, unit = _shown(n)
        lines, values, data = [], [], []
        for index, s in enumerate(e.subjects):
            clips = _marked_clips(s.frame)
            if n not in clips:
                continue
            for category in dict.fromkeys(clips["category"].astype(str)):
                points = []
                part = clips[clips["category"].astype(str) == category]
                for clip, figure in zip(part["clip"], part[n], strict=True):
                    v = fmt.number(float(figure))
                    if v is None:
                        continue
                    values.append(v)
                    data.append((s.label, category, str(clip), v))
                    points.append(Point(v, tip=f"{clip}: {fmt.decibel(v * scale, digits)} {unit}"))
                if points:
                    lines.append((f"{s.label}, {category}" if category else s.label, index, points))
        if max((len(points) for _, _, points in lines), default=0) < 3 or len(set(values)) < 2:
            continue  # a dot or two: the table says as much
        better = {"higher": "higher is better", "lower": "lower is better", "zero": "0 is best"}.get(
            units[n].better if n in units else "", ""
        )
        axis = fitting(values, f"{title}, {unit}" if unit else title, scale=scale)
        strip.append(
            Figure(
                f"quality-{n.replace('_', '-')}",
                f"{title} of each marked clip against its original, with medians"
                + (f"; {better}." if better else "."),
                f"Strip plot of {title} for each clip, by system and category.",
                strips(lines, axis),
                ("system", "category", "clip", n),
                tuple(data),
            )
        )
    if strip:
        blocks.append(Folded("Every clip", tuple(strip)))
    missing = [_shown(n)[0] for n in QUALITY if n not in names]
    if missing:
        blocks.append(Text(f"Not measured in these runs: {', '.join(missing)}.", "note"))
    blocks.append(Text("From `summary.json`: `quality`; clips from `results.parquet`.", "source"))
    return Section("quality", "Quality of the marked audio", tuple(blocks))


def worst_clips(e: Evidence) -> Section | None:
    """Clip by clip over all attacks: how often it decodes and how it sounds, the hardest first."""
    columns = [
        Column("System"),
        Column("Clip"),
        Column("Category"),
        Column("Attacks", True),
        Column("Seconds that decode %", True, help="over all attacks"),
        Column("Attacks survived %", True, help="payload recovered from the clip"),
        Column("Hardest attack"),
        Column("SNR, dB", True),
        Column("Zimtohrli, 1e-5", True),
        Column("Loudness, LU", True),
    ]
    found = []
    for s in e.subjects:
        real = s.ran[s.ran["attack"].map(control_of).astype(str) == ""]
        for clip, part in real.groupby("clip", sort=False):
            by_attack = part.groupby("attack", sort=False)
            alone, whole = float(part["payload_ok"].mean()), float(by_attack["clip_ok"].max().mean())
            # What reads whole clips alone is judged by them.
            share = whole if s.whole_clips else alone
            means = by_attack["clip_ok" if s.whole_clips else "payload_ok"].mean()
            hardest = str(means.idxmin()) if float(means.min()) < 1 else ""
            first = part.iloc[0]
            found.append(
                (
                    share,
                    -(fmt.number(float(first["zimtohrli"])) or 0.0),
                    (
                        name_cell(s.label),
                        name_cell(clip),
                        name_cell(first["category"]),
                        TableCell(str(len(means)), len(means)),
                        TableCell(fmt.DASH) if s.whole_clips else TableCell(fmt.percent(alone), alone),
                        TableCell(fmt.percent(whole), whole),
                        name_cell(hardest) if hardest else TableCell(fmt.DASH),
                        number_cell(fmt.number(float(first["snr_db"]))),
                        number_cell(fmt.number(float(first["zimtohrli"])), 1, 1e5),
                        number_cell(fmt.number(float(first["lufs_difference"])), 3),
                    ),
                )
            )
    if not found:
        return None
    found.sort(key=lambda f: f[:2])
    blocks: list[Block] = [
        Table(
            "clips-table",
            "Every clip over all attacks, the hardest first.",
            tuple(columns),
            tuple(f[2] for f in found),
        ),
        Text("From `results.parquet`.", "source"),
    ]
    return Section("clips", "Clip by clip", tuple(blocks))


PLAYED_S = 4.0
"""Seconds of each example that are put into the report."""

_OPEN = 2
"""Further clips are closed at first."""

_TOP_HZ = 16_000.0
_FLOOR_DB, _CEILING_DB = -100.0, -20.0
_WIDE, _TALL, _GREYS = 400, 128, 32
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def residual(example: Example) -> NDArray[np.float32]:
    """Marked minus clean audio, amplified by `RESIDUAL_GAIN_DB` and limited to full scale."""
    gain = 10 ** (RESIDUAL_GAIN_DB / 20)
    return np.clip(gain * (example.marked - example.clean), -1, 1).astype(np.float32)


def flac(audio: NDArray[np.float32], rate: int) -> bytes:
    """The audio as FLAC of 16 bits."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def mp3(audio: NDArray[np.float32], rate: int) -> bytes:
    """The audio as MP3, about 190 kbit/s in stereo: what a page can carry, and every browser plays."""
    audio = audio[:2]
    if rate not in _MP3_RATES:
        audio = soxr.resample(audio.T, rate, 44100).T
        rate = 44100
    buffer = io.BytesIO()
    soundfile.write(
        buffer, np.clip(audio.T, -1, 1), rate, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE", compression_level=0.2,
    )  # fmt: skip
    return buffer.getvalue()


def _png(grey: NDArray[np.uint8]) -> bytes:
    """A PNG of 8-bit grey values [rows, columns] (ISO/IEC 15948), each row predicted from the one above."""
    rows = np.concatenate([grey[:1], np.diff(grey, axis=0)]).astype(np.uint8)
    lines = b"".join(b"\x02" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def top_hz(rate: int) -> float:
    """The highest frequency of a spectrogram."""
    return min(_TOP_HZ, rate / 2)


def spectrogram(audio: NDArray[np.float32], rate: int) -> bytes:
    """A grey PNG of levels from -100 dB (black) to -20 dB of full scale (white), low frequencies at its foot.

    Grey, so that a page can give it the colours of either theme.

    Args:
        audio: [channels, samples]; their mean is shown.
        rate: samples a second.
    """
    mono = audio.mean(axis=0)
    window = max(256, int(2 ** round(np.log2(rate * 0.023))))
    if len(mono) < window:
        mono = np.pad(mono, (0, window - len(mono)))
    hz, _, z = stft(mono, rate, nperseg=window, noverlap=window - max(1, len(mono) // _WIDE))
    level = 20 * np.log10(np.abs(z[hz <= top_hz(rate)]) + 1e-7)
    places = np.linspace(0, level.shape[0] - 1, _TALL).round().astype(int)
    times = np.linspace(0, level.shape[1] - 1, _WIDE).round().astype(int)
    share = np.clip((level[np.ix_(places, times)] - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1)
    grey = (np.round(share * (_GREYS - 1)) * (255 / (_GREYS - 1))).astype(np.uint8)
    return _png(grey[::-1])


def _short(example: Example) -> Example:
    n = round(PLAYED_S * example.rate)
    attacked = None if example.attacked is None else example.attacked[:, :n]
    return replace(example, clean=example.clean[:, :n], marked=example.marked[:, :n], attacked=attacked)


def _tracks(x: Example) -> tuple[Track, ...]:
    versions = [
        ("original", x.clean), ("marked", x.marked), (f"difference, +{RESIDUAL_GAIN_DB:g} dB", residual(x)),
        *([(f"after {x.attack}", x.attacked)] if x.attacked is not None else []),
    ]  # fmt: skip
    return tuple(Track(label, mp3(a, x.rate), spectrogram(a, x.rate)) for label, a in versions)


def examples_blocks(examples: Sequence[Example], missing: Sequence[str] = ()) -> list[Block]:
    """Players with spectrograms of example clips. `missing`: why not of others."""
    left_out: list[Block] = [Text(f"Not to be heard here: {line}.", "note") for line in missing]
    if not examples:
        return left_out
    text = (
        "Clips marked again with the run's own seed: switch between the versions while they play. The "
        f"difference of marked and original audio is amplified by {RESIDUAL_GAIN_DB:g} dB and limited to "
        "full scale; the attack is the one nearest to where this clip is lost. MP3 of about 190 kbit/s: to "
        "judge what can be heard, use `soundsafe-eval listen`, which codes without loss."
    )
    blocks: list[Block] = [Heading("To hear and to see"), Text(text), *left_out]
    players: list[Block] = []
    for i, x in enumerate(map(_short, examples), start=1):
        name = f"{x.system}, {x.clip}"
        again = "" if x.attacked is None else f" After {x.attack} the payload {x.outcome}."
        tracks = _tracks(x)
        players.append(
            Audio(
                f"audio-{i}",
                f"{name}.{again}",
                tracks,
                f"Spectrograms of {x.clip}: {', '.join(t.label for t in tracks)}.",
                x.clean.shape[1] / x.rate,
                top_hz(x.rate),
            )
        )
    blocks += players[:_OPEN]
    if players[_OPEN:]:
        blocks.append(Folded(f"{len(players) - _OPEN} more", tuple(players[_OPEN:])))
    return blocks
