"""Systems of every kind are measured for what they are, against truth that was made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from soundsafe.aliases import Audio, Bits
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval import evaluate
from soundsafe.eval.analysis.compare import compare
from soundsafe.eval.analysis.gate import check, make_baseline
from soundsafe.eval.analysis.summary import summary_rows
from soundsafe.eval.rows import SummaryRow
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.interface import Found
from soundsafe.eval.systems.whole_clip import WholeClipSystem, bits_of, bytes_of


class Tones(WholeClipSystem):
    """A tone for each bit, and one that is always there; read from the spectrum of the whole clip."""

    name, payload_bits, keyed = "tones", 16, False
    level = 0.02

    def _hz(self) -> np.ndarray:
        return 500.0 + 60.0 * np.arange(self.payload_bits + 1)

    def mark(self, audio: Any, rate: int, bits: Any, key: bytes) -> Any:
        assert bits.shape == (self.payload_bits,)
        at = np.arange(audio.shape[1]) / rate
        waves = np.sin(2 * np.pi * self._hz()[:, None] * at)
        return audio + self.level * (np.append(bits, 1)[:, None] * waves).sum(axis=0)

    def levels(self, audio: Any, rate: int) -> Any:
        at = np.arange(audio.shape[1]) / rate
        waves = np.exp(-2j * np.pi * self._hz()[:, None] * at)
        return 2 * np.abs((waves * audio.mean(axis=0)).mean(axis=1)) / self.level

    def read(self, audio: Any, rate: int, key: bytes) -> Found:
        found = self.levels(audio, rate)
        return Found(ok=bool(found[-1] > 0.5), bits=(found[:-1] > 0.5).tolist(), score=float(found[-1]))


class Presence(Tones):
    """Only that the mark is there, as a tensor's truth, and where: in all of the clip."""

    name, payload_bits = "presence", 0

    def read(self, audio: Any, rate: int, key: bytes) -> Found:
        found = float(self.levels(audio, rate)[-1])
        present = torch.full((audio.shape[1],), min(1.0, found))
        return Found(ok=found > 0.5, score=found, present=present)


@dataclass(frozen=True)
class Loud:
    """Takes the lower tones away from clips that begin loud: 4 of the 6 that there are."""

    name: str = "loud"
    family: str = "loud"

    @property
    def params(self) -> dict[str, Any]:
        return {}

    def apply(self, audio: Any, rate: int, rng: np.random.Generator) -> Any:
        spectrum = np.fft.rfft(audio)
        hz = np.fft.rfftfreq(audio.shape[1], 1 / rate)
        spoilt = np.where(hz < 900, 0.0, 1.0) * spectrum
        return np.fft.irfft(spoilt if audio[0, 0] > 0 else spectrum, audio.shape[1]).astype(np.float32)

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        return 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve stereo clips of noise at 8 kHz, 3 s each; the first seven begin loud."""
    import soundfile

    lines = ["clip,file,category,split,group"]
    for i in range(12):
        audio = np.random.default_rng(i).normal(0, 0.01, (3 * 8000, 2))
        audio[0] = 0.3 if i < 7 else -0.3
        soundfile.write(tmp_path / f"c{i:02d}.wav", audio, 8000, subtype="FLOAT")
        lines.append(f"c{i:02d},c{i:02d}.wav,music,test,g{i}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def _summary(rows: Any) -> dict[str, SummaryRow]:
    return {r.attack: r for r in summary_rows(rows) if r.category == "all"}


@pytest.mark.slow
def test_sixteen_bits_of_whole_clips_without_a_key(folder: Path) -> None:
    attacks = ["none", "unmarked", "wrong_key", Loud()]
    rows = evaluate(Tones(), attacks, folder)
    assert set(rows["attack"]) == {"none", "unmarked", "loud"}  # there is no wrong key
    found = _summary(rows)
    clean, loud = found["none"], found["loud"]
    assert (clean.payload_bits, clean.clip_success, clean.bit_accuracy) == (16, 1.0, 1.0)
    assert clean.log10_p == pytest.approx(16 * math.log10(0.5), rel=1e-5)
    assert clean.goodput_16_bps == pytest.approx(16 / 3, rel=1e-5)
    assert clean.ber is None  # there are no coded bits of seconds
    assert found["unmarked"].clip_success == 0
    # Seven clips lose their seven lowest bits: those that were 1 are read as 0.
    assert loud.clip_success == pytest.approx(5 / 12, rel=1e-5)
    mine = rows[rows["attack"] == "loud"].drop_duplicates("clip").set_index("clip")
    for i in range(12):
        row = mine.loc[f"c{i:02d}"]
        if i >= 7:
            assert (row["bit_accuracy"], row["clip_ok"]) == (1.0, True)
        else:
            assert 9 / 16 <= row["bit_accuracy"] < 1.0
    baseline = make_baseline(rows, {})
    assert baseline.keyless == ("tones",)
    assert check(rows, baseline).ok

    again = evaluate(Tones(), attacks, folder)
    assert {row.verdict for row in compare(rows, again)} == {"within noise"}
    cured = again.assign(clip_ok=again["clip_ok"] | (again["attack"] == "loud"))
    (_, better) = compare(rows, cured)
    assert (better.clips_only_a, better.clips_only_b) == (0, 7)
    assert better.p_clips == pytest.approx(2 / 2**7, rel=1e-5)
    assert better.verdict == "better"


def test_thirty_bits_at_a_rate_and_in_one_channel_of_its_own(folder: Path) -> None:
    class Thirty(Tones):
        name, payload_bits, rate, mono = "thirty", 30, 6000, True

        def mark(self, audio: Any, rate: int, bits: Any, key: bytes) -> Any:
            assert (audio.shape, rate) == ((1, 3 * 6000), 6000)
            return torch.from_numpy(super().mark(audio, rate, bits, key))

    row = _summary(evaluate(Thirty(), "none", folder, limit=3))["none"]
    assert (row.payload_bits, row.clip_success, row.bit_accuracy) == (30, 1.0, 1.0)
    assert row.log10_p == pytest.approx(30 * math.log10(0.5), rel=1e-5)


@pytest.mark.slow
def test_detection_alone_and_where(folder: Path, fakes: ModuleType) -> None:
    found = _summary(evaluate(Presence(), ["none", "unmarked", fakes.Shift(800, name="late")], folder))
    assert (found["none"].payload_bits, found["none"].clip_success, found["none"].auc) == (0, 1.0, 1.0)
    assert found["none"].bit_accuracy is found["none"].log10_p is None
    assert found["unmarked"].clip_success == 0
    assert found["none"].iou == 1.0
    assert found["late"].iou == pytest.approx(24000 / 24800, rel=1e-5)  # silence is said to be marked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"bits": [0, 1]}, "decode returned 2 bits, the payload has 16"),
        ({"bits": np.zeros((1, 16))}, r"bits of shape \(1, 16\)"),
        ({"bits": [2.0] * 16}, "chances of a 1"),
        ({"bits": [0] * 16, "present": [1.0]}, "1 samples judged, 24000 there"),
        ({"payload": "text"}, "is str, not bytes"),
    ],
)
def test_a_wrong_shape_is_an_error_and_never_0_percent(folder: Path, answer: Any, said: str) -> None:
    class Wrong(Tones):
        def read(self, audio: Any, rate: int, key: bytes) -> Found:
            return Found(ok=True, **answer)

    with pytest.raises(InputError, match=said):
        evaluate(Wrong(), "none", folder, limit=1)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda b: torch.tensor(b).bool(), tuple])
def test_bits_of_any_type(folder: Path, kind: Any) -> None:
    class Typed(Tones):
        def read(self, audio: Any, rate: int, key: bytes) -> Found:
            found = super().read(audio, rate, key)
            return Found(ok=found.ok, bits=kind([float(b) for b in found.bits]))  # type: ignore[union-attr]

    assert _summary(evaluate(Typed(), "none", folder, limit=1))["none"].bit_accuracy == 1.0


def test_what_is_too_short_is_refused_and_found_to_bear_nothing() -> None:
    class Long(Tones):
        minimum_s = 2.0

    audio = np.zeros((1, 8000), np.float32)
    with pytest.raises(NotMarkable, match="tones needs 2 s"):
        Long().embed(audio, 8000, b"ab", bytes(32))
    assert not Long().decode(audio, 8000, bytes(32)).ok


def test_bits_and_bytes() -> None:
    for n in (0, 1, 7, 8, 10, 20, 30):
        bits = np.random.default_rng(n).integers(0, 2, n).astype(np.uint8)
        assert np.array_equal(bits_of(bytes_of(bits), n), bits)


class _Many(WholeClipSystem):
    """Reads three clips at a time, on a device, and says how it was asked; its mark is an offset."""

    name, keyed, batch = "many", False, 3
    asked: ClassVar[list[int]] = []
    devices: ClassVar[list[str]] = []
    made: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.made.append(1)

    def to(self, device: str) -> None:
        self.devices.append(device)

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        return audio + np.float32(0.1)

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        score = float(audio.mean())
        return Found(ok=score > 0.05, score=score)

    def read_batch(self, audio: Sequence[Audio], rate: int, key: bytes) -> list[Found]:
        self.asked.append(len(audio))
        return [self.read(one, rate, key) for one in audio]


def test_clips_are_read_together_on_a_device_by_one_model(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._REGISTERED, "many", _Many)
    for seen in (_Many.asked, _Many.devices, _Many.made):
        seen.clear()
    names = ["none", "unmarked", "gain_-3dB", "gain_+3dB", "gain_-6dB"]
    together = evaluate("many", names, clips, limit=2, device="cpu")
    assert _Many.asked == [3, 2, 3, 2]
    assert _Many.devices == ["cpu"]  # two clips, one model
    monkeypatch.setattr(_Many, "batch", 1)
    alone = evaluate("many", names, clips, limit=2)
    assert _Many.asked == [3, 2, 3, 2]
    pd.testing.assert_frame_equal(together, alone)
    monkeypatch.setattr(_Many, "batch", 2)
    monkeypatch.setattr(_Many, "read_batch", lambda *given: 1 / 0)
    pd.testing.assert_frame_equal(evaluate("many", names, clips, limit=2), alone)  # then one by one


class _Piecewise(WholeClipSystem):
    """Marks with the length of what it was given, in bits, and reads the same."""

    name, payload_bits, keyed, chunk_s, minimum_s = "piecewise", 4, False, 2.0, 0.5

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        out = audio.copy()
        out[:, : len(bits)] = np.where(bits, 0.5, -0.5)
        out[:, -1] = 0.25
        return out

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        present = np.zeros(audio.shape[1])
        present[: rate // 2] = 1
        return Found(
            ok=audio[0, -1] == 0.25, bits=audio[0, :4] > 0, score=audio.shape[1] / rate, present=present
        )


def test_long_audio_is_marked_and_read_in_pieces() -> None:
    system, rate = _Piecewise(), 100
    audio = np.zeros((2, 480), np.float32)  # two pieces, and a rest that is too short for one
    marked = system.embed(audio, rate, b"\xa0", bytes(32)).audio
    assert np.flatnonzero(marked[1] == 0.25).tolist() == [199, 479]
    found = system.decode(marked, rate, bytes(32))
    assert (found.ok, found.score) == (True, pytest.approx((2.0 + 2.8) / 2))
    assert np.asarray(found.bits).tolist() == [1, 0, 1, 0]
    assert found.present is not None
    assert np.flatnonzero(np.diff(np.asarray(found.present))).tolist() == [49, 199, 249]
    marked[:, 200:204] *= -1  # one of two pieces says otherwise: nobody knows
    assert np.asarray(system.decode(marked, rate, bytes(32)).bits).tolist() == [0.5] * 4
    assert not system.decode(audio, rate, bytes(32)).ok
    assert not system.decode(audio[:, :40], rate, bytes(32)).ok
    assert [s.stop for s in system._pieces(700, rate)] == [200, 400, 600, 700]
