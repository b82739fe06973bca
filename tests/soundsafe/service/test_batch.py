"""Batches: what is kept, refused and redone, with a stand-in for the codec; kill -9 with the codec itself."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from mutagen import flac
from numpy.typing import NDArray

import soundsafe
from soundsafe import cli
from soundsafe.errors import InputError, NotMarkable
from soundsafe.keys import DEFAULT_KEY, key_id, read_key_file, write_key_file
from soundsafe.message.container import payload_id
from soundsafe.service import batch
from soundsafe.service.batch import decode_all, embed_all, gather
from soundsafe.service.claim import claim
from soundsafe.service.payloads import Payloads, read_table
from soundsafe.service.registry import FILE_NAME, Mark, Registry, lookup
from soundsafe.service.workers import CallFailed

PAYLOAD = Payloads(fixed=b"p")


class InThread:
    """A worker without a process."""

    def __init__(self, threads: int) -> None:
        pass

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Any:
        return function(*arguments)

    def stop(self) -> None:
        pass

    close = stop


def fake_mark(source: Path, target: Path, payload: bytes, *rest: Any) -> tuple[dict[str, Any], str]:
    text = source.read_text()
    if text == "crash":
        raise CallFailed("its process crashed (SIGSEGV)")
    if text == "silent":
        raise NotMarkable(f"{source} is silent throughout")
    if text == "stop":
        raise KeyboardInterrupt
    target.write_text(f"{text} {payload.hex()}")
    return {"euls": 1}, hashlib.sha256(target.read_bytes()).hexdigest()


def fake_read(source: Path, key: bytes) -> dict[str, Any]:
    if source.read_text() == "crash":
        raise CallFailed("its process crashed (SIGSEGV)")
    return {"ok": source.read_text() != "silent", "payload_hex": "70"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "Worker", InThread)
    monkeypatch.setattr(batch, "mark_one", fake_mark)
    monkeypatch.setattr(batch, "read_one", fake_read)
    monkeypatch.setattr(batch, "seconds_of", lambda source: 1.0)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.wav", "b.mp3", "sub/c.flac"):
        (tmp_path / "in" / name).write_text(name)
    return tmp_path


def embed(**options: Any) -> batch.Summary:
    return embed_all(gather(Path("in"), Path("out")), Path("out"), PAYLOAD, DEFAULT_KEY, **options)


def lines(out: str = "out") -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in Path(out, "results.jsonl").read_text().splitlines()]
    assert len({line["file"] for line in found}) == len(found)
    return {line["file"]: line for line in found}


def marks(out: Path) -> dict[str, Mark]:
    with Registry(out / FILE_NAME) as registry:
        return {mark.output: mark for mark in registry.search()}


def audio_in(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.suffix in (".wav", ".flac")
    }


def agree(out: Path) -> None:
    assert {output: mark.sha256 for output, mark in marks(out).items()} == audio_in(out)


# --- which files


def test_a_folder_is_searched_and_a_list_is_read(folder: Path) -> None:
    Path("in/.hidden.wav").touch()
    Path("in/notes.txt").touch()
    Path("in/.folder").mkdir()
    Path("in/.folder/x.wav").touch()
    Path("in/out").mkdir()
    Path("in/out/made.wav").touch()
    Path("in/linked").symlink_to(folder / "in" / "sub")
    found = gather(Path("in"), Path("in/out"))
    assert [item.file for item in found if not item.skipped] == ["a.wav", "b.mp3", "sub/c.flac"]
    assert {item.file: item.skipped for item in found if item.skipped} == {
        ".folder": "a hidden folder",
        ".hidden.wav": "a hidden file",
        "linked": "a link to a folder",
        "notes.txt": "not audio: .txt is none of its endings",
    }
    absolute = str(folder / "in" / "a.wav")
    Path("in/list.txt").write_text(f"sub/c.flac\n\n  a.wav \r\n./a.wav\n{absolute}\nmissing.wav\n")
    found = gather(Path("in/list.txt"), Path("out"))
    assert [item.file for item in found] == ["sub/c.flac", "a.wav", absolute, "missing.wav"]
    assert found[0].path == Path("in/sub/c.flac")
    assert found[2].path == Path(absolute)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere", "No such file"),
        ("empty", "no audio files in it"),
        ("list", "it lists no files"),
        ("up", r"line 2 goes through '\.\.'"),
        ("null", "line 1 is not the name"),
        ("out", "the same folder"),
    ],
)
def test_sources_that_cannot_be_used(folder: Path, source: str, reason: str) -> None:
    Path("empty").mkdir()
    Path("out").mkdir()
    Path("list").write_text("\n\n")
    Path("up").write_text("a.wav\nx/../../a.wav\n")
    Path("null").write_bytes(b"a\0b\n")
    with pytest.raises(InputError, match=reason):
        gather(Path(source), Path("out"))


def test_two_sources_of_one_name_are_refused(folder: Path) -> None:
    Path("in/b.mp3.flac").write_text("x")
    with pytest.raises(InputError, match=r"b\.mp3 and b\.mp3\.flac would both become b\.mp3\.flac"):
        embed()
    assert not Path("out").exists()


def test_names_that_the_batch_keeps_for_itself_are_refused(folder: Path) -> None:
    for name in (".work/a.wav", "/.WORK/a.wav", "summary.json/a.wav", f"{FILE_NAME}/a.wav"):
        Path("in/list.txt").write_text(f"a.wav\n{name}\n")
        with pytest.raises(InputError, match=f"^{name} would go into [^/]+, which the batch keeps"):
            embed_all(gather(Path("in/list.txt"), Path("out")), Path("out"), PAYLOAD, DEFAULT_KEY)
        assert not Path("out").exists()


def test_a_folder_that_cannot_be_searched_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.chdir("in")
    for _ in range(17):  # too deep for any path, also for those who may read everything
        Path("x" * 250).mkdir()
        os.chdir("x" * 250)
    os.chdir(folder)
    code, out, err = run("batch", "decode", "in", "--out", "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.fullmatch(r"soundsafe: cannot read in(/x{250})+: File name too long\n", err)
    assert not Path("out").exists()


# --- marking


def test_every_file_of_a_folder_has_a_line(folder: Path) -> None:
    for name in ("cover.jpg", "noending", ".DS_Store", "sub/read me.txt"):
        Path("in", name).write_text("x")
    for _ in range(2):  # also when it goes on
        summary = embed()
        assert (summary.files, summary.skipped, summary.failed) == (3, 4, 0)
        found = lines()
        assert sorted(found) == [
            ".DS_Store", "a.wav", "b.mp3", "cover.jpg", "noending", "sub/c.flac", "sub/read me.txt",
        ]  # fmt: skip
        assert found["cover.jpg"]["skipped"] == "not audio: .jpg is none of its endings"
        assert found["noending"]["skipped"] == "not audio: a name without an ending is none of its endings"
        assert not found["cover.jpg"]["ok"]


@pytest.mark.parametrize("place", ["out/sub", "out/a.wav"])
def test_nothing_is_written_through_a_link(folder: Path, place: str) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/c.flac").write_text("mine")
    Path("out").mkdir()
    Path(place).symlink_to(folder / "elsewhere" / ("c.flac" if place.endswith("wav") else ""))
    summary = embed()
    assert summary.failed == 1
    assert sorted(path.name for path in Path("elsewhere").iterdir()) == ["c.flac"]
    assert Path("elsewhere/c.flac").read_text() == "mine"
    error = next(line["error"] for line in lines().values() if "error" in line)
    assert ("through a link" in error) or ("is there already" in error)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_that_look_the_same_are_one(folder: Path, form: str) -> None:
    name = unicodedata.normalize(form, "Café Ångström.wav")
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", name)
    assert name != other
    Path("in", name).write_text("x")
    Path("list.txt").write_text(f"in/{other}\n")
    (item,) = gather(Path("list.txt"), Path("out"))
    assert item.path.name == name
    Path("t.csv").write_text(f"file,message,City\n{other},hi,X\n")
    table = read_table(Path("t.csv"), complete=True)
    assert Payloads(table=table).of(name, Path()) == b"hi"
    assert Payloads(template="{City}", table=table).only(name).of(name, Path()) == b"X"
    embed()
    with Registry(Path("out", FILE_NAME)) as registry:
        found = registry.get(other)
        assert found is not None
        assert found.file == name
    looked = lookup(Path("out"), file=Path("out", other))
    assert [mark.file for mark in looked] == [name]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_lists_in_other_encodings(folder: Path, encoding: str) -> None:
    Path("in/é.wav").write_text("x")
    Path("list.txt").write_bytes("in/a.wav\r\nin/é.wav\r\n".encode(encoding))
    told: list[str] = []
    found = gather(Path("list.txt"), Path("out"), told.append)
    assert [item.file for item in found] == ["in/a.wav", "in/é.wav"]
    assert bool(told) == (encoding == "cp1252")


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_file_has_its_output_its_line_and_its_mark(folder: Path, jobs: int) -> None:
    seen: list[float] = []
    summary = embed(jobs=jobs, progress=lambda done, what: seen.append(done))
    assert (summary.files, summary.done, summary.kept, summary.failed, summary.marked) == (3, 3, 0, 0, 3)
    assert json.loads(Path("out/summary.json").read_text()) == summary.to_json()
    assert sorted(audio_in(Path("out"))) == ["a.wav", "b.mp3.flac", "sub/c.flac"]
    agree(Path("out"))
    assert set(lines()) == {"a.wav", "b.mp3", "sub/c.flac"}
    line = lines()["b.mp3"]
    assert line["ok"] is True
    assert (line["output"], line["payload_hex"], line["euls"]) == ("b.mp3.flac", "70", 1)
    assert line["payload_id"] == payload_id(b"p").hex()
    assert line["key_id"] == key_id(DEFAULT_KEY)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert not Path("out/.work").exists()


def test_a_file_that_fails_costs_itself_and_is_tried_again(folder: Path) -> None:
    for name, text in {"crash.wav": "crash", "silent.wav": "silent"}.items():
        Path("in", name).write_text(text)
    told: list[str] = []
    summary = embed(failed=lambda done, line: told.append(line))
    assert (summary.done, summary.failed) == (3, 2)
    assert sorted(told) == [
        "crash.wav: its process crashed (SIGSEGV)",
        "silent.wav: in/silent.wav is silent throughout",
    ]
    assert lines()["crash.wav"] == {
        "file": "crash.wav", "task": "embed", "ok": False, "error": "its process crashed (SIGSEGV)",
        "exit_code": 2,
    }  # fmt: skip
    assert lines()["silent.wav"]["exit_code"] == 1
    agree(Path("out"))
    Path("in/crash.wav").write_text("sound now")
    summary = embed()
    assert (summary.done, summary.kept, summary.failed) == (1, 3, 1)
    assert lines()["crash.wav"]["ok"] is True
    agree(Path("out"))


def test_what_was_done_is_not_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed()
    before = marks(Path("out")), lines()
    monkeypatch.setattr(batch, "mark_one", None)
    assert embed().kept == 3
    assert (marks(Path("out")), lines()) == before


def test_a_line_without_a_file_is_made_again(folder: Path) -> None:
    embed()
    Path("out/a.wav").unlink()
    summary = embed()
    assert (summary.done, summary.kept) == (1, 2)
    agree(Path("out"))


def test_the_line_of_a_file_that_was_taken_away_stays(folder: Path) -> None:
    embed()
    before = marks(Path("out"))["a.wav"]
    Path("out/a.wav").unlink()
    summary = embed_all(gather(Path("in"), Path("out")), Path("out"), Payloads(fixed=b"q"), DEFAULT_KEY)
    assert summary.failed == 3
    assert "another payload or key" in lines()["a.wav"]["error"]
    Path("in/a.wav").write_text("silent")
    assert embed().failed == 1
    assert marks(Path("out"))["a.wav"] == before
    Path("in/a.wav").write_text("sound")
    assert embed().done == 1
    agree(Path("out"))


def embed_again(source: str = "in") -> batch.Summary:
    return embed_all(gather(Path(source), Path("out")), Path("out"), PAYLOAD, DEFAULT_KEY)


def test_a_source_that_changed_is_marked_again(folder: Path) -> None:
    embed()
    before = marks(Path("out"))
    Path("in/a.wav").write_text("another take")
    summary = embed()
    assert (summary.done, summary.kept, summary.failed) == (1, 2, 0)
    assert Path("out/a.wav").read_text() == "another take 70"
    agree(Path("out"))
    assert [name for name, mark in marks(Path("out")).items() if mark != before[name]] == ["a.wav"]
    status = Path("in/a.wav").stat()
    assert lines()["a.wav"]["source"] == {
        "path": str(folder / "in" / "a.wav"), "size": status.st_size, "mtime_ns": status.st_mtime_ns,
    }  # fmt: skip
    os.utime("in/a.wav", ns=(0, 0))
    assert embed().done == 1
    assert embed().kept == 3
    agree(Path("out"))


def test_a_source_of_the_same_name_from_elsewhere_is_marked_again(folder: Path) -> None:
    embed()
    shutil.copytree("in", "other")
    assert (embed_again("other").done, embed_again("other").kept) == (3, 3)
    assert lines()["a.wav"]["source"]["path"] == str(folder / "other" / "a.wav")
    agree(Path("out"))


def test_marking_again_leaves_what_agrees_wherever_it_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed()
    for text, kept in (("crash", True), ("silent", True), ("stop", True), ("sound", False)):
        Path("in/a.wav").write_text(text)
        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            if text == "sound":  # ends between line and name
                patch.setattr(os, "replace", replace_but(Path("out/a.wav")))
            embed()
        assert Path("out/a.wav").exists() == kept
        with Registry(Path("out", FILE_NAME), write=True) as registry:
            assert registry.get("a.wav") is not None
            if not kept:
                assert json.loads(registry.get("a.wav").source)["size"] == 5  # type: ignore[union-attr]
    assert embed().failed == 0
    assert Path("out/a.wav").read_text() == "sound 70"
    agree(Path("out"))


def replace_but(name: Path) -> Callable[[Any, Any], None]:
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(target) == name:
            raise KeyboardInterrupt
        real(source, target)

    return replace


def test_a_marked_file_that_was_changed_is_not_removed(folder: Path) -> None:
    embed()
    Path("in/a.wav").write_text("another take")
    Path("out/a.wav").write_text("precious")
    assert embed().failed == 1
    assert lines()["a.wav"]["error"] == "a.wav was changed since it was marked, and is left"
    assert Path("out/a.wav").read_text() == "precious"


def test_a_file_without_a_line_is_left_as_it_is(folder: Path) -> None:
    Path("out").mkdir()
    Path("out/a.wav").write_text("precious")
    summary = embed()
    assert (summary.done, summary.failed) == (2, 1)
    assert "not in the registry" in lines()["a.wav"]["error"]
    assert Path("out/a.wav").read_text() == "precious"


@pytest.mark.parametrize("change", ["payload", "key"])
def test_another_payload_or_key_is_refused(folder: Path, change: str) -> None:
    embed()
    before = marks(Path("out")), audio_in(Path("out"))
    payloads = Payloads(fixed=b"q") if change == "payload" else PAYLOAD
    key = b"k" * 32 if change == "key" else DEFAULT_KEY
    summary = embed_all(gather(Path("in"), Path("out")), Path("out"), payloads, key)
    assert summary.failed == 3
    assert all("another payload or key" in line["error"] for line in lines().values())
    assert (marks(Path("out")), audio_in(Path("out"))) == before


def test_an_interrupt_leaves_what_agrees(folder: Path) -> None:
    Path("in/stop.wav").write_text("stop")
    with pytest.raises(KeyboardInterrupt):
        embed()
    agree(Path("out"))
    assert not Path("out/.work").exists()
    assert set(lines()) == {"a.wav", "b.mp3"}


def test_a_registry_that_cannot_be_written_stops_the_batch(folder: Path) -> None:
    embed()
    before = marks(Path("out")), audio_in(Path("out"))
    with contextlib.closing(sqlite3.connect(Path("out", FILE_NAME))) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    for name in ("a.wav", "b.mp3"):
        Path("in", name).write_text("another take")
    with pytest.raises(InputError, match=r"registry out/registry\.sqlite cannot be used: disk is full"):
        embed()
    assert (marks(Path("out")), audio_in(Path("out"))) == before


@pytest.mark.parametrize("change", [{"quality": "best"}, {"layers": ("eul",)}, {"strength_db": 2.0}])
def test_another_quality_or_layers_are_refused(folder: Path, change: dict[str, Any]) -> None:
    embed()
    before = marks(Path("out")), audio_in(Path("out"))
    assert embed(**change).failed == 3
    assert all("another quality, strength or other layers" in line["error"] for line in lines().values())
    assert (marks(Path("out")), audio_in(Path("out"))) == before
    line = lines()["a.wav"] if embed().kept == 3 else {}
    assert (line["quality"], line["layers"]) == ("default", ["eul", "tile"])


def test_a_table_gives_files_strengths_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def mark(source: Path, target: Path, payload: bytes, *rest: Any) -> tuple[dict[str, Any], str]:
        seen[source.name] = rest[-1]
        return fake_mark(source, target, payload, *rest)

    monkeypatch.setattr(batch, "mark_one", mark)
    assert embed(strength_db=-1.0, strengths={"a.wav": 3.0}).marked == 3
    assert seen.pop("a.wav") == 3.0
    assert set(seen.values()) == {-1.0}


def test_a_second_batch_in_one_folder_is_refused(folder: Path) -> None:
    Path("out").mkdir()
    with claim(Path("out")), pytest.raises(InputError, match="written by another process"):
        embed()
    assert embed().done == 3


def test_a_folder_without_locks_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(InputError, match="out cannot be locked: No locks available"):
        embed()


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    Path("out").write_text("a file")
    with pytest.raises(InputError, match="cannot write into out: File exists"):
        embed()


# --- reading


def test_reading_keeps_answers_of_the_same_key(folder: Path) -> None:
    def decode(key: bytes) -> batch.Summary:
        return decode_all(gather(Path("in"), Path("out")), Path("out"), key)

    Path("in/crash.wav").write_text("crash")
    Path("in/silent.wav").write_text("silent")
    summary = decode(DEFAULT_KEY)
    assert (summary.done, summary.kept, summary.failed, summary.marked) == (4, 0, 1, 3)
    with open("out/results.jsonl", "ab") as file:
        file.write(b'{"file": "torn.wav", "ok": tr')  # as a kill leaves it
    summary = decode(DEFAULT_KEY)
    assert (summary.done, summary.kept, summary.failed) == (0, 4, 1)
    assert set(lines()) == {"a.wav", "b.mp3", "sub/c.flac", "crash.wav", "silent.wav"}
    assert decode(b"k" * 32).kept == 0


def test_other_files_keep_their_answers(folder: Path) -> None:
    Path("one.txt").write_text("in/a.wav\nin/b.mp3\n")
    Path("two.txt").write_text("in/sub/c.flac\n")
    assert [embed_again("one.txt").done, embed_again("two.txt").done] == [2, 1]
    assert set(lines()) == {"in/a.wav", "in/b.mp3", "in/sub/c.flac"}

    def decode(source: str) -> tuple[int, int]:
        summary = decode_all(gather(Path(source), Path("read")), Path("read"), DEFAULT_KEY)
        return summary.done, summary.kept

    assert [decode("one.txt"), decode("two.txt"), decode("one.txt")] == [(2, 0), (1, 0), (0, 2)]
    assert {line["payload_hex"] for line in lines("read").values()} == {"70"}
    assert len(lines("read")) == 3


def test_another_source_is_read_again(folder: Path) -> None:
    def decode(source: str = "in") -> tuple[int, int, int]:
        summary = decode_all(gather(Path(source), Path("out")), Path("out"), DEFAULT_KEY)
        return summary.done, summary.kept, summary.failed

    assert [decode(), decode()] == [(3, 0, 0), (0, 3, 0)]
    Path("in/a.wav").write_text("silent")
    assert decode() == (1, 2, 0)
    assert lines()["a.wav"]["ok"] is False
    os.utime("in/b.mp3", ns=(0, 0))
    assert decode() == (1, 2, 0)
    shutil.copytree("in", "other")
    assert [decode("other"), decode("other")] == [(3, 0, 0), (0, 3, 0)]
    Path("list.txt").write_text("other/a.wav\nother/gone.wav\n")
    with open("out/results.jsonl", "ab") as file:  # of a source that was not there
        line = {"file": "other/gone.wav", "task": "decode", "key_id": key_id(DEFAULT_KEY), "source": None}
        file.write(json.dumps(line).encode() + b"\n")
    Path("other/gone.wav").write_text("here again")
    assert decode("list.txt") == (2, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["embed", "decode"])
def test_results_of_the_other_kind_are_left(
    folder: Path, run: Callable[..., tuple[int, str, str]], first: str
) -> None:
    commands = {
        "embed": ("batch", "embed", "in", "--out", "out", "--message", "x"),
        "decode": ("batch", "decode", "in", "--out", "out"),
    }
    Path("in/crash.wav").write_text("crash")
    assert run(*commands.pop(first))[0] == 1
    before = {path.name: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    assert {line["task"] for line in lines().values()} == {first}
    (second,) = commands.values()
    code, out, err = run(*second)
    assert (code, out) == (2, "")
    assert err == f"soundsafe: out holds the results of batch {first}: give another --out\n"
    assert {path.name: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before


# --- the command


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            cli.main(arguments)
        out, err = capfd.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, out, err

    return call


def test_the_commands(folder: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    write_key_file("k")
    Path("t.csv").write_text("file,buyer\na.wav,A\nb.mp3,B\n")
    plan = ("--message", "for {buyer}", "--payloads", "t.csv", "--key-file", "k")
    code, out, err = run("batch", "embed", "in", "--out", "out", *plan, "--json")
    assert code == 1
    assert json.loads(out)["marked"] == 2
    assert err.startswith("soundsafe: sub/c.flac: ")
    Path("t.csv").write_text("file,buyer\na.wav,A\nb.mp3,B\nsub/c.flac,C\n")
    code, out, err = run("batch", "embed", "in", "--out", "out", *plan, "--jobs", "2")
    assert code == 0
    assert out.startswith("out: 3 of 3 files marked, 0 failed, 2 done before (")
    code, out, _ = run("lookup", "out", "--message", "for B", "--json")
    assert code == 0
    assert [mark["output"] for mark in json.loads(out)["marks"]] == ["b.mp3.flac"]
    code, out, _ = run("lookup", "out/registry.sqlite", "--file", "out/a.wav", "--key-file", "k")
    assert out.startswith(f"a.wav: payload {b'for A'.hex()}, id {payload_id(b'for A').hex()}, key ")
    assert run("lookup", "out", "--payload-hex", "00") == (1, "", "soundsafe: no such mark in the registry\n")
    code, out, _ = run("batch", "decode", "in", "--out", "read")
    assert (code, out.split("(")[0].splitlines()[-1]) == (
        0,
        "read: 3 of 3 files with a mark, 0 failed, 0 done before ",
    )
    shown = "".join(path.read_text() for path in Path("out").glob("*.json*"))
    assert read_key_file("k").hex() not in shown + out + err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["batch", "embed", "in", "--out", "out"], "give the payload once"),
        (["batch", "embed", "in", "--out", "out", "--message", "x", "--payload-hex", "00"], "once"),
        (["batch", "embed", "in", "--out", "out", "--payloads", "t", "--payload-hex", "00"], "No such file"),
        (["batch", "embed", "in", "--out", "out", "--message", "x", "--quality", "odd"], "unknown quality"),
        (["batch", "embed", "in", "--out", "out", "--message", "x", "--layers", "odd"], "unknown layers"),
        (["batch", "embed", "in", "--out", "out", "--message", "x", "--strength", "7"], "unknown strength"),
        (["batch", "embed", "in", "--message", "x"], "Missing option '--out'"),
        (["batch", "decode", "none", "--out", "out"], "cannot read none"),
        (["batch", "decode", "in", "--out", "out", "--jobs", "0"], "jobs"),
        (["batch", "decode", "in", "--out", "out", "--key-file", "in/a.wav"], "not a key file"),
        (["batch"], "Missing command"),
        (["lookup", "out"], "no such registry"),
    ],
)
def test_bad_usage(
    folder: Path, run: Callable[..., tuple[int, str, str]], arguments: list[str], reason: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err
    assert not Path("out").exists()


# --- with the codec


def process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "soundsafe.cli", "batch", *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


EMBED = ("embed", "in", "--out", "out", "--message", "to {name}", "--quality", "fast", "--layers", "eul")


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: Callable[..., NDArray[Any]]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for i in range(4):
        soundfile.write(f"in/{i}.flac", cut("rock", 1.0, float(i))[0], 44_100)
    return tmp_path


@pytest.mark.slow
def test_files_are_opened_in_workers_alone(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in (2, 3):
        Path(f"in/{i}.flac").unlink()
    tags = flac.FLAC("in/0.flac")
    tags["artist"] = "Somebody"
    tags.save()

    def opened(path: Path) -> None:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(
        "soundsafe.service.payloads.AudioReader", opened
    )  # of this process, not of the workers
    monkeypatch.setattr("soundsafe.service.batch.AudioReader", opened)
    plan = Payloads(template="to {ARTIST}")
    for done, kept in ((1, 0), (0, 1)):
        items = gather(Path("in"), Path("out"))
        summary = embed_all(items, Path("out"), plan, DEFAULT_KEY, quality="fast", layers=("eul",))
        assert (summary.done, summary.kept, summary.failed) == (done, kept, 1)
        assert lines()["0.flac"]["payload_hex"] == b"to Somebody".hex()
        assert "neither the table nor its tags have ARTIST" in lines()["1.flac"]["error"]
        agree(clips / "out")
    other = Payloads(template="by {ARTIST}")
    summary = embed_all(items, Path("out"), other, DEFAULT_KEY, quality="fast", layers=("eul",))
    assert summary.failed == 2
    assert "another payload or key" in lines()["0.flac"]["error"]
    agree(clips / "out")


@pytest.mark.slow
@pytest.mark.parametrize("constant", ["WORK_S", "OPEN_S"])
def test_a_file_that_takes_too_long_costs_itself(
    clips: Path, monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    items = gather(Path("in"), Path("out"))[:2]
    with monkeypatch.context() as patch:
        patch.setattr(batch, "WORK_PER_S", 0.0)
        patch.setattr(batch, constant, 0.001)  # no process starts, and loads what it needs, in that time
        assert decode_all(items, Path("out"), DEFAULT_KEY).failed == 2
    assert [line["error"] for line in lines().values()] == ["gave no answer in 0.001 s"] * 2
    assert decode_all(items, Path("out"), DEFAULT_KEY).done == 2


def test_the_length_that_is_waited_for_is_no_more_than_the_file_can_hold(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.flac", [0.0] * 80_000, 8_000)
    assert batch.seconds_of(tmp_path / "x.flac") < 10
    soundfile.write(tmp_path / "x.wav", [0.0] * 80_000, 8_000)
    assert batch.seconds_of(tmp_path / "x.wav") == 10


def _lines_written() -> int:
    path = Path("out/results.jsonl")
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_killed_twice_every_file_is_marked_once(clips: Path) -> None:
    stamps: dict[str, str] = {}
    for finished in (1, 2):
        with process(*EMBED) as run:
            end = time.monotonic() + 120
            while run.poll() is None and _lines_written() < finished and time.monotonic() < end:
                time.sleep(0.01)
            run.send_signal(signal.SIGKILL)
        assert run.returncode == -signal.SIGKILL
        now = {output: mark.marked_at + mark.sha256 for output, mark in marks(clips / "out").items()}
        assert finished <= len(now) < 4
        assert {output: now[output] for output in stamps} == stamps, "marked twice"
        stamps = now
    with process(*EMBED, "--json") as run:
        out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    summary = json.loads(out)
    assert (summary["files"], summary["marked"], summary["failed"]) == (4, 4, 0)
    assert summary["kept"] >= 2
    agree(clips / "out")
    assert len(marks(clips / "out")) == 4
    assert set(lines()) == {f"{i}.flac" for i in range(4)}
    assert sorted(os.listdir("out")) == sorted(
        [".lock", FILE_NAME, "results.jsonl", "summary.json", *(f"{i}.flac" for i in range(4))]
    )
    # Each holds its own payload and one mark: what one embedding of the source gives, to the bit.
    for i in (0, 3):
        found = soundsafe.decode_file(f"out/{i}.flac")
        assert found.payload == f"to {i}".encode()
    soundsafe.embed_file("in/3.flac", "once.flac", b"to 3", quality="fast", layers=("eul",))
    assert Path("once.flac").read_bytes() == Path("out/3.flac").read_bytes()


@pytest.mark.slow
def test_a_full_disk_in_a_batch(clips: Path) -> None:
    import resource

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))

    for i in (2, 3):
        Path(f"in/{i}.flac").unlink()
    with process(*EMBED, preexec_fn=small_files_only) as run:
        out, err = run.communicate(timeout=120)
    assert run.returncode == 1, err
    assert "0 of 2 files marked, 2 failed" in out
    assert err.count("File too large") == 2
    assert "Traceback" not in err
    assert audio_in(clips / "out") == {}
    assert marks(clips / "out") == {}
