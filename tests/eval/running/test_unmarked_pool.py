"""A pool of unmarked audio gives thresholds, is read once for all runs, and is never marked."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from soundsafe.aliases import Audio
from soundsafe.errors import InputError
from soundsafe.eval.analysis.summary import summary_rows
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.running.unmarked_pool import pieces


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOUNDSAFE_POOL", str(tmp_path / "shared"))
    (tmp_path / "pool").mkdir()
    rng = np.random.default_rng(9)
    for i in range(2):
        audio = rng.normal(0, 0.01, 52 * 8000)
        soundfile.write(tmp_path / "pool" / f"p{i}.wav", audio, 8000, subtype="PCM_16")
    return tmp_path / "pool"


def test_thresholds_of_a_pool(fakes: ModuleType, clips: Path, pool: Path, tmp_path: Path) -> None:
    marked: list[int] = []
    read: list[int] = []

    class Counted(fakes.Toy):  # type: ignore[name-defined]
        def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> object:
            marked.append(audio.shape[1])
            return super().embed(audio, rate, payload, key)

        def decode(self, audio: Audio, rate: int, key: bytes) -> object:
            read.append(audio.shape[1])
            return super().decode(audio, rate, key)

    asked = ["none", "unmarked", "gain_-3dB"]
    plan = make_plan(Counted(), asked, clips, limit=2, seconds=1.0, pool=pool, attacked_controls=True)
    assert len(plan.pool) == 2 * 52
    result = runner.run(plan, tmp_path / "run", jobs=0)
    assert len(marked) == 2
    assert read.count(8000) == 2 * 5 + 2 + 104 * 2  # cells, the layouts of marked audio, the pool's two
    found = {(r.suite, r.attack): r for r in result.summary.rows if r.category == "all"}
    row = found["custom", "gain_-3dB"]
    assert (row.clips, row.detection_unmarked_clips, row.detection_1e2) == (2, 106, 1)
    assert row.detection_calibration == "attacked"
    assert row.detection_1e3 is None
    pooled = found["pool", "unmarked"]
    assert (pooled.clips, pooled.groups, pooled.clip_success) == (104, 2, 0)

    del marked[:], read[:]
    again = runner.run(plan, tmp_path / "again", jobs=0)
    assert len(read) == 2 * 5 + 2  # the run's own clips alone
    assert again.rows.equals(result.rows)
    assert summary_rows(again.rows) == list(result.summary.rows)


def test_a_pool_is_other_audio_than_the_runs(clips: Path, pool: Path) -> None:
    with pytest.raises(InputError, match="no audio beside the run's own"):
        make_plan("null", ["none"], clips, pool=clips)
    whole = pieces(pool, None, set())
    assert len(whole) == 2
    assert whole[0].read()[0].shape == (1, 52 * 8000)
    parts = pieces(pool, 20.0, set())
    assert [part.read()[0].shape[1] / 8000 for part in parts] == [20, 20, 12] * 2
    assert {part.group for part in parts} == {"p0.wav", "p1.wav"}
