"""Attack once, score often: what is kept is read again, and nothing is marked or attacked for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pandas as pd
import pytest

from soundsafe import attacks
from soundsafe.aliases import Audio, Bits
from soundsafe.errors import InputError
from soundsafe.eval.analysis.stored import read_document, read_rows
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.running.rescoring import rescore
from soundsafe.eval.systems.interface import Found, System
from soundsafe.eval.systems.whole_clip import WholeClipSystem


def test_kept_audio_is_read_again_with_the_same_rows(
    fakes: ModuleType, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runner.run(
        make_plan("toy", ["none", "unmarked", "wrong_key", "gain_-3dB"], clips), tmp_path / "run",
        jobs=0, keep_attacked=True,
    )  # fmt: skip

    def never(*args: object) -> None:
        raise AssertionError("marked or attacked again")

    monkeypatch.setattr(fakes.Toy, "embed", never)
    monkeypatch.setattr(attacks.registry.Attack, "apply", never)
    again = rescore(tmp_path / "run", tmp_path / "again", system="toy")
    pd.testing.assert_frame_equal(again.rows, first.rows)  # the clip that was refused is refused again
    assert (again.rows["status"] == "refused").any()

    class Cautious(fakes.Toy):  # type: ignore[name-defined]
        name = "cautious"

        def decode(self, audio: Audio, rate: int, key: bytes) -> object:
            found = super().decode(audio, rate, key)
            return found if found.score > 0.019 else Found(ok=False)

    other = rescore(tmp_path / "run", tmp_path / "other", system=Cautious())
    held = other.rows[other.rows["attack"] == "gain_-3dB"]
    assert not held["clip_ok"].any()
    assert other.rows.loc[other.rows["attack"] == "none", "clip_ok"].any()
    assert set(other.rows["attacked_sha256"]) == set(first.rows["attacked_sha256"])

    kept = next((tmp_path / "run" / "attacked").glob("*.npy"))
    np.save(kept, np.zeros((2, 3), np.float32))
    damaged = rescore(tmp_path / "run", tmp_path / "damaged", system="toy").rows
    assert damaged["message"].str.contains("is damaged: it holds other audio").any()


def test_what_cannot_be_scored_again(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    runner.run(make_plan([fakes.Toy(), "deaf"], ["none"], clips, limit=1), tmp_path / "run", jobs=0)
    for options, text in (
        ({}, "nothing to do"),
        ({"system": "toy"}, "kept no audio"),
        ({"threshold": 0.5}, "decides nothing for"),
    ):
        with pytest.raises(InputError, match=text):
            rescore(tmp_path / "run", tmp_path / "again", **options)  # type: ignore[arg-type]
    (tmp_path / "run" / "attacked").mkdir()
    for options, text in (
        ({"system": "toy"}, "whose audio"),
        ({"system": "toy", "marked_by": "deaf"}, "toy reads 32 bits, deaf marked with 16"),
        ({"system": "toy", "marked_by": "nobody"}, "has no system nobody"),
    ):
        with pytest.raises(InputError, match=text):
            rescore(tmp_path / "run", tmp_path / "again", **options)  # type: ignore[arg-type]


class _Loudness(WholeClipSystem):
    """Scores how loud a clip is, and carries two bits that always come back, or none."""

    keyed = False

    def __init__(self, bits: int) -> None:
        self.name, self.payload_bits, self._bits = f"loud-{bits}", bits, np.zeros(bits, np.uint8)

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        self._bits = bits
        return audio * 2

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        score = float(np.abs(audio).mean())
        return Found(ok=score > 0.012, bits=self._bits if self.payload_bits else None, score=score)


def test_another_threshold_needs_no_audio(clips: Path, tmp_path: Path) -> None:
    systems = [cast(System, _Loudness(bits)) for bits in (0, 2)]
    plan = make_plan([*systems], ["none", "unmarked", "gain_-3dB"], clips, limit=5)
    first = runner.run(plan, tmp_path / "run", jobs=0).rows
    scores = first.drop_duplicates(["system", "attack", "clip"]).groupby("attack")["score"].median()
    assert scores["unmarked"] < scores["gain_-3dB"] < 0.012 < scores["none"]
    between = (scores["unmarked"] + scores["gain_-3dB"]) / 2
    again = rescore(tmp_path / "run", tmp_path / "again", threshold=float(between))
    for rows, accepted in ((first, {"none"}), (again.rows, {"none", "gain_-3dB"})):
        ok = rows.groupby("attack")["clip_ok"].mean()
        assert {name for name, share in ok.items() if share > 0.5} == accepted
    stored = read_rows(tmp_path / "again")
    assert (stored["clip_ok"] == again.rows["clip_ok"]).all()


def test_a_threshold_leaves_out_who_authenticates(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    plan = make_plan([cast(System, _Loudness(0)), fakes.Toy()], ["none", "unmarked"], clips, limit=1)
    runner.run(plan, tmp_path / "run", jobs=0)
    again = rescore(tmp_path / "run", tmp_path / "again", threshold=0.0)
    assert set(again.rows["system"]) == set(again.timing["system"]) == {"loud-0"}
    (remark,) = again.remarks
    assert remark.startswith("left out: ")
    assert "toy" in remark
    assert read_document(tmp_path / "again").system_names == ("loud-0",)
    runner.run(
        replace(plan, systems=plan.systems[1:], system_names=plan.system_names[1:]), tmp_path / "toy", jobs=0
    )
    with pytest.raises(InputError, match="decides nothing for toy"):
        rescore(tmp_path / "toy", tmp_path / "none", threshold=0.0)


def test_what_systems_have_in_common_is_attacked_once(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    done: list[str] = []

    class Counted(fakes.Noise):  # type: ignore[name-defined]
        def apply(self, audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
            done.append(self.name)
            return super().apply(audio, rate, rng)  # type: ignore[no-any-return]

    class Other(fakes.Toy):  # type: ignore[name-defined]
        name = "other"

    asked = ["none", "unmarked", "wrong_key", Counted(0.05)]
    plan = make_plan([fakes.Toy(), Other()], asked, clips, limit=2, attacked_controls=True)
    rows = runner.run(plan, tmp_path / "run", jobs=0).rows
    # For each clip: unmarked audio once for both, the toy's and the other's for attack and wrong key at once;
    # both mark alike, so that theirs is one too.
    assert len(done) == 2 * 2
    assert not list((tmp_path / "run" / "store").glob("audio-*"))  # and it is gone
    alone = runner.evaluate(fakes.Toy(), asked, clips, limit=2)
    for attack in ("unmarked", "noise_0.05"):
        here = rows[(rows["system"] == "toy") & (rows["attack"] == attack)]
        assert (
            here["attacked_sha256"].tolist()
            == alone.loc[alone["attack"] == attack, "attacked_sha256"].tolist()
        )


def test_a_metric_alone_decodes_nothing_again(
    fakes: ModuleType, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("toy", ["none", "unmarked", "noise_white_30dB"], clips, limit=1)
    first = runner.run(plan, tmp_path / "run", jobs=0, keep_attacked=True)
    assert first.rows["attacked_zimtohrli"].isna().all()

    def never(*args: object) -> None:
        raise AssertionError("marked, attacked or decoded again")

    decode = fakes.Toy.decode
    for owner, name in ((fakes.Toy, "embed"), (fakes.Toy, "decode"), (attacks.registry.Attack, "apply")):
        monkeypatch.setattr(owner, name, never)
    again = rescore(tmp_path / "run", tmp_path / "again", metrics=["attacked_zimtohrli"])
    same = [name for name in first.rows if name != "attacked_zimtohrli"]
    pd.testing.assert_frame_equal(again.rows[same], first.rows[same])
    left = again.rows.drop_duplicates(["clip", "attack"]).set_index(["clip", "attack"])["attacked_zimtohrli"]
    assert 0 == left["c0", "none"] < left["c0", "noise_white_30dB"]
    assert np.isnan(left["c0", "unmarked"])

    monkeypatch.setattr(fakes.Toy, "decode", decode)  # what only a decoder can tell is decoded
    prefixes = rescore(tmp_path / "run", tmp_path / "prefixes", metrics=["prefix_s"]).rows
    assert prefixes.loc[prefixes["attack"] == "none", "prefix_s"].notna().any()

    document = json.loads((tmp_path / "run" / "run.json").read_text())
    plugged = document["configuration"]["plugged"]
    document["configuration"]["plugged"] = dict.fromkeys(plugged, "another file")
    (tmp_path / "run" / "run.json").write_text(json.dumps(document))
    monkeypatch.setattr(fakes.Toy, "decode", never)  # a plug-in that changed is asked again
    changed = rescore(tmp_path / "run", tmp_path / "changed", metrics=["attacked_zimtohrli"]).rows
    assert changed["message"].str.contains("decoded again").any()
