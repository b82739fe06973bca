"""Losses stand first, and a win is one by a test."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.families import ALL
from soundsafe.eval.analysis.verdicts import verdicts


def test_losses_first(make_rows: Callable[..., pd.DataFrame]) -> None:
    rows = make_rows([("soundsafe", 3.0, 175), ("better", 9.0, 2), ("worse", -9.0, 2)], euls=1)
    frames = {str(name): part for name, part in rows.groupby("system", sort=False)}
    found = verdicts(frames, "soundsafe")
    kinds = [v.verdict for v in found]
    assert kinds == sorted(kinds, key=["loss", "tie", "win"].index)
    assert {v.other for v in found if v.verdict == "loss"} == {"better"}
    assert {v.other for v in found if v.verdict == "win"} == {"worse"}
    assert all(v.p < 0.05 for v in found if v.verdict != "tie")
    assert all(v.p_holm >= v.p for v in found)
    everything = next(v for v in found if (v.other, v.family) == ("worse", ALL))
    assert everything.difference == pytest.approx(everything.own_success - everything.other_success)
    with pytest.raises(InputError, match="no run holds nobody"):
        verdicts(frames, "nobody")
