"""The distance is the same here and in processes of its own, which may end at any time."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zimtohrli

from soundsafe.datasets import load
from soundsafe.distance import zimtohrli as distance
from soundsafe.distance.zimtohrli import by_channel, distances

RATE = 48_000
Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Six pieces of music, 0.6 to 1.1 s, with less and less noise."""
    clip = next(c for c in load("bundled").clips if c.clip == "rock")
    audio = clip.read()[0][0]
    rng = np.random.default_rng(0)
    found = []
    for i in range(6):
        piece = audio[i * RATE : i * RATE + round((0.6 + i / 10) * RATE)]
        noise = 10.0 ** (-2 - i / 4) * rng.standard_normal(len(piece))
        found.append((piece, piece + noise.astype(np.float32)))
    return found


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Iterator[distance._Processes]:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    processes = distance._Processes()
    monkeypatch.setattr(distance, "_processes", processes)
    yield processes
    processes.end()


def here(pairs: list[Pair]) -> list[float]:
    return [zimtohrli.Pyohrli().distance(a, b) for a, b in pairs]


def test_one_core_starts_no_process(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(distance, "_processes", None)
    assert distances(pairs, RATE).tolist() == here(pairs)
    assert distance.elsewhere_s() == 0.0
    assert not distance.elsewhere_pids()


def test_processes_give_the_same_in_order(pairs: list[Pair], several: distance._Processes) -> None:
    right = here(pairs)
    assert right == sorted(right, reverse=True)
    assert len(set(right)) == len(right)
    for _ in range(3):
        assert distances(pairs, RATE).tolist() == right
    assert distance.elsewhere_s() > 0.0


def test_identical_and_short_ones(pairs: list[Pair], several: distance._Processes) -> None:
    a, b = pairs[0]
    assert by_channel(np.stack([a, a]), np.stack([a, b]), RATE).tolist() == [0.0, here([(a, b)])[0]]
    assert np.isnan(by_channel(a[None, : RATE // 2 - 1], b[None, : RATE // 2 - 1], RATE)).all()
    assert distances([], RATE).tolist() == []


def test_a_process_that_was_killed_costs_no_answer(pairs: list[Pair], several: distance._Processes) -> None:
    several.count = 3
    right = here(pairs)
    for left in (2, 1):
        assert distances(pairs, RATE).tolist() == right
        process = several._free.get_nowait()
        assert process is not None
        several._free.put(process)
        process._process.kill()
        process._process.wait()
        assert distances(pairs, RATE).tolist() == right
        assert several.count == left
    spent = distance.elsewhere_s()
    assert distances(pairs, RATE).tolist() == right
    assert distance.elsewhere_s() == spent


def test_without_an_interpreter_it_works_here(
    pairs: list[Pair], several: distance._Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert distances(pairs, RATE).tolist() == here(pairs)
    assert distance.elsewhere_s() == 0.0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_an_interrupt_leaves_no_answer_for_the_next_question(
    pairs: list[Pair], several: distance._Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = pairs[0], pairs[-1]
    assert several.distance(*first) == here([first])[0]

    def interrupted(process: distance._Process, x: np.ndarray, y: np.ndarray) -> float:
        lengths = b"".join(v.nbytes.to_bytes(8, "little") for v in (x, y))
        process._line.sendall(lengths + x.tobytes() + y.tobytes())
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(distance._Process, "distance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            several.distance(*first)
    assert several.distance(*last) == here([last])[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork of Unix")
def test_a_forked_process_starts_its_own(pairs: list[Pair], several: distance._Processes) -> None:
    pair = pairs[0]
    assert several.distance(*pair) == here([pair])[0]
    child = os.fork()
    if not child:
        code = 1
        try:
            own = distance._several()
            code = 0 if own is not several and own.distance(*pair) == here([pair])[0] else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert several.distance(*pair) == here([pair])[0]


def test_one_that_asks_and_dies_leaves_no_crash(several: distance._Processes) -> None:
    process = distance._Process()
    process._line.sendall((400_000).to_bytes(8, "little") * 2 + bytes(100_000))
    process._line.shutdown(socket.SHUT_WR)
    assert process._process.wait(30) == 0
    process.end()


def test_signals_of_unequal_length(pairs: list[Pair], several: distance._Processes) -> None:
    a, b = pairs[0]
    unequal = [(a, b[:-100]), (a, b)]
    assert distances(unequal, RATE).tolist() == here(unequal)


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="signals of Unix")
def test_a_killed_process_does_not_kill_a_program_that_ends_with_a_broken_pipe(
    pairs: list[Pair], several: distance._Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert several.distance(*pairs[0]) == here(pairs[:1])[0]
    process = several._free.get_nowait()
    assert process is not None
    several._free.put(process)
    process._process.kill()
    process._process.wait()
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        assert distances(pairs[:1], RATE).tolist() == here(pairs[:1])
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert several.count == 1


def test_what_a_program_puts_on_the_path_of_modules(
    pairs: list[Pair], several: distance._Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [Path.cwd(), *sys.path])
    assert distances(pairs, RATE).tolist() == here(pairs)
    assert distance.elsewhere_s() > 0.0
