from __future__ import annotations

from soundsafe.eval.rows import Check, GateResult
from soundsafe.reports.gate_table import gate_markdown

GOOD = Check("soundsafe", "mp3_192", "payload_success", True, 0.98, 0.985, -0.005, 0.7)
BAD = Check("soundsafe", "mp3_128", "clip_success", False, 1.0, 0.5, 0.5, None, "lost a|b <i> 4 of 8 clips")


def test_failed_checks_come_first_and_the_others_are_folded() -> None:
    text = gate_markdown(
        GateResult(False, 0.001, 1, (GOOD, BAD), ("3 clips are too few",)), "runs/now", "b.json"
    )
    assert text.startswith("## ❌ Gate failed: 1 of 2 checks passed\n")
    failed, folded = text.split("<details>")
    assert r"| soundsafe | mp3_128 | clips % | 100 | 50.0 | – | **lost a\|b \<i\> 4 of 8 clips** |" in failed
    assert "1 false accept." in failed
    assert "- 3 clips are too few" in failed
    assert "| soundsafe | mp3_192 | seconds % | 98.0 | 98.5 | 0.7 |  |" in folded


def test_a_gate_that_passed_has_nothing_unfolded() -> None:
    text = gate_markdown(GateResult(True, 0.001, 0, (GOOD,)), "runs/now", "b.json")
    assert text.startswith("## ✅ Gate passed: 1 of 1 checks\n")
    assert "|" not in text.split("<details>")[0]
