"""What holds for any array: shapes, rates, kinds of numbers, layouts in memory, durations, payloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import soundsafe
from soundsafe.errors import InputError, NotMarkable

QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

DTYPES = (
    "float16",
    "float32",
    "float64",
    "longdouble",
    "int16",
    "uint8",
    "bool",
    "complex64",
    "object",
    "U1",
)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """Short audio of every shape and kind, some of it sound."""
    size = draw(st.sampled_from(["samples", "channels and samples", "one more"]))
    shape: tuple[int, ...] = (draw(st.integers(0, 600)),)
    if size != "samples":
        shape = (draw(st.integers(0, 9)), *shape)
    if size == "one more":
        shape = (*shape, draw(st.integers(0, 3)))
    values = np.random.default_rng(draw(st.integers(0, 9))).uniform(-1, 1, shape)
    kind = draw(st.sampled_from(DTYPES))
    with np.errstate(all="ignore"):
        x = values.astype(kind)
    if x.size and x.dtype.kind == "f" and draw(st.booleans()):
        bad = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e30, 5e-324]))
        with np.errstate(all="ignore"):
            x.reshape(-1)[draw(st.integers(0, x.size - 1))] = bad
    form = draw(
        st.sampled_from(["as it is", "reversed", "strided", "transposed", "read-only", "list", "torch"])
    )
    if form == "reversed":
        return x[..., ::-1]
    if form == "strided":
        return x[..., ::3]
    if form == "transposed":
        return x.T
    if form == "read-only":
        x.flags.writeable = False
    if form == "list":
        return x.tolist()
    if form == "torch" and x.dtype.kind in "f" and x.dtype.itemsize <= 8:
        return torch.from_numpy(x).requires_grad_(draw(st.booleans()))
    return x


@given(audio=arrays(), rate=st.sampled_from([-1, 0, 7_999, 8_000, 22_050, 44_100, 192_000, 192_001]))
@settings(QUICK, max_examples=80)
def test_any_array_is_read_or_refused(audio: Any, rate: int) -> None:
    try:
        found = soundsafe.decode(audio, rate)
    except InputError:
        return
    assert not found.ok
    assert found.payload is None
    assert np.isfinite(found.score)


@given(audio=arrays(), payload=st.binary(max_size=5000))
@settings(QUICK, max_examples=40)
def test_what_is_too_short_is_never_marked(audio: Any, payload: bytes) -> None:
    with pytest.raises(InputError):
        soundsafe.embed(audio, 8_000, payload, quality="fast")


@pytest.mark.parametrize(
    ("rate", "channels", "seconds", "size", "kind"),
    [
        (44_100, 1, 1.0, 1, "float64"),
        (22_050, 2, 1.37, 175, "float32"),
        (48_000, 3, 2.01, 176, "float16"),
        (96_000, 1, 1.5, 40, "float32"),
    ],
)
def test_marking_keeps_shape_range_and_input(
    cut: Callable[..., NDArray[np.float32]], rate: int, channels: int, seconds: float, size: int, kind: str
) -> None:
    import soxr

    mono = cut("rock", 3.0).mean(axis=0)
    audio = np.tile(soxr.resample(mono, 44_100, rate)[: int(seconds * rate)], (channels, 1)).astype(kind)
    before = audio.copy()
    try:
        marked = soundsafe.embed(audio, rate, bytes(range(256))[:size], quality="fast", layers=("eul",))
    except NotMarkable:
        assert size > 175 * int(seconds)
        return
    assert np.array_equal(audio, before)
    assert marked.audio is not None
    assert marked.audio.shape == audio.shape
    assert marked.audio.dtype == np.float32
    assert np.abs(marked.audio).max() <= max(1.0, np.abs(audio).max())
    assert soundsafe.decode(marked.audio, rate).payload == bytes(range(256))[:size]
