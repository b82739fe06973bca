"""Codecs of telephones and Bluetooth: band, order of quality, and what happens without the program."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks, codecs
from soundsafe.attacks.telephony import FFMPEG
from soundsafe.errors import InputError

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["telephone_g711_mulaw", "telephone_amr_12.2", "telephone_g726_32"])
def test_nothing_is_left_above_4_khz(name: str, speech: NDArray[np.float32]) -> None:
    out = apply(name, speech)
    power = np.abs(np.fft.rfft(out[0])) ** 2
    above = np.fft.rfftfreq(out.shape[1], 1 / RATE) > 4200
    assert power[above].sum() < 1e-4 * power.sum()
    assert np.sum(out**2) > 0.3 * np.sum(speech**2)


def test_g711_is_close_to_the_band_of_the_clip(speech: NDArray[np.float32]) -> None:
    band = codecs.fit_length(
        codecs.resample(codecs.resample(speech, RATE, 8000), 8000, RATE), speech.shape[1]
    )
    for law in ("mulaw", "alaw"):
        error = np.sum((apply(f"telephone_g711_{law}", speech) - band) ** 2)
        assert 10 * np.log10(np.sum(band**2) / error) > 28


def test_fewer_bits_are_further_away(speech: NDArray[np.float32]) -> None:
    mono = speech[:1]
    errors = [float(np.sum((apply(f"telephone_g726_{k}", mono) - mono) ** 2)) for k in (32, 24, 16)]
    assert errors == sorted(errors)


def test_without_the_program_gsm_is_left_out(
    speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert "ffmpeg" in attacks.get("telephone_gsm").left_out
    with pytest.raises(InputError, match="ffmpeg"):
        apply("telephone_gsm", speech)
    assert FFMPEG.missing()
