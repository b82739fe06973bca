"""The gate trips on a weakened system and on nothing else."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from soundsafe import attacks, datasets
from soundsafe.errors import InputError
from soundsafe.eval.analysis import gate
from soundsafe.eval.analysis.compare import compare
from soundsafe.eval.frames import to_frame
from soundsafe.eval.rows import Check, Row, control_of
from soundsafe.eval.running import runner


def _made_up(rng: np.random.Generator, success: float, ber: float, clips: int = 8) -> pd.DataFrame:
    """Rows of clips of unequal difficulty at one strength of the system."""
    rows = []
    ease = np.linspace(-1.5, 1.5, clips)
    harder_by = {"none": 3.0, "mp3_192": 1.0, "mp3_128": -1.0, "unmarked": -99.0, "wrong_key": -99.0}
    for attack, harder in harder_by.items():
        for clip in range(clips):
            odds = np.log(success / (1 - success)) + ease[clip] + harder
            p = 1 / (1 + np.exp(-odds))
            rate = ber * np.exp(-ease[clip] - harder)
            for eul in range(8):
                ok = bool(rng.random() < p)
                rows.append(
                    Row(
                        system="s", suite="t", attack=attack, family="", params="{}", clip=f"c{clip}",
                        category="music", group=f"g{clip}", lossy="", eul=eul, bits=2040, payload_ok=ok,
                        clip_ok=p > 0.1, ber=rng.binomial(2040, min(rate, 0.5)) / 2040,
                        parity_slots=float(rng.random() < 0.95), parity_frames=rng.normal(0.95, 0.02),
                    )
                )  # fmt: skip
    return to_frame(rows)


@pytest.mark.slow
def test_another_seed_passes_and_a_weaker_system_does_not() -> None:
    rng = np.random.default_rng(0)
    baseline = gate.make_baseline(_made_up(rng, 0.9, 0.002), {})
    for _ in range(20):
        result = gate.check(_made_up(rng, 0.9, 0.002), baseline)
        assert result.ok, [c.message for c in result.checks if not c.ok]
    for _ in range(5):
        result = gate.check(_made_up(rng, 0.4, 0.02), baseline)
        failed = {c.metric for c in result.checks if not c.ok}
        assert "ber" in failed


def test_a_single_false_accept_fails() -> None:
    rng = np.random.default_rng(1)
    rows = _made_up(rng, 0.9, 0.002)
    baseline = gate.make_baseline(rows, {})
    at = rows.index[rows["attack"] == "unmarked"][3]
    rows.loc[at, "payload_ok"] = True
    result = gate.check(rows, baseline)
    assert not result.ok
    assert result.false_accepts == 1
    tree = ElementTree.fromstring(gate.junit(result))
    assert tree.find("testsuite/testcase/failure") is not None
    assert tree.find("testsuite").get("failures") == "1"  # type: ignore[union-attr]


def test_each_clip_of_each_system_needs_both_controls() -> None:
    rows = pd.concat(
        [_made_up(np.random.default_rng(i), 0.9, 0.002).assign(system=name) for i, name in enumerate("ab")],
        ignore_index=True,
    )
    baseline = gate.make_baseline(rows, {})
    assert gate.check(rows, baseline).ok
    for control, status in (("unmarked", "decode_failed"), ("wrong_key", "worker_died"), ("wrong_key", None)):
        its = (rows["system"] == "a") & (rows["attack"] == control) & (rows["clip"] != "c0")
        changed = rows.assign(status=rows["status"].mask(its, status)) if status else rows[~its]
        result = gate.check(changed, baseline)
        assert [c.metric for c in result.checks if not c.ok] == ["false_accepts"]
        assert f"a: {control} was not read of 7 of 8 clips, c1 first" in result.checks[0].message
    refused = rows["status"].mask(rows["attack"] == "wrong_key", "refused")  # an answer, too
    assert gate.check(rows.assign(status=refused), baseline).ok


def test_clips_that_end_in_errors_fail_unless_the_baselines_did() -> None:
    rows = _made_up(np.random.default_rng(7), 0.9, 0.002)
    its = rows["clip"].isin(["c6", "c7"]) & (rows["attack"] == "mp3_128")
    broken = rows.assign(status=rows["status"].mask(its, "attack_failed"))
    result = gate.check(broken, gate.make_baseline(rows, {}))
    assert [c.message for c in result.checks if not c.ok] == [
        "2 clips ended in an error, c6 first: attack_failed"
    ]
    assert gate.check(broken, gate.make_baseline(broken, {})).ok


def test_missing_clips_and_attacks_fail() -> None:
    rows = _made_up(np.random.default_rng(2), 0.9, 0.002)
    baseline = gate.make_baseline(rows, {})
    fewer = rows[(rows["clip"] != "c3") & (rows["attack"] != "none")].reset_index(drop=True)
    result = gate.check(fewer, baseline)
    controls, *failed = [c for c in result.checks if not c.ok]
    assert "unmarked was not read of 1 of 8 clips, c3 first" in controls.message
    assert {c.metric for c in failed} == {"coverage"}
    assert len(failed) == 3
    assert "lacks all or part of 8 of 8 clips" in failed[0].message


def test_what_was_not_read_does_not_pass() -> None:
    rows = _made_up(np.random.default_rng(5), 0.9, 0.002)
    baseline = gate.make_baseline(rows, {})

    def failed(changed: pd.DataFrame) -> list[str]:
        return [c.message for c in gate.check(changed, baseline).checks if not c.ok]

    assert failed(rows) == []
    control = rows["attack"].map(control_of) != ""
    unread = "s: unmarked was not read of 8 of 8 clips, c0 first"
    nothing = f"0 false accepts in 0 seconds without the mark; {unread}"
    assert failed(rows[~control]) == [nothing]
    assert failed(rows.assign(status=np.where(control, "decode_failed", "ok"))) == [nothing]
    shorter = failed(rows[(rows["attack"] != "none") | (rows["eul"] < 4)])
    assert shorter == ["the run lacks all or part of 8 of 8 clips, c0 first"]
    assert len(failed(rows.assign(parity_slots=float("nan")))) == 3


def test_a_step_that_failed_counts_in_the_ber_only_where_there_are_bits() -> None:
    rows = _made_up(np.random.default_rng(6), 0.9, 0.002)
    worse = rows.copy()
    worse.loc[worse["clip"] == "c0", ["ber", "bits", "status"]] = 0.5, 0, "refused"
    (first, *_) = compare(rows, worse)
    assert first.ber_b > first.ber_a + 0.05
    uncoded = rows.assign(bits=0, ber=0.5)
    assert compare(rows, uncoded)[0].ber_b is None
    counts = gate.make_baseline(uncoded, {}).systems["s"]["none"]["c0"]
    assert counts.ber is None


@pytest.mark.slow
def test_a_weakened_toy_fails_and_an_unchanged_one_passes(fakes: ModuleType, clips: Path) -> None:
    chosen = ["none", "unmarked", "wrong_key", fakes.Noise(0.05), fakes.Noise(0.08)]
    strong = runner.evaluate(fakes.Toy(), chosen, clips)
    baseline = gate.make_baseline(strong, {})
    for seed in range(1, 5):
        assert gate.check(runner.evaluate(fakes.Toy(), chosen, clips, seed=seed), baseline).ok, seed
    weak = runner.evaluate(fakes.Weak(), chosen, clips, seed=21)
    result = gate.check(weak, baseline)
    assert not result.ok
    pairs = compare(strong, runner.evaluate(fakes.Weak(), chosen, clips))
    assert [p.attack for p in pairs] == ["none", "noise_0.05", "noise_0.08"]
    assert pairs[1].payload_success_b < pairs[1].payload_success_a
    assert pairs[1].only_b == 0
    low, high = pairs[1].difference_ci95
    assert low < pairs[1].difference < high <= 0.3


def test_nothing_in_common() -> None:
    rows = _made_up(np.random.default_rng(3), 0.9, 0.002)
    with pytest.raises(InputError, match="in common"):
        compare(rows, rows.assign(clip=rows["clip"] + "x"))
    two = pd.concat([rows, rows.assign(system="t")], ignore_index=True)
    with pytest.raises(InputError, match="one system each"):
        compare(two, rows.assign(system="u"))
    assert compare(rows, rows.assign(system="u"))[0].system == "s / u"


def test_annotations_name_what_failed() -> None:
    rows = _made_up(np.random.default_rng(4), 0.9, 0.002)
    baseline = gate.make_baseline(rows, {})
    assert gate.github_annotations(gate.check(rows, baseline), "b.json") == []
    rows.loc[rows.index[rows["attack"] == "unmarked"][0], "payload_ok"] = True
    (line,) = gate.github_annotations(gate.check(rows, baseline), "a,b.json")
    assert line.startswith("::error file=a%2Cb.json,title=gate%3A controls false_accepts::1 false accepts in")
    assert "\n" not in line


def test_junit_is_xml_whatever_the_names_hold() -> None:
    rows = _made_up(np.random.default_rng(8), 0.9, 0.002).assign(system="a\x00b\x1bé\t😀")
    rows.loc[rows["attack"] == "unmarked", "payload_ok"] = True
    result = gate.check(rows, gate.make_baseline(rows, {}))
    first, *others = result.checks
    first = dataclasses.replace(first, message=first.message + "\x07\ud800")
    result = dataclasses.replace(result, checks=(first, *others))
    cases = list(ElementTree.fromstring(gate.junit(result)).iter("testcase"))
    assert cases[-1].get("classname") == "a\ufffdb\ufffdé\t😀.mp3_128"
    (failure,) = ElementTree.fromstring(gate.junit(result)).iter("failure")
    assert str(failure.get("message")).endswith("without the mark\ufffd\ufffd")


COUNTS = {
    "euls": 1, "payload_success": 1, "clip_success": 1, "parity_frames": None, "ber": 0.0,
    "parity_slots": None, "seed_parity": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("systems", "text"),
    [
        ({}, "holds no figures"),
        ({"s": {}}, "damaged"),
        ({"s": {"none": {}}}, "damaged"),
        ({"s": {"none": {"c": 1}}}, "damaged"),
        ({"s": {"none": {"c": {"euls": 1}}}}, "damaged"),
        ({"s": {"none": {"c": COUNTS | {"euls": "1"}}}}, "damaged"),
        ({"s": {"none": {"c": COUNTS | {"ber": float("nan")}}}}, "damaged"),
        ({"s": {"none": {"c": COUNTS | {"payload_success": None}}}}, "damaged"),
        ({"s": {"none": {"c": COUNTS | {"payload_success": 2}}}}, "damaged"),
        ({"s": {"none": {"c": COUNTS | {"euls": 1.5}}}}, "damaged"),
    ],
)
def test_a_baseline_without_figures_judges_nothing(tmp_path: Path, systems: object, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"format": gate.FORMAT, "systems": {"s": {"none": {"c": COUNTS}}}}))
    assert gate.read_baseline(path)
    path.write_text(json.dumps({"format": gate.FORMAT, "systems": systems}))
    with pytest.raises(InputError, match=text):
        gate.read_baseline(path)


def test_a_run_of_controls_is_no_baseline() -> None:
    rows = _made_up(np.random.default_rng(7), 0.9, 0.002)
    with pytest.raises(InputError, match="no attack"):
        gate.make_baseline(rows[rows["attack"] == "unmarked"], {})


def _rows_of(baseline: gate.Baseline) -> pd.DataFrame:
    """Rows with a baseline's own figures, and controls in which nothing was accepted."""
    rows = []
    for system, held in baseline.systems.items():
        for attack, clips in [*held.items(), ("unmarked", held["none"]), ("wrong_key", held["none"])]:
            for clip, c in clips.items():
                for eul in range(c.euls):
                    marked = not control_of(attack)
                    rows.append(
                        Row(
                            system, "smoke", attack, "", "{}", clip, "music", clip, "", eul, bits=2040,
                            payload_ok=marked and eul < c.payload_success,
                            clip_ok=marked and bool(c.clip_success), ber=c.ber,
                            parity_frames=math.nan if c.parity_frames is None else c.parity_frames,
                            **{
                                name: math.nan if (hits := c.figure(name)) is None else float(eul < hits)
                                for name in ("parity_slots", "seed_parity")
                            },
                        )
                    )  # fmt: skip
    return to_frame(rows)


def test_most_clips_lost_fail_though_so_few_are_never_significant() -> None:
    """After mp3_128 clips give their payload by combining alone, so that nothing else could tell."""
    baseline = gate.read_baseline(Path(__file__).parents[3] / "baselines" / "smoke.json")
    rows = _rows_of(baseline)
    clips = list(baseline.systems["soundsafe"]["mp3_128"])
    assert len(clips) == 8

    def failed(lost: int) -> list[Check]:
        gone = (rows["attack"] == "mp3_128") & rows["clip"].isin(clips[:lost])
        result = gate.check(rows.assign(clip_ok=rows["clip_ok"] & ~gone), baseline)
        return [c for c in result.checks if not c.ok]

    assert failed(0) == failed(4) == []
    (five,), (eight,) = failed(5), failed(8)
    assert (five.attack, five.metric, five.worse_by) == ("mp3_128", "clip_success", 0.625)
    assert eight.p > 1e-3 / 50
    assert eight.message.startswith("clip_success fell from 1 to 0 (p = 0.004; more than half of the")


def test_too_few_clips_for_a_fall_to_be_significant_are_named() -> None:
    rows = _made_up(np.random.default_rng(9), 0.9, 0.002)
    fewer = {n: rows[rows["clip"].isin([f"c{i}" for i in range(n)])] for n in (1, 3, 4)}
    baselines = {n: gate.make_baseline(part, {}) for n, part in fewer.items()}
    assert gate.check(fewer[4], baselines[4]).remarks == ()
    assert gate.few_clips(baselines[4].systems) == []
    for n, words in ((3, "3 clips are too few (none and 2 more): "), (1, "1 clip is too few (none")):
        (line,) = gate.check(fewer[n], baselines[n]).remarks
        assert line.startswith(words)
        assert line.endswith("use at least 4")
        assert gate.few_clips(baselines[n].systems) == [line]
        lost = gate.check(fewer[n].assign(clip_ok=False), baselines[n]).checks
        assert all(c.ok for c in lost if c.metric == "clip_success")
    one = fewer[4][(fewer[4]["attack"] != "mp3_128") | (fewer[4]["clip"] == "c0")]
    (line,) = gate.check(one, baselines[4]).remarks
    assert line.startswith("1 clip is too few (mp3_128): ")


def test_the_real_codec_has_a_baseline() -> None:
    """Kept with the code and of the suite as it is now; `.ci/run` holds every change against it."""
    path = Path(__file__).parents[3] / "baselines" / "smoke.json"
    found = gate.read_baseline(path)
    smoke = attacks.suite("smoke")
    assert found.configuration["suites"] == [{"suite": smoke.name, "version": smoke.version}]
    assert set(found.systems["soundsafe"]) == {a for a in smoke.attacks if not control_of(a)}
    clips = {c.clip for c in datasets.load("bundled", split="test").clips}
    assert all(set(held) == clips for held in found.systems["soundsafe"].values())


def test_the_codec_of_one_second_the_original_rules_and_the_network_are_held_too() -> None:
    """On a sample, so that CI stays short; a codec that reads nothing fails, as do rules that write noise."""
    found = gate.read_baseline(Path(__file__).parents[3] / "baselines" / "systems.json")
    assert set(found.systems) == {"soundsafe-eul-driver", "soundsafe-network", "soundsafe-seed"}
    smoke = attacks.suite("smoke")
    assert found.configuration["suites"] == [{"suite": smoke.name, "version": smoke.version}]
    rows = _rows_of(found)
    assert gate.check(rows, found).ok
    driver = rows["system"] == "soundsafe-eul-driver"
    lost = rows.assign(clip_ok=rows["clip_ok"] & ~driver, payload_ok=rows["payload_ok"] & ~driver)
    failed = {(c.system, c.attack) for c in gate.check(lost, found).checks if not c.ok}
    assert {("soundsafe-eul-driver", a) for a in ("none", "gain_-3dB", "limiter_-3dB", "mp3_192")} <= failed
    apart = rows.assign(parity_frames=rows["parity_frames"].where(~driver, 0.0))
    assert any(c.metric == "parity_frames" and not c.ok for c in gate.check(apart, found).checks)
