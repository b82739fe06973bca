from __future__ import annotations

import numpy as np
import torch

from soundsafe import datasets
from soundsafe.cells.code import CellCode
from soundsafe.cells.host import code_of_second, codes_of_second, host_features
from soundsafe.cells.layout import choose_layout, features
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, PATTERNS, ROBUST
from soundsafe.pipeline.descriptions import description
from soundsafe.stft import stft

CODE = CellCode(bytes(range(32)), ROBUST)
ROCK = {clip.clip: clip for clip in datasets.load("bundled").clips}["rock"].read()[0]


def second(number: int) -> torch.Tensor:
    spectrum = stft(torch.from_numpy(ROCK))[..., number * EUL_FRAMES : (number + 1) * EUL_FRAMES]
    return mix_channels(spectrum, mixtures(2, 0)[0])


def test_the_audio_names_the_code_of_a_second() -> None:
    word = description(host_features(second(0)))
    assert code_of_second(second(0), 1, CODE) == CODE.of_host(word, 1)
    assert code_of_second(10.0 * second(0), 1, CODE) == CODE.of_host(word, 1)
    assert code_of_second(second(0), 2, CODE) != CODE.of_host(word, 1)
    earlier = CODE.learnable
    assert code_of_second(second(0), 1, earlier) is earlier
    assert codes_of_second(second(0), 1, earlier, 8) == [(earlier, 0.0)]


def test_marks_of_version_1_come_second_and_likelier_descriptions_first() -> None:
    codes = codes_of_second(second(1), 0, CODE, 8)
    assert codes[0] == (code_of_second(second(1), 0, CODE), 0.0)
    assert codes[1] == (CODE, 0.0)
    assert len({own for own, _ in codes}) == 9
    away = [far for _, far in codes[2:]]
    assert away == sorted(away)
    assert away[0] > 0


def test_pilots_are_shared_and_everything_else_is_not() -> None:
    shared, one, other = CODE.geometry, CODE.of_host(7, 0).geometry, CODE.of_host(7, 1).geometry
    pilots = shared.pilot.reshape(-1)
    for own in (one, other):
        assert (own.bins[pilots] == shared.bins[pilots]).all()
        assert torch.equal(own.weight[pilots], shared.weight[pilots])
        assert torch.equal(own.pilot_sign, shared.pilot_sign)
        assert torch.allclose(own.weight.abs(), shared.weight.abs())
    data = np.concatenate([shared.data, shared.fine])
    for a, b in ((one, other), (one, shared)):
        alike = (a.bins[data] == b.bins[data]).mean()
        assert alike < 0.6  # narrow bands have few bins to deal, and unused places are alike
        assert float((a.weight[data] == b.weight[data])[a.weight[data] != 0].float().mean()) < 0.3
        assert a.slot_key != b.slot_key
        assert a.dither_key != b.dither_key
    # The bins of a band are dealt to its carriers, each once in a frame.
    used = one.weight.abs().numpy() > 0
    first = (one.frame == 0) & np.isin(np.arange(len(one.frame)), np.concatenate([one.data, pilots]))
    bins = one.bins[first][used[first]]
    assert len(set(bins.tolist())) == len(bins)


def test_no_frame_weighs_its_cells_as_another_does() -> None:
    own = CODE.of_host(3, 0).geometry
    rows = len(own.frame) // EUL_FRAMES
    one = own.weight[:rows]
    for frame in range(PATTERNS, EUL_FRAMES, PATTERNS):
        again = own.weight[frame * rows : (frame + 1) * rows]
        assert (own.bins[:rows] == own.bins[frame * rows : (frame + 1) * rows]).all()
        assert float((one != again).float().mean()) > 0.3


def test_layouts_say_what_they_are_bound_to() -> None:
    feats = features(second(0), CODE.profile)
    bound = choose_layout(feats, CODE.of_host(9, 0), 0)
    shared = choose_layout(feats, CODE, 0)
    assert (bound.host, shared.host) == (CODE.of_host(9, 0).host, None)
    assert bound.digest != shared.digest
    assert (bound.bits_per_band == shared.bits_per_band).all()
