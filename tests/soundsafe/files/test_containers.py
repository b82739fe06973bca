"""Headers that state another length than the file has, in every container."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import soundsafe
from soundsafe.errors import InputError
from soundsafe.files import containers
from soundsafe.files.audio_file import AudioReader, read_audio

FRAMES = 9_000
SIZES = {  # the field of the samples' size: what it stands behind, how far, its form, what else it counts
    "WAV": (b"data", 4, "<I", 0),
    "WAVEX": (b"data", 4, "<I", 0),
    "RF64": (b"ds64", 16, "<q", 0),
    "RIFX": (b"data", 4, ">I", 0),
    "AIFF": (b"SSND", 4, ">I", 8),
    "CAF": (b"data", 4, ">q", 4),
    "W64": (b"data", 16, "<q", 24),
    "AU": (b".snd", 8, ">I", 0),
}
UNKNOWN = {"WAV": 2**32 - 1, "WAVEX": 2**32 - 37, "RF64": -1, "RIFX": 2**32 - 1, "CAF": -1, "AU": 2**32 - 1}


def audio(subtype: str = "PCM_16") -> NDArray[np.float32]:
    out = np.random.default_rng(1).standard_normal((2, FRAMES)).astype(np.float32) * 0.1
    whole = np.round(out * 2**15) / 2**15
    return (out if subtype == "FLOAT" else whole).astype(np.float32)


def sound(container: str, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    endian = {"RIFX": "BIG", "AU": "BIG"}.get(container, "FILE")
    fmt = "WAV" if container == "RIFX" else container
    soundfile.write(buffer, audio(subtype).T, 44_100, format=fmt, subtype=subtype, endian=endian)
    return buffer.getvalue()


def stating(content: bytes, container: str, size: int) -> bytes:
    """`content` with a header that states so many bytes of samples."""
    mark, after, form, more = SIZES[container]
    out = bytearray(content)
    struct.pack_into(form, out, content.index(mark) + after, size + more if size >= 0 else size)
    return bytes(out)


def test_the_way_the_test_lies_is_right(tmp_path: Path) -> None:
    for container in SIZES:
        content = sound(container)
        assert stating(content, container, 4 * FRAMES) == content
        (tmp_path / container).write_bytes(content)
        with AudioReader(tmp_path / container) as reader:
            assert reader.warnings == ()
            assert (np.concatenate(list(reader.blocks()), axis=1) == audio()).all()


@pytest.mark.parametrize("container", SIZES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 4 * FRAMES + 40_000), st.sampled_from(["PCM_16", "FLOAT"]))
def test_no_audio_is_lost_in_silence(tmp_path: Path, container: str, size: int, subtype: str) -> None:
    width = 4 if subtype == "PCM_16" else 8
    held = width * FRAMES
    assume(size != held)
    path = tmp_path / "a.x"
    path.write_bytes(stating(sound(container, subtype), container, size))
    if size > held:
        with pytest.raises(InputError, match="cut off") as caught:
            AudioReader(path)
        assert "\n" not in str(caught.value)
        return
    with AudioReader(path) as reader:
        (warning,) = reader.warnings
        found = np.concatenate(list(reader.blocks()), axis=1)
    if 0 < held - size < 4096 and size:
        assert warning.startswith(f"{path} has {held - size} bytes behind its audio")
        assert found.shape[1] == size // width
    else:
        says = f"the header of {path} states {size} bytes of audio, of which it holds {held}"
        assert warning.startswith(says)
        assert found.shape[1] == FRAMES
    assert (found == audio(subtype)[:, : found.shape[1]]).all()


@pytest.mark.parametrize("container", UNKNOWN)
def test_a_size_that_a_pipe_did_not_know(tmp_path: Path, container: str) -> None:
    path = tmp_path / "a.x"
    path.write_bytes(stating(sound(container), container, UNKNOWN[container]))
    with AudioReader(path) as reader:
        assert reader.warnings == ()
        assert (np.concatenate(list(reader.blocks()), axis=1) == audio()).all()


def chunk(name: bytes, data: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}4sI", name, len(data)) + data + b"\0" * (len(data) % 2)


@pytest.mark.parametrize(
    "after",
    [
        chunk(b"LIST", b"INFO" + chunk(b"IART", b"Me\0\0")),
        chunk(b"abcd", bytes(7)) + chunk(b"iXML", b"<x/>"),
        chunk(b"LIST", b"INFO" + bytes(3000))[:-1000],
        b"TAG" + bytes(125),
        b"ID3\4\0\0\0\0\0\x0a" + bytes(10),
        b"APETAGEX" + bytes(500),
        b"\0",
    ],
)
def test_what_belongs_behind_the_audio_is_none(tmp_path: Path, after: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(sound("WAV") + after)
    with AudioReader(path) as reader:
        assert reader.warnings == ()
        assert reader.info.frames == FRAMES


@pytest.mark.parametrize("container", ["WAV", "AIFF"])
def test_chunks_behind_samples_whose_size_was_never_written(tmp_path: Path, container: str) -> None:
    # An ID3v1 tag is told from audio; of chunks behind a size of 0 nothing can be known.
    path = tmp_path / "a.x"
    path.write_bytes(stating(sound(container), container, 0) + b"TAG" + bytes(125))
    assert read_audio(path)[0].shape == (2, FRAMES)


def test_more_than_four_gigabytes_in_a_wav_file(tmp_path: Path) -> None:
    # A sparse file: its size wraps around 2^32, as programs without RF64 leave it.
    path = tmp_path / "a.wav"
    head = sound("WAV")
    held = 2**32 + 4 * FRAMES
    with open(path, "wb") as file:
        file.write(stating(head, "WAV", held % 2**32))
        file.truncate(len(head) - 4 * FRAMES + held)
    with AudioReader(path) as reader:
        assert (reader.info.frames, reader.info.format) == (held // 4, "WAV")
        (warning,) = reader.warnings
        assert f"holds {held}" in warning
        assert (reader.read(FRAMES) == audio()).all()
        assert not reader.read(1_000).any()


def test_an_rf64_file_whose_sizes_were_never_written(tmp_path: Path) -> None:
    data = bytearray(sound("RF64"))
    at = data.index(b"ds64") + 8
    data[at : at + 24] = bytes(24)
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(data))
    found, info = read_audio(path)
    assert (found == audio()).all()
    assert info.format == "RF64"


@pytest.mark.parametrize(("stated", "warns"), [(0, False), (1, True), (FRAMES - 100, True), (FRAMES, False)])
@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\0\x0a" + bytes(10)])
def test_flac_that_states_too_little(tmp_path: Path, stated: int, warns: bool, tag: bytes) -> None:
    content = bytearray(sound("FLAC"))
    content[21] = content[21] & 0xF0 | stated >> 32
    content[22:26] = (stated & 0xFFFF_FFFF).to_bytes(4, "big")
    path = tmp_path / "a.flac"
    path.write_bytes(tag + content)
    with AudioReader(path) as reader:
        assert reader.info.frames == FRAMES
        assert bool(reader.warnings) == warns
        assert (np.concatenate(list(reader.blocks()), axis=1) == audio()).all()


def test_flac_that_states_too_much_is_damaged(tmp_path: Path) -> None:
    content = bytearray(sound("FLAC"))
    content[22:26] = (2 * FRAMES).to_bytes(4, "big")
    (tmp_path / "a.flac").write_bytes(bytes(content))
    with pytest.raises(InputError, match="is damaged"):
        read_audio(tmp_path / "a.flac")


def test_embedding_marks_what_the_header_does_not_state(tmp_path: Path) -> None:
    path, out = tmp_path / "a.wav", tmp_path / "b.wav"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.standard_normal((88_200, 1)) * 0.1, 44_100, subtype="PCM_16")
    path.write_bytes(stating(path.read_bytes(), "WAV", 88_200))  # 1 of 2 s
    answer = soundsafe.embed_file(path, out, b"x", quality="fast", layers=("eul",))
    assert answer.euls == 2
    assert any("all of it is read" in warning for warning in answer.warnings)
    assert soundfile.info(out).frames == 88_200


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([*containers._KINDS, *containers._AU]))
def test_any_bytes_are_looked_at_without_an_error(content: bytes, kind: bytes) -> None:
    file = io.BytesIO(kind + content)
    containers.samples(file)
    list(containers.chunks(file))
    containers.never_ends(file)
