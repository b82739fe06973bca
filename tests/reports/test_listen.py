"""The listening test: a page that gives nothing away, and statistics of what comes back."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy import stats

from soundsafe.errors import InputError
from soundsafe.eval.running.examples import Example
from soundsafe.reports import listen
from soundsafe.reports.model import Table

RATE = 16000


def _examples(systems: tuple[str, ...] = ("soundsafe", "peer"), clips: int = 2) -> list[Example]:
    out = []
    for c in range(clips):
        clean = np.random.default_rng(c).normal(0, 0.1, (2, RATE)).astype(np.float32)
        for k, system in enumerate(systems):
            noise = np.random.default_rng(9 + k).normal(0, 0.01, clean.shape)
            marked = (0.5 * clean + noise).astype(np.float32)
            out.append(Example(system, f"secret_{c}", RATE, clean, marked))
    return out


@pytest.fixture(scope="module")
def made() -> listen.Test:
    return listen.make(_examples(), trials=3, rng=np.random.default_rng(0), title="Test <1>")


def _data(test: listen.Test) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', test.page.decode(), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_page_names_no_condition_and_asks_nothing_of_the_network(made: listen.Test) -> None:
    text = made.page.decode()
    for word in ("secret", "soundsafe", "peer", "anchor"):
        assert word not in re.sub(r'"[A-Za-z0-9+/=]{200,}"', "", text), word
    assert "default-src 'none'" in text
    assert "Test &lt;1&gt;" in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)


def _codes(test: listen.Test) -> Any:
    """Clip and condition of each code."""
    return test.key["conditions"]


def test_every_clip_has_all_conditions_at_one_loudness(made: listen.Test) -> None:
    import pyloudnorm

    data = _data(made)
    assert data["test"] == made.id == made.key["test"]
    assert len(data["clips"]) == 2
    for clip in data["clips"]:
        found = [_codes(made)[code]["condition"] for code in clip["conditions"]]
        assert sorted(found) == ["anchor", "peer", "reference", "soundsafe"]
        assert set(clip["audio"]) == set(clip["conditions"])
        levels = {}
        for code, text in clip["audio"].items():
            audio, rate = soundfile.read(io.BytesIO(base64.b64decode(text)))
            assert (audio.shape, rate) == ((RATE, 2), RATE)
            levels[_codes(made)[code]["condition"]] = pyloudnorm.Meter(rate).integrated_loudness(audio)
        assert np.ptp(list(levels.values())) < 0.05


def test_anchor_is_a_low_pass() -> None:
    t = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * f * t)[None].astype(np.float32) for f in (1000, 5000))
    assert np.std(listen.anchor(low, RATE)) > 0.99 * np.std(low)
    assert np.std(listen.anchor(high, RATE)[:, 1000:-1000]) < 0.01 * np.std(high)
    assert np.array_equal(listen.anchor(low, 6000), low)


@pytest.mark.parametrize("rate", [16_000, RATE, 48_000])
def test_anchor_has_the_standards_slope(rate: int) -> None:
    impulse = np.zeros((1, rate), np.float32)
    impulse[0, rate // 2] = 1
    out = listen.anchor(impulse, rate)
    assert out.shape == impulse.shape
    assert np.argmax(np.abs(out[0])) == rate // 2
    response = 20 * np.log10(np.maximum(np.abs(np.fft.rfft(out[0])), 1e-9))
    assert np.abs(response[:3501]).max() < 0.1
    assert response[4000] < -25
    assert response[4500] < -50


def test_silence_and_short_clips_are_left_at_their_level() -> None:
    quiet = np.zeros((1, RATE), np.float32)
    short = np.full((1, 100), 0.1, np.float32)
    assert np.array_equal(listen.matched({"a": quiet, "b": quiet}, RATE, "a")["b"], quiet)
    assert np.array_equal(listen.matched({"a": short, "b": short}, RATE, "a")["b"], short)


def test_one_clip_from_two_runs_must_be_the_same() -> None:
    a, b = _examples(clips=1)
    other = Example(b.system, b.clip, b.rate, b.clean + np.float32(0.1), b.marked)
    with pytest.raises(InputError, match="secret_0"):
        listen.make([a, other], trials=1, rng=np.random.default_rng(0))
    for name in ("soundsafe", "reference", "anchor"):
        twice = Example(name, b.clip, b.rate, b.clean, b.marked)
        with pytest.raises(InputError, match=f"clip secret_0 has two conditions named {name}"):
            listen.make([a, twice], trials=1, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="no clips"):
        listen.make([], trials=1, rng=np.random.default_rng(0))


def _answers(
    test: listen.Test, right: dict[str, float], ratings: dict[str, float], who: str = "A"
) -> dict[str, Any]:
    abx, rated = [], []
    for clip in _data(test)["clips"]:
        for code in clip["tested"]:
            n = 10
            hits = round(n * right[_codes(test)[code]["condition"]])
            abx += [{"condition": code, "x": "A", "answer": "A" if i < hits else "B"} for i in range(n)]
        for code in clip["conditions"]:
            rated.append({"condition": code, "rating": ratings[_codes(test)[code]["condition"]]})
    return {"format": 1, "test": test.id, "listener": who, "abx": abx, "ratings": rated}


def _scores(answers: list[dict[str, Any]], test: listen.Test) -> listen.Scores:
    """By way of the files that answers and key are kept in."""
    found = [listen.read_answers(json.dumps(a), "answers.json") for a in answers]
    return listen.scores(found, listen.read_key(json.dumps(test.key), "key.json"))


GOOD = {"reference": 100, "soundsafe": 95, "peer": 60, "anchor": 20}


def test_scores_count_what_was_answered(made: listen.Test) -> None:
    answers = [_answers(made, {"soundsafe": 0.5, "peer": 0.9}, GOOD, w) for w in ("B", "A")]
    result = _scores(answers, made)
    pooled = {a.system: a for a in result.abx if not a.listener}
    assert (pooled["peer"].right, pooled["peer"].trials) == (36, 40)
    assert pooled["peer"].p == pytest.approx(stats.binom.sf(35, 40, 0.5))
    assert pooled["soundsafe"].d_prime == 0
    assert pooled["peer"].d_prime_ci95[0] < pooled["peer"].d_prime < pooled["peer"].d_prime_ci95[1]
    rated = {r.condition: r for r in result.ratings}
    assert rated["peer"].mean == 60
    assert rated["peer"].difference == -40
    assert rated["reference"].difference is None
    assert [(a.system, a.listener) for a in result.abx] == [
        ("peer", ""), ("soundsafe", ""), ("peer", "B"), ("peer", "A"), ("soundsafe", "B"), ("soundsafe", "A"),
    ]  # fmt: skip


def test_listeners_of_one_name_are_two(made: listen.Test) -> None:
    answers = [
        _answers(made, {"soundsafe": 0, "peer": 1}, GOOD, "A"),
        _answers(made, {"soundsafe": 1, "peer": 0}, GOOD | {"reference": 50}, "A"),
    ]
    result = _scores(answers, made)
    assert {(a.system, a.listener): (a.right, a.trials) for a in result.abx} == {
        ("peer", ""): (20, 40), ("soundsafe", ""): (20, 40),
        ("peer", "A 1"): (20, 20), ("peer", "A 2"): (0, 20),
        ("soundsafe", "A 1"): (0, 20), ("soundsafe", "A 2"): (20, 20),
    }  # fmt: skip
    assert result.screened == ("A 2",)
    assert {(r.condition, r.listeners, r.ratings) for r in result.ratings} == {(c, 1, 2) for c in GOOD}


def test_intervals_are_over_listeners(made: listen.Test) -> None:
    """Many clips do not stand in for listeners, and one who rates more of them weighs no more."""
    levels = (50, 60, 70, 72, 88)
    answers = [_answers(made, {"soundsafe": 1, "peer": 1}, GOOD | {"peer": v}, str(v)) for v in levels]
    second = _data(made)["clips"][1]["conditions"]
    answers[0]["ratings"] = [a for a in answers[0]["ratings"] if a["condition"] not in second]

    def peer(of: list[dict[str, Any]]) -> listen.Rating:
        return next(r for r in _scores(of, made).ratings if r.condition == "peer")

    few, enough = peer(answers[:4]), peer(answers)
    assert (few.listeners, few.ratings, few.mean, few.difference) == (4, 7, 63, -37)
    assert few.mean_ci95 is few.difference_ci95 is few.p is None
    assert (enough.listeners, enough.ratings, enough.mean) == (5, 9, 68)
    reach = stats.t.ppf(0.975, 4) * np.std(levels, ddof=1) / math.sqrt(5)
    assert enough.mean_ci95 == pytest.approx((68 - reach, 68 + reach))
    assert enough.difference_ci95 == pytest.approx((-32 - reach, -32 + reach))
    assert enough.p == pytest.approx(2 / 2**5)
    assert "over listeners" in str(listen.section(_scores(answers, made)))


def test_listeners_who_miss_the_hidden_reference_are_left_out(made: listen.Test) -> None:
    answers = [
        _answers(made, {"soundsafe": 1, "peer": 1}, GOOD, "good"),
        _answers(made, {"soundsafe": 1, "peer": 1}, GOOD | {"reference": 50}, "deaf"),
    ]
    result = _scores(answers, made)
    assert result.screened == ("deaf",)
    assert {r.condition: r.ratings for r in result.ratings}["reference"] == 2


@pytest.mark.parametrize(("share", "d"), [(0.2, 0.0), (0.5, 0.0), (0.75, 1.790), (1.0, math.inf)])
def test_d_prime_inverts_its_own_formula(share: float, d: float) -> None:
    found = listen.abx_d_prime(share)
    assert found == pytest.approx(d, abs=0.001)
    if 0.5 < share < 1:
        a, b = found / math.sqrt(2), found / 2
        back = stats.norm.cdf(a) * stats.norm.cdf(b) + stats.norm.cdf(-a) * stats.norm.cdf(-b)
        assert back == pytest.approx(share)


def test_section_shows_tables_and_survives_empty_answers(made: listen.Test) -> None:
    answers = _answers(made, {"soundsafe": 0.5, "peer": 1.0}, GOOD)
    blocks = listen.section(_scores([answers], made)).blocks
    assert [b.id for b in blocks if isinstance(b, Table)] == ["abx", "ratings"]
    empty = answers | {"abx": [], "ratings": []}
    assert "nothing that can be counted" in str(listen.section(_scores([empty], made)))


def test_answers_that_make_no_sense_count_for_nothing(made: listen.Test) -> None:
    odd = [{"condition": "?", "x": "A", "answer": "A"}, {"condition": 3}, {}, {"x": "C", "answer": None}]
    rated = [{"condition": "?", "rating": 5}, {"rating": math.nan}, {"condition": None, "rating": "x"}]
    answers = {"format": 1, "test": made.id, "abx": odd, "ratings": rated}
    result = _scores([answers], made)
    assert (result.abx, result.ratings) == ((), ())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1, "test": "x"}', '{"format": 1, "test": "x", "abx": [1], "ratings": []}'],
)
def test_files_that_are_no_answers_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"a\.json"):
        listen.read_answers(text, "a.json")


def test_answers_to_another_test_are_refused(made: listen.Test) -> None:
    answers = _answers(made, {"soundsafe": 1, "peer": 1}, GOOD) | {"test": "other"}
    with pytest.raises(InputError, match="other"):
        _scores([answers], made)


def test_tests_of_other_audio_have_other_names(made: listen.Test) -> None:
    def test_of(systems: tuple[str, ...], seed: int = 0) -> str:
        return listen.make(_examples(systems), trials=3, rng=np.random.default_rng(seed), title="Test <1>").id

    assert test_of(("soundsafe", "peer")) == made.id
    assert len({made.id, test_of(("soundsafe", "other")), test_of(("soundsafe", "peer"), 1)}) == 3
    changed = [replace(x, marked=x.marked * np.float32(0.9) + 0.01) for x in _examples()]
    assert listen.make(changed, trials=3, rng=np.random.default_rng(0), title="Test <1>").id != made.id
