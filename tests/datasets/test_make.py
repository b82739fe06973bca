"""Corpora made from packages that are built here: the same twice, gone on with, refused in one line."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsafe.datasets import debian, load, make, recipe
from soundsafe.errors import InputError

RATE = 8000
HEAD = "clip,category,split,group,license,lossy,package,version,paths,start_s,length_s,rate,channels,sha256"


def wav(first: int) -> bytes:
    """Two seconds of 16-bit audio that rise by a step in each sample, so that every cut shows where it is."""
    data = io.BytesIO()
    samples = (first + np.arange(2 * RATE) % 999).astype(np.int16)
    soundfile.write(data, samples, RATE, format="WAV", subtype="PCM_16")
    return data.getvalue()


def deb(path: Path, files: dict[str, bytes], packing: str = "gz") -> None:
    """A Debian package: an ar archive of three members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    out = b"!<arch>\n"
    packed = (gzip if packing == "gz" else lzma).compress(data.getvalue())
    members = {"debian-binary": b"2.0\n", "control.tar.gz": b"odd", f"data.tar.{packing}": packed}
    for name, content in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        out += head.encode() + content + b"\n" * (len(content) % 2)
    path.write_bytes(out)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "debs"
    folder.mkdir()
    said = {"usr/share/doc/tunes/copyright": b"tunes: CC0", "usr/share/doc/words/copyright": b"words: CC0"}
    deb(folder / "tunes_1%3a1.0-1_all.deb", {"usr/a.wav": wav(3000), "usr/unused": b"x" * 9, **said})
    deb(folder / "words_2-1_all.deb", {"usr/b.wav": wav(6000), "usr/c.wav": wav(-7000), **said}, "xz")
    return folder


@pytest.fixture
def table(tmp_path: Path, packages: Path) -> Path:
    """A recipe whose hashes are those of an earlier making."""
    lines = [
        "tune,music,test,tunes:a,CC0-1.0,no,tunes,1:1.0-1,usr/a.wav,0.5,1,8000,1,",
        "word,speech,val,words:b,CC0-1.0,no,words,2-1,usr/b.wav; usr/c.wav,1.5,1,8000,1,",
    ]
    path = tmp_path / "tiny.csv"
    path.write_text("\n".join([HEAD, *lines]))
    made = make.make(str(path), tmp_path / "first", packages=packages)
    assert made.different == ("tune", "word")  # no hash is known yet
    hashes = [clip.columns["sha256"] for clip in load(tmp_path / "first").clips]
    path.write_text("\n".join([HEAD, *(a + b for a, b in zip(lines, hashes, strict=True))]))
    recipe.read_recipe.cache_clear()
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_corpus_is_the_same_twice_and_what_the_recipe_says(
    tmp_path: Path, table: Path, packages: Path
) -> None:
    told: list[tuple[int, int, str]] = []
    made = make.make(str(table), tmp_path / "a", packages=packages, progress=lambda *x: told.append(x))
    make.make(str(table), tmp_path / "b", packages=packages)
    assert (made.clips, made.groups, made.kept, made.different) == (2, 2, 0, ())
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert (tmp_path / "a" / "licenses" / "tunes.txt").read_text() == "tunes: CC0"
    assert told[-1][:2] == (2, 2)
    tune, word = load(tmp_path / "a").clips
    assert (tune.category, tune.split, tune.group, tune.license) == ("music", "test", "tunes:a", "CC0-1.0")
    assert tune.columns["source_version"] == "1:1.0-1"
    samples, _ = tune.read()
    assert np.array_equal(samples[0] * 32768, 3000 + np.arange(4000, 12_000) % 999)
    joined = word.read()[0][0] * 32768  # half a second of the first file, half of the second
    assert np.array_equal(joined[:4000], 6000 + np.arange(12_000, 16_000) % 999)
    assert np.array_equal(joined[4000:], -7000 + np.arange(4000) % 999)


def test_it_goes_on_where_it_was_and_mends_what_was_damaged(
    tmp_path: Path, table: Path, packages: Path
) -> None:
    folder = tmp_path / "a"
    make.make(str(table), folder, packages=packages)
    whole = contents(folder)
    (folder / "manifest.csv").unlink()
    (folder / "word.flac").write_bytes(b"half")
    (packages / "tunes_1%3a1.0-1_all.deb").unlink()  # not needed again
    made = make.make(str(table), folder, packages=packages)
    assert (made.kept, made.different) == (1, ())
    assert contents(folder) == whole


def test_what_is_missing_is_named_at_once(tmp_path: Path, table: Path, packages: Path) -> None:
    (packages / "words_2-1_all.deb").unlink()
    with pytest.raises(InputError, match=r"debs lacks words: apt-get download words$"):
        make.make(str(table), tmp_path / "a", packages=packages)
    assert not list((tmp_path / "a").glob("*.flac"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    with pytest.raises(InputError, match="holds something else: give a new folder"):
        make.make(str(table), tmp_path / "other", packages=packages)
    deb(packages / "words_3-1_all.deb", {"usr/b.wav": wav(6000)})
    with pytest.raises(InputError, match=r"holds no usr/c.wav and 1 more; another version"):
        make.make(str(table), tmp_path / "a", packages=packages)


def test_without_apt_the_way_out_is_told(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no apt-get: give --packages a folder with tunes_\*\.deb"):
        make.make(str(table), tmp_path / "a")


def test_apt_gets_packages_that_are_deleted_after_use(
    tmp_path: Path, table: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in its place that knows no exact version, as where the release is another."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$3" in *=*) echo "E: Version not found" >&2; exit 100;; esac\n'
        f"cp {packages}/$3_* .\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    made = make.make(str(table), tmp_path / "a")
    assert made.different == ()
    assert not list((tmp_path / "a").rglob("*.deb"))


def test_packages_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x_1_all.deb"
    for content in (b"", b"!<arch>\n", b"!<arch>\n" + b"data.tar.gz".ljust(48) + b"9         `\n123456789"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x_1_all\.deb"):
            debian.members(path, {"usr/a.wav"})
