"""What marking and reading cost, by quality and by length of the audio.

Times are in seconds a second of audio, and in units of one MP3 round trip of the same audio just before in
the same process, which a machine's speed and load change less. Processor seconds (`cpu`) count all threads.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from soundsafe.datasets import Clip
from soundsafe.distance.zimtohrli import elsewhere_pids, elsewhere_s
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.analysis.stats import proportion_interval
from soundsafe.eval.running.seeds import bench_key, generator, payload_of
from soundsafe.message.container import BODY
from soundsafe.service.workers import CallFailed, Worker

__all__ = ["LengthCost", "QualityCost", "by_quality", "length_cost", "quality_cost", "warm_up"]

T = TypeVar("T")


@dataclass(frozen=True)
class QualityCost:
    """Cost, distance and success of one clip at one quality.

    Attributes:
        embed_s, embed_cpu_s: of marking, for each second of audio; `decode_` of reading, `search_` of reading
            audio that bears no mark.
        embed_mp3, decode_mp3: processor time in MP3 round trips.
        euls, ok: seconds marked, and those that read alone after the attack.
        clip_ok: whether the payload came back.
    """

    clip: str
    group: str
    quality: str
    embed_s: float
    embed_cpu_s: float
    embed_mp3: float
    decode_s: float
    decode_cpu_s: float
    decode_mp3: float
    search_s: float
    search_cpu_s: float
    zimtohrli: float
    snr_db: float
    euls: int
    ok: int
    clip_ok: bool


@dataclass(frozen=True)
class LengthCost:
    """Cost of a file of so many `seconds` at one quality; times as in `QualityCost`, and the highest memory
    of the process that marked (`start_mb`: before it did), read and searched; `reads`: the mark came back."""

    quality: str
    seconds: float
    embed_s: float
    embed_cpu_s: float
    decode_s: float
    decode_cpu_s: float
    search_s: float
    search_cpu_s: float
    start_mb: float
    embed_mb: float
    decode_mb: float
    search_mb: float
    reads: bool


def _timed(work: Callable[[], T], rounds: int = 1) -> tuple[T, float, float]:
    """What `work` returns, and the least seconds of wall and of processor that `rounds` of it took."""
    wall, cpu = [], []
    for _ in range(rounds):
        started, spent = time.perf_counter(), time.process_time() + elsewhere_s()
        answer = work()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() + elsewhere_s() - spent)
    return answer, min(wall), min(cpu)


def warm_up(clip: Clip) -> None:
    """What is done once in a process is not the first quality's cost."""
    from soundsafe import decode, embed

    audio, rate = clip.read()
    with contextlib.suppress(NotMarkable):
        marked = embed(np.ascontiguousarray(audio[:, : 2 * rate]), rate, b"once").audio
        decode(marked, rate)


def quality_cost(
    clip: Clip,
    quality: str,
    attack: str,
    seconds: float,
    rounds: int,
    seed: int,
    payload_bytes: int = BODY,
) -> QualityCost:
    """Cost, distance and success of one clip's first `seconds` at one quality.

    Args:
        clip: of the dataset.
        quality: of `embed`.
        attack: what success is measured after.
        seconds: how much of the clip is used.
        rounds: the quickest of so many is taken.
        seed: of key, payload and attack.
        payload_bytes: length of the payload, 1 to 175.

    Returns:
        Times per second of audio, and the rest.

    Raises:
        InputError: the clip cannot be marked.
    """
    from soundsafe import attacks, decode, embed
    from soundsafe.codecs import mp3_roundtrip

    audio, rate = clip.read()
    audio = np.ascontiguousarray(audio[:, : int(seconds * rate)])
    length = audio.shape[1] / rate
    key, payload = bench_key(seed), payload_of(seed, clip.clip, payload_bytes)
    _, _, mp3 = _timed(lambda: mp3_roundtrip(audio, rate, kbps=192), rounds)
    try:
        marked, embed_s, embed_cpu = _timed(lambda: embed(audio, rate, payload, key, quality=quality), rounds)
    except NotMarkable as error:
        raise InputError(f"{clip.clip}: {error}") from None
    assert marked.audio is not None  # only files leave it out
    copy = marked.audio
    _, decode_s, decode_cpu = _timed(lambda: decode(copy, rate, key), rounds)
    _, search_s, search_cpu = _timed(lambda: decode(audio, rate, key), rounds)
    method = attacks.get(attack)
    heard = method.apply(copy, rate, generator(seed, clip.clip, attack, method.params))
    found = decode(heard, rate, key)
    return QualityCost(
        clip=clip.clip, group=clip.group or clip.clip, quality=quality,
        embed_s=embed_s / length, embed_cpu_s=embed_cpu / length, embed_mp3=embed_cpu / mp3,
        decode_s=decode_s / length, decode_cpu_s=decode_cpu / length, decode_mp3=decode_cpu / mp3,
        search_s=search_s / length, search_cpu_s=search_cpu / length,
        zimtohrli=marked.zimtohrli, snr_db=marked.snr_db,
        euls=marked.euls, ok=sum(eul.ok for eul in found.euls), clip_ok=found.payload == payload,
    )  # fmt: skip


def by_quality(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each quality: means over clips of costs and distances; `success`: share of EULs that read
    alone after the attack, `low`, `high`: its 95 % interval by groups (NaN below five); `clip_success`:
    share of clips."""
    out = []
    for quality, its in rows.groupby("quality", sort=False):
        means = its.drop(columns=["clip", "group", "quality", "euls", "ok", "clip_ok"]).mean()
        hits = np.concatenate([np.arange(n) < k for n, k in zip(its["euls"], its["ok"], strict=True)])
        interval = proportion_interval(hits.astype(float), np.repeat(its["group"].to_numpy(), its["euls"]))
        low, high = interval or (np.nan, np.nan)
        out.append(
            {"quality": quality, "clips": len(its), "euls": len(hits), **means, "success": hits.mean(),
             "low": low, "high": high, "clip_success": its["clip_ok"].mean()}
        )  # fmt: skip
    return pd.DataFrame(out)


def _memory_mb() -> float:
    """The highest memory of this process so far, and of those that distances have (Linux; NaN elsewhere)."""
    try:
        status = [Path(f"/proc/{pid}/status").read_text() for pid in (os.getpid(), *elsewhere_pids())]
    except OSError:
        return float("nan")
    return sum(int(text.split("VmHWM:")[1].split()[0]) for text in status) / 1024


def _mark(source: Path, target: Path, payload: bytes, key: bytes, quality: str) -> dict[str, float]:
    """Runs in a worker of its own: its memory is that of this call."""
    from soundsafe import embed_file

    before = _memory_mb()
    _, wall, cpu = _timed(lambda: embed_file(source, target, payload, key, quality=quality))
    return {"wall": wall, "cpu": cpu, "start_mb": before, "peak_mb": _memory_mb()}


def _read(source: Path, key: bytes) -> dict[str, float]:
    from soundsafe import decode_file

    answer, wall, cpu = _timed(lambda: decode_file(source, key))
    return {"wall": wall, "cpu": cpu, "peak_mb": _memory_mb(), "ok": answer.ok}


def _make(path: Path, seconds: float, clips: Sequence[Clip]) -> None:
    """A WAV of that length in stereo: the clips one after the other, again and again."""
    pieces: list[tuple[NDArray[np.float32], int]] = [clip.read() for clip in clips]
    rate = pieces[0][1]
    left = int(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        while left:
            for audio, _ in pieces:
                part = audio[:, :left]
                file.write(part.T)
                left -= part.shape[1]


def length_cost(
    seconds: float, clips: Sequence[Clip], quality: str, seed: int, payload_bytes: int = BODY
) -> LengthCost:
    """Cost of a file of some length, marked and read in a process each.

    Args:
        seconds: the file's length.
        clips: what it is joined from.
        quality: of `embed`.
        seed: of key and payload.
        payload_bytes: length of the payload, 1 to 175.

    Returns:
        Times per second of audio, and memory.

    Raises:
        InputError: the file cannot be marked or read.
    """
    key, payload = bench_key(seed), payload_of(seed, f"{seconds:g} s", payload_bytes)
    with tempfile.TemporaryDirectory(prefix="soundsafe-bench-") as name:
        source, target = Path(name, "in.wav"), Path(name, "out.wav")
        _make(source, seconds, clips)
        answers = []
        for call in (
            (_mark, source, target, payload, key, quality),
            (_read, target, key),
            (_read, source, key),
        ):
            worker = Worker(os.cpu_count() or 1)
            try:
                answers.append(worker.call(*call))
            except CallFailed as error:
                raise InputError(f"{seconds:g} s: {error}") from None
            finally:
                worker.close()
    mark, read, search = answers
    return LengthCost(
        quality=quality, seconds=seconds,
        embed_s=mark["wall"] / seconds, embed_cpu_s=mark["cpu"] / seconds,
        decode_s=read["wall"] / seconds, decode_cpu_s=read["cpu"] / seconds,
        search_s=search["wall"] / seconds, search_cpu_s=search["cpu"] / seconds,
        start_mb=mark["start_mb"], embed_mb=mark["peak_mb"], decode_mb=read["peak_mb"],
        search_mb=search["peak_mb"], reads=bool(read["ok"]),
    )  # fmt: skip
