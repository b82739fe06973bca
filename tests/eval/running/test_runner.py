"""Runs: rows, failures, determinism, resuming."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundsafe.aliases import Audio
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.analysis.summary import summary_rows
from soundsafe.eval.rows import Row
from soundsafe.eval.running import runner, seeds
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem

SAME = ("results.parquet", "summary.csv", "summary.json", "quality.csv", "run.json")


@pytest.mark.slow
def test_one_row_for_each_clip_attack_and_eul(rows: Any) -> None:
    assert list(rows.columns) == list(Row.__dataclass_fields__)
    # A cut of half a second leaves two whole EULs; a clip that was refused keeps its three.
    assert len(rows) == 5 * (6 * 3 + 2) + 7 * 3
    assert not rows.duplicated(["system", "clip", "attack", "eul"]).any()
    assert set(rows["suite"]) == {"custom"}
    assert rows.loc[rows["clip"] == "c1", "category"].eq("speech").all()


@pytest.mark.slow
def test_what_the_figures_mean(rows: Any, fakes: ModuleType) -> None:
    good = rows[rows["clip"] != "c5"]
    for attack in ("none", "late", "cut"):
        part = good[good["attack"] == attack]
        assert part["payload_ok"].all()
        assert part["clip_ok"].all()
        assert (part["ber"] == 0).all()
        assert (part["offset_error_samples"] == 0).all()
        late = {"none": 0, "late": 1105 / fakes.RATE, "cut": 0.5}[attack]
        assert np.allclose(part["time_to_payload_s"], 1 + late)
    assert set(good.loc[good["attack"] == "cut", "eul"]) == {1, 2}
    noisy = good[good["attack"] == "noise_0.12"]
    assert 0.02 < noisy["ber"].mean() < 0.3
    assert noisy["payload_ok"].mean() < 0.7
    combined = noisy[noisy["clip_ok"] & ~noisy.groupby("clip")["payload_ok"].transform("any")]
    assert (combined["time_to_payload_s"] == 3).all()
    for control in ("unmarked", "wrong_key"):
        part = good[good["attack"] == control]
        assert not part["payload_ok"].any()
        assert not part["clip_ok"].any()
        assert (part["ber"] == 0.5).all()
        assert part["parity_slots"].isna().all()
        assert part["time_to_payload_s"].isna().all()
    assert good.loc[good["attack"] == "none", "parity_slots"].mean() > 0.9
    assert good.loc[good["attack"] == "none", "markable"].tolist() == [True, False, True] * 5
    assert good["snr_db"].between(-10, 30).all()
    assert good["zimtohrli"].gt(0).all()
    assert good["nmr_db"].between(-20, 20).all()
    assert good["visqol"].isna().all()


@pytest.mark.slow
def test_a_refused_clip_counts_as_failure(rows: Any) -> None:
    loud = rows[rows["clip"] == "c5"]
    marked = loud[loud["attack"] != "unmarked"]
    assert set(marked["status"]) == {"refused"}
    assert set(marked["message"]) == {"too loud to be marked"}
    assert (marked["ber"] == 0.5).all()
    assert not marked["payload_ok"].any()
    assert loud.loc[loud["attack"] == "unmarked", "status"].eq("ok").all()
    assert loud["snr_db"].isna().all()


@pytest.mark.parametrize(("how", "text"), [("raise", "RuntimeError: the codec is on fire"), ("nan", "finite"),
                                           ("empty", "shape")])  # fmt: skip
def test_a_broken_attack_is_a_row_not_a_crash(fakes: ModuleType, clips: Path, how: str, text: str) -> None:
    rows = runner.evaluate(fakes.Toy(), ["none", fakes.Broken(how)], clips, limit=1)
    broken = rows[rows["attack"] == f"broken_{how}"]
    assert len(broken) == 3
    assert set(broken["status"]) == {"attack_failed"}
    assert text in broken["message"].iloc[0]
    assert "\n" not in broken["message"].iloc[0]
    assert rows.loc[rows["attack"] == "none", "payload_ok"].all()


def test_an_array_is_no_answer_of_embed(fakes: ModuleType, clips: Path) -> None:
    class Bare(fakes.Toy):  # type: ignore[name-defined]
        name = "bare"

        def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> object:
            return audio

    with pytest.raises(InputError, match=r"embed returned ndarray, which has no audio: Marked\(audio\) is"):
        runner.evaluate(Bare(), "none", clips, limit=1)


def test_a_system_that_knows_little(fakes: ModuleType, clips: Path) -> None:
    rows = runner.evaluate("deaf", ["none", "unmarked"], clips, limit=2)
    assert rows["ber"].isna().all()
    assert rows.loc[rows["attack"] == "unmarked", "clip_ok"].all()
    assert not rows.loc[rows["attack"] == "none", "clip_ok"].any()
    assert rows["parity_frames"].isna().all()


def test_rows_say_which_audio_was_read_and_what_is_left_of_it(fakes: ModuleType, clips: Path) -> None:
    asked = ["none", "unmarked", fakes.Noise(0.05), fakes.Noise(0.12), fakes.Shift(777, told=False)]
    rows = runner.evaluate(fakes.Toy(), asked, clips, "attacked_zimtohrli", limit=2)
    rows = rows.drop_duplicates(["clip", "attack"])
    assert rows["attacked_sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert rows["attacked_sha256"].is_unique
    left = rows.set_index(["clip", "attack"])
    weak, strong = left.loc[("c0", "noise_0.05")], left.loc[("c0", "noise_0.12")]
    level = np.sqrt(2) * 0.02  # of the toy's mark and of what little it lies on
    assert weak["attacked_si_snr_db"] == pytest.approx(20 * np.log10(level / 0.05), abs=3)
    assert weak["attacked_si_snr_db"] > strong["attacked_si_snr_db"] + 6
    assert 0 < weak["attacked_zimtohrli"] < strong["attacked_zimtohrli"]
    assert left.loc[("c0", "unmarked")][["attacked_si_snr_db", "attacked_zimtohrli"]].isna().all()
    assert left.loc[("c0", "shift")][["attacked_si_snr_db", "attacked_zimtohrli"]].isna().all()


def test_an_unknown_delay_matches_in_order(fakes: ModuleType, clips: Path) -> None:
    rows = runner.evaluate(fakes.Toy(), [fakes.Shift(777, told=False)], clips, limit=1)
    assert rows["payload_ok"].all()
    assert rows["offset_error_samples"].isna().all()


def test_a_damaged_clip_is_a_row(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes((clips / "c0.wav").read_bytes())
    (tmp_path / "b.wav").write_bytes(b"RIFF not audio")
    rows = runner.evaluate(fakes.Toy(), ["none"], tmp_path)
    assert rows[rows["clip"] == "b"]["status"].tolist() == ["read_failed"]
    assert rows[rows["clip"] == "a"]["payload_ok"].all()
    whole = np.full(3 * 8000, np.nan)
    soundfile.write(tmp_path / "b.wav", whole, 8000, subtype="FLOAT")  # its header says how much is lost
    rows = runner.evaluate(fakes.Toy(), ["none"], tmp_path)
    assert rows[rows["clip"] == "b"]["status"].tolist() == ["read_failed"] * 3
    assert (summary_rows(rows)[0].payload_success, summary_rows(rows)[0].failed_euls) == (1, 3)


def test_seconds_and_limit(fakes: ModuleType, clips: Path) -> None:
    rows = runner.evaluate(fakes.Toy(), ["none"], clips, limit=2, seconds=2.0)
    assert list(dict.fromkeys(rows["clip"])) == ["c0", "c1"]
    assert len(rows) == 4


def test_another_seed_is_another_payload(fakes: ModuleType, clips: Path) -> None:
    given: list[bytes] = []

    class Keeping(fakes.Toy):  # type: ignore[name-defined]
        def embed(self, audio: Any, rate: int, payload: bytes, key: bytes) -> Any:
            given.append(payload)
            return super().embed(audio, rate, payload, key)

    for seed in (0, 0, 1):
        runner.evaluate(Keeping(), ["none"], clips, limit=1, seed=seed)
    assert given == [seeds.payload_of(seed, "c0", 4) for seed in (0, 0, 1)]
    assert given[0] != given[2]


def _run(fakes: ModuleType, clips: Path, out: Path, **options: Any) -> runner.Result:
    plan = make_plan("toy", fakes.attacks(), clips)
    return runner.run(plan, out, **options)


@pytest.mark.slow
def test_jobs_and_interruptions_leave_no_trace(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    """Two workers, then one in this process on a store that is cut in many ways: the same bytes."""
    whole = tmp_path / "whole"
    _run(fakes, clips, whole, jobs=2)
    alone = tmp_path / "alone"
    _run(fakes, clips, alone, jobs=0)
    for name in SAME:
        assert (whole / name).read_bytes() == (alone / name).read_bytes(), name

    # As kill -9 leaves it: whole lines, a torn line, a unit not begun, no results.
    files = sorted((alone / "store").glob("*.jsonl"))
    lines = files[0].read_bytes().splitlines(keepends=True)
    files[0].write_bytes(b"".join(lines[:3]) + lines[3][: len(lines[3]) // 2])
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:20])
    for name in (*SAME[:-1], "timing.csv"):
        (alone / name).unlink()
    _run(fakes, clips, alone, jobs=0, resume=True)
    for name in SAME:
        assert (whole / name).read_bytes() == (alone / name).read_bytes(), name
    again = files[0].read_bytes().splitlines(keepends=True)
    assert again[:3] == lines[:3]  # finished cells are not repeated
    assert len(again) == len(lines)


class _Hanging(SimpleSystem):
    """Marks, and then never answers, or ends its process in a way of its own."""

    name, payload_bytes = "hanging", 1

    def __init__(self, how: str = "hang") -> None:
        self.how = how

    def embed(self, audio: np.ndarray, rate: int, payload: bytes, key: bytes) -> Marked:
        if self.how == "embed":
            raise ZeroDivisionError("no audio today")
        return Marked(audio)

    def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Found:
        if self.how == "exit":
            raise SystemExit(3)
        if self.how == "refuse":
            raise NotMarkable("too short to read")
        while True:
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hang", "timed_out: TimedOut: took longer than 0.2 s"),
        ("exit", "decode_failed: SystemExit: 3"),
        ("embed", "embed_failed: ZeroDivisionError: no audio today (test_runner.py:"),
    ],
)
def test_a_system_that_never_ran_is_an_error_with_its_traceback(clips: Path, how: str, said: str) -> None:
    with pytest.raises(InputError, match=r"no cell of hanging ran") as caught:
        runner.evaluate(_Hanging(how), "none", clips, limit=1, cell_timeout=0.2)
    assert said in str(caught.value)
    assert "test_runner.py" in caught.value.__notes__[0]


def test_what_a_system_refuses_to_read_is_its_failure(clips: Path) -> None:
    rows = runner.evaluate(_Hanging("refuse"), "none", clips, limit=1)
    assert set(rows["status"]) == {"refused"}
    assert summary_rows(rows)[0].clip_success == 0


def test_cells_that_did_not_run_are_told_and_kept(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    attacks = ["none", fakes.Broken("raise")]
    with pytest.warns(
        UserWarning, match=r"2 cells did not run \(toy, c0, broken_raise: attack_failed: Runtime"
    ):
        rows = runner.evaluate(fakes.Toy(), attacks, clips, limit=2, out=tmp_path / "run")
    found = {r.attack: r for r in summary_rows(rows) if r.category == "all"}
    assert (found["none"].payload_success, found["none"].failed_euls) == (1.0, 0)
    assert (found["broken_raise"].payload_success, found["broken_raise"].failed_euls) == (None, 6)
    errors = (tmp_path / "run" / "errors.txt").read_text()
    assert errors.count("Traceback (most recent call last)") == 2
    assert "the codec is on fire" in errors
    assert "bench_fakes.py" in rows[rows["status"] == "attack_failed"]["message"].iloc[0]


def test_a_system_that_cannot_be_sent_to_workers_is_said(clips: Path) -> None:
    class Local(_Hanging):
        pass

    with pytest.raises(InputError, match=r"hanging cannot be sent to worker processes .*jobs=0"):
        runner.evaluate(Local(), "none", clips, limit=1, jobs=1)


def test_rows_sum_themselves_up(clips: Path, fakes: ModuleType) -> None:
    rows = runner.evaluate(fakes.Toy(), ["none", "unmarked"], clips, limit=2)
    table = rows.summary()
    assert list(table.index) == [("toy", "none"), ("toy", "unmarked")]
    assert table.loc[("toy", "none"), "payload_success"] == 1
    assert set(rows.summary("speech")["clips"]) == {1}
    assert type(rows[rows["attack"] == "none"]) is pd.DataFrame


def test_time_to_payload_by_prefixes_is_on_equal_terms(fakes: ModuleType, clips: Path) -> None:
    """A system that reads by the second and one that reads clips alone: both from the shortest beginning."""

    class Whole(fakes.Toy):  # type: ignore[name-defined]
        name = "whole"

        def decode(self, audio: Any, rate: int, key: bytes) -> Any:
            found = super().decode(audio, rate, key)
            return Found(ok=found.ok, payload=found.payload, score=found.score)

        def layouts(self, audio: Any, rate: int, key: bytes) -> list[Any]:
            return []

    asked = ["none", "unmarked", fakes.Shift(4000, name="late")]
    rows = runner.evaluate([fakes.Toy(), Whole()], asked, clips, limit=2, metrics="prefix_s")
    first = rows.drop_duplicates(["system", "attack", "clip"]).set_index(["system", "attack"])["prefix_s"]
    for system in ("toy", "whole"):
        assert first[system, "none"].tolist() == [1.0, 1.0]  # a second's mark is shorter than a second
        assert first[system, "late"].tolist() == [1.5, 1.5]
        assert first[system, "unmarked"].isna().all()
    figures = rows.summary()
    for system in ("toy", "whole"):
        found = figures.loc[system, "late"]
        assert (found.time_to_payload_s, found.time_to_payload_by) == (1.5, "prefixes")
        assert found.goodput_16_bps == pytest.approx(16 / 1.5, rel=1e-5)
    usual = runner.evaluate([fakes.Toy(), Whole()], ["none"], clips, limit=1).summary()
    assert usual["time_to_payload_s"].tolist() == [1.0, 3.0]  # which is no comparison, and says so
    assert usual["time_to_payload_by"].tolist() == ["seconds", "seconds"]


def test_what_is_under_way_is_named(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    plan = make_plan(fakes.Toy(), ["none", "gain_-3dB"], clips, limit=1, seconds=1.0)
    said: list[str] = []
    runner.run(plan, tmp_path / "run", jobs=0, doing=said.append)
    assert list(dict.fromkeys(said)) == [
        "c0: marking (toy)",
        "c0: none (toy)",
        "c0: gain_-3dB (toy)",
        "summing up: intervals and tests",
    ]
