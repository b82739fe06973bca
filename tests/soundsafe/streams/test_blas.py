"""One thread for small products, whoever calls, and as many as before afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from threadpoolctl import ThreadpoolController, threadpool_info

import soundsafe
from soundsafe.aliases import Audio

Mark = Callable[..., Any]

RATE = 44_100


def noise(seconds: float, channels: int = 1, rate: int = RATE) -> Audio:
    shape = (channels, round(seconds * rate))
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


@contextlib.contextmanager
def two_blas_threads() -> Iterator[None]:
    """Set by a thread that has ended: threadpoolctl obeys others only then."""
    with ThreadPoolExecutor(1) as pool:
        limit = pool.submit(ThreadpoolController().select(user_api="blas").limit, limits=2).result()
    try:
        yield
    finally:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(limit.restore_original_limits).result()


@pytest.mark.slow
def test_calls_that_overlap_leave_the_number_of_threads(marked: Mark, tmp_path: Path) -> None:
    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    soundfile.write(tmp_path / "x.flac", marked("rock").audio.T, RATE)
    first_works, second_works, first_ended = (threading.Event() for _ in range(3))
    seen = []

    def first(share: float, words: str) -> None:
        first_works.set()
        assert second_works.wait(60)

    def second(share: float, words: str) -> None:
        second_works.set()
        assert first_ended.wait(60)
        seen.append(threads())

    def call(progress: Callable[[float, str], None]) -> bytes | None:
        return soundsafe.decode_file(tmp_path / "x.flac", progress=progress).payload

    with two_blas_threads(), ThreadPoolExecutor(2) as pool:
        before = threads()
        one = pool.submit(call, first)
        assert first_works.wait(60)
        other = pool.submit(call, second)
        assert one.result(60) == marked("rock").payload
        first_ended.set()
        assert other.result(60) == marked("rock").payload
        assert seen == [{1}]  # also for the one that is still at work
        assert threads() == before == {2}
        assert soundsafe.decode(noise(1.0), RATE).payload is None
        assert threads() == before
