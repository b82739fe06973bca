"""`soundsafe train steps`: a folder of audio in, a learned map for `soundsafe embed --model` out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from soundsafe.aliases import Audio, Progress
from soundsafe.cells.code import CellCode
from soundsafe.codecs import resample
from soundsafe.errors import InputError
from soundsafe.models.steps import MAP_SIZES, StepMap, write_map
from soundsafe.stft import RATE
from soundsafe.training.command import clips_of, evenly
from soundsafe.training.config import TrainConfig
from soundsafe.training.map_fit import MapFigures, Static, figures_of, fit_map
from soundsafe.training.map_hearing import fit_hearing, listen
from soundsafe.training.map_observations import CHANNELS, observe

__all__ = ["MAP_CONFIG", "train_map"]

MAP_CONFIG = TrainConfig(steps=400, batch=8, learning_rate=4e-3, size="small")
"""How a map is trained."""

_SECONDS, _CLIPS = 5, 50
_QUIET = 1e-3

_AS_GOOD = 0.005
"""A smaller map is taken whose share of wrong bits is larger by no more than this share."""


def _clips(data: Path | None, split: str) -> list[Audio]:
    """The first seconds of up to 50 clips of a split."""
    dataset = clips_of(data, split)
    found = []
    for clip in dataset.clips:
        audio, rate = clip.read()
        audio = resample(audio, rate, RATE)[:, : _SECONDS * RATE]
        if audio.shape[1] == _SECONDS * RATE and float(np.abs(audio).max()) > _QUIET:
            found.append(np.ascontiguousarray(audio, np.float32))
    if not found:
        raise InputError(f"{dataset.name}: no clip of split {split} is {_SECONDS} s long: give --data DIR")
    return evenly(found, _CLIPS)


def _line(name: str, figures: MapFigures) -> str:
    each = ", ".join(f"{c} {w:.4f}" for c, w in zip(CHANNELS, figures.wrong, strict=True))
    return f"{name}: wrong bits {figures.mean:.4f} ({each}); factors move by {figures.moved:.4f}"


def train_map(
    data: Path | None, out: Path | None, report: Progress, cfg: TrainConfig = MAP_CONFIG
) -> list[str]:
    """Train maps of all sizes, and write the smallest of those that do best on the split ``val``.

    Args:
        data: a folder with splits ``train`` and ``val``.
        out: gets ``steps.npz``, ``table.csv`` and for each size ``log_SIZE.csv``.
        report: gets the share done, 0 to 1, and words.
        cfg: how.

    Returns:
        The lines to print: the share of wrong bits on ``val`` at equal predicted distance without a map, with
        one factor for each band, and with a map of each size.

    Raises:
        InputError: a folder that cannot be used.
    """
    if out is None:
        raise InputError("cannot train steps without a folder for the model: give --out DIR")
    clips = {split: _clips(data, split) for split in ("train", "val")}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
    report(0.0, "marking, and hearing what codecs do")
    seen = {split: observe(some) for split, some in clips.items()}
    report(0.3, "measuring where changes are heard")
    hearing = fit_hearing(listen(clips["train"]))
    geo = CellCode().geometry
    fixed = tuple(sorted({int(band) for band in geo.band[geo.pilot.reshape(-1)]}))
    none = Static(fixed)
    static, _ = fit_map(seen["train"], hearing, dataclasses.replace(cfg, learning_rate=2e-2), Static(fixed))
    table = {
        name: figures_of(model, seen["val"], hearing) for name, model in (("none", none), ("static", static))
    }
    models: dict[str, StepMap] = {}
    for i, size in enumerate(MAP_SIZES):
        report(0.5 + 0.5 * i / len(MAP_SIZES), f"training {size}")
        with torch.random.fork_rng():
            torch.manual_seed(cfg.seed)
            model = StepMap(size, fixed)
        _, rows = fit_map(seen["train"], hearing, cfg, model)
        pd.DataFrame(rows).to_csv(out / f"log_{size}.csv", index=False)
        figures = table[size] = figures_of(model, seen["val"], hearing)
        model.shift.fill_(figures.shift)
        models[size] = model
    enough = min(table[size].mean for size in models) * (1.0 + _AS_GOOD)
    best = next(model for size, model in models.items() if table[size].mean <= enough)
    columns = {name: [*f.wrong, f.mean, f.shift, f.moved] for name, f in table.items()}
    index = [*CHANNELS, "mean", "shift", "moved"]
    pd.DataFrame(columns, index=index).T.rename_axis("map").to_csv(out / "table.csv")
    card = {
        "name": "steps",
        "command": "soundsafe train steps --data DIR --out DIR",
        "seconds": {split: len(each) for split, each in seen.items()},
        "config": json.loads(json.dumps(cfg.to_json())),
        "wrong_bits_val": {name: figures.mean for name, figures in table.items()},
    }
    write_map(out / "steps.npz", best, card)
    lines = [_line(name, figures) for name, figures in table.items()]
    return [*lines, f"written: {out / 'steps.npz'} ({best.size})"]
