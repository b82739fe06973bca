import pickle

import numpy as np
import pytest
import torch

from soundsafe.datasets import load
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.systems.answers import answer
from soundsafe.eval.systems.interface import System
from soundsafe.stft import RATE
from soundsafe.training.config import TrainConfig

pytest.importorskip("safetensors")

from soundsafe.eval.systems.network import NetworkSystem
from soundsafe.training.checkpoint import build_model, write_checkpoint

CFG = TrainConfig(rs_payload_bytes=2, sn_enable=False)
KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture(scope="module")
def clip():
    audio, rate = load("bundled").clips[4].read()
    assert rate == RATE
    return 0.1 * audio[:, : 3 * RATE]


def _scale(subnet, gain):
    """Weights of a sub-network, all 0 before, that multiply their input by `gain`."""
    for c in (0, 1):
        for row, sign in ((2 * c, 1.0), (2 * c + 1, -1.0)):  # leaky(x) - leaky(-x) = 1.2 x
            subnet.mix1x1.weight[row, c] = sign
            subnet.proj.weight[c, row, 1, 1] = sign * gain / 1.2


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A network that reads what it marks without any training: loud chips added, and correlated with."""
    model = build_model(CFG)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        _scale(model.affine_coupling[0].phi, 0.8)
        _scale(model.affine_coupling[-1].eta, -1.0)
        for row, sign in ((0, 1.0), (1, -1.0)):
            model.coupling_net.fc_in.weight[row, 0] = sign
            model.coupling_net.fc_out.weight[0, row] = sign / 1.2
    path = tmp_path_factory.mktemp("network") / "model.safetensors"
    state = dict(np.random.default_rng(0).bit_generator.state)
    write_checkpoint(path, model, torch.optim.Adam(model.parameters()), CFG, "0" * 64, 25, state)
    return path


@pytest.fixture(scope="module")
def system(path):
    return NetworkSystem("network-A", path)


@pytest.fixture(scope="module")
def marked(system, clip):
    return system.embed(clip, RATE, b"\x05\xfe", KEY)


@pytest.mark.slow
def test_a_network_is_read_from_the_audio_and_its_key_alone(system, clip, marked):
    assert isinstance(system, System)
    assert marked.audio.shape == clip.shape
    found = answer(system.decode(marked.audio, RATE, KEY))
    assert (found.ok, found.payload) == (True, b"\x05\xfe")
    truth = system.coded_bits(b"\x05\xfe", KEY, 3)
    assert [np.mean(e.bits != t) < 0.1 for e, t in zip(found.euls, truth, strict=True)] == [True] * 3
    wrong = answer(system.decode(marked.audio, RATE, OTHER))
    assert (wrong.ok, wrong.payload) == (False, None)
    assert 0.35 < np.mean(wrong.euls[0].bits != truth[0]) < 0.65
    assert not system.decode(clip, RATE, KEY).ok


@pytest.mark.slow
@pytest.mark.parametrize("moved", [1105, 20_000])
def test_seconds_are_found_by_their_pattern(system, marked, moved):
    cut = system.decode(np.ascontiguousarray(marked.audio[:, moved:]), RATE, KEY)
    assert cut.payload == b"\x05\xfe"
    assert [round(e.start_s * RATE) for e in cut.euls] == [RATE - moved, 2 * RATE - moved]


def test_wrong_bytes_are_put_right_up_to_32(system):
    word = system.coded_bits(b"ab", KEY, 1)[0].reshape(-1, 8).copy()
    assert system._payload(word.ravel() > 0) == (b"ab", 0)
    word[:32] ^= 1
    assert system._payload(word.ravel() > 0) == (b"ab", 32)
    word[32] ^= 1
    assert system._payload(word.ravel() > 0) is None


def test_parity_has_features_of_both_sides(system, clip, marked):
    own, seen = system.layouts(clip, RATE, KEY), system.decode(clip, RATE, KEY).euls
    assert all(np.array_equal(a.features, b.features) for a, b in zip(own, seen, strict=True))
    after = system.layouts(marked.audio, RATE, KEY)
    assert not np.array_equal(own[0].features, after[0].features)


def test_silence_stays_silent_and_less_than_a_second_is_refused(system, clip):
    half = np.concatenate([np.zeros_like(clip[:, :RATE]), clip[:, :RATE]], axis=1)
    done = system.embed(half, RATE, b"ab", KEY)
    assert done.unmarked_seconds == (0,)
    assert not done.audio[:, :RATE].any()
    with pytest.raises(NotMarkable, match="one second"):
        system.embed(clip[:, : RATE - 1], RATE, b"ab", KEY)
    assert system.decode(clip[:, : RATE - 1], RATE, KEY).euls == ()


def test_it_travels_to_workers_and_says_what_it_is(system, marked):
    again = pickle.loads(pickle.dumps(system))
    assert again.decode(marked.audio, RATE, KEY).payload == b"\x05\xfe"
    told = again.describe()
    assert told == system.describe()
    assert "sync pattern" in told["alignment"]
    assert str(system.path) not in str(told)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="no checkpoint"):
        NetworkSystem("network-A", tmp_path / "model.safetensors")
