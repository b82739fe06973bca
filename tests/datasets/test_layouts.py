"""Corpora as people have them, in tiny folders: the right groups, splits and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from soundsafe import datasets
from soundsafe.datasets.dataset import with_groups
from soundsafe.errors import InputError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".wav", ".flac"):
            soundfile.write(path, [0.1, 0.2], 8000)
        else:
            path.write_bytes(b"x")


def facts(name: str, split: str | None = None) -> list[tuple[str, str, str | None, str]]:
    return [(c.clip, c.category, c.split, c.group) for c in datasets.load(name, split).clips]


def test_librispeech_by_speaker(tmp_path: Path) -> None:
    names = ("test-clean/61/70968/61-70968-0000.flac", "test-clean/61/70970/61-70970-0001.flac")
    touch(tmp_path, *names, "dev-other/116/288045/116-288045-0000.flac", "test-clean/61/70968/61.trans.txt")
    assert facts(f"librispeech:{tmp_path}", "test") == [
        ("61-70968-0000", "speech", "test", "speaker 61"),
        ("61-70970-0001", "speech", "test", "speaker 61"),
    ]
    assert facts(f"librispeech:{tmp_path}")[0] == ("116-288045-0000", "speech", "val", "speaker 116")
    assert datasets.load(f"librispeech:{tmp_path}/test-clean").clips[0].group == "speaker 61"
    with pytest.raises(InputError, match="no clip in split train; it has test, val"):
        facts(f"librispeech:{tmp_path}", "train")


def test_vctk_by_speaker_with_one_of_two_microphones(tmp_path: Path) -> None:
    touch(tmp_path, *(f"wav48_silence_trimmed/p225/p225_001_mic{m}.flac" for m in (1, 2)))
    touch(tmp_path, "wav48/p226/p226_002.wav", "txt/p225/p225_001.txt")
    assert facts(f"vctk:{tmp_path}", "test") == [
        ("p226_002", "speech", None, "speaker p226"),
        ("p225_001_mic1", "speech", None, "speaker p225"),
    ]


def test_common_voice_by_client(tmp_path: Path) -> None:
    touch(tmp_path, "lt/clips/a.mp3", "lt/clips/b.mp3")
    for name, rows in (("test", "c" * 40 + "\ta.mp3\n"), ("dev", "d\tb.mp3\nd\tnot_here.mp3\n")):
        (tmp_path / "lt" / f"{name}.tsv").write_text("client_id\tpath\n" + rows)
    assert facts(f"common_voice:{tmp_path}") == [
        ("b", "speech", "val", "client d"),
        ("a", "speech", "test", "client " + "c" * 16),
    ]


def test_musdb18_by_track_with_or_without_stems(tmp_path: Path) -> None:
    touch(tmp_path, *(f"test/A - B/{n}.wav" for n in ("mixture", "vocals", "drums", "bass", "other")))
    touch(tmp_path, "train/C - D.stem.mp4")
    assert facts(f"musdb18:{tmp_path}") == [
        ("C - D", "music", "train", "track C - D"),
        ("A - B", "music", "test", "track A - B"),
    ]
    stems = facts(f"musdb18_stems:{tmp_path}")
    assert [clip for clip, *_ in stems] == [f"A - B/{n}" for n in ("vocals", "drums", "bass", "other")]
    assert {group for *_, group in stems} == {"track A - B"}


def test_fma_by_artist(tmp_path: Path) -> None:
    touch(tmp_path, "fma_small/000/000002.mp3", "fma_small/000/000005.mp3", "fma_small/000/000099.mp3")
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_text(
        ",artist,set,track,track\n,id,split,genre_top,license\ntrack_id,,,,\n"
        '2,1,training,Hip-Hop,"CC, BY"\n5,1,test,,CC0\n'
    )
    expected = [("000002", "hip-hop", "train", "artist 1"), ("000005", "music", "test", "artist 1")]
    assert facts(f"fma:{tmp_path}") == facts(f"fma:{tmp_path}/fma_small") == expected
    with pytest.raises(InputError, match=r"tracks\.csv is needed, which names the artists"):
        facts(f"fma:{tmp_path}/fma_small/000")


def test_a_folder_of_another_corpus_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    for layout in ("librispeech", "vctk", "common_voice", "musdb18", "musdb18_stems"):
        with pytest.raises(InputError, match="it holds no "):
            facts(f"{layout}:{tmp_path}")
    with pytest.raises(InputError, match="no such folder; give that of VCTK"):
        facts("vctk:nowhere")


def test_groups_of_any_folder_and_the_note_where_none_are_known(tmp_path: Path) -> None:
    touch(tmp_path, "ann/1.wav", "ann/2.wav", "bob/s7_1.wav")
    name = str(tmp_path)
    assert "--group-by parent|REGEX" in datasets.load(name).note
    by_parent = datasets.load(with_groups(name, "parent"))
    assert [c.group for c in by_parent.clips] == ["ann", "ann", "bob"]
    assert by_parent.note == ""
    assert by_parent.name == f"{name}:group-by=parent"
    found = datasets.load(with_groups(f"{name}:mono", r"(\w)\w\w/"))
    assert [c.group for c in found.clips] == ["a", "a", "b"]
    assert found.clips[0].mono
    assert [c.group for c in datasets.load(name, group_by=r"^...").clips] == ["ann", "ann", "bob"]
    with pytest.raises(InputError, match=r"ann/1\.wav does not match"):
        datasets.load(name, group_by="s7")
    with pytest.raises(InputError, match="no regular expression"):
        datasets.load(name, group_by="(")


def test_the_public_corpus_is_made_first() -> None:
    with pytest.raises(InputError, match="soundsafe-eval dataset make open-audio DIR"):
        datasets.load("open-audio")
