"""One second of audio on its way through the pipeline, a plot for each stage.

What `docs/design/pipeline.md` shows is drawn by ``soundsafe-eval walkthrough``, from the functions that
embedder and detector call themselves.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray

from soundsafe import attacks, coded_bits, embed
from soundsafe.cells.code import CellCode
from soundsafe.cells.host import code_of_second
from soundsafe.cells.lattice import cell_index, project
from soundsafe.cells.layout import Features, Layout, choose_layout, features
from soundsafe.cells.masking import ANALYZER, threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, ROBUST
from soundsafe.cells.reading import read_second
from soundsafe.errors import InputError
from soundsafe.message.container import BODY
from soundsafe.pipeline.ingest_and_chunk import SlotDriver
from soundsafe.stft import RATE, stft

__all__ = ["Second", "analyse", "stages"]

_INK, _BLUE, _ORANGE, _GREY = "#333333", "#1f5fa8", "#c8641b", "#bbbbbb"
_PAYLOAD = hashlib.shake_256(b"one second").digest(BODY)
_EULS = 2


@dataclass(frozen=True)
class Second:
    """Everything about EUL 0 of a clip: audio before and after, its spectra, its features and its layout.

    Spectra are of the mean of all channels, ``[bins, EUL_FRAMES]``; `marked_layout` is the one that the
    detector took from the attacked audio.
    """

    name: str
    audio: NDArray[np.float32]
    marked: NDArray[np.float32]
    attack: str
    spectrum: torch.Tensor
    marked_spectrum: torch.Tensor
    feats: Features
    layout: Layout
    attacked_positions: NDArray[np.float64]
    marked_positions: NDArray[np.float64]
    own_positions: NDArray[np.float64]
    found_layout: Layout
    llr: NDArray[np.float64]


def analyse(name: str, audio: NDArray[np.float32], rate: int, attack: str = "mp3_192") -> Second:
    """Mark and attack the first seconds of `audio` ``[channels, samples]`` at 44.1 kHz.

    Raises InputError for another rate, or less than two seconds.
    """
    if rate != RATE or audio.shape[1] < _EULS * EUL_SAMPLES:
        raise InputError(f"{name}: the walk needs {_EULS} s at {RATE} Hz")
    audio = np.ascontiguousarray(audio[:, : _EULS * EUL_SAMPLES])
    marked = embed(audio, rate, _PAYLOAD).audio
    assert marked is not None  # only files leave it out
    chosen = attacks.get(attack)
    attacked = chosen.apply(marked.copy(), rate, np.random.default_rng(0))
    start = chosen.delay_samples(rate, len(audio)) or 0
    if start < 0:
        raise InputError(f"{attack} cuts the beginning off, where the second lies that is drawn")

    def of(x: NDArray[np.float32]) -> torch.Tensor:
        return mix_channels(stft(torch.from_numpy(x)), mixtures(len(x), 0)[0])[:, :EUL_FRAMES]

    own, after = of(audio), of(marked)
    after_attack = of(np.ascontiguousarray(attacked[:, start : start + 2 * EUL_SAMPLES]))
    feats = features(own, ROBUST)
    lay = choose_layout(feats, code_of_second(own, 0, CellCode()), 0)
    reading = read_second(np.ascontiguousarray(attacked, np.float32), float(start), 0, CellCode())
    if reading is None:
        raise InputError(f"{name}: {attack} leaves no whole second")
    scale = np.array(reading.scales)[CellCode().geometry.region[lay.slots]]
    return Second(
        name,
        audio,
        marked,
        attack,
        own,
        after,
        feats,
        lay,
        _positions(after_attack, lay, scale),
        _positions(after, lay, scale),
        _positions(own, lay, scale),
        reading.layouts[0],
        reading.llr,
    )


def _positions(spectrum: torch.Tensor, lay: Layout, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each slot lies on its lattice, ``[2040]`` in [0, 2): 0 is a zero, 1 a one."""
    geo = CellCode(host=lay.host).geometry
    index = cell_index(geo, torch.zeros(1, dtype=torch.int64), EUL_FRAMES)[0]
    p = project(spectrum / threshold(spectrum, ROBUST), index, geo)[lay.slots].numpy()
    return np.mod(p / geo.step[lay.slots].numpy() / scale + lay.dither.numpy(), 2.0)


def _figure(title: str, height: float = 2.6, columns: int = 1) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(7.2, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=_INK)
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    for one in axes:
        one.tick_params(labelsize=7)
        one.spines[["top", "right"]].set_visible(False)
        one.xaxis.label.set_fontsize(8)
        one.yaxis.label.set_fontsize(8)
    return figure, axes


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)


def _db(spectrum: torch.Tensor) -> NDArray[np.float64]:
    return 20.0 * np.log10(np.maximum(spectrum.abs().numpy().astype(np.float64), 1e-6))


def _edges(axes: Axes) -> None:
    for edge in ANALYZER.band_edges[1:-1]:
        axes.axhline(edge / 1000, color="white", linewidth=0.3, alpha=0.6)


def _spectrogram(s: Second) -> Figure:
    figure, (axes,) = _figure("1  The grid: 882-point frames every 10 ms, 24 critical bands", 2.8)
    table = _db(s.spectrum)
    axes.imshow(
        table, origin="lower", aspect="auto", extent=(0, 1, 0, RATE / 2000), cmap="magma",
        vmin=table.max() - 90, vmax=table.max(), interpolation="nearest",
    )  # fmt: skip
    _edges(axes)
    axes.set_ylim(0, 16)
    _label(axes, "time, s", "frequency, kHz")
    return figure


def _masking(s: Second) -> Figure:
    figure, (axes,) = _figure("2  The masking threshold of one frame")
    frame = int(s.spectrum.abs().square().sum(0).argmax())
    hz = ANALYZER.bin_frequencies
    axes.plot(hz, _db(s.spectrum)[:, frame], color=_GREY, linewidth=0.9, label="spectrum")
    own = 20.0 * np.log10(threshold(s.spectrum, ROBUST)[:, frame].numpy())
    axes.plot(hz, own, color=_ORANGE, linewidth=1.4, label="threshold")
    axes.axvspan(ROBUST.band_low, ROBUST.band_high, color=_BLUE, alpha=0.07, label="where cells lie")
    axes.set_xscale("log")
    axes.set_xlim(100, RATE / 2)
    axes.set_ylim(own.max() - 75, own.max() + 25)
    _label(axes, "frequency, Hz", "dB")
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    return figure


def _features(s: Second) -> Figure:
    figure, (axes,) = _figure("3  Features: the median level of each band, relative to the loudest")
    level = np.maximum(s.feats.level_db, -80.0)
    colours = [
        _ORANGE if b in s.layout.anchors else (_BLUE if s.layout.alive[b] else _GREY)
        for b in range(len(level))
    ]
    axes.bar(range(len(level)), level + 80.0, bottom=-80.0, color=colours)
    axes.axhline(-ROBUST.dead_db, color=_INK, linewidth=0.8, linestyle="--")
    axes.text(23.4, -ROBUST.dead_db + 1, "dead below", fontsize=7, ha="right")
    axes.set_title(
        f"orange: the anchors, which name the seed {s.layout.seed:08x}; blue: other bands that carry bits",
        fontsize=8, loc="left", color=_INK,
    )  # fmt: skip
    _label(axes, "critical band", "dB")
    return figure


def _allocation(s: Second) -> Figure:
    figure, (left, right) = _figure("4  2040 bits for the bands, under both sets of rules", columns=2)
    seed = SlotDriver().allocation(s.audio[:, :EUL_SAMPLES])
    capacity = CellCode().geometry.capacity
    left.bar(range(24), capacity, color="#e5e5e5", label="carriers there are")
    left.bar(range(24), s.layout.bits_per_band, color=_BLUE, label="bits")
    left.legend(fontsize=7, frameon=False)
    left.set_title("robust: carriers of live bands", fontsize=8, loc="left", color=_INK)
    right.bar(range(24), seed.bits_per_band, color=_ORANGE)
    right.set_title("seed: inverse of the median threshold", fontsize=8, loc="left", color=_INK)
    for axes in (left, right):
        _label(axes, "critical band", "bits")
    return figure


def _slots(s: Second) -> Figure:
    figure, (axes,) = _figure(
        "5  Slots: keyed handfuls of cells; the first 120 ms, each bit in a colour of its own", 3.2
    )
    geo = CellCode(host=s.layout.host).geometry
    frames = 12
    table = np.full((ANALYZER.n_bins, frames), np.nan)
    used = geo.weight.abs().numpy() > 0
    for bit, slot in enumerate(s.layout.slots):
        if geo.frame[slot] < frames:
            table[geo.bins[slot][used[slot]], geo.frame[slot]] = (bit * 7) % 20
    axes.imshow(
        table, origin="lower", aspect="auto", cmap="tab20", interpolation="nearest",
        extent=(0, 10 * frames, 0, RATE / 2000),
    )  # fmt: skip
    axes.set_ylim(0, 11.5)
    _label(axes, "time, ms", "frequency, kHz")
    return figure


def _lattice(s: Second) -> Figure:
    figure, fields = _figure(
        "6  The lattice: where slots lie that should say 0 (blue) or 1 (orange)", columns=3
    )
    geo = CellCode().geometry
    bits = coded_bits(_PAYLOAD, None, 1)[0] ^ geo.scramble
    names = ("before marking", "marked", f"after {s.attack}")
    for axes, name, u in zip(
        fields, names, (s.own_positions, s.marked_positions, s.attacked_positions), strict=True
    ):
        shown = np.where(u > 1.5, u - 2.0, u)
        for bit, colour in ((0, _BLUE), (1, _ORANGE)):
            axes.hist(shown[bits == bit], bins=np.linspace(-0.5, 1.5, 41).tolist(), color=colour, alpha=0.65)
        axes.set_title(name, fontsize=8, loc="left", color=_INK)
        axes.set_yticks([])
        _label(axes, "position, steps", "slots")
    return figure


def _residual(s: Second) -> Figure:
    figure, (axes,) = _figure("7  What marking added, relative to the masking threshold", 2.8)
    change = (s.marked_spectrum - s.spectrum).abs()
    ratio = 20.0 * np.log10(np.maximum((change / threshold(s.spectrum, ROBUST)).numpy(), 1e-3))
    image = axes.imshow(
        ratio, origin="lower", aspect="auto", extent=(0, 1, 0, RATE / 2000), cmap="magma", vmin=-30, vmax=12,
        interpolation="nearest",
    )  # fmt: skip
    axes.set_ylim(0, 16)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("dB", fontsize=8)
    _label(axes, "time, s", "frequency, kHz")
    return figure


def _soft(s: Second) -> Figure:
    same = s.found_layout.digest == s.layout.digest
    figure, (axes,) = _figure(f"8  Read after {s.attack}: soft decisions of the 2040 bits")
    limit = 12.0
    axes.hist(np.clip(s.llr, -limit, limit), bins=61, color=_BLUE)
    axes.set_title(
        f"the detector's slots are {'the' if same else 'not the'} embedder's",
        fontsize=8,
        loc="left",
        color=_INK,
    )
    _label(axes, "log-likelihood ratio of 0 against 1", "bits")
    return figure


_STAGES: dict[str, Callable[[Second], Figure]] = {
    "1_grid": _spectrogram,
    "2_masking": _masking,
    "3_features": _features,
    "4_allocation": _allocation,
    "5_slots": _slots,
    "6_lattice": _lattice,
    "7_residual": _residual,
    "8_soft": _soft,
}


def stages(second: Second) -> dict[str, bytes]:
    """PNG of each stage by file name, and all in one, ``walk.png``; equal to the byte for the same second."""
    out = {f"{name}.png": _png(draw(second)) for name, draw in _STAGES.items()}
    return {**out, "walk.png": _png(_walk(list(out.values())))}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _walk(images: list[bytes]) -> Figure:
    """All stages on one page, two beside each other, in reading order."""
    pictures = [imread(io.BytesIO(data), format="png") for data in images]
    rows = -(-len(pictures) // 2)
    tallest = [max(len(p) for p in pictures[2 * r : 2 * r + 2]) for r in range(rows)]
    figure = Figure(figsize=(13.0, 6.5 * sum(tallest) / pictures[0].shape[1]), layout="constrained")
    fields = figure.subplots(rows, 2, squeeze=False, gridspec_kw={"height_ratios": tallest})
    for axes in fields.flat:
        axes.set_axis_off()
    for axes, picture in zip(fields.flat, pictures, strict=False):
        axes.imshow(picture, interpolation="antialiased")
        axes.set_anchor("NW")
    return figure
