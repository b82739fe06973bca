"""Tables by family of made-up rows, whose weighted figures can be counted by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from soundsafe.eval.analysis import families
from soundsafe.eval.analysis.families import ALL, FORGERY, REMOVAL, UNATTACKED, compare_families, family_rows
from soundsafe.eval.analysis.summary import summary_rows
from soundsafe.eval.frames import to_frame
from soundsafe.eval.rows import Row

CLIPS = 6


def rows(attack: str, family: str, right: int, system: str = "s") -> list[Row]:
    """One attack after which the first `right` of six clips, each of a group of its own, give the payload."""
    return [
        Row(
            system, "a", attack, family, "{}", f"c{i}", "speech" if i % 2 else "music", f"g{i}", "", eul,
            clip_ok=i < right, payload_ok=i < right and not eul, payload_bits=16, payload_bytes=2, clip_s=2.0,
        )
        for i in range(CLIPS)
        for eul in range(2)
    ]  # fmt: skip


@pytest.fixture
def frame() -> pd.DataFrame:
    found = rows("none", "control", 6) + rows("unmarked", "unmarked", 0)
    for db in range(1, 19):
        found += rows(f"gain_{db:+d}dB", "gain", 6)
    found += rows("mp3_128", "mp3", 3) + rows("mp3_64", "mp3", 0)
    found += (
        rows("crop_0.1s", "editing", 6) + rows("crop_0.5s", "editing", 0) + rows("reversed", "editing", 0)
    )
    found += rows("square_20dB_50q", "adversarial", 2) + rows("square_20dB_1000q", "adversarial", 1)
    found += rows("collusion_average_2", "adversarial", 0)
    found += rows("unmarked+then+copy_20dB", "unmarked", 1) + rows("unmarked+then+mp3_128", "unmarked", 0)
    return to_frame(found)


def table(frame: pd.DataFrame, **how: str | None) -> dict[str, families.FamilyRow]:
    return {r.family: r for r in family_rows(frame, summary_rows(frame), **how)}


def test_families_and_kinds_count_alike_and_adversaries_apart(frame: pd.DataFrame) -> None:
    found = table(frame)
    assert list(found) == [UNATTACKED, "gain", "mp3", "editing", ALL, "square", "collusion_average", "copy"]
    assert {f: (r.attacks, r.kinds) for f, r in found.items() if f in ("gain", "editing", ALL)} == {
        "gain": (18, 1), "editing": (3, 2), ALL: (23, 4),
    }  # fmt: skip
    # crop: a half; reversed: none; each kind is half of its family.
    assert found["editing"].clip_success == pytest.approx(1 / 4)
    assert found["mp3"].clip_success == pytest.approx(1 / 4)
    assert found[ALL].clip_success == pytest.approx((1 + 1 / 4 + 1 / 4) / 3)
    assert found[ALL].payload_success == pytest.approx((1 + 1 / 4 + 1 / 4) / 3 / 2)
    assert (found["square"].goal, found["square"].clip_success) == (REMOVAL, pytest.approx(1.5 / 6))
    assert (found["copy"].goal, found["copy"].clip_success) == (FORGERY, pytest.approx(1 / 6, abs=1e-5))
    assert (found["mp3"].survived_by_all, found["mp3"].survived_by_none) == (0, 1)
    low, high = found[ALL].clip_success_ci95 or (1.0, 0.0)
    assert low < 0.5 < high
    assert (found[ALL].clips, found[ALL].groups) == (6, 6)


def test_each_category_has_its_own_lines(frame: pd.DataFrame) -> None:
    found = family_rows(frame, summary_rows(frame), category=None)
    mp3 = {r.category: r.clip_success for r in found if r.family == "mp3"}
    assert mp3 == pytest.approx({"all": 1 / 4, "music": 1 / 3, "speech": 1 / 6}, abs=1e-5)


def test_what_did_not_run_is_counted_and_in_no_figure(frame: pd.DataFrame) -> None:
    lost = frame.assign(status=frame["status"].mask(frame["attack"] == "mp3_64", "decode_failed"))
    mp3 = table(lost)["mp3"]
    assert (mp3.attacks, mp3.not_run, mp3.clip_success) == (1, 1, 0.5)


def test_two_runs_by_family(frame: pd.DataFrame) -> None:
    better = frame.assign(clip_ok=frame["clip_ok"] | (frame["attack"] == "mp3_64"))
    found = {r.family: r for r in compare_families(frame, better)}
    assert (found["gain"].difference, found["gain"].p) == (0, 1)
    # Every group speaks for B: one of two signs of six each.
    assert found["mp3"].difference == pytest.approx(1 / 2)
    assert found["mp3"].p == pytest.approx(2 / 2**6)
    assert found[ALL].difference == pytest.approx(1 / 6, abs=1e-5)
    assert [r.goal for r in found.values()][-3:] == [REMOVAL, REMOVAL, FORGERY]
