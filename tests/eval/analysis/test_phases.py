"""A training run judged by its own figures."""

import pandas as pd
import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.phases import STABLE, training_gate
from soundsafe.training import evaluation


def _table(share: float, high: float) -> pd.DataFrame:
    return pd.DataFrame(
        {"phase": ["A", "C"], "attack": "none", "stability_share": [0.9, share],
         "stability_share_low": 0.0, "stability_share_high": [1.0, high]}
    )  # fmt: skip


def test_the_line_of_five_per_cent_is_one_number() -> None:
    assert STABLE == evaluation.STABLE


def test_the_last_phase_decides_and_a_wide_interval_is_remarked_on() -> None:
    assert training_gate(_table(0.03, 0.04)).ok
    assert training_gate(_table(0.03, 0.04)).remarks == ()
    wide = training_gate(_table(0.03, 0.09))
    assert wide.ok
    assert "9.0 %" in wide.remarks[0]
    failed = training_gate(_table(0.07, 0.09))
    assert not failed.ok
    assert failed.checks[0].message.startswith("7.0 % of the start (95 %: 0.0 to 9.0 %)")


def test_a_run_without_a_start_is_refused() -> None:
    with pytest.raises(InputError, match="train anew"):
        training_gate(pd.DataFrame({"phase": ["C"], "attack": ["none"]}))
