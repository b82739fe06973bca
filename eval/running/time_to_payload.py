"""How much attacked audio it takes until identifier and payload come back.

Each clip is marked once; what an attack leaves of it is read from its beginning, in ever longer stretches,
until the payload is there. A stretch is read by the public `decode`, which knows nothing of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from soundsafe.aliases import Audio
from soundsafe.datasets import Clip
from soundsafe.errors import InputError, NotMarkable, defect
from soundsafe.eval.analysis.stats import proportion_interval
from soundsafe.eval.rows import NAN
from soundsafe.eval.running.seeds import bench_key, generator, payload_of
from soundsafe.message.container import BODY, payload_id
from soundsafe.result import Decoded

if TYPE_CHECKING:
    from soundsafe.attacks import Attack

__all__ = ["LENGTHS_S", "TimeRow", "clip_rows", "curves", "true_factors"]

LENGTHS_S = (4.0, 6.0, 10.0, 15.0, 20.0, 28.0)
"""Lengths in seconds that are tried."""

_SPARE_S = 0.3
"""By so much audio may be shorter than a length, and is still taken for that long."""


@dataclass(frozen=True)
class TimeRow:
    """What came back of one clip after one attack, and when.

    Attributes:
        audio_s: length of the attacked audio; infinite where the clip cannot be read.
        heard_s: the longest stretch that was read.
        id_s, payload_s: the shortest at which identifier and payload came; NaN: never.
        wrong: answers that gave another identifier or payload.
        layer, tempo, pitch, offset_s: as `decode` last gave them with the right identifier.
        failed: why the clip, the attack or the detector failed; '' where none did.
        seeds_kept, seeds: seconds whose anchor seed is the marked one's, and those that were compared.
        euls_ok, euls: seconds read by themselves, and those heard, when the payload came.
        tempo_error, pitch_error: of the factors, as shares, after an attack that has one factor of each.
    """

    clip: str
    group: str
    category: str
    audio_s: float
    heard_s: float = 0.0
    id_s: float = NAN
    payload_s: float = NAN
    wrong: int = 0
    layer: str = ""
    zimtohrli: float = NAN
    failed: str = ""
    attack: str = ""
    tempo: float = NAN
    pitch: float = NAN
    offset_s: float = NAN
    seeds_kept: float = NAN
    seeds: float = NAN
    euls_ok: float = NAN
    euls: float = NAN
    tempo_error: float = NAN
    pitch_error: float = NAN


def true_factors(attack: Attack) -> tuple[float, float] | None:
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
    seeds: Sequence[int | None], heard: Audio, rate: int, key: bytes, decoded: Decoded
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


def _start_s(decoded: Decoded, rate: int) -> float:
    """Where the original's first sample lies in seconds; a tile reading knows it modulo its cycle alone."""
    from soundsafe.stft import RATE
    from soundsafe.tiles.geometry import ROBUST_TILES

    cycle = ROBUST_TILES.cycle * ROBUST_TILES.block / RATE / decoded.tempo
    start = (decoded.offset_samples or 0) / rate
    return float((start + cycle / 2) % cycle - cycle / 2) if decoded.layer == "tile" else start


def clip_rows(
    clip: Clip, attacks: Sequence[str], lengths_s: Sequence[float], seed: int, payload_bytes: int = BODY
) -> list[TimeRow]:
    """A row for each attack; where the clip cannot be read or marked, all say so.

    Only what lies after `lengths_s` of attacked audio at most is needed of the clip, and so much is marked.

    Args:
        clip: of the dataset.
        attacks: their names.
        lengths_s: rising lengths in seconds, each tried in turn.
        seed: of key, payload and attacks.
        payload_bytes: length of the payload, 1 to 175.
    """
    import torch

    from soundsafe import attacks as registry
    from soundsafe import embed, layouts

    torch.set_num_threads(1)
    unread = TimeRow(clip.clip, clip.group or clip.clip, clip.category, audio_s=math.inf)
    try:
        audio, rate = clip.read()
    except InputError as error:
        return [replace(unread, attack=name, failed=str(error)) for name in attacks]
    # A faster copy needs more of the original.
    audio = np.ascontiguousarray(audio[:, : int(1.06 * max(lengths_s) * rate)])
    head = replace(unread, audio_s=audio.shape[1] / rate)
    key, payload = bench_key(seed), payload_of(seed, clip.clip, payload_bytes)
    try:
        marked = embed(audio, rate, payload, key)
    except (NotMarkable, InputError) as error:
        return [replace(head, attack=name, heard_s=head.audio_s, failed=str(error)) for name in attacks]
    assert marked.audio is not None
    seeds = [eul.seed for eul in layouts(marked.audio, rate, key)]
    rows = []
    for name in attacks:
        attack = registry.get(name)
        row = replace(head, attack=name, zimtohrli=marked.zimtohrli)
        try:
            out = attack.apply(marked.audio, rate, generator(seed, clip.clip, name, attack.params))
        except Exception as error:  # whatever another package's attack does costs its own row
            rows.append(replace(row, failed=_failure(error)))
        else:
            read = _read(row, _Attacked(out, rate, key, payload, seeds), lengths_s)
            rows.append(_with_errors(read, true_factors(attack)))
    return rows


@dataclass(frozen=True)
class _Attacked:
    """Audio to be read, with what was marked into it: `seeds` are those of its seconds before the attack."""

    audio: Audio
    rate: int
    key: bytes
    payload: bytes
    seeds: Sequence[int | None]


def _failure(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else defect(error)


def _read(row: TimeRow, of: _Attacked, lengths_s: Sequence[float]) -> TimeRow:
    """The row once ever longer stretches were read, until the payload was there."""
    from soundsafe import decode

    row = replace(row, audio_s=of.audio.shape[1] / of.rate)
    for length in lengths_s:
        if length > row.audio_s + _SPARE_S:
            break
        heard = np.ascontiguousarray(of.audio[:, : int(length * of.rate)])
        try:
            found = decode(heard, of.rate, of.key)
        except Exception as error:
            return replace(row, failed=_failure(error))
        right = found.id_ok and found.id_hex == payload_id(of.payload).hex()
        wrong = (found.ok and found.payload != of.payload) or (found.id_ok and not right)
        row = replace(row, heard_s=length, wrong=row.wrong + int(wrong))
        if right:
            kept, seeds = _seeds_kept(of.seeds, heard, of.rate, of.key, found)
            row = replace(
                row, id_s=length if np.isnan(row.id_s) else row.id_s,
                tempo=found.tempo, pitch=found.pitch, layer=found.layer or "",
                offset_s=_start_s(found, of.rate), seeds_kept=kept, seeds=seeds,
            )  # fmt: skip
        if found.payload == of.payload:
            good, whole = sum(e.ok for e in found.euls), int(length * found.tempo + 1e-3)
            return replace(row, payload_s=length, euls_ok=good, euls=whole)
    return row


def _with_errors(row: TimeRow, truth: tuple[float, float] | None) -> TimeRow:
    """The row with how far its factors are from the true ones, where it has and these are known."""
    if truth is None:
        return row
    return replace(row, tempo_error=row.tempo / truth[0] - 1.0, pitch_error=row.pitch / truth[1] - 1.0)


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
