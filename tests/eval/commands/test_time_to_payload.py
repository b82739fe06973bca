"""How long it takes until identifier and payload come back: real marks, and the table made of rows."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundsafe import attacks, datasets
from soundsafe.eval.running.time_to_payload import clip_rows, curves, true_factors

pytestmark = pytest.mark.xdist_group("time_to_payload")  # one worker makes what they share


@pytest.fixture(scope="module")
def rows():
    clip = next(c for c in datasets.load("bundled").clips if c.clip == "rock")
    return clip_rows(clip, ["none", "speed_+5%", "tempo_signalsmith_-5%", "noise_white_5dB"], (2.0, 6.0), 0)


@pytest.mark.slow
def test_what_comes_back_and_when(rows):
    by = {r.attack: r for r in rows}
    assert by["none"].payload_s == 2.0
    assert by["none"].layer == "eul"
    assert by["speed_+5%"].payload_s <= 6.0
    assert abs(by["speed_+5%"].tempo_error) < 1e-3
    assert abs(by["speed_+5%"].offset_s) < 3e-3
    assert by["tempo_signalsmith_-5%"].id_s <= 6.0
    assert abs(by["tempo_signalsmith_-5%"].tempo_error) < 1e-3
    assert np.isnan(by["noise_white_5dB"].payload_s)
    assert by["noise_white_5dB"].heard_s == 6.0
    assert all(r.wrong == 0 for r in rows)


@pytest.mark.slow
def test_short_payloads_take_less_time():
    clip = next(c for c in datasets.load("bundled").clips if c.clip == "rock")
    row, tempo = clip_rows(clip, ["none", "tempo_signalsmith_-5%"], (1.0, 6.0), 0, payload_bytes=16)
    assert row.payload_s == 1.0
    assert tempo.payload_s == 6.0
    assert row.wrong == tempo.wrong == 0


@pytest.mark.slow
def test_seeds_are_kept_once_the_speed_is_undone(rows):
    by = {r.attack: r for r in rows}
    for name in ("none", "speed_+5%"):
        assert by[name].seeds >= 1
        assert by[name].seeds_kept == by[name].seeds


def test_true_factors():
    assert true_factors(attacks.get("speed_-5%")) == (0.95, 0.95)
    assert true_factors(attacks.get("tempo_atempo_+5%")) == (1.05, 1.0)
    assert true_factors(attacks.get("pitch_signalsmith_+5%")) == (1.0, 1.05)
    assert true_factors(attacks.get("tempo_pitch_rubberband_+4%_-4%")) == (1.04, 0.96)
    assert true_factors(attacks.get("mp3_128")) is None
    assert true_factors(attacks.get("wow_0.1%")) is None
    assert true_factors(attacks.get("tempo_rubberband_drift_1%")) is None


def test_shares_over_seconds():
    nan = float("nan")
    rows = pd.DataFrame(
        {"attack": "a", "group": list("uvwxyz"), "audio_s": [4.1, 3.8, 2.0, 4.0, 4.0, 2.5],
         "id_s": [2.0, 2.0, nan, 2.0, 4.0, nan], "payload_s": [4.0, 2.0, nan, nan, 4.0, nan]}
    )  # fmt: skip
    table = curves(rows, (2.0, 4.0)).set_index(["word", "seconds"])
    assert table.loc[("id", 2.0), "share"] == 3 / 6
    assert table.loc[("payload", 2.0), "low"] < 1 / 6 < table.loc[("payload", 2.0), "high"]
    # Two clips are shorter than four seconds: whatever they had, they do not count there.
    assert table.loc[("id", 4.0), "share"] == 4 / 4
    assert table.loc[("id", 4.0), "clips"] == 4
    assert table.loc[("payload", 4.0), "share"] == 3 / 4


@pytest.mark.slow
def test_command(command, tmp_path, monkeypatch):
    monkeypatch.setattr("soundsafe.eval.running.time_to_payload.LENGTHS_S", (2.0,))
    monkeypatch.delenv("SOUNDSAFE_WEIGHTS_DAC", raising=False)
    suite = tmp_path / "one.toml"
    suite.write_text('suite = "one"\nversion = 1\ndescription = "x"\nattacks = ["gain_-3dB", "dac"]\n')
    out = tmp_path / "out"
    code, text, err = command("time-to-payload", "--suite", suite, "--limit", 1, "--out", out, "--json")
    assert code == 0
    assert err.startswith("left out: dac ")
    shares = {(r["attack"], r["word"]): r["share"] for r in json.loads(text)["rows"]}
    assert shares["gain_-3dB", "payload"] == 1.0
    assert len(pd.read_csv(out / "rows.csv")) == 2
    assert (out / "time_to_payload.png").stat().st_size > 1000


@pytest.mark.slow
def test_clips_shorter_than_every_length(command, tmp_path):
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", np.random.default_rng(0).normal(0, 0.1, 2 * 44_100), 44_100)
    suite = tmp_path / "one.toml"
    suite.write_text('suite = "one"\nversion = 1\ndescription = "x"\nattacks = ["gain_-3dB"]\n')
    base = ("time-to-payload", "--suite", suite, "--dataset", tmp_path / "clips", "--out", tmp_path / "out")
    for option in ("--json", "--jobs=1"):
        code, text, err = command(*base, option)
        assert code == 0
        assert err.splitlines()[-1] == "no clip lasts 4 s: there are no shares"
        assert text.startswith('{"rows": []}' if option == "--json" else "1 clips")
    assert pd.read_csv(tmp_path / "out" / "curves.csv").empty
    (tmp_path / "clips" / "b.wav").write_text("not audio")
    code, _, err = command(*base, "--least", 1)
    assert (code, err.count("\n")) == (2, 1)
    assert "b.wav: not readable as audio" in err


def test_a_clip_that_cannot_be_marked_counts_as_one_that_never_came(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(4 * 44_100), 44_100)
    (clip,) = datasets.load(str(tmp_path)).clips
    (row,) = clip_rows(clip, ["none"], (2.0, 6.0), 0)
    assert np.isnan(row.id_s)
    assert np.isnan(row.payload_s)
    table = curves(pd.DataFrame([row]), (2.0, 6.0)).set_index(["word", "seconds"])
    assert table.loc[("payload", 2.0), "share"] == 0.0
    assert ("payload", 6.0) not in table.index  # it is shorter


def test_nothing_to_do(command, tmp_path, monkeypatch):
    monkeypatch.delenv("SOUNDSAFE_WEIGHTS_DAC", raising=False)
    suite = tmp_path / "one.toml"
    suite.write_text('suite = "one"\nversion = 1\ndescription = "x"\nattacks = ["gain_-3dB", "dac"]\n')
    jobs = command("time-to-payload", "--suite", suite, "--jobs", -1, "--out", tmp_path / "o")
    assert (jobs[0], jobs[2].count("\n")) == (2, 1)
    limit = command("time-to-payload", "--suite", suite, "--limit", -3, "--out", tmp_path / "o")
    assert (limit[0], limit[2].count("\n")) == (2, 1)
    assert "--limit" in limit[2]


def test_no_such_clips(command, tmp_path):
    code, _, err = command(
        "time-to-payload", "--suite", "gain", "--category", "none", "--out", tmp_path / "o"
    )
    assert code == 2
    assert "no such clips" in err
    code, _, err = command("time-to-payload", "--suite", "gain", "--split", "typo", "--out", tmp_path / "o")
    assert code == 2
    assert "into split typo" in err


@pytest.mark.slow
def test_what_fails_costs_itself_and_is_told(command, tmp_path, monkeypatch):
    monkeypatch.setattr("soundsafe.eval.running.time_to_payload.LENGTHS_S", (2.0,))
    real = attacks.Attack.apply

    def apply(attack, *arguments):
        return 1 // 0 if attack.name == "gain_-6dB" else real(attack, *arguments)

    monkeypatch.setattr(attacks.Attack, "apply", apply)
    clip = next(c for c in datasets.load("bundled").clips if c.clip == "rock")
    audio, rate = clip.read()
    soundfile.write(tmp_path / "a.wav", audio[:, : 3 * rate].T, rate)
    soundfile.write(tmp_path / "b.wav", audio[:, : rate // 2].T, rate)
    (tmp_path / "c.wav").write_text("not audio")
    rows = [
        row
        for clip in datasets.load(str(tmp_path)).clips
        for row in clip_rows(clip, ["gain_-6dB", "gain_-3dB"], (2.0,), 0)
    ]
    by = {(r.clip, r.attack): r for r in rows}
    assert len(by) == len(rows) == 6
    assert by["a", "gain_-3dB"].payload_s == 2.0
    assert by["a", "gain_-3dB"].failed == ""
    assert "ZeroDivisionError" in by["a", "gain_-6dB"].failed
    assert "0.50 s long" in by["b", "gain_-3dB"].failed
    assert "c.wav" in by["c", "gain_-3dB"].failed
    table = curves(pd.DataFrame(rows), (2.0,)).set_index(["attack", "word"])
    assert table.loc[("gain_-3dB", "payload"), ["clips", "share"]].tolist() == [2, 0.5]  # with c, never read
    assert table.loc[("gain_-6dB", "payload"), ["clips", "share"]].tolist() == [2, 0.0]
    suite = tmp_path / "one.toml"
    suite.write_text(
        'suite = "one"\nversion = 1\ndescription = "x"\nattacks = ["gain_-3dB", "collusion_average_2"]\n'
    )
    arguments = ("--suite", suite, "--dataset", tmp_path, "--out", tmp_path / "out", "--jobs", 1)
    code, _, err = command("time-to-payload", *arguments)
    assert code == 0
    assert err.splitlines()[0] == "left out: collusion_average_2 needs more than the audio"
    said = [line.removeprefix("failed, and counts as never: ")[:3] for line in err.splitlines()[1:]]
    assert said == ["b: ", "c: "]


def test_a_wrong_answer_is_none(monkeypatch, tmp_path):
    clip = next(c for c in datasets.load("bundled").clips if c.clip == "rock")
    import soundsafe

    real = soundsafe.decode

    def lying(*arguments):
        return dataclasses.replace(real(*arguments), payload=b"another", id_hex="00" * 8)

    monkeypatch.setattr(soundsafe, "decode", lying)
    (row,) = clip_rows(clip, ["none"], (2.0,), 0)
    assert np.isnan(row.payload_s)
    assert np.isnan(row.id_s)
    assert row.wrong == 1


def test_a_clip_that_cannot_be_read_counts_at_every_length(tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.full(4 * 44_100, np.nan), 44_100, subtype="FLOAT")
    (clip,) = datasets.load(str(tmp_path)).clips
    (row,) = clip_rows(clip, ["none"], (2.0, 6.0), 0)
    assert "not finite" in row.failed
    came = dataclasses.replace(row, clip="b", audio_s=6.0, id_s=2.0, payload_s=2.0, failed="")
    table = curves(pd.DataFrame([row, came]), (2.0, 6.0))
    assert table["share"].tolist() == [0.5] * 4
    assert table["clips"].tolist() == [2] * 4
