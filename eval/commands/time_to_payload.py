"""`soundsafe-eval time-to-payload`: how much attacked audio it takes until identifier and payload come back.

Each clip is marked once; what an attack leaves of it is read from its beginning, in ever longer stretches,
until the payload is there. A stretch is read by the public `decode`, which knows nothing of the others.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from soundsafe.datasets import Clip
from soundsafe.errors import InputError, NotMarkable, defect
from soundsafe.eval.analysis.stats import proportion_interval
from soundsafe.eval.commands.say import say
from soundsafe.eval.rows import control_of
from soundsafe.eval.running.local_backend import workers
from soundsafe.eval.running.plan import known_split
from soundsafe.eval.running.seeds import bench_key, generator, payload_of
from soundsafe.eval.running.store import make_folder, write_atomically
from soundsafe.message.container import BODY, payload_id
from soundsafe.reports import plots

__all__ = ["LENGTHS_S", "clip_rows", "curves", "true_factors"]

LENGTHS_S = (4.0, 6.0, 10.0, 15.0, 20.0, 28.0)
"""Lengths in seconds that are tried."""

_SPARE_S = 0.3
"""By so much audio may be shorter than a length, and is still taken for that long."""


_ACCESS = "needs more than the audio"


def true_factors(attack: Any) -> tuple[float, float] | None:
    """The factors (tempo, pitch) of an attack that changes speed, tempo or pitch by one factor each, None for
    others."""
    percent = 1.0 + float(attack.params.get("percent", 0.0)) / 100.0
    pitch = float(attack.params.get("factor", 1.0))
    if "drift" in attack.kind:
        return None
    if attack.family == "speed" and "hz" not in attack.params:
        return percent, percent
    if attack.family in ("tempo", "pitch", "tempo_pitch") and {"percent", "factor"} & set(attack.params):
        return percent, pitch
    return None


def _seeds_kept(
    seeds: Sequence[int | None], heard: NDArray[np.float32], rate: int, key: bytes, decoded: Any
) -> tuple[int, int]:
    """EULs whose anchor seed is that of `seeds` once tempo and pitch are undone, and EULs compared.

    Undone by the estimated factors alone: resampled so that the pitch is right, then each EUL taken where its
    stretched second lies. No list of candidates is tried: the seed is the one that the audio itself names.
    """
    import soxr
    import torch

    from soundsafe.cells.embedder import mix_channels, views
    from soundsafe.cells.layout import PHASES, features, layout
    from soundsafe.cells.profile import EUL_FRAMES, ROBUST
    from soundsafe.stft import RATE, stft

    start = _start_s(decoded, rate)
    restored = soxr.resample(heard.T, rate / decoded.pitch, RATE, quality="HQ").T
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(restored, dtype=np.float32)))
    stretch = decoded.pitch / decoded.tempo
    equal = total = 0
    for i, seed in enumerate(seeds):
        first = (start * decoded.pitch + i * stretch) * EUL_FRAMES
        begin, end = round(first), round(first + stretch * EUL_FRAMES)
        if begin < 0 or end > spectrum.shape[-1]:
            continue
        mix = views(len(heard), i % PHASES)[0]
        named = layout(features(mix_channels(spectrum[..., begin:end], mix), ROBUST), key, ROBUST, i % PHASES)
        equal += named.seed == seed
        total += 1
    return equal, total


def _start_s(decoded: Any, rate: int) -> float:
    """Where the original's first sample lies in seconds; a tile reading knows it modulo its cycle alone."""
    from soundsafe.stft import RATE
    from soundsafe.tiles.geometry import ROBUST_TILES

    cycle = ROBUST_TILES.cycle * ROBUST_TILES.block / RATE / decoded.tempo
    start = (decoded.offset_samples or 0) / rate
    return float((start + cycle / 2) % cycle - cycle / 2) if decoded.layer == "tile" else start


def clip_rows(
    clip: Clip, attacks: Sequence[str], lengths_s: Sequence[float], seed: int
) -> list[dict[str, Any]]:
    """A row for each attack: shortest lengths in seconds at which identifier and payload came (NaN: never,
    as for a clip that cannot be marked, and where an attack or the detector failed: `failed` says how).

    Only what lies after `lengths_s` of attacked audio at most is needed of the clip, and so much is marked.
    """
    import torch

    from soundsafe import attacks as registry
    from soundsafe import decode, embed, layouts

    torch.set_num_threads(1)
    try:
        audio, rate = clip.read()
    except InputError as error:
        audio, rate, unread = np.zeros((1, 0), np.float32), 1, str(error)
    else:
        unread = ""
    # A faster copy needs more of the original.
    audio = np.ascontiguousarray(audio[:, : int(1.06 * max(lengths_s) * rate)])
    key, payload = bench_key(seed), payload_of(seed, clip.clip, BODY)
    head = {
        "clip": clip.clip, "group": clip.group or clip.clip, "category": clip.category,
        "audio_s": math.inf if unread else audio.shape[1] / rate, "heard_s": 0.0,
        "id_s": np.nan, "payload_s": np.nan, "wrong": 0, "layer": "", "zimtohrli": np.nan, "failed": unread,
    }  # fmt: skip
    if unread:
        return [head | {"attack": name} for name in attacks]
    try:
        marked = embed(audio, rate, payload, key)
    except (NotMarkable, InputError) as error:
        head |= {"heard_s": audio.shape[1] / rate, "failed": str(error)}
        return [head | {"attack": name} for name in attacks]
    assert marked.audio is not None
    seeds = [eul.seed for eul in layouts(marked.audio, rate, key)]
    rows = []
    for name in attacks:
        attack = registry.get(name)
        row: dict[str, Any] = head | {"attack": name, "zimtohrli": marked.zimtohrli}
        rows.append(row)
        try:
            out = attack.apply(marked.audio, rate, generator(seed, clip.clip, name, attack.params))
        except Exception as error:  # whatever another package's attack does costs its own row
            row["failed"] = str(error) if isinstance(error, InputError) else defect(error)
            continue
        row["audio_s"] = out.shape[1] / rate
        for length in lengths_s:
            if length > row["audio_s"] + _SPARE_S:
                break
            heard = np.ascontiguousarray(out[:, : int(length * rate)])
            try:
                found = decode(heard, rate, key)
            except Exception as error:
                row["failed"] = str(error) if isinstance(error, InputError) else defect(error)
                break
            row["heard_s"] = length
            right = found.id_ok and found.id_hex == payload_id(payload).hex()
            wrong = (found.ok and found.payload != payload) or (found.id_ok and not right)
            row["wrong"] += int(wrong)
            if right and np.isnan(row["id_s"]):
                row["id_s"] = length
            if right:
                row |= {"tempo": found.tempo, "pitch": found.pitch, "layer": found.layer or ""}
                row["offset_s"] = _start_s(found, rate)
                row["seeds_kept"], row["seeds"] = _seeds_kept(seeds, heard, rate, key, found)
            if found.payload == payload:
                row["payload_s"] = length
                row["euls_ok"], row["euls"] = sum(e.ok for e in found.euls), int(length * found.tempo + 1e-3)
                break
        truth = true_factors(attack)
        if truth is not None and "tempo" in row:
            row["tempo_error"] = row["tempo"] / truth[0] - 1.0
            row["pitch_error"] = row["pitch"] / truth[1] - 1.0
    return rows


def curves(rows: pd.DataFrame, lengths_s: Sequence[float]) -> pd.DataFrame:
    """A row for each attack, word (``id`` or ``payload``) and length: share of clips that had it by then.

    Columns ``attack``, ``word``, ``seconds``, ``clips``, ``share``, ``low``, ``high`` (95 %, by groups; NaN
    below five groups). Clips that are shorter than a length do not count at it; one that cannot be read
    counts at each, as never.
    """
    out = []
    for attack, its in rows.groupby("attack", sort=False):
        for word in ("id", "payload"):
            for length in lengths_s:
                use = its[its["audio_s"] + _SPARE_S >= length]
                if use.empty:
                    continue
                ok = (use[f"{word}_s"] <= length).to_numpy(float)
                interval = proportion_interval(ok, use["group"].to_numpy())
                low, high = interval or (np.nan, np.nan)
                out.append(
                    {"attack": attack, "word": word, "seconds": length, "clips": len(use),
                     "share": ok.mean(), "low": low, "high": high}
                )  # fmt: skip
    return pd.DataFrame(out, columns=["attack", "word", "seconds", "clips", "share", "low", "high"])


def draw(table: pd.DataFrame) -> Figure:
    """Share of clips against seconds heard, a panel for each word."""
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    for axes, word in zip(figure.subplots(1, 2, sharey=True), ("id", "payload"), strict=True):
        for attack, its in table[table["word"] == word].groupby("attack", sort=False):
            axes.plot(its["seconds"], 100 * its["share"], marker="o", markersize=3, label=attack)
        title = {"id": "Identifier", "payload": "Payload"}[word]
        axes.set(title=title, xlabel="seconds heard", ylim=(-3, 103))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("clips, %")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=6, frameon=False)
    return figure


def time_to_payload(
    suite: Annotated[list[str], typer.Option(help="Suite of attacks, or a .toml file of one; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the tables and the plot.")],
    dataset: Annotated[str, typer.Option(help="Name of a dataset, or a folder of audio.")] = "bundled",
    split: Annotated[list[str] | None, typer.Option(help="Split of the dataset; repeatable.")] = None,
    category: Annotated[str | None, typer.Option(help="Clips of this category only.")] = None,
    least: Annotated[float, typer.Option(help="Clips of at least so many seconds only.")] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many clips.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores by default.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of keys, payloads and attacks.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure how many seconds of attacked audio give the identifier and the payload back."""
    from soundsafe import attacks, datasets

    named = dict.fromkeys(a for s in suite for a in attacks.suite(s).attacks if not control_of(a))
    found = {name: attacks.get(name) for name in named}
    missing = {name: a.left_out or _ACCESS for name, a in found.items() if a.left_out or a.needs_access}
    for name, reason in missing.items():
        say(f"left out: {name} {reason}")
    names = [name for name in named if name not in missing]
    if not names:
        raise InputError("no attacks to run: name a suite")
    wanted = set(split or ["test"])
    loaded = datasets.load(dataset)
    for name in wanted:
        known_split(loaded, name)
    clips = [
        c
        for c in loaded.clips
        if (c.split is None or c.split in wanted)
        and (category is None or c.category == category)
        and (not least or _seconds(c) >= least)
    ][:limit]
    if not clips:
        raise InputError(f"{dataset}: no such clips")
    make_folder(out)
    rows: list[dict[str, Any]] = []
    stderr = Console(stderr=True)
    with workers(jobs or os.cpu_count() or 1) as pool:
        waiting = [pool.submit(clip_rows, clip, names, LENGTHS_S, seed) for clip in clips]
        for done in track(
            as_completed(waiting), "marking, attacking, reading", len(waiting), console=stderr,
            transient=True, disable=not stderr.is_terminal,
        ):  # fmt: skip
            try:
                rows += done.result()
            except BrokenProcessPool:
                raise InputError("a worker process died: fewer --jobs need less memory") from None
            write_atomically(out / "rows.csv", pd.DataFrame(rows).to_csv(index=False).encode())
    place = {c.clip: i for i, c in enumerate(clips)}
    frame = pd.DataFrame(sorted(rows, key=lambda r: (names.index(r["attack"]), place[r["clip"]])))
    table = curves(frame, LENGTHS_S)
    write_atomically(out / "rows.csv", frame.to_csv(index=False).encode())
    write_atomically(out / "curves.csv", table.to_csv(index=False).encode())
    for suffix, data in plots.images(draw(table)).items():
        write_atomically(out / f"time_to_payload{suffix}", data)
    for line in dict.fromkeys(f"{r.clip}: {r.failed}" for r in frame.itertuples() if r.failed):
        say(f"failed, and counts as never: {line}")
    if frame["wrong"].any():
        say(f"{frame['wrong'].sum()} answers were wrong, and count as none")
    if table.empty:
        say(f"no clip lasts {min(LENGTHS_S):g} s: there are no shares")
    if as_json:
        sys.stdout.write(json.dumps({"rows": json.loads(table.to_json(orient="records"))}) + "\n")
        return
    if not table.empty:
        wide = table.pivot(index=["attack", "word"], columns="seconds", values="share")
        wide = wide.reindex(names, level=0)
        sys.stdout.write((100 * wide).round(0).to_string(na_rep="-") + "\n")
    sys.stdout.write(f"{len(clips)} clips, shares in percent; intervals in {out / 'curves.csv'}\n")


def _seconds(clip: Clip) -> float:
    import soundfile

    try:
        info = soundfile.info(clip.path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{clip.path}: not readable as audio ({error})".replace("\n", " ")) from None
    return float(info.frames / info.samplerate)
