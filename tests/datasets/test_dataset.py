"""Loading folders with and without a manifest, and the clear refusal of what cannot be loaded."""

from __future__ import annotations

import os
from pathlib import Path

import lameenc
import numpy as np
import pytest
import soundfile

from soundsafe import datasets
from soundsafe.errors import InputError


def write(path: Path, channels: int = 2, samples: int = 800, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(1).uniform(-0.5, 0.5, (samples, channels))
    soundfile.write(path, audio, rate)


def manifest(folder: Path, text: str) -> None:
    (folder / "manifest.csv").write_text(text, encoding="utf-8")


def test_folder_without_manifest(tmp_path: Path) -> None:
    for name in ("b.wav", "a.FLAC", "deep/c.ogg", "deep/d.wav", "deep/d.flac"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    dataset = datasets.load(tmp_path)
    assert dataset.name == str(tmp_path)
    assert [c.clip for c in dataset.clips] == ["a", "b", "deep/c", "deep/d.flac", "deep/d.wav"]
    assert {c.category for c in dataset.clips} == {"all"}
    assert {c.split for c in dataset.clips} == {None}
    assert [c.group for c in dataset.clips] == ["a.FLAC", "b.wav", "deep/c.ogg", "deep/d.flac", "deep/d.wav"]
    assert datasets.load(tmp_path, split="test").clips == dataset.clips


def test_short_names_that_clash_are_none(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "b.wav"):
        write(tmp_path / name)
    (tmp_path / "a.wav.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    assert [c.clip for c in datasets.load(tmp_path).clips] == ["a.flac", "a.wav", "a.wav.wav", "b.wav"]


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    os.rename(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/caf\xe9.wav")
    with pytest.raises(InputError, match=r"caf\\udce9\.wav: the name is not UTF-8; rename it") as caught:
        datasets.load(tmp_path)
    str(caught.value).encode()


def test_read_gives_channels_by_samples(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", channels=2, samples=123)
    audio, rate = datasets.load(tmp_path).clips[0].read()
    assert audio.shape == (2, 123)
    assert audio.dtype == np.float32
    assert audio.flags.c_contiguous
    assert rate == 8000


@pytest.mark.parametrize("by_name", [True, False])
def test_mono_mixes_on_reading(tmp_path: Path, by_name: bool) -> None:
    write(tmp_path / "a.wav")
    stereo, _ = datasets.load(tmp_path).clips[0].read()
    dataset = datasets.load(f"{tmp_path}:mono") if by_name else datasets.load(tmp_path, mono=True)
    assert dataset.name == f"{tmp_path}:mono"
    mono, _ = dataset.clips[0].read()
    np.testing.assert_allclose(mono, stereo.mean(axis=0, keepdims=True), atol=1e-7)


def test_manifest_in_its_order_and_by_split(tmp_path: Path) -> None:
    for name in ("x.wav", "sub/y.wav", "z.wav", "unlisted.wav"):
        write(tmp_path / name)
    manifest(
        tmp_path,
        "clip,file,category,split,group,license,lossy,more\n"
        'zed,z.wav,music,test,g1,MIT,yes,"a, b"\n'
        "why,sub/y.wav,speech,train,g2,CC0-1.0,no,\n"
        ",x.wav,,,,,,\n",
    )
    dataset = datasets.load(tmp_path)
    assert [c.clip for c in dataset.clips] == ["zed", "why", "x"]
    zed, _, x = dataset.clips
    assert (zed.category, zed.split, zed.group, zed.license, zed.lossy) == (
        "music",
        "test",
        "g1",
        "MIT",
        "yes",
    )
    assert (x.category, x.split, x.group) == ("all", None, "x.wav")
    assert (zed.columns["more"], x.columns["more"]) == ("a, b", "")
    assert [c.clip for c in datasets.load(tmp_path, split="test").clips] == ["zed", "x"]


def test_manifest_with_files_alone(tmp_path: Path) -> None:
    write(tmp_path / "x.wav")
    manifest(tmp_path, "file\nx.wav\n")
    assert [c.clip for c in datasets.load(tmp_path, split="test").clips] == ["x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column named file"),
        ("clip,file\n", "lists no clips"),
        ("clip,path\na,x.wav\n", "has no column named file"),
        ("clip,file\na,\n", "line 2 has no file"),
        ("clip,file\na,missing.wav\n", "missing.wav: listed in manifest.csv, but not there"),
        ("clip,file\na,x.wav\na,x.wav\n", "line 3 names the clip a again"),
        ("file\nx.wav\n../x.wav\n", r"manifest.csv: line 3: \.\./x.wav is outside the manifest's folder"),
        ("file\nsub/../../x.wav\n", "line 2: .* is outside"),
        ("file\n/etc/passwd\n", "line 2: /etc/passwd is outside"),
        ("file\n.\n", "not there"),
        ("clip,file,split\na,x.wav,train\n", "no clip in split test; it has train"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "x.wav")
    manifest(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        datasets.load(tmp_path, split="test")
    assert "\n" not in str(caught.value)


def test_names_of_columns_may_have_blanks_and_capitals(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name)
    manifest(tmp_path, "file, Clip, Split , group,Lossy\na.wav, A, train, g, Yes\nb.wav, B, test, g, no\n")
    (clip,) = datasets.load(tmp_path, split="test").clips
    assert (clip.clip, clip.split, clip.group, clip.lossy) == ("B", "test", "g", "no")
    assert datasets.load(tmp_path).clips[0].lossy == "yes"


def test_hidden_files_are_no_clips(tmp_path: Path) -> None:
    for name in ("a.wav", "._a.wav", ".trash/b.wav"):
        write(tmp_path / name)
    assert [clip.clip for clip in datasets.load(tmp_path).clips] == ["a"]


def test_all_of_a_file_without_a_stated_length_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    loud = np.concatenate([rng.standard_normal(16_000) * 0.3, rng.standard_normal(80_000) * 1e-3])
    encoder = lameenc.Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(16_000)
    encoder.set_vbr(4)
    encoder.set_vbr_quality(2)
    encoder.silence()
    data = bytes(encoder.encode((loud * 32_000).astype("<i2").tobytes()) + encoder.flush())
    (tmp_path / "a.mp3").write_bytes(data)
    (clip,) = datasets.load(tmp_path).clips
    assert clip.read()[0].shape[1] > 95_000
    soundfile.write(tmp_path / "a.mp3", loud, 16_000, format="FLAC")
    unstated = bytearray((tmp_path / "a.mp3").read_bytes())
    unstated[21] &= 0xF0
    unstated[22:26] = bytes(4)  # as a pipe leaves it
    (tmp_path / "a.mp3").unlink()
    (tmp_path / "b.flac").write_bytes(unstated)
    (clip,) = datasets.load(tmp_path).clips
    assert clip.read()[0].shape == (1, 96_000)


@pytest.mark.parametrize("suffix", [".wav", ".au", ".caf"])
def test_clips_that_would_be_read_for_ever_or_in_part(tmp_path: Path, suffix: str) -> None:
    """Whatever the suffix, clips go through the guarded reader."""
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", rng.standard_normal((16_000, 1)) * 0.1, 8000)
    sound = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").unlink()
    endless = (
        b"LIST" + (16).to_bytes(4, "little") + b"INFOABCD" + (2**32 - 8).to_bytes(4, "little") + b"Me\0\0"
    )
    (tmp_path / f"endless{suffix}").write_bytes(sound[:36] + endless + sound[36:])
    stale = bytearray(sound)
    stale[40:44] = (8_000).to_bytes(4, "little")
    (tmp_path / f"stale{suffix}").write_bytes(bytes(stale))
    first, second = datasets.load(tmp_path).clips
    for look in (first.read, first.duration):
        with pytest.raises(InputError, match="endless entry"):
            look()
    assert second.read()[0].shape == (1, 16_000)
    assert second.duration() == 2.0


def test_links_and_detours_within_the_folder_may_lead_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "x.wav")
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    manifest(tmp_path / "data", "file\nsub/../linked/x.wav\n")
    (clip,) = datasets.load(tmp_path / "data").clips
    assert clip.read()[1] == 8000


def test_manifest_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not a text file"):
        datasets.load(tmp_path)


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder; give one \(with the package comes bundled\)"):
        datasets.load(tmp_path / "missing")
    with pytest.raises(InputError, match="no audio files"):
        datasets.load(tmp_path)
    file = tmp_path / "a.wav"
    write(file)
    with pytest.raises(InputError, match="not a folder"):
        datasets.load(file)


def test_clips_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF no more")
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), 8000)
    soundfile.write(tmp_path / "infinite.wav", np.full(10, np.inf), 8000, subtype="FLOAT")
    for clip, message in zip(
        datasets.load(tmp_path).clips,
        ("not readable as audio", "no samples", "not finite numbers"),
        strict=True,
    ):
        with pytest.raises(InputError, match=rf"{clip.path.name}: .*{message}") as caught:
            clip.read()
        assert "\n" not in str(caught.value)
