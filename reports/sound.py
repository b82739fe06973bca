"""Sections on the marked sound: quality figures, their spread, the worst clips, and examples to hear."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import soundfile
from matplotlib.figure import Figure as Drawing
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
    Heading,
    Image,
    Section,
    Table,
    TableCell,
    Text,
)
from soundsafe.reports.svg import Point, strips

__all__ = ["RESIDUAL_GAIN_DB", "examples_section", "quality", "worst_clips"]

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
        if len(set(values)) < 2:
            continue
        better = {"higher": "higher is better", "lower": "lower is better", "zero": "0 is best"}.get(
            units[n].better if n in units else "", ""
        )
        axis = fitting(values, f"{title}, {unit}" if unit else title, scale=scale)
        blocks.append(
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


PLAYED_S = 5.0
"""Seconds of each example that are put into the report."""


def residual(example: Example) -> NDArray[np.float32]:
    """Marked minus clean audio, amplified by `RESIDUAL_GAIN_DB` and limited to full scale."""
    gain = 10 ** (RESIDUAL_GAIN_DB / 20)
    return np.clip(gain * (example.marked - example.clean), -1, 1).astype(np.float32)


def flac(audio: NDArray[np.float32], rate: int) -> bytes:
    """The audio as FLAC of 16 bits."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def spectrograms(example: Example) -> bytes:
    """PNG of the spectrograms of clean, marked and amplified residual audio, beside one another."""
    window = max(256, int(2 ** round(np.log2(example.rate * 0.023))))
    drawing = Drawing(figsize=(9.0, 2.5), layout="constrained")
    axes = drawing.subplots(1, 3, sharey=True)
    image = None
    parts = (
        ("original", example.clean),
        ("marked", example.marked),
        (f"difference +{RESIDUAL_GAIN_DB:g} dB", residual(example)),
    )
    for ax, (title, audio) in zip(axes, parts, strict=True):
        mono = audio.mean(axis=0)
        if len(mono) < window:
            mono = np.pad(mono, (0, window - len(mono)))
        hz, at, z = stft(mono, example.rate, nperseg=window, noverlap=window // 2)
        level = 20 * np.log10(np.abs(z) + 1e-7)
        image = ax.pcolormesh(
            at, hz / 1000, level, vmin=-100, vmax=-20, cmap="cividis", shading="auto", rasterized=True
        )
        ax.set_title(title, fontsize=8)
        ax.set_xlabel("s", fontsize=8)
        ax.tick_params(labelsize=7)
    axes[0].set_ylabel("kHz", fontsize=8)
    if image is not None:
        drawing.colorbar(image, ax=axes, pad=0.01).ax.tick_params(labelsize=7)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _short(example: Example) -> Example:
    n = round(PLAYED_S * example.rate)
    return replace(example, clean=example.clean[:, :n], marked=example.marked[:, :n])


def examples_section(examples: Sequence[Example], missing: Sequence[str] = ()) -> Section | None:
    """Players and spectrograms of example clips; None where there are none. `missing`: why not of others."""
    if not examples:
        return None
    examples = [_short(x) for x in examples]
    text = (
        "Clips marked again with the run's own seed. The difference of marked and original audio is "
        f"amplified by {RESIDUAL_GAIN_DB:g} dB and limited to full scale. At most the first {PLAYED_S:g} "
        "seconds."
    )
    blocks: list[Block] = [Text(text), *(Text(f"Not here: {line}.", "note") for line in missing)]
    for i, x in enumerate(examples, start=1):
        name = f"{x.system}, {x.clip}"
        tracks = (
            ("original", x.clean),
            ("marked", x.marked),
            (f"difference, +{RESIDUAL_GAIN_DB:g} dB", residual(x)),
        )
        blocks += [
            Heading(name),
            Audio(f"audio-{i}", name, tuple((label, flac(a, x.rate)) for label, a in tracks)),
            Image(
                f"spectrogram-{i}",
                f"{name}: spectrograms in dB below full scale.",
                f"Spectrograms of {x.clip}: original, marked, and their difference amplified.",
                spectrograms(x),
            ),
        ]
    return Section("examples", "To hear and to see", tuple(blocks))
