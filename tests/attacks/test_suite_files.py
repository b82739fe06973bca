"""Suites: every file is sound, every name in it exists, and bad files are refused with one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from soundsafe import attacks
from soundsafe.errors import InputError


@pytest.mark.parametrize("name", attacks.suites())
def test_every_suite(name: str) -> None:
    suite = attacks.suite(name)
    assert suite.name == name
    assert suite.version >= 1
    assert suite.description
    assert suite.attacks[:3] == attacks.CONTROLS
    assert len(suite.attacks) > 3
    assert len(set(suite.attacks)) == len(suite.attacks)


def test_the_first_suites() -> None:
    assert set(attacks.suite("smoke").attacks) == {
        *attacks.CONTROLS, "gain_-3dB", "limiter_-3dB", "mp3_192", "mp3_128",
    }  # fmt: skip
    for rate in (320, 256, 192, 160, 128, 96, 64, "V2"):
        assert f"mp3_{rate}" in attacks.suite("mp3").attacks
    for db in ("+1", "-1", "+3", "-3", "+6", "-6", "-20"):
        assert f"gain_{db}dB" in attacks.suite("gain").attacks


def test_all_is_everything() -> None:
    registered = {a.name for a in attacks.all_attacks() if not (a.needs_access or a.weights)}
    assert registered <= set(attacks.suite("all").attacks)


def test_adversarial_has_every_kind_of_adversary() -> None:
    named = {attacks.get(n.removeprefix("unmarked" + attacks.JOIN)).kind for n in _own("adversarial")}
    assert named == {a.kind for a in attacks.all_attacks() if a.family == "adversarial"}


def test_core_is_the_four_families() -> None:
    families = {attacks.get(name).family for name in attacks.suite("core").attacks}
    assert families == {"control", "gain", "mp3", "limiter", "tempo", "pitch"}


def test_tempo_pitch_has_five_engines_and_all_speeds() -> None:
    names = set(attacks.suite("tempo_pitch").attacks)
    assert {a.name for a in attacks.all_attacks() if a.name.startswith("speed_")} <= names
    for percent in ("+1%", "-1%", "+2%", "-2%", "+5%", "-5%"):
        for engine in ("signalsmith", "wsola", "vocoder", "rubberband", "rubberband_r2"):
            assert {f"tempo_{engine}_{percent}", f"pitch_{engine}_{percent}"} <= names


@pytest.mark.parametrize(
    "name", ["rawbench_strict", "rawbench_loose", "audiomarkbench", "omniseal", "stirmark"]
)
def test_published_benchmarks_name_source_and_gaps(name: str) -> None:
    assert attacks.suite(name).source
    assert attacks.suite(name).leaves_out


@pytest.mark.parametrize("name", [n for n in attacks.suite("chains").attacks if attacks.JOIN in n])
@pytest.mark.parametrize(
    "clip", ["one_second", *(pytest.param(c, marks=pytest.mark.slow) for c in ("stereo", "mono"))]
)
def test_chains_run(name: str, clip: str, request: pytest.FixtureRequest) -> None:
    audio = request.getfixturevalue(clip)
    first, second = (attacks.get(name).apply(audio, 44100, np.random.default_rng(2)) for _ in range(2))
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


def _own(name: str) -> list[str]:
    return [a for a in attacks.suite(name).attacks if a not in attacks.CONTROLS]


def test_unknown_suite_names_the_known() -> None:
    with pytest.raises(InputError, match=r"unknown suite nope: did you mean noise\?"):
        attacks.suite("nope")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('suite = "mine"\nversion = 3\nattacks = ["gain_-6dB+then+mp3_128"]\ninclude = ["gain"]\n')
    suite = attacks.suite(str(file))
    assert suite.version == 3
    assert suite.attacks[:4] == (*attacks.CONTROLS, "gain_-6dB+then+mp3_128")
    assert "gain_+1dB" in suite.attacks


@pytest.mark.parametrize(
    "text",
    [
        "suite = ",
        'suite = "x"',
        'suite = "x"\nversion = "1"',
        'suite = "x"\nversion = true',
        'suite = "../../x"\nversion = 1',
        'suite = ".x"\nversion = 1',
        'suite = ""\nversion = 1',
        'suite = "x"\nversion = 1\ninclude = ["a\\u0000.toml"]',
        'suite = "x"\nversion = 1\nattacks = "mp3_128"',
        'suite = "x"\nversion = 1\nattacks = ["mp3_127"]',
        'suite = "x"\nversion = 1\ninclude = ["nope"]',
        "\x00",
    ],
)
def test_bad_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        attacks.suite(str(file))
    assert "\n" not in str(caught.value)


def test_missing_file_and_circle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.toml: no such file; "):
        attacks.suite(str(tmp_path / "missing.toml"))
    circle = tmp_path / "circle.toml"
    circle.write_text(f'suite = "circle"\nversion = 1\ninclude = ["{circle}"]\n')
    with pytest.raises(InputError, match="includes itself"):
        attacks.suite(str(circle))


# Results name a suite and its version: another list needs another number.
LISTS = {
    "a_files": (1, "56d8ce35"),
    "adversarial": (6, "8466ecf7"),
    "all": (15, "c799ba9c"),
    "audiomarkbench": (6, "929b5e05"),
    "audiomarkbench_inspired": (1, "11d602d0"),
    "audiomentations": (1, "b58fa741"),
    "audiowmark": (1, "c14a4a0a"),
    "bands": (1, "055734a4"),
    "chains": (2, "e5fb40fe"),
    "channels": (2, "9cdc43a9"),
    "codecs": (3, "90b5ff48"),
    "core": (1, "68246f44"),
    "deepmark": (1, "3b293ed2"),
    "desync": (1, "bf3e76ec"),
    "disturbances": (1, "cc459832"),
    "dynamics": (3, "719107bf"),
    "editing": (2, "da47be5b"),
    "effects": (1, "c3609d7f"),
    "filtering": (2, "f9436113"),
    "gain": (1, "4749626e"),
    "limiter": (1, "926113bc"),
    "messenger": (1, "6ca51235"),
    "mixing": (2, "df4e94ee"),
    "mp3": (2, "8bf5f739"),
    "neural": (1, "fa1812f6"),
    "noise": (1, "6f32de4c"),
    "omniseal": (4, "ec03e4c0"),
    "omniseal_inspired": (1, "26fac015"),
    "production": (1, "e32eef33"),
    "rawbench_loose": (4, "4dec0040"),
    "rawbench_loose_inspired": (1, "a86b5fe9"),
    "rawbench_strict": (4, "62934020"),
    "rawbench_strict_inspired": (1, "41a8f001"),
    "resynthesis": (1, "b088724e"),
    "rooms": (3, "7055b324"),
    "sampling": (2, "ce3cc2af"),
    "smoke": (1, "de14406b"),
    "stirmark": (2, "9e59d040"),
    "telephone": (2, "1f4e5cbf"),
    "tempo_pitch": (5, "212ec8a6"),
    "torchaudio": (1, "f0581a45"),
}


def test_a_changed_list_has_another_version() -> None:
    listed = {
        name: (suite.version, hashlib.sha256("\n".join(suite.attacks).encode()).hexdigest()[:8])
        for name in attacks.suites()
        for suite in [attacks.suite(name)]
    }
    assert listed == LISTS


def test_what_a_file_includes_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "base.toml").write_text('suite = "base"\nversion = 1\nattacks = ["gain_-6dB"]\n')
    mine = tmp_path / "s" / "mine.toml"
    mine.write_text('suite = "mine"\nversion = 1\ninclude = ["base.toml", "gain"]\n')
    monkeypatch.chdir(tmp_path)
    assert "gain_-6dB" in attacks.suite("s/mine.toml").attacks
    assert "gain_+3dB" in attacks.suite(str(mine)).attacks
