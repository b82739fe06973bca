"""What FFmpeg reads: lossy and lossless codecs in their containers, beside video, damaged and cut."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundsafe.errors import InputError
from soundsafe.files import audio_tags
from soundsafe.files.audio_file import AudioReader, AudioWriter, read_audio

RATE = 48_000
KINDS = {  # name: container, codec, what is said of it
    "a.m4a": ("mp4", "aac", ("MP4", "AAC")),
    "a.aac": ("adts", "aac", ("AAC", "AAC")),
    "a.webm": ("webm", "libopus", ("MATROSKA", "OPUS")),
    "a.mka": ("matroska", "ac3", ("MATROSKA", "AC3")),
    "a.wma": ("asf", "wmav2", ("ASF", "WMAV2")),
    "a.mp2": ("mp2", "mp2", ("MP3", "MPEG_LAYER_II")),
    "mp3.wav": ("wav", "libmp3lame", ("WAV", "MPEG_LAYER_III")),
    "alac.m4a": ("mp4", "alac", ("MP4", "PCM_16")),
    "a.wv": ("wv", "wavpack", ("WV", "PCM_16")),
    "a.ts": ("mpegts", "aac", ("MPEGTS", "AAC")),
}
LOSSLESS = ("alac.m4a", "a.wv")


def tone(seconds: float = 3.0) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.stack([np.sin(2 * np.pi * hz * time) for hz in (440, 660)]).astype(np.float32) * 0.3


def encoded(path: Path, video: bool = False, tags: dict[str, str] | None = None, tracks: int = 1) -> Path:
    container, codec, _ = KINDS.get(path.name, ("mp4", "aac", ()))
    with av.open(str(path), "w", format=container) as out:
        out.metadata.update(tags or {})
        if video:
            picture = out.add_stream("mpeg4", rate=25)
            picture.width = picture.height = 64
        streams = [out.add_stream(codec, rate=RATE, layout="stereo") for _ in range(tracks)]
        for stream in streams:
            stream.bit_rate = 128_000
            if path.name in LOSSLESS:
                stream.codec_context.format = "s16p"
        for stream in streams:
            fmt = stream.codec_context.format.name
            resampler = av.AudioResampler(format=fmt, layout="stereo", rate=RATE)
            frame = av.AudioFrame.from_ndarray(tone(), format="fltp", layout="stereo")
            frame.sample_rate = RATE
            fifo = av.AudioFifo()
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                fifo.write(part)
            size = stream.codec_context.frame_size or 1024
            while (part := fifo.read(size) or fifo.read(size, partial=True)) is not None:
                out.mux(stream.encode(part))
            out.mux(stream.encode(None))
        if video:
            for index in range(25):
                image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
                image.pts = index
                out.mux(picture.encode(image))
            out.mux(picture.encode(None))
    return path


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_whole(tmp_path: Path, name: str) -> None:
    path = encoded(tmp_path / name)
    with AudioReader(path) as reader:
        blocks = [block.shape for block in reader.blocks(40_000)]
        info = reader.info
        assert reader.warnings == ()
    audio = read_audio(path)[0]
    assert (info.format, info.subtype) == KINDS[name][2]
    assert (info.rate, info.channels) == (RATE, 2)
    assert sum(shape[1] for shape in blocks) == audio.shape[1]
    assert abs(audio.shape[1] - 3 * RATE) < 5_000
    assert abs(info.frames - audio.shape[1]) < 5_000
    spectrum = np.abs(np.fft.rfft(audio[:, RATE : 2 * RATE]))
    assert spectrum.argmax(axis=1).tolist() == [440, 660]
    assert 0.25 < np.abs(audio[:, RATE : 2 * RATE]).max() < 0.45
    if name in LOSSLESS:
        assert np.abs(audio - tone()).max() <= 2.0**-15


def test_the_audio_track_of_a_video(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.mp4", video=True)
    audio, info = read_audio(path)
    assert info.format == "MP4"
    assert abs(audio.shape[1] - 3 * RATE) < 5_000


def test_of_several_tracks_it_is_said_which_is_read(tmp_path: Path) -> None:
    with AudioReader(encoded(tmp_path / "a.mp4", tracks=2)) as reader:
        assert reader.warnings == (f"{tmp_path / 'a.mp4'} has 2 audio tracks, of which number 1 is read",)


def test_a_video_without_audio(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.mp4", video=True, tracks=0)
    with pytest.raises(InputError, match=r"not audio that can be read \(it has no audio track\)"):
        AudioReader(path)


@pytest.mark.parametrize("target", ["b.wav", "b.flac"])
def test_tags_are_kept(tmp_path: Path, target: str) -> None:
    path = encoded(tmp_path / "a.m4a", tags={"title": "Ünïcode", "album_artist": "Me", "track": "3"})
    with AudioReader(path) as reader, AudioWriter(tmp_path / target, reader.info) as writer:
        for block in reader.blocks():
            writer.write(block)
        writer.commit()
        assert writer.warnings == ()
        assert reader.info.tags["TITLE"] == ("Ünïcode",)
    tags = read_audio(tmp_path / target)[1].tags
    assert (tags["TITLE"], tags["ALBUMARTIST"], tags["TRACKNUMBER"]) == (("Ünïcode",), ("Me",), ("3",))
    assert soundfile.info(tmp_path / target).subtype == "PCM_24"


def test_a_lossless_file_comes_out_as_it_was(tmp_path: Path) -> None:
    path = encoded(tmp_path / "alac.m4a")
    with AudioReader(path) as reader, AudioWriter(tmp_path / "b.wav", reader.info) as writer:
        for block in reader.blocks():
            writer.write(block)
        writer.commit()
    assert soundfile.info(tmp_path / "b.wav").subtype == "PCM_16"
    assert (read_audio(path)[0] == read_audio(tmp_path / "b.wav")[0]).all()


def test_a_file_that_ends_before_its_header_says_so_is_named(tmp_path: Path) -> None:
    whole = encoded(tmp_path / "a.webm").read_bytes()
    path = tmp_path / "cut.webm"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with AudioReader(path) as reader:
        seconds = sum(block.shape[1] for block in reader.blocks()) / RATE
        assert 1.0 < seconds < 2.5
        assert any("its header says 3" in warning for warning in reader.warnings), reader.warnings


def test_damage_of_a_lossless_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(encoded(tmp_path / "a.wv").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (tmp_path / "a.wv").write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        read_audio(tmp_path / "a.wv")


def test_damage_of_a_lossy_file_is_told(tmp_path: Path) -> None:
    content = bytearray(encoded(tmp_path / "a.webm").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2_000] = b"\xff" * 2_000
    (tmp_path / "a.webm").write_bytes(bytes(content))
    with AudioReader(tmp_path / "a.webm") as reader:
        for _ in reader.blocks():
            pass
        assert reader.warnings


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:3,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {path}\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{path}</BaseURL></MPD>",
    ],
)
def test_lists_that_name_other_files_are_not_followed(tmp_path: Path, content: str) -> None:
    other = encoded(tmp_path / "a.m4a")
    path = tmp_path / "list.m4a"
    path.write_text(content.format(path=other))
    with pytest.raises(InputError, match="not audio that can be read"):
        AudioReader(path)


def test_channels_keep_their_loudspeakers(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("alac", rate=RATE, layout="5.1")
        stereo = tone(1.0)
        frame = av.AudioFrame.from_ndarray(
            np.round(np.tile(stereo[:1], (6, 1)) * 2**15).astype(np.int16), format="s16p", layout="5.1"
        )
        frame.sample_rate = RATE
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(4096) or fifo.read(4096, partial=True)) is not None:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    info = read_audio(path)[1]
    assert (info.channels, info.channel_mask) == (6, 0x3F)


def test_tags_of_what_is_no_audio_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"nothing")
    assert audio_tags.read(tmp_path / "a.m4a", "MP4") == audio_tags.Metadata()
