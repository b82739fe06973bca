"""How much attacked audio it takes until identifier and payload come back.

Each clip is marked once; what an attack leaves of it is read from its beginning, in ever longer stretches,
until the payload is there. A stretch is read by the public `decode`, which knows nothing of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soundsafe.datasets import Clip
from soundsafe.errors import InputError, NotMarkable, defect
from soundsafe.eval.analysis.stats import proportion_interval
from soundsafe.eval.running.seeds import bench_key, generator, payload_of
from soundsafe.message.container import BODY, payload_id

__all__ = ["LENGTHS_S", "clip_rows", "curves", "true_factors"]

LENGTHS_S = (4.0, 6.0, 10.0, 15.0, 20.0, 28.0)
"""Lengths in seconds that are tried."""

_SPARE_S = 0.3
"""By so much audio may be shorter than a length, and is still taken for that long."""


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

    from soundsafe.cells.code import CellCode
    from soundsafe.cells.layout import choose_layout, features
    from soundsafe.cells.mixtures import mix_channels, mixtures
    from soundsafe.cells.profile import EUL_FRAMES, PHASES, ROBUST
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
        mix = mixtures(len(heard), i % PHASES)[0]
        named = choose_layout(
            features(mix_channels(spectrum[..., begin:end], mix), ROBUST), CellCode(key), i % PHASES
        )
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
