from __future__ import annotations

import base64
import errno
import io
import os
import re
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import lameenc
import numpy as np
import pytest
import soundfile
from mutagen import apev2, flac, id3, oggvorbis
from numpy.typing import NDArray

import soundsafe
from soundsafe.errors import InputError
from soundsafe.files import audio_tags, audio_writer
from soundsafe.files.audio_file import AudioInfo, AudioReader, AudioWriter, check_output, read_audio


def noise(samples: int = 20_000, channels: int = 2, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.1).astype(np.float32)


def mp3(path: Path, audio: NDArray[np.float32], rate: int = 44_100, vbr: bool = False) -> Path:
    """Without a header that states the length."""
    encoder = lameenc.Encoder()
    if vbr:
        encoder.set_vbr(4)
    else:
        encoder.set_bit_rate(128)
    encoder.set_in_sample_rate(rate)
    encoder.set_channels(audio.shape[0])
    encoder.silence()
    pcm = np.clip(np.rint(audio * 32768), -32768, 32767).astype("<i2").T.tobytes()
    path.write_bytes(bytes(encoder.encode(pcm)) + bytes(encoder.flush()))
    return path


def copy(source: Path, target: Path, block: int = 7_000) -> AudioWriter:
    with AudioReader(source) as reader, AudioWriter(target, reader.info) as writer:
        for part in reader.blocks(block):
            writer.write(part)
        writer.commit()
    assert sorted(p.suffix for p in target.parent.iterdir() if p.suffix == ".tmp") == []
    return writer


# --- samples


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (192_000, 8)])
def test_wav_comes_out_as_it_was(tmp_path: Path, subtype: str, rate: int, channels: int) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(source, noise(channels=channels).T, rate, subtype=subtype)
    copy(source, target)
    info = soundfile.info(target)
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (rate, channels, 20_000, subtype)
    assert (soundfile.read(source, dtype="float32")[0] == soundfile.read(target, dtype="float32")[0]).all()


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_flac_comes_out_as_it_was(tmp_path: Path, subtype: str) -> None:
    source, target = tmp_path / "a.flac", tmp_path / "b.flac"
    soundfile.write(source, noise().T, 48_000, subtype=subtype)
    copy(source, target)
    assert soundfile.info(target).subtype == subtype
    assert (soundfile.read(source, dtype="int32")[0] == soundfile.read(target, dtype="int32")[0]).all()


@pytest.mark.parametrize(
    ("name", "fmt", "subtype", "target", "expected"),
    [
        ("a.wav", "WAV", "PCM_16", "b.flac", ("FLAC", "PCM_16")),
        ("a.wav", "WAV", "PCM_U8", "b.flac", ("FLAC", "PCM_S8")),
        ("a.wav", "WAV", "PCM_32", "b.flac", ("FLAC", "PCM_24")),
        ("a.wav", "WAV", "FLOAT", "b.flac", ("FLAC", "PCM_24")),
        ("a.wav", "WAV", "ULAW", "b.wav", ("WAV", "PCM_16")),
        ("a.wav", "WAV", "IMA_ADPCM", "b.flac", ("FLAC", "PCM_16")),
        ("a.wav", "WAVEX", "PCM_24", "b.WAV", ("WAVEX", "PCM_24")),
        ("a.wav", "RF64", "PCM_16", "b.wav", ("RF64", "PCM_16")),
        ("a.flac", "FLAC", "PCM_S8", "b.wav", ("WAV", "PCM_U8")),
        ("a.flac", "FLAC", "PCM_24", "b.wav", ("WAV", "PCM_24")),
        ("a.aiff", "AIFF", "PCM_24", "b.wav", ("WAV", "PCM_24")),
        ("a.ogg", "OGG", "VORBIS", "b.wav", ("WAV", "PCM_24")),
        ("a.ogg", "OGG", "VORBIS", "b.flac", ("FLAC", "PCM_24")),
        ("a.ogg", "OGG", "OPUS", "b.FLAC", ("FLAC", "PCM_24")),
    ],
)
def test_sample_formats(
    tmp_path: Path, name: str, fmt: str, subtype: str, target: str, expected: tuple[str, str]
) -> None:
    source = tmp_path / name
    soundfile.write(source, noise().T, 48_000, format=fmt, subtype=subtype)
    copy(source, tmp_path / target)
    out = soundfile.info(tmp_path / target)
    assert (out.format, out.subtype) == expected
    assert out.frames == soundfile.info(source).frames
    before, after = read_audio(source)[0], read_audio(tmp_path / target)[0]
    assert np.abs(before - after).max() <= 2.0**-23


@pytest.mark.parametrize(
    ("subtype", "target", "bits", "why"),
    [
        ("ULAW", "b.wav", 16, "no mark is written as ULAW, which might not keep it"),
        ("ALAW", "b.flac", 16, "FLAC holds no ALAW"),
        ("IMA_ADPCM", "b.wav", 16, "no mark is written as IMA_ADPCM, which might not keep it"),
        ("PCM_32", "b.flac", 24, "libsndfile writes no 32-bit FLAC"),
        ("FLOAT", "b.flac", 24, "FLAC holds no 32-bit float"),
        ("DOUBLE", "b.flac", 24, "FLAC holds no 64-bit float"),
        ("PCM_U8", "b.flac", 8, None),
        ("PCM_24", "b.flac", 24, None),
        ("PCM_32", "b.wav", 32, None),
        ("DOUBLE", "b.wav", 64, None),
    ],
)
def test_a_sample_format_that_is_not_kept_is_named(
    tmp_path: Path, subtype: str, target: str, bits: int, why: str | None
) -> None:
    soundfile.write(tmp_path / "a.wav", noise().T, 44_100, subtype=subtype)
    name = tmp_path / target
    warnings = copy(tmp_path / "a.wav", name).warnings
    assert warnings == ((f"{name} has {bits}-bit samples: {why}",) if why else ())
    if why:
        assert soundfile.info(name).subtype == f"PCM_{bits}"


def wavex(path: Path, channels: int, mask: int, fmt: str = "WAVEX") -> Path:
    soundfile.write(path, noise(channels=channels).T, 44_100, format=fmt, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"fmt ") + 28, mask)
    path.write_bytes(bytes(data))
    return path


def mask_of(path: Path) -> int:
    """The channel mask in the chunk `fmt ` of a WAVE_FORMAT_EXTENSIBLE file."""
    data = path.read_bytes()
    size, tag, mask = struct.unpack_from("<IH18xI", data, data.index(b"fmt ") + 4)
    assert (size, tag) == (40, 0xFFFE)
    return int(mask)


MASK = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"


@pytest.mark.parametrize(
    ("channels", "mask", "comment"),
    [
        (4, 0x107, "0x107"),
        (6, 0x60F, "0x60F"),
        (4, 0, "0x0"),
        (1, 0x1, "0x1"),
        (4, 0x33, None),  # what FLAC takes it for anyway
        (6, 0x3F, None),
    ],
)
@pytest.mark.parametrize("fmt", ["WAVEX", "RF64"])
def test_channels_stay_with_their_loudspeakers(
    tmp_path: Path, fmt: str, channels: int, mask: int, comment: str | None
) -> None:
    source = wavex(tmp_path / "a.wav", channels, mask, fmt)
    for target in ("b.wav", "c.flac"):
        assert copy(source, tmp_path / target).warnings == ()
        assert (read_audio(tmp_path / target)[0] == read_audio(source)[0]).all()
    assert mask_of(tmp_path / "b.wav") == mask
    assert flac.FLAC(tmp_path / "c.flac").tags == ([] if comment is None else [(MASK, comment)])
    copy(tmp_path / "c.flac", tmp_path / "d.flac")
    assert flac.FLAC(tmp_path / "d.flac").tags == flac.FLAC(tmp_path / "c.flac").tags
    copy(tmp_path / "d.flac", tmp_path / "e.wav")
    assert mask_of(tmp_path / "e.wav") == mask
    assert list(audio_tags._chunks(tmp_path / "e.wav")) == []


@pytest.mark.parametrize("value", ["front", "", "0x1FFFFFFFF", "-1"])
def test_a_channel_mask_that_is_none_is_a_comment_like_others(tmp_path: Path, value: str) -> None:
    source = tmp_path / "a.flac"
    soundfile.write(source, noise().T, 44_100)
    file = flac.FLAC(source)
    assert file.tags is not None
    file.tags.append((MASK, value))
    file.save()
    copy(source, tmp_path / "b.wav")
    assert soundfile.info(tmp_path / "b.wav").format == "WAV"
    copy(source, tmp_path / "b.flac")
    assert list(flac.FLAC(tmp_path / "b.flac").tags) == [(MASK, value)]


def test_mp3_reads_whole_and_becomes_24_bits(tmp_path: Path) -> None:
    source = mp3(tmp_path / "a.mp3", noise(100_000))
    audio, info = read_audio(source)
    assert info.format == "MP3"
    assert abs(audio.shape[1] - info.frames) < 2_000
    copy(source, tmp_path / "b.wav")
    out = soundfile.info(tmp_path / "b.wav")
    assert (out.subtype, out.frames) == ("PCM_24", audio.shape[1])


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.wav", "PCM_32")]
)
def test_integers_are_rounded_to_the_nearest_and_never_wrap(tmp_path: Path, name: str, subtype: str) -> None:
    step = 2.0 ** (1 - int(subtype[4:]))
    values = [2.0, -2.0, 1.0, -1.0, 1e30, 0.0, 0.4 * step, 0.6 * step, -0.6 * step, 1.5 * step, 2.5 * step]
    info = AudioInfo(tmp_path / "none", 44_100, 1, len(values), "WAV", subtype)
    with AudioWriter(tmp_path / name, info) as writer:
        writer.write(np.array([values], np.float32))
        writer.commit()
    got = soundfile.read(tmp_path / name, dtype="float64")[0]
    top = 1 - step
    assert got.tolist() == [top, -1, top, -1, top, 0, 0, step, -step, 2 * step, 2 * step]


def test_float_wav_keeps_what_is_above_full_scale(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([[1.5], [-3.0], [1e-30]]), 44_100, subtype="FLOAT")
    copy(tmp_path / "a.wav", tmp_path / "b.wav")
    assert read_audio(tmp_path / "b.wav")[0].tolist() == [[1.5, -3.0, np.float32(1e-30)]]


def test_block_size_does_not_matter_and_outputs_repeat_to_the_byte(tmp_path: Path) -> None:
    for name, subtype in (("a.wav", "FLOAT"), ("a.flac", "PCM_16")):
        soundfile.write(tmp_path / name, noise().T, 44_100, subtype=subtype)
        outputs = []
        for block in (97, 4_096, 1 << 20) if subtype == "PCM_16" else (1 << 20, 1 << 20):
            target = tmp_path / f"out{tmp_path.joinpath(name).suffix}"
            copy(tmp_path / name, target, block)
            outputs.append(target.read_bytes())
        assert soundfile.read(target)[0].shape == (20_000, 2)
        assert outputs[-1] == outputs[-2]


def test_reader_gives_float32_channels_first_in_blocks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(10_000, 3).T, 32_000)
    with AudioReader(tmp_path / "a.wav") as reader:
        shapes = [block.shape for block in reader.blocks(4_000)]
        assert reader.read(10).shape == (3, 0)
    assert shapes == [(3, 4_000), (3, 4_000), (3, 2_000)]
    audio, info = read_audio(str(tmp_path / "a.wav"))
    assert audio.dtype == np.float32
    assert audio.flags.c_contiguous
    assert info.seconds == 10_000 / 32_000


def test_an_hour_long_input_would_become_rf64_beyond_3_gib() -> None:
    info = AudioInfo(Path("a"), 192_000, 8, 192_000 * 3600, "FLAC", "PCM_24")
    assert audio_writer._stored_as(info, ".wav") == ("RF64", "PCM_24")
    assert audio_writer._stored_as(info, ".flac") == ("FLAC", "PCM_24")


# --- what cannot be read or written


def wav_header(rate: int = 44_100, channels: int = 1, frames: int = 100) -> bytes:
    data = bytes(2 * channels * frames)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.wav", b"", "is empty"),
        ("a.wav", b"not audio at all" * 50, "not audio"),
        ("a.mp3", b"not audio at all" * 50, "not audio"),
        ("a.raw", b"\1\2" * 500, "not audio"),
        ("a.wav", wav_header()[:20], "header is damaged"),
        ("a.wav", wav_header()[:44], "no samples"),
        ("a.wav", wav_header(rate=4_000), "4000 Hz: 8000 to 192000 Hz"),
        ("a.wav", wav_header(rate=384_000), "384000 Hz: 8000 to 192000 Hz"),
        ("a.wav", wav_header(rate=0), "header is damaged"),
        ("a.wav", wav_header(channels=9), "9 channels: 1 to 8"),
        ("a.wav", wav_header(channels=0), "header is damaged"),
    ],
)
def test_unreadable_files_are_named_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        AudioReader(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.wav", "No such file"),
        (".", "is a folder"),
        ("/dev/null", "not a regular file"),
        ("a\0b.wav", "null"),
    ],
)
def test_paths_that_are_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        AudioReader(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_placed(tmp_path: Path, bad: float) -> None:
    audio = noise(44_100)
    audio[1, 22_050] = bad
    soundfile.write(tmp_path / "a.wav", audio.T, 44_100, subtype="FLOAT")
    with AudioReader(tmp_path / "a.wav") as reader:
        reader.read(10_000)
        with pytest.raises(InputError, match=r"not finite numbers .* at 0\.500 s"):
            list(reader.blocks())


@pytest.mark.parametrize("name", ["a.flac", "a.ogg"])
def test_damage_in_the_middle_is_not_passed_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, noise(200_000).T, 44_100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3_000] = np.random.default_rng(1).bytes(3_000)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"a\.\w+ is damaged"):
        read_audio(path)


def test_a_flac_file_cut_short_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(200_000).T, 44_100)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match="take an undamaged copy") as caught:
        read_audio(path)
    # Near where the bytes end, though this lies within the first block that is read.
    found = re.search(r"is damaged near (\d\.\d) s", str(caught.value))
    assert found is not None, caught.value
    assert float(found[1]) == pytest.approx(200_000 / 44_100 * 100_000 / size, abs=0.3)


def read_to_the_end(path: Path) -> tuple[str, ...]:
    with AudioReader(path) as reader:
        for _ in reader.blocks():
            assert reader.warnings == () or path.name.startswith("cut")
        return reader.warnings


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (16_000, 1), (8_000, 1)])
def test_an_mp3_file_that_ends_before_its_header_says_so_is_named(
    tmp_path: Path, rate: int, channels: int
) -> None:
    whole, path = tmp_path / "whole.mp3", tmp_path / "cut.mp3"
    soundfile.write(whole, noise(2 * rate, channels).T, rate)
    assert read_to_the_end(whole) == ()
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    seconds = read_audio(path)[0].shape[1] / rate
    assert 0.5 < seconds < 1.5
    assert read_to_the_end(path) == (f"{path} ends after {seconds:.1f} s, its header says 2.0 s",)


def test_an_mp3_file_whose_header_has_no_length_is_taken_as_it_is(tmp_path: Path) -> None:
    data = mp3(tmp_path / "whole.mp3", noise(100_000)).read_bytes()
    (tmp_path / "half.mp3").write_bytes(data[: len(data) // 2])
    for name in ("whole.mp3", "half.mp3"):
        assert read_to_the_end(tmp_path / name) == ()


def uneven(rate: int, first: float, then: float, channels: int = 2) -> NDArray[np.float32]:
    """Six seconds of noise, the first of another level."""
    return noise(6 * rate, channels) * np.repeat(np.float32([first, then]), [rate, 5 * rate])


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (44_100, 1), (22_050, 2), (8_000, 1)])
@pytest.mark.parametrize("first", [1.0, 0.0])
def test_an_mp3_file_without_its_length_is_read_whole(
    tmp_path: Path, first: float, rate: int, channels: int
) -> None:
    # libsndfile takes every frame to be as large as the first.
    then = 0.003 if first else 1.0
    path = mp3(tmp_path / "a.mp3", uneven(rate, first, then, channels), rate, vbr=True)
    guess = soundfile.read(path, dtype="float32")[0].reshape(-1, channels).T
    assert not 0.9 < soundfile.info(path).duration / 6 < 1.1
    audio, info = read_audio(path)
    assert info.frames == audio.shape[1]
    assert 6.0 < info.seconds < 6.1 + 2_000 / rate
    assert np.abs(audio[:, : guess.shape[1]] - guess).max() < 1e-5
    assert np.abs(audio[:, -rate:]).max() > 1e-4
    assert read_to_the_end(path) == ()
    copy(path, tmp_path / "b.wav")
    assert soundfile.info(tmp_path / "b.wav").frames == info.frames


@pytest.mark.parametrize("where", ["before", "after", "ape"])
@pytest.mark.parametrize("kind", ["cbr", "vbr", "stated"])
def test_what_is_no_audio_in_an_mp3_file_does_not_count(tmp_path: Path, kind: str, where: str) -> None:
    path, rate = tmp_path / "a.mp3", 44_100
    audio = uneven(rate, 1.0, 0.003)
    if kind == "stated":
        soundfile.write(path, audio.T, rate)
    else:
        mp3(path, audio, rate, vbr=kind == "vbr")
    bare = read_audio(path)[0]
    cover = np.random.default_rng(0).bytes(2_000_000)  # some of it looks like frames
    if where == "before":
        tag = id3.ID3()
        tag.add(id3.APIC(encoding=3, mime="image/png", type=3, desc="", data=cover))
        tag.save(path)
    elif where == "ape":
        ape = apev2.APEv2()
        ape["Cover Art (Front)"] = apev2.APEValue(cover, apev2.BINARY)
        ape.save(path)
    else:
        path.write_bytes(path.read_bytes() + bytes(5_000) + cover)
    found, info = read_audio(path)
    assert (info.frames, found.shape) == (bare.shape[1], bare.shape)
    assert (found == bare).all()


def test_mp3_files_joined_are_not_cut_to_the_first(tmp_path: Path) -> None:
    path, parts = tmp_path / "joined.mp3", []
    for rate in (44_100, 22_050):
        soundfile.write(tmp_path / "part.mp3", noise(2 * rate).T, rate)
        parts.append((tmp_path / "part.mp3").read_bytes())
    path.write_bytes(parts[0] * 2)
    assert soundfile.info(path).duration == 2.0
    with AudioReader(path) as reader:
        seconds = sum(block.shape[1] for block in reader.blocks()) / 44_100
        assert 4.0 < seconds < 4.2
        assert reader.warnings == (f"{path} goes on after its end, its header says 2.0 s: all of it is read",)
    path.write_bytes(b"".join(parts))
    with pytest.raises(InputError, match=r"joined\.mp3 changes to 22050 Hz and 2 channels at 2\.\d s"):
        read_audio(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("lengths", [(96_000, 48_000), (48_000, 96_000), (48_000, 48_000)])
def test_ogg_streams_one_after_another_are_not_cut_to_the_first(
    tmp_path: Path, subtype: str, lengths: tuple[int, int]
) -> None:
    path, parts = tmp_path / "chained.ogg", []
    for length in lengths:
        soundfile.write(tmp_path / "a.ogg", noise(length).T, 48_000, format="OGG", subtype=subtype)
        assert read_audio(tmp_path / "a.ogg")[1].frames == length
        parts.append((tmp_path / "a.ogg").read_bytes())
    for second, length in zip(parts, lengths, strict=True):
        path.write_bytes(parts[0] + second)  # the first time of equal serial numbers
        found = read_audio(path)[0].shape[1]
        assert abs(found - lengths[0] - length) < 2_000


@pytest.mark.slow
def test_embedding_says_what_the_reader_and_the_writer_found(tmp_path: Path) -> None:
    source, target = tmp_path / "cut.mp3", tmp_path / "b.flac"
    soundfile.write(source, noise(90_000, 1).T, 22_050)
    tag = id3.ID3()
    tag.add(id3.POPM(email="me", rating=255))
    tag.save(source)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    answer = soundsafe.embed_file(source, target, b"x", quality="fast", layers=("eul",))
    assert any("its header says 4.1 s" in line for line in answer.warnings), answer.warnings
    assert left_out(target, "POPM")[0] in answer.warnings


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_without_its_last_page_is_named(tmp_path: Path, subtype: str) -> None:
    whole, path = tmp_path / "whole.ogg", tmp_path / "cut.ogg"
    soundfile.write(whole, noise(96_000).T, 48_000, format="OGG", subtype=subtype)
    assert read_to_the_end(whole) == ()
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    seconds = read_audio(path)[0].shape[1] / 48_000
    says = "without the page that ends an OGG file: it may be cut off"
    assert read_to_the_end(path) == (f"{path} ends after {seconds:.1f} s {says}",)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.wav"
    soundfile.write(path, noise().T, 44_100)
    return path


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("out.mp3", r"must end in \.wav or \.flac"),
        ("out", r"must end in \.wav or \.flac"),
        ("missing/out.wav", "there is no folder missing"),
        ("in.wav/out.wav", "in.wav is not a folder"),
        ("in.wav", "are the same file"),
        ("./in.wav", "are the same file"),
        ("symlink.wav", "are the same file"),
        ("hardlink.wav", "are the same file"),
        ("folder.wav", "it is a folder"),
        ("pipe.wav", "not a regular file"),
        ("a\0b.wav", "null"),
        ("x" * 300 + ".wav", "too long"),
    ],
)
def test_targets_that_cannot_be(
    source: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    monkeypatch.chdir(source.parent)
    os.symlink("in.wav", "symlink.wav")
    os.link("in.wav", "hardlink.wav")
    os.mkdir("folder.wav")
    os.mkfifo("pipe.wav")
    before = sorted(os.listdir())
    content = source.read_bytes()
    with AudioReader("in.wav") as reader, pytest.raises(InputError, match=message):
        AudioWriter(target, reader.info)
    with pytest.raises(InputError, match=message):
        check_output("in.wav", target)
    assert sorted(os.listdir()) == before
    assert source.read_bytes() == content


def test_a_folder_that_cannot_be_written(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, whom no mode keeps out.
    real = os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest)

    with AudioReader(source) as reader:
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(InputError, match=r"cannot write .*out.wav: Read-only file system"):
            AudioWriter(source.parent / "out.wav", reader.info)
    assert [p.name for p in source.parent.iterdir()] == ["in.wav"]


def test_flac_cannot_hold_every_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise().T, 100_001)
    with AudioReader(tmp_path / "a.wav") as reader:
        with pytest.raises(InputError, match=r"100001 Hz.*\.wav"):
            AudioWriter(tmp_path / "b.flac", reader.info)
        copy(tmp_path / "a.wav", tmp_path / "b.wav")


LIMITED = """
import resource, sys
from soundsafe.files.audio_file import AudioReader, AudioWriter
from soundsafe.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    with AudioReader(sys.argv[1]) as reader, AudioWriter(sys.argv[2], reader.info) as writer:
        for block in reader.blocks(1000):
            writer.write(block)
        writer.commit()
except InputError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
@pytest.mark.parametrize("limit", [10, 20_000, 60_000])
def test_a_full_disk_is_reported_and_leaves_nothing(source: Path, name: str, limit: int) -> None:
    target = source.parent / name
    target.write_bytes(b"an older output")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(source), str(target), str(limit)], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == f"cannot write {target}: File too large\n"
    assert done.stderr == ""
    assert target.read_bytes() == b"an older output"
    assert sorted(p.name for p in source.parent.iterdir()) == sorted(["in.wav", name])


def test_a_disk_that_is_full_when_tags_are_written(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audio_tags, "_append_chunks", full)
    with AudioReader(source) as reader, AudioWriter(source.parent / "out.wav", reader.info) as writer:
        writer.write(reader.read(1 << 20))
        with pytest.raises(InputError, match=r"cannot write .*out.wav: No space left on device"):
            writer.commit()
    assert [p.name for p in source.parent.iterdir()] == ["in.wav"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_nothing_is_left_when_interrupted(source: Path, error: type[BaseException]) -> None:
    target = source.parent / "out.flac"
    target.write_bytes(b"an older output")

    def interrupted() -> None:
        with AudioReader(source) as reader, AudioWriter(target, reader.info) as writer:
            writer.write(reader.read(100))
            assert writer.partial.exists()
            raise error

    with pytest.raises(error):
        interrupted()
    assert target.read_bytes() == b"an older output"
    assert sorted(p.name for p in source.parent.iterdir()) == ["in.wav", "out.flac"]


def stop_while_writing(source: Path, target: Path, number: int) -> None:
    """Send the signal to a process that has written some of `target`."""
    program = """
import sys, time
from soundsafe.files.audio_file import AudioReader, AudioWriter
with AudioReader(sys.argv[1]) as reader, AudioWriter(sys.argv[2], reader.info) as writer:
    writer.write(reader.read(1000))
    print("writing", flush=True)
    time.sleep(60)
"""
    before = len(list(source.parent.iterdir()))
    with subprocess.Popen(
        [sys.executable, "-c", program, str(source), str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        assert len(list(source.parent.iterdir())) == before + 1
        process.send_signal(number)
        process.wait(timeout=30)


def test_sigint_while_writing_leaves_nothing(source: Path) -> None:
    stop_while_writing(source, source.parent / "out.wav", signal.SIGINT)
    assert [p.name for p in source.parent.iterdir()] == ["in.wav"]


def test_sigkill_while_writing_leaves_an_older_output_as_it_was(source: Path) -> None:
    target = source.parent / "out.wav"
    target.write_bytes(b"older")
    stop_while_writing(source, target, signal.SIGKILL)
    assert target.read_bytes() == b"older"
    left = {p.name for p in source.parent.iterdir()} - {"in.wav", "out.wav"}
    assert len(left) == 1
    assert left.pop().startswith(".soundsafe-")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_signal_in_the_midst_of_libsndfile_ends_the_program(
    source: Path, suffix: str, end: type[BaseException]
) -> None:
    # libsndfile calls back to write; what is raised there does not get through C by itself.
    calls = []

    class Interrupted:
        closed = False

        def __init__(self, file: BinaryIO) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, data: bytes) -> int:
            calls.append(len(data))
            if len(calls) == 1:
                raise end
            return self.file.write(data)

    def copy() -> None:
        with AudioReader(source) as reader, AudioWriter(target, reader.info) as writer:
            assert writer._sink is not None
            writer._sink.file = cast(BinaryIO, Interrupted(writer._sink.file))
            for block in reader.blocks():
                writer.write(block)
            writer.commit()

    target = source.parent / f"out{suffix}"
    with pytest.raises(end):
        copy()
    assert calls
    assert [p.name for p in source.parent.iterdir()] == ["in.wav"]


def test_what_a_killed_writer_left_is_taken_away(source: Path) -> None:
    left, young, other = (
        source.with_name(name)
        for name in (".soundsafe-0123456789ab.tmp", ".soundsafe-0123456789ac.tmp", ".soundsafe-mine.tmp")
    )
    for path in (left, young, other):
        path.touch()
    hour_ago = time.time() - 3600
    for path in (left, other):
        os.utime(path, (hour_ago, hour_ago))
    with AudioReader(source) as reader, AudioWriter(source.parent / "b.wav", reader.info) as first:
        assert not left.exists()
        first.write(reader.read(1_000))
        first.finish()  # from here on it is read back, for as long as that takes
        os.utime(first.partial, (hour_ago, hour_ago))
        with AudioWriter(source.parent / "c.wav", reader.info):
            assert first.partial.exists()
        first.commit()
    assert young.exists()
    assert other.exists()


def test_two_that_write_one_output_do_not_mix(source: Path) -> None:
    target = source.parent / "out.wav"
    first, info = read_audio(source)
    with AudioWriter(target, info) as one, AudioWriter(target, info) as other:
        for start in range(0, first.shape[1], 5_000):
            one.write(first[:, start : start + 5_000])
            other.write(-first[:, start : start + 5_000])
        one.commit()
        assert (read_audio(target)[0] == first).all()
        other.commit()
    assert (read_audio(target)[0] == -first).all()
    assert sorted(p.name for p in source.parent.iterdir()) == ["in.wav", "out.wav"]


def test_a_finished_file_can_be_read_back_before_it_has_its_name(source: Path) -> None:
    target = source.parent / "out.wav"
    with AudioReader(source) as reader, AudioWriter(target, reader.info) as writer:
        for block in reader.blocks():
            writer.write(block)
        partial = writer.finish()
        assert partial == writer.finish()
        assert not target.exists()
        assert (read_audio(partial)[0] == read_audio(source)[0]).all()
        with pytest.raises(ValueError, match="finished"):
            writer.write(np.zeros((2, 1), np.float32))
        writer.commit()
    assert target.exists()
    assert not partial.exists()
    assert writer.frames == 20_000


def test_a_link_as_target_keeps_pointing_where_it_did(source: Path) -> None:
    (source.parent / "real.wav").write_bytes(b"old")
    (source.parent / "link.wav").symlink_to("real.wav")
    copy(source, source.parent / "link.wav")
    assert (source.parent / "link.wav").is_symlink()
    assert soundfile.info(source.parent / "real.wav").frames == 20_000


def test_outputs_have_ordinary_permissions(source: Path) -> None:
    old = os.umask(0o027)
    try:
        copy(source, source.parent / "out.wav")
    finally:
        os.umask(old)
    assert (source.parent / "out.wav").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("audio", [np.zeros(5), np.zeros((1, 5)), np.full((2, 5), np.nan)])
def test_write_refuses_what_is_no_audio(source: Path, audio: NDArray[np.float64]) -> None:
    with (
        AudioReader(source) as reader,
        AudioWriter(source.parent / "out.wav", reader.info) as writer,
        pytest.raises(ValueError, match=r"channels|finite"),
    ):
        writer.write(audio)


# --- tags


def picture(data: bytes = b"\x89PNG fake") -> flac.Picture:
    cover = flac.Picture()
    cover.type, cover.mime, cover.desc, cover.data = 3, "image/png", "front", data
    return cover


COMMENTS = [("TITLE", "Ünïcode"), ("ARTIST", "A"), ("ARTIST", "B"), ("DATE", "2001"), ("MYTAG", "x=y")]


def tagged_flac(path: Path) -> Path:
    soundfile.write(path, noise().T, 44_100)
    file = flac.FLAC(path)
    assert file.tags is not None
    file.tags.extend(COMMENTS)
    file.add_picture(picture())
    file.metadata_blocks.append(application_block())
    file.save()
    return path


def application_block() -> flac.MetadataBlock:
    block = flac.MetadataBlock(b"testapplication")
    block.code = 2  # type: ignore[attr-defined]
    return block


def id3_tag() -> id3.ID3:
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=3, text="Ünïcode"))
    tag.add(id3.TPE1(encoding=3, text=["A", "B"]))
    tag.add(id3.TDRC(encoding=3, text="2001"))
    tag.add(id3.TXXX(encoding=3, desc="mytag", text="x=y"))
    tag.add(id3.COMM(encoding=3, lang="eng", desc="", text="a comment"))
    tag.add(id3.TCON(encoding=3, text="(17)"))
    tag.add(id3.APIC(encoding=3, mime="image/png", type=3, desc="front", data=b"\x89PNG fake"))
    return tag


def test_flac_to_flac_keeps_comments_pictures_and_blocks(tmp_path: Path) -> None:
    source = tagged_flac(tmp_path / "a.flac")
    assert copy(source, tmp_path / "b.flac").warnings == ()
    out = flac.FLAC(tmp_path / "b.flac")
    assert list(out.tags) == COMMENTS
    assert [p.data for p in out.pictures] == [b"\x89PNG fake"]
    assert [b.write() for b in out.metadata_blocks if b.code == 2] == [b"testapplication"]
    assert (read_audio(source)[0] == read_audio(tmp_path / "b.flac")[0]).all()
    info = read_audio(tmp_path / "b.flac")[1]
    assert info.tags["ARTIST"] == ("A", "B")


def test_flac_to_wav_gives_id3(tmp_path: Path) -> None:
    copy(tagged_flac(tmp_path / "a.flac"), tmp_path / "b.wav")
    found = audio_tags.read(tmp_path / "b.wav", "WAV")
    assert sorted(found.comments) == sorted(COMMENTS)
    assert found.pictures[0].data == b"\x89PNG fake"
    assert soundfile.info(tmp_path / "b.wav").frames == 20_000


@pytest.mark.parametrize("target", ["b.flac", "b.wav"])
def test_mp3_tags_are_translated(tmp_path: Path, target: str) -> None:
    source = mp3(tmp_path / "a.mp3", noise(50_000))
    id3_tag().save(source)
    copy(source, tmp_path / target)
    found = audio_tags.read(tmp_path / target, "FLAC" if target.endswith("flac") else "WAV")
    assert sorted(found.comments) == sorted([*COMMENTS, ("COMMENT", "a comment"), ("GENRE", "Rock")])
    assert (found.pictures[0].data, found.pictures[0].mime) == (b"\x89PNG fake", "image/png")


@pytest.mark.parametrize("target", ["b.flac", "b.wav"])
def test_ogg_comments_and_pictures_are_kept(tmp_path: Path, target: str) -> None:
    import base64

    source = tmp_path / "a.ogg"
    soundfile.write(source, noise(50_000).T, 44_100)
    file = oggvorbis.OggVorbis(source)
    assert file.tags is not None
    file.tags.extend([*COMMENTS, ("metadata_block_picture", base64.b64encode(picture().write()).decode())])
    file.save()
    copy(source, tmp_path / target)
    found = audio_tags.read(tmp_path / target, "FLAC" if target.endswith("flac") else "WAV")
    wanted = set(COMMENTS)
    assert wanted <= set(found.comments)
    assert found.pictures[0].data == b"\x89PNG fake"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)


def test_wav_to_wav_keeps_every_chunk_byte_for_byte(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    id3_tag().save(buffer)
    kept = [
        (b"LIST", b"INFO" + chunk(b"IART", b"Somebody\0") + chunk(b"IGNR", b"Folk\0")),
        (b"bext", b"description".ljust(602, b"\0")),
        (b"iXML", b"<BWFXML/>"),
        (b"id3 ", buffer.getvalue()),
        (b"cue ", struct.pack("<I", 0)),
    ]
    body = wav_header()[8:] + b"".join(chunk(*c) for c in kept) + chunk(b"JUNK", bytes(11))
    source = tmp_path / "a.wav"
    source.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    copy(source, tmp_path / "b.wav")
    out = (tmp_path / "b.wav").read_bytes()
    assert struct.unpack_from("<I", out, 4)[0] == len(out) - 8
    assert list(audio_tags._chunks(tmp_path / "b.wav")) == kept
    assert soundfile.info(tmp_path / "b.wav").frames == 100
    copy(source, tmp_path / "c.flac")
    tags = read_audio(tmp_path / "c.flac")[1].tags
    assert tags["TITLE"] == ("Ünïcode",)
    assert tags["ARTIST"] == ("A", "B")  # the richer of two is taken
    assert tags["GENRE"] == ("Rock",)


@pytest.mark.slow
def test_values_and_chunks_without_number(tmp_path: Path) -> None:
    # So many that work which grows with the square of their number would not end.
    many = 200_000
    comments = tuple(("ARTIST", str(i)) for i in range(many))
    tags = audio_tags.Metadata(comments).tags()
    assert (list(tags), len(tags["ARTIST"]), tags["ARTIST"][-1]) == (["ARTIST"], many, str(many - 1))
    body = wav_header()[8:] + chunk(b"none", b"") * (many // 2)
    (tmp_path / "a.wav").write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    assert len(audio_tags.read(tmp_path / "a.wav", "WAV").chunks) == many // 2
    with AudioReader(tmp_path / "a.wav") as reader:
        assert reader.info.frames == 100


def test_info_entries_become_comments(tmp_path: Path) -> None:
    latin = "Café".encode("latin-1") + b"\0"
    body = wav_header()[8:] + chunk(b"LIST", b"INFO" + chunk(b"INAM", latin) + chunk(b"ICRD", b"1999\0"))
    source = tmp_path / "a.wav"
    source.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    copy(source, tmp_path / "b.flac")
    assert list(flac.FLAC(tmp_path / "b.flac").tags) == [("TITLE", "Café"), ("DATE", "1999")]


def test_tags_survive_in_rf64(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    soundfile.write(source, noise(1_001, 1).T, 44_100, format="RF64")
    with open(source, "ab") as file:
        file.write(chunk(b"iXML", b"<x/>"))
    copy(source, tmp_path / "b.wav")
    assert list(audio_tags._chunks(tmp_path / "b.wav")) == [(b"iXML", b"<x/>")]
    assert soundfile.info(tmp_path / "b.wav").frames == 1_001


@pytest.mark.parametrize("target", ["b.flac", "b.wav"])
def test_hostile_tags_cost_a_warning_and_no_audio(tmp_path: Path, target: str) -> None:
    source = mp3(tmp_path / "a.mp3", noise(50_000))
    source.write_bytes(
        b"ID3\x04\x00\x00\x00\x00\x00\x14" + b"TIT2\x7f\xff\xff\xff" + b"\xff" * 12 + source.read_bytes()
    )
    writer = copy(source, tmp_path / target)
    assert all("\n" not in w for w in writer.warnings)
    assert read_audio(tmp_path / target)[1].frames > 40_000


def test_unreadable_tags_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object) -> None:
        raise IndexError("boom\nand more")

    monkeypatch.setattr(audio_tags, "_read_flac", fail)
    source = tmp_path / "a.flac"
    soundfile.write(source, noise().T, 44_100)
    writer = copy(source, tmp_path / "b.flac")
    assert writer.warnings == (f"tags of {source} could not be read and were not kept: boom and more",)


def left_out(path: Path, names: str) -> tuple[str, ...]:
    return (f"left out of {path}, which cannot hold it: {names}",)


def test_chunks_that_flac_cannot_hold_are_named(tmp_path: Path) -> None:
    chunks = [
        (b"LIST", b"INFO" + chunk(b"IART", b"Somebody\0") + chunk(b"IENG", b"An engineer\0")),
        (b"LIST", b"adtl" + chunk(b"labl", b"\1\0\0\0Mark\0")),
        (b"smpl", bytes(36)),
        (b"bext", bytes(602)),
        (b"bext", bytes(602)),
        (b"iXML", b"<BWFXML/>"),
        (b"cue ", bytes(4)),
    ]
    body = wav_header()[8:] + b"".join(chunk(*c) for c in chunks) + chunk(b"JUNK", bytes(11))
    source = tmp_path / "a.wav"
    source.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    writer = copy(source, tmp_path / "b.flac")
    assert writer.warnings == left_out(tmp_path / "b.flac", "IENG, LIST/adtl, bext, cue, iXML, smpl")
    assert list(flac.FLAC(tmp_path / "b.flac").tags) == [("ARTIST", "Somebody")]
    assert copy(source, tmp_path / "b.wav").warnings == ()


def test_of_chunks_without_number_some_are_named(tmp_path: Path) -> None:
    body = wav_header()[8:] + b"".join(chunk(b"x%03d" % i, b"") for i in range(1_000))
    (tmp_path / "a.wav").write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    (warning,) = copy(tmp_path / "a.wav", tmp_path / "b.flac").warnings
    assert warning.endswith(": " + ", ".join(f"x{i:03d}" for i in range(30)) + ", 970 more")


def test_frames_that_flac_cannot_hold_are_carried_or_named(tmp_path: Path) -> None:
    source = mp3(tmp_path / "a.mp3", noise(50_000))
    tag = id3.ID3()
    tag.add(id3.TPE4(encoding=3, text="R"))
    tag.add(id3.TKEY(encoding=3, text="Am"))
    tag.add(id3.UFID(owner="http://musicbrainz.org", data=b"0123-4567"))
    tag.add(id3.COMM(encoding=3, lang="eng", desc="source", text="a tape"))
    tag.add(id3.COMM(encoding=3, lang="eng", desc="DESCRIPTION", text="of a tape"))
    tag.add(id3.USLT(encoding=3, lang="eng", desc="", text="la la"))
    carried = {
        ("REMIXER", "R"),
        ("INITIALKEY", "Am"),
        ("MUSICBRAINZ_TRACKID", "0123-4567"),
        ("COMMENT", "a tape (source)"),
        ("DESCRIPTION", "of a tape"),
        ("LYRICS", "la la"),
    }
    tag.save(source)
    assert copy(source, tmp_path / "b.flac").warnings == ()
    assert set(flac.FLAC(tmp_path / "b.flac").tags) == carried
    tag.add(id3.UFID(owner="another", data=b"8"))
    tag.add(id3.POPM(email="me", rating=255))
    tag.add(id3.PRIV(owner="me", data=b"1"))
    tag.add(id3.PRIV(owner="you", data=b"2"))
    tag.add(id3.WOAR(url="http://example.org"))
    tag.add(id3.CHAP(element_id="c", start_time=0, end_time=1_000))
    tag.save(source)
    warnings = copy(source, tmp_path / "b.flac").warnings
    assert warnings == left_out(tmp_path / "b.flac", "CHAP, POPM, PRIV, UFID, WOAR")
    assert set(flac.FLAC(tmp_path / "b.flac").tags) == carried
    assert copy(source, tmp_path / "b.wav").warnings == ()
    kept = audio_tags.read(tmp_path / "b.wav", "WAV").frames
    assert kept is not None
    assert sorted(kept) == sorted(tag)


@pytest.mark.parametrize("version", [3, 4])
def test_what_is_in_no_known_form_is_named(tmp_path: Path, version: int) -> None:
    # A frame that mutagen does not know, and a tag of APE, which files by mp3gain have.
    source = mp3(tmp_path / "a.mp3", noise(50_000))
    frame = b"XYZQ" + struct.pack(">IH", 6, 0) + b"hello."
    header = b"ID3" + bytes([version, 0, 0, 0, 0, 0, len(frame)])
    source.write_bytes(header + frame + source.read_bytes())
    ape = apev2.APEv2()
    ape["MP3GAIN_UNDO"] = "+001,+001,N"
    ape.save(source)
    assert copy(source, tmp_path / "b.flac").warnings == left_out(tmp_path / "b.flac", "APEv2, XYZQ")
    left = "APEv2, XYZQ" if version == 3 else "APEv2"
    assert copy(source, tmp_path / "b.wav").warnings == left_out(tmp_path / "b.wav", left)


def test_blocks_that_wav_cannot_hold_are_named(tmp_path: Path) -> None:
    source = tagged_flac(tmp_path / "a.flac")
    file = flac.FLAC(source)
    cue = flac.CueSheet(None)
    cue.compact_disc = False
    track = flac.CueSheetTrack(1, 0)
    track.indexes.append(flac.CueSheetTrackIndex(1, 0))
    cue.tracks += [track, flac.CueSheetTrack(255, 20_000)]
    file.metadata_blocks.append(cue)
    file.save()
    assert copy(source, tmp_path / "b.flac").warnings == ()
    assert flac.FLAC(tmp_path / "b.flac").cuesheet.write() == cue.write()
    writer = copy(source, tmp_path / "b.wav")
    assert writer.warnings == left_out(tmp_path / "b.wav", "APPLICATION, CUESHEET")


def test_chunks_of_aiff_are_named(tmp_path: Path) -> None:
    source = tmp_path / "a.aiff"
    soundfile.write(source, noise().T, 44_100, format="AIFF", subtype="PCM_16")
    data = source.read_bytes() + struct.pack(">4sI", b"MARK", 2) + bytes(2)
    source.write_bytes(data[:4] + struct.pack(">I", len(data) - 8) + data[8:])
    for name in ("b.wav", "b.flac"):
        assert copy(source, tmp_path / name).warnings == left_out(tmp_path / name, "MARK")


def test_every_comment_that_has_a_frame_comes_back_from_it(tmp_path: Path) -> None:
    source = tmp_path / "a.flac"
    soundfile.write(source, noise().T, 44_100)
    comments = [(name, "Rock" if name == "GENRE" else "2001") for name in audio_tags._FRAMES]
    comments += [("COMMENT", "a"), ("DESCRIPTION", "b"), ("LYRICS", "c")]
    file = flac.FLAC(source)
    assert file.tags is not None
    file.tags.extend(comments)
    file.save()
    copy(source, tmp_path / "b.wav")
    assert copy(tmp_path / "b.wav", tmp_path / "c.flac").warnings == ()
    assert sorted(flac.FLAC(tmp_path / "c.flac").tags) == sorted(comments)


def test_id3_of_wav_that_cannot_be_read_is_named_with_a_reason(tmp_path: Path) -> None:
    bad = b"ID3\4\0\0\0\0\x0f\x7f" + b"\xff" * 50  # claims more bytes than there are
    body = wav_header()[8:] + chunk(b"id3 ", bad) + chunk(b"LIST", b"INFO" + chunk(b"IART", b"A\0"))
    source = tmp_path / "a.wav"
    source.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    assert copy(source, tmp_path / "b.flac").warnings == (
        f"ID3 tags of {source} could not be read and were not kept: damaged or cut short (OSError)",
    )
    assert list(flac.FLAC(tmp_path / "b.flac").tags) == [("ARTIST", "A")]
    assert copy(source, tmp_path / "b.wav").warnings == ()  # the chunk is kept as it is
    assert (b"id3 ", bad) in audio_tags._chunks(tmp_path / "b.wav")


def test_a_file_without_tags_gets_none(source: Path) -> None:
    copy(source, source.parent / "b.flac")
    assert not flac.FLAC(source.parent / "b.flac").tags
    assert read_audio(source)[1].tags == {}
    copy(source.parent / "b.flac", source.parent / "c.wav")
    assert list(audio_tags._chunks(source.parent / "c.wav")) == []


@pytest.mark.parametrize("name", ["DATE", "ORIGINALDATE"])
@pytest.mark.parametrize("date", ["2001", "1999-05-12", "circa 1999", "May 1999", "12.05.1999", "1999/2000"])
def test_dates_in_any_words_come_back_from_wav(tmp_path: Path, name: str, date: str) -> None:
    soundfile.write(tmp_path / "in.flac", noise().T, 44_100)
    file = flac.FLAC(tmp_path / "in.flac")
    assert file.tags is not None
    file.tags.extend([(name, date)])
    file.save()
    assert copy(tmp_path / "in.flac", tmp_path / "out.wav").warnings == ()
    assert audio_tags.read(tmp_path / "out.wav", "WAV").tags()[name] == (date,)


def test_a_bad_picture_costs_itself_alone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.ogg", noise().T, 44_100)
    file = oggvorbis.OggVorbis(tmp_path / "in.ogg")
    file["TITLE"] = "kept"
    file["METADATA_BLOCK_PICTURE"] = ["bad!", base64.b64encode(picture().write()).decode()]
    file.save()
    found = audio_tags.read(tmp_path / "in.ogg", "OGG")
    assert found.tags()["TITLE"] == ("kept",)
    assert len(found.pictures) == 1
    assert found.problem is not None
    assert "a picture in" in found.problem


def test_pictures_that_id3_cannot_hold_cost_themselves_alone(tmp_path: Path) -> None:
    source = tagged_flac(tmp_path / "in.flac")
    file = flac.FLAC(source)
    for kind, mime in ((300, "image/png"), (3, "image/\ufffd")):
        bad = picture(b"bad")
        bad.type, bad.mime = kind, mime
        file.add_picture(bad)
    file.save()
    says = f"a picture in {source} was not kept: ID3 holds no"
    warnings = copy(source, tmp_path / "out.wav").warnings
    assert [w for w in warnings if "a picture" in w] == [
        f"{says} picture type 300",
        rf"{says} MIME type 'image/\ufffd'",
    ]
    found = audio_tags.read(tmp_path / "out.wav", "WAV")
    assert sorted(found.comments) == sorted(COMMENTS)
    assert [p.data for p in found.pictures] == [b"\x89PNG fake"]
    assert copy(source, tmp_path / "out.flac").warnings == ()
    assert len(flac.FLAC(tmp_path / "out.flac").pictures) == 3


@pytest.mark.parametrize(("target", "writer"), [("out.wav", "_id3_chunk"), ("out.flac", "_write_flac")])
def test_tags_that_mutagen_cannot_write_cost_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, writer: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("not in range")

    monkeypatch.setattr(audio_tags, writer, fail)
    source = tagged_flac(tmp_path / "in.flac")
    assert f"tags of {source} were not kept: not in range" in copy(source, tmp_path / target).warnings
    assert soundfile.info(tmp_path / target).frames == 20_000


def test_tags_of_big_endian_files_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, noise().T, 44_100, endian="BIG")
    assert path.read_bytes()[:4] == b"RIFX"
    (warning,) = copy(path, tmp_path / "out.flac").warnings
    assert "big-endian" in warning


# --- tags in every place


def places(tag: id3.ID3) -> dict[str, bytes]:
    """ID3 as it is found before and behind files of other kinds."""
    front, back = io.BytesIO(), io.BytesIO()
    tag.save(front)
    tag.save(back, v1=id3.ID3v1SaveOptions.CREATE)
    return {"before": front.getvalue(), "behind": back.getvalue()[-128:]}


@pytest.mark.parametrize("target", ["b.wav", "b.flac"])
@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff"])
def test_id3_around_a_file_is_kept(tmp_path: Path, name: str, place: str, target: str) -> None:
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=3, text="My Song"))
    tag.add(id3.TPE1(encoding=3, text="Me"))
    source = tmp_path / name
    soundfile.write(source, noise().T, 44_100)
    plain = read_audio(source)[0]
    data, around = source.read_bytes(), places(tag)[place]
    source.write_bytes(around + data if place == "before" else data + around)
    writer = copy(source, tmp_path / target)
    assert writer.warnings == ()
    found, info = read_audio(source)
    assert (found == plain).all()
    for tags in (info.tags, read_audio(tmp_path / target)[1].tags):
        assert (tags["TITLE"], tags["ARTIST"]) == (("My Song",), ("Me",))
    assert (read_audio(tmp_path / target)[0] == plain).all()


def test_id3_before_riff_beside_chunks_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    own = chunk(b"LIST", b"INFO" + chunk(b"IART", b"Somebody\0"))
    body = wav_header()[8:] + own
    front = places(id3_tag())["before"]
    source.write_bytes(front + struct.pack("<4sI", b"RIFF", len(body)) + body)
    assert copy(source, tmp_path / "b.wav").warnings == ()
    names = [name for name, _ in audio_tags._chunks(tmp_path / "b.wav")]
    assert names == [b"LIST", b"id3 "]
    # A file has one ID3 chunk: a second tag is named.
    body += chunk(b"id3 ", front)
    source.write_bytes(front + struct.pack("<4sI", b"RIFF", len(body)) + body)
    assert copy(source, tmp_path / "c.wav").warnings == left_out(
        tmp_path / "c.wav", "ID3 tags around the file"
    )


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("fmt", ["WAV", "WAVEX", "RF64"])
def test_chunks_stay_on_their_side_of_the_samples(tmp_path: Path, fmt: str, subtype: str) -> None:
    source = tmp_path / "a.wav"
    soundfile.write(source, noise(5_001, 3).T, 44_100, format=fmt, subtype=subtype)
    data = source.read_bytes()
    at = data.index(b"data", data.index(b"fmt "))
    before = chunk(b"bext", b"x".ljust(603, b"\0")) + chunk(b"iXML", b"<BWFXML/>")
    data = data[:at] + before + data[at:] + b"\0" * (len(data) % 2) + chunk(b"cue ", bytes(4))
    if fmt != "RF64":
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    source.write_bytes(data)
    copy(source, tmp_path / "b.wav")
    out = (tmp_path / "b.wav").read_bytes()
    assert (
        out.index(b"bext") < out.index(b"iXML") < out.index(b"data", out.index(b"fmt ")) < out.index(b"cue ")
    )
    assert before in out
    assert (read_audio(tmp_path / "b.wav")[0] == read_audio(source)[0]).all()
    assert struct.unpack_from("<I", out, 4)[0] == len(out) - 8  # libsndfile makes small RF64 files RIFF
    copy(tmp_path / "b.wav", tmp_path / "c.wav")
    assert (tmp_path / "c.wav").read_bytes() == out


def bomb(version: int, size: int) -> bytes:
    """A tag with a compressed title that inflates to `size` bytes."""
    content = zlib.compress(b"\3" + bytes(size), 9)
    if version == 4:
        length = bytes(size >> 7 * i & 0x7F for i in (3, 2, 1, 0))
        body = length + content
        frame = b"TIT2" + bytes(len(body) >> 7 * i & 0x7F for i in (3, 2, 1, 0)) + b"\0\x09" + body
    else:
        body = struct.pack(">I", size) + content
        frame = b"TIT2" + struct.pack(">I", len(body)) + b"\0\x80" + body
    return b"ID3" + bytes([version, 0, 0]) + bytes(len(frame) >> 7 * i & 0x7F for i in (3, 2, 1, 0)) + frame


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "chunk.wav", "chunk.aiff"])
def test_compressed_tags_are_not_inflated(tmp_path: Path, name: str, version: int) -> None:
    path, tag = tmp_path / name, bomb(version, 30_000_000)
    if name == "a.mp3":
        mp3(path, noise(50_000))
    else:
        soundfile.write(path, noise().T, 44_100)
    data = path.read_bytes()
    if name.startswith("chunk"):
        order = "<" if name.endswith("wav") else ">"
        data += struct.pack(f"{order}4sI", b"ID3 " if order == ">" else b"id3 ", len(tag)) + tag
        data += b"\0" * (len(tag) % 2)
        data = data[:4] + struct.pack(f"{order}I", len(data) - 8) + data[8:]
        path.write_bytes(data)
    else:
        path.write_bytes(tag + data)
    tracemalloc.start()
    with AudioReader(path) as reader:
        assert "TITLE" not in reader.info.tags
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    assert "TIT2" in copy(path, tmp_path / "b.flac").warnings[0]


def test_who_only_reads_samples_reads_no_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tagged_flac(tmp_path / "a.flac")
    monkeypatch.setattr(audio_tags, "read", lambda *_: pytest.fail("tags were read"))
    with AudioReader(path, tags=False) as reader:
        assert reader.read(100).shape == (2, 100)
