"""What adversaries get from the bench, and what they do to the toy and to the real codec."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from soundsafe import attacks, coded_bits, datasets, decode, embed
from soundsafe.eval.running import adversary, runner, seeds, white_box
from soundsafe.eval.systems.codec import Soundsafe, SoundsafeEul


@pytest.mark.slow
def test_the_suite_on_the_toy(fakes: ModuleType, clips: Path) -> None:
    """It has no gradient, which is said; searches ask 50 times; the controls stay controls."""
    rows = runner.evaluate(fakes.Toy(), "adversarial", clips, limit=1)
    clip = rows.drop_duplicates("attack").set_index("attack")
    no_gradient = clip[clip["status"] != "ok"]
    assert {a.split("+then+")[-1].split("_")[0] for a in no_gradient.index} == {"gradient"}
    assert set(no_gradient["message"]) == {"the system offers no gradient"}
    assert clip.loc["none", "clip_ok"]
    assert clip.loc["overwrite_20dB", "clip_ok"]
    forged = clip[clip["family"] == "unmarked"]
    assert len(forged) >= 5
    assert not clip.loc["unmarked+then+forge_key_20dB", "clip_ok"]
    again = runner.evaluate(fakes.Toy(), "adversarial", clips, limit=1)
    assert rows.equals(again)


def test_access_is_of_the_right_key_and_kept(fakes: ModuleType) -> None:
    clip = datasets.load("bundled").clips[0]
    audio = np.random.default_rng(0).normal(0, 0.01, (2, 16000)).astype(np.float32)
    toy = fakes.Toy()
    a = adversary.access(toy, audio, 8000, clip=str(clip.clip), seed=3, truth=b"abcd")
    first, second = a.copies(2)
    assert a.copies(1)[0] is first
    read = [toy.decode(x, 8000, seeds.bench_key(3)) for x in (first, second)]
    assert all(r.ok for r in read)
    assert read[0].payload != read[1].payload
    assert a.ask(first)[0]
    assert not a.ask(a.mark(audio))[0]
    (other,) = a.others(1)
    assert other.shape[0] == 2
    assert other.shape[1] <= 16000
    assert a.gradient is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gradient_30dB", "gradient_nmr_-20dB"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_gradient_of_the_real_detector_turns_bits(channels: int, name: str) -> None:
    audio, rate = next(c for c in datasets.load("bundled").clips if c.clip == "caribbean").read()
    audio = audio[:channels, : 2 * rate].copy()
    key = seeds.bench_key(0)
    system = SoundsafeEul()
    payload = bytes(range(system.payload_bytes))
    marked = embed(audio, rate, payload, key, quality="fast", layers=("eul",)).audio
    assert marked is not None
    slope = white_box.gradient_of(system)
    assert slope is not None
    access = adversary.access(system, audio, rate, clip="", seed=0, truth=payload)
    attack = attacks.get(name)
    out = attack.apply(marked, rate, np.random.default_rng(0), access)
    true = coded_bits(payload, key, 2)
    for source, low, high in ((marked, 0.0, 0.1), (out, 0.5, 1.0)):
        euls = decode(source, rate, key).euls
        wrong = [np.mean(np.asarray(e.bits) != true[i]) for i, e in enumerate(euls) if e.bits is not None]
        assert wrong
        assert low <= np.mean(wrong) <= high


def test_other_systems_have_no_such_gradient(fakes: ModuleType) -> None:
    assert white_box.gradient_of(fakes.Toy()) is None
    assert white_box.gradient_of(Soundsafe()) is not None
