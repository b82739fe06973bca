"""The tutorial's five systems against truth made by hand: right in exactly 4 of 12 clips under one attack.

They are taken from the page itself. Each is run, compared, gated and reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soundsafe.aliases import Audio
from soundsafe.eval import evaluate
from soundsafe.eval.analysis.compare import compare
from soundsafe.eval.analysis.gate import check, make_baseline
from soundsafe.eval.analysis.stored import read_run
from soundsafe.eval.analysis.summary import summary_rows
from soundsafe.reports.content import build
from soundsafe.reports.model import Table

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "your_system.md"
KINDS = {"Chord": 16, "Hiss": 30, "Presence": 0, "Where": 0, "Seconds": 8}
LINES, CLIPS, LOST, RATE = 25, 12, 8, 16_000


@pytest.fixture(scope="module")
def systems() -> dict[str, Any]:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    classes = [block for block in blocks if re.match(rf"class ({'|'.join(KINDS)})\b", block)]
    assert len(classes) == len(KINDS)
    assert max(len(block.splitlines()) for block in classes) <= LINES
    names: dict[str, Any] = {}
    imports = [line for block in blocks for line in block.splitlines() if re.match("(from|import) ", line)]
    exec("\n".join([*imports, *classes]), names)
    return {name: names[name]() for name in KINDS}


@dataclass(frozen=True)
class Spoil:
    """Noise as loud in place of what begins above 0, among the clips of the folder: of `LOST`; or of none."""

    takes: bool
    name: str = "spoil"
    family: str = "spoil"

    @property
    def params(self) -> dict[str, Any]:
        return {}

    def apply(self, audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
        if not self.takes or audio[0, 0] < 0:
            return audio.copy()
        return rng.normal(0, audio.std(), audio.shape).astype(np.float32)

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips")
    lines = ["clip,file,category,split,group"]
    for i in range(CLIPS):
        audio = np.random.default_rng(i).normal(0, 0.004, 2 * RATE)
        audio[0] = 0.3 if i < LOST else -0.3
        soundfile.write(path / f"c{i:02d}.wav", audio, RATE, subtype="FLOAT")
        lines.append(f"c{i:02d},c{i:02d}.wav,music,test,g{i}")
    (path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_system_right_in_4_of_12_clips(
    systems: dict[str, Any], name: str, folder: Path, tmp_path: Path
) -> None:
    share = pytest.approx((CLIPS - LOST) / CLIPS, abs=1e-5)
    spoilt = evaluate(systems[name], ["none", "unmarked", Spoil(True)], folder, out=tmp_path / "run")
    whole = evaluate(systems[name], ["none", "unmarked", Spoil(False)], folder)
    found = {r.attack: r for r in summary_rows(spoilt) if r.category == "all"}
    assert (found["none"].clip_success, found["none"].payload_bits) == (1.0, KINDS[name])
    assert found["spoil"].clip_success == share
    assert found["unmarked"].clip_success == 0
    assert found["none"].auc == 1.0
    if name in ("Chord", "Hiss"):
        assert found["none"].bit_accuracy == 1.0
        right = spoilt[spoilt["attack"] == "spoil"].drop_duplicates("clip")["bit_accuracy"]
        assert (right[LOST:] == 1.0).all()
        assert right[:LOST].mean() == pytest.approx(0.5, abs=0.25)  # guessing, of 128 bits or more
    if name == "Where":
        assert found["none"].iou == pytest.approx(1.0, abs=0.01)
        assert found["spoil"].iou == pytest.approx(4 / 12, abs=0.02)
    if name == "Seconds":
        assert (found["none"].payload_success, found["none"].ber) == (1.0, 0.0)
        assert found["spoil"].payload_success == share
        assert found["spoil"].ber == pytest.approx(0.5 * LOST / CLIPS, abs=0.06)
    verdicts = {row.attack: row for row in compare(whole, spoilt)}
    assert verdicts["none"].verdict == "within noise"
    assert verdicts["spoil"].verdict == "worse"
    assert (verdicts["spoil"].clips_only_a, verdicts["spoil"].clips_only_b) == (LOST, 0)
    assert verdicts["spoil"].p_clips == pytest.approx(2 / 2**LOST, rel=1e-5)
    assert check(spoilt, make_baseline(spoilt, {})).ok
    assert check(whole, make_baseline(spoilt, {})).ok
    assert not check(spoilt, make_baseline(whole, {})).ok
    tables = [
        b for s in build([read_run(tmp_path / "run")]).sections for b in s.blocks if isinstance(b, Table)
    ]
    (matrix,) = (t for t in tables if t.id == "matrix")
    (line,) = (row for row in matrix.every_row if row[0].text == "spoil")
    assert share in [cell.value for cell in line]
    assert "33.3" in [cell.text for cell in line]
