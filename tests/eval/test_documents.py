"""Rows as JSON and CSV and back, whoever wrote them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from soundsafe.eval import documents
from soundsafe.eval.rows import (
    BandRow,
    BreakdownRow,
    Check,
    GateResult,
    Measured,
    QualityRow,
    Summary,
    SummaryRow,
)

ROW = SummaryRow(
    "s", "t", "mp3_128", {"kbps": 128}, "all", clips=3, ber=1 / 3, ber_ci95=(0.1, 1 / 3), payload_success=1.0
)
SUMMARY = Summary(
    rows=(documents.rounded(ROW),),
    quality=(QualityRow("s", "all", 3, snr_db=31.5, false_accepts=1, unmarked_euls=8),),
    parity_by_band=(BandRow("s", "t", "mp3_128", 4, (1.0, 0.5)),),
    breakdown=(BreakdownRow("s", "t", "mp3_…", "kbps", (64.0, 128.0), (0.0, None), (96.5,), (1.0, 1.0), ()),),
    by_lossy=(SummaryRow("s", "t", "mp3_128", {}, "yes", clips=2),),
)


def test_a_summary_comes_back_as_it_was_written() -> None:
    data = documents.summary_json(SUMMARY)
    assert documents.summary_from(json.loads(data)) == SUMMARY
    assert documents.summary_json(documents.summary_from(json.loads(data))) == data


def test_json_has_no_more_digits_than_figures_mean_and_null_for_what_is_none() -> None:
    assert documents.to_item(ROW)["ber_ci95"] == [0.1, 0.333333]
    assert documents.json_value({"a": np.float32(0.1), "b": np.int64(3), "c": np.bool_(True)}) == {
        "a": 0.1, "b": 3, "c": True
    }  # fmt: skip
    assert documents.json_value([math.nan, math.inf, None, (1,)]) == [None, None, None, [1]]


@pytest.mark.parametrize("value", ["0.1", True, [0.1], {}, None, 10**400, math.nan])
def test_what_is_no_number_was_not_measured(value: object) -> None:
    item = documents.to_item(ROW) | {"ber": value}  # type: ignore[dict-item]
    assert documents.from_item(SummaryRow, item).ber is None


def test_fields_that_another_version_lacks_or_has_more_of() -> None:
    found = documents.from_item(SummaryRow, {"system": "s", "attack": "a", "clips": 2.0, "new": 1})
    assert (found.system, found.suite, found.category, found.clips, found.auc) == ("s", "", "", 2, None)
    assert found.params == {}
    assert documents.from_item(SummaryRow, {"clips": 2.5}).clips == 0
    assert documents.from_item(BandRow, {"bands": [1.0, "x"]}).bands == ()


@pytest.mark.parametrize("interval", [[0.5], [0.1, None], "x", [0.1, 0.2, 0.3], None])
def test_an_interval_is_two_numbers_or_none(interval: object) -> None:
    item = documents.to_item(ROW) | {"ber_ci95": interval}  # type: ignore[dict-item]
    assert documents.from_item(SummaryRow, item).ber_ci95 is None


def test_a_damaged_part_is_named() -> None:
    with pytest.raises(ValueError, match="quality"):
        documents.summary_from({"rows": [], "quality": [3]})


def test_csv_has_a_column_for_each_limit_and_entry() -> None:
    head, line = documents.csv_bytes([ROW]).decode().splitlines()
    cells = dict(zip(head.split(","), line.replace('"{""kbps"":128}"', "P").split(","), strict=True))
    assert (cells["ber_ci95_low"], cells["ber_ci95_high"], cells["params"]) == ("0.1", "0.333333", "P")
    assert cells["auc"] == ""
    bands = [BandRow("s", "t", "a", 1, (1.0,)), BandRow("s", "t", "b", 1, (0.25, 0.5))]
    assert documents.csv_bytes(bands).decode() == (
        "system,suite,attack,euls,band_00,band_01\ns,t,a,1,1.0,\ns,t,b,1,0.25,0.5\n"
    )


def test_no_name_is_a_formula() -> None:
    rows = [BandRow("=1+1", "t", "a", 1)]
    assert documents.csv_bytes(rows).decode().splitlines()[1] == "'=1+1,t,a,1"


def test_a_gates_document() -> None:
    tested = Check("s", "a", "ber", True, 0.1, 0.2, 0.1, p=0.5)
    counted = Check("", "controls", "false_accepts", False, 0, 2, 2, message="2 false accepts")
    item = documents.gate_json(GateResult(False, 1e-3, 2, (counted, tested), ("few clips",)))
    assert list(item) == ["ok", "level", "false_accepts", "checks", "remarks"]
    first, second = json.loads(json.dumps(item["checks"]))
    assert (first["message"], second["p"]) == ("2 false accepts", 0.5)


def test_measured_rows_have_the_fields_of_a_row() -> None:
    from soundsafe.eval.rows import QUALITY, Attacked, Row

    head = ("system", "suite", "attack", "family", "params", "clip", "category", "group", "lossy")
    names = [*head, *vars(Measured(0)), *QUALITY, *vars(Attacked()), "payload_bytes", "payload_bits"]
    assert sorted(names) == sorted(Row.__dataclass_fields__)
