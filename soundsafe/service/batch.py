"""Many files: marked or read one by one in processes of their own, and resumable whenever it was killed.

The output folder holds

- the marked files, under the names of their sources (but `x.mp3` becomes `x.mp3.flac`);
- `registry.sqlite`: one line for each marked file (`soundsafe.service.registry`);
- `results.jsonl`: one line of JSON for each file, done, failed, or skipped as no audio by its name;
- `results.csv`: of detections, the same as a table (`soundsafe.service.batch_table`), written at the end;
- `summary.json`: the counts, written at the end.

A file is made in `.work`, gets its line in the registry, and then its name. Killed in between, a line has no
file: the file, and its line with it, is made again when the batch is resumed. So no file in the folder lacks
its line, and every source is marked once, however often the batch was killed. The line of a file that was
taken away stays until then: it is the record of what was marked.

Each line keeps where its source was, its size and its time. A source for which they differ is another one: it
is read or marked anew, and the marked file of the one before is removed first.

Whatever opens a file runs in a worker, and ends with an error of that file where it takes too long.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol

from soundsafe.aliases import Progress
from soundsafe.errors import InputError, NotMarkable, reason
from soundsafe.files.audio_file import AudioReader
from soundsafe.files.names import existing, value_of
from soundsafe.files.tables import read_text
from soundsafe.keys import key_id
from soundsafe.message.container import payload_id
from soundsafe.service.claim import claim
from soundsafe.service.payloads import Payloads
from soundsafe.service.registry import FILE_NAME, Mark, Registry, RegistryError, sha256_of
from soundsafe.service.workers import CallFailed, Worker

__all__ = ["Item", "Summary", "decode_all", "embed_all", "gather"]

SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".aif",
    ".aiff", ".aifc", ".caf", ".w64", ".rf64", ".bwf", ".au", ".snd", ".ac3", ".eac3", ".wv", ".ape", ".tta",
    ".mpc", ".mp2", ".spx", ".mka", ".mkv", ".webm", ".mov", ".avi", ".ts", ".flv", ".3gp", ".amr", ".asf",
    ".wmv", ".m4v",
)  # fmt: skip
"""Endings of the files of a folder that are taken for audio, alone or beside a video."""

RESULTS, SUMMARY = "results.jsonl", "summary.json"
_WORK = ".work"
_OWN = (_WORK, RESULTS, SUMMARY, "results.csv", FILE_NAME, f"{FILE_NAME}-journal", ".lock")

OPEN_S = 600.0
"""Seconds that reading the length of a file, or its tags, may take."""

WORK_S, WORK_PER_S = 3600.0, 60.0
"""Seconds that work on a file may take, and as many more for each second of its audio."""

_LEAST_BYTES = 100
"""Fewer are in no second of audio: headers may claim any length."""

Line = dict[str, Any]
Call = Callable[..., Any]


@dataclass(frozen=True)
class Item:
    """One file. `file`: its name as listed or relative to the folder; `path`: where it is; `skipped`: why
    nothing is done with it, or empty."""

    file: str
    path: Path
    skipped: str = ""


@dataclass(frozen=True)
class Summary:
    """`files`: all but those `skipped` as no audio; `done`: of this run; `kept`: done before; `failed`: of
    this run; each file is named in `results.jsonl`.

    For reading, a file without a mark counts as done, and `marked` counts those with one.
    """

    files: int
    done: int
    kept: int
    failed: int
    marked: int
    seconds: float
    skipped: int = 0

    def to_json(self) -> dict[str, Any]:
        """One JSON document."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


def gather(source: Path, out: Path, warn: Callable[[str], None] | None = None) -> list[Item]:
    """The files below the folder `source`, or those that the text file `source` lists, one a line.

    Of a folder every file is an item, and those that are no audio by their names, hidden ones and links to
    folders are `skipped`; what lies in `out` is left out. Names in a list are relative to it.

    Args:
        source: a folder, or a list in any encoding that `soundsafe.files.tables` reads.
        out: the folder of results.
        warn: called with a remark on the list's encoding.

    Raises:
        InputError: it cannot be read, a list names something above itself, or there is no audio.
    """
    try:
        items = list(_walked(source, out)) if source.is_dir() else list(_listed(source, warn))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {source}: {reason(error)}") from None
    if all(item.skipped for item in items):
        kind = f"no audio files in it ({', '.join(SUFFIXES)})" if source.is_dir() else "it lists no files"
        raise InputError(f"{source}: {kind}")
    return items


def _walked(source: Path, out: Path) -> Iterator[Item]:
    inside = os.path.realpath(out)
    if os.path.realpath(source) == inside:
        raise InputError(f"{source} and {out} are the same folder: the results need another")

    def unreadable(error: OSError) -> None:
        raise InputError(f"cannot read {error.filename}: {error.strerror}")

    for folder, folders, names in os.walk(source, onerror=unreadable):
        within = [n for n in sorted(folders) if os.path.realpath(os.path.join(folder, n)) != inside]
        folders[:] = [n for n in within if not _not_searched(folder, n)]
        for name in sorted({*names, *within} - {*folders}):
            path = Path(folder, name)
            why = _not_searched(folder, name) if name in within else _no_audio(name)
            yield Item(path.relative_to(source).as_posix(), path, why)


def _not_searched(folder: str, name: str) -> str:
    """Why nothing is looked for in a folder; empty where something is."""
    if name.startswith("."):
        return "a hidden folder"
    return "a link to a folder" if os.path.islink(os.path.join(folder, name)) else ""


def _no_audio(name: str) -> str:
    """Why a file is not audio, by its name; empty where it may be."""
    if name.startswith("."):
        return "a hidden file"
    if name.lower().endswith(SUFFIXES):
        return ""
    return f"not audio: {os.path.splitext(name)[1] or 'a name without an ending'} is none of its endings"


def _listed(source: Path, warn: Callable[[str], None] | None) -> Iterator[Item]:
    seen = set()
    for number, line in enumerate(_lines(source, warn), 1):
        if not (name := line.strip()):
            continue
        if "\0" in name:
            raise InputError(f"{source}: line {number} is not the name of a file")
        if ".." in Path(name).parts:
            raise InputError(f"{source}: line {number} goes through '..': give the path without it")
        file = Path(name).as_posix()
        if file not in seen:
            seen.add(file)
            yield Item(file, existing(source.parent / name))


def _lines(source: Path, warn: Callable[[str], None] | None) -> list[str]:
    """The lines of a list: text, or names of files in bytes that are no text, as the system has them."""
    try:
        text = read_text(source)
    except InputError:
        return [os.fsdecode(line) for line in source.read_bytes().splitlines()]
    if text.note is None:
        return text.content.splitlines()
    plain = [os.fsdecode(line) for line in source.read_bytes().splitlines()]
    if all(os.path.lexists(source.parent / line.strip()) for line in plain if line.strip()):
        return plain
    if warn:
        warn(text.note)
    return text.content.splitlines()


def _text(name: str) -> str:
    """A file's name as text that every reader takes: names need not be text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _output(file: str) -> str:
    """Where a file's marked version goes, relative to the output folder."""
    name = file.lstrip("/")
    return name if name.lower().endswith((".wav", ".flac")) else name + ".flac"


def _check_outputs(items: Iterable[Item]) -> None:
    taken: dict[str, str] = {}
    for item in items:
        if item.skipped:
            continue
        output = _output(item.file)
        if (first := Path(output).parts[0]).lower() in _OWN:
            raise InputError(f"{item.file} would go into {first}, which the batch keeps for itself")
        if output in taken:
            raise InputError(f"{taken[output]} and {item.file} would both become {output}: list one of them")
        taken[output] = item.file


def _source(item: Item) -> Line | None:
    """Where a file is and what changes when it does; None where it is not there."""
    path = os.path.abspath(item.path)
    try:
        status = os.stat(path)
    except OSError:
        return None
    return {"path": _text(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


class Task(Protocol):
    """What a batch does with each file, in the batch's own process: calls run elsewhere."""

    name: str

    def kept(self, item: Item) -> Line | None:
        """The line of a file that was done before; raises InputError for one that cannot be done."""

    def do(self, item: Item, call: Call) -> Any:
        """Do it by means of `call`, which is a worker's; in any thread."""

    def finish(self, item: Item, answer: Any) -> tuple[Line, str]:
        """The line of what `do` answered, and whether it was ``done`` now or ``kept``."""


def seconds_of(source: Path) -> float:
    """Runs in a worker: the length of the audio."""
    with AudioReader(source, tags=False) as reader:
        return min(reader.info.seconds, source.stat().st_size / _LEAST_BYTES)


def payload_of(payloads: Payloads, item: Item) -> bytes:
    """Runs in a worker: a payload that names tags of the file."""
    return payloads.of(item.file, item.path)


def _patience(item: Item, call: Call) -> float:
    """Seconds that work on a file may take."""
    seconds: float = call(seconds_of, item.path, timeout=OPEN_S)
    return WORK_S + WORK_PER_S * seconds


def mark_one(
    source: Path,
    target: Path,
    payload: bytes,
    key: bytes,
    quality: str,
    layers: tuple[str, ...],
    strength_db: float,
) -> tuple[Line, str]:
    """Runs in a worker: the answer of the embedding and the SHA-256 of what it wrote."""
    from soundsafe.api import embed_file

    answer = embed_file(source, target, payload, key, quality=quality, layers=layers, strength=strength_db)
    return answer.to_json(), sha256_of(target)


def read_one(source: Path, key: bytes) -> Line:
    """Runs in a worker: the answer of a detection, its EULs counted instead of listed."""
    from soundsafe.api import decode_file

    answer = decode_file(source, key)
    euls = {"euls": len(answer.euls), "euls_ok": sum(eul.ok for eul in answer.euls)}
    return answer.to_json() | euls


class _Embedding:
    name = "embed"

    def __init__(
        self,
        out: Path,
        registry: Registry,
        payloads: Payloads,
        key: bytes,
        quality: str,
        layers: tuple[str, ...],
        strength_db: float,
        strengths: Mapping[str, float],
    ) -> None:
        self.out, self.registry, self.payloads = out, registry, payloads
        self.key, self.key_id = key, key_id(key)
        self.quality, self.layers = quality, layers
        self.strength_db, self.strengths = strength_db, strengths
        self.work = out / _WORK
        self.settings = {"quality": quality, "layers": list(layers)}
        self.before: dict[str, Mark] = {}  # without their answers, which are long
        self.running: dict[str, tuple[bytes, Path, str, bool]] = {}

    def kept(self, item: Item) -> Line | None:
        tagged = self.payloads.needs_tags(item.file)
        payload = None if tagged else self.payloads.of(item.file, item.path)
        mark = self.registry.get(_text(item.file))
        there = os.path.lexists(self.out / _output(item.file))
        if mark is None:
            if there:
                raise InputError(f"{_output(item.file)} is there already, and not in the registry")
            return None
        line = _marked_line(mark)
        other = any(line.get(name, asked) != asked for name, asked in self.settings.items())
        if other or line.get("strength_db", 0.0) != self._strength_of(item):
            raise InputError(
                "marked before with another quality, strength or other layers: give another --out"
            )
        if there and payload is not None and self._is_done(mark, payload, json.dumps(_source(item))):
            return line
        self.before[item.file] = replace(mark, answer="")
        return None

    def _strength_of(self, item: Item) -> float:
        own = value_of(self.strengths, item.file)
        return self.strength_db if own is None else own

    def _is_done(self, mark: Mark, payload: bytes, source: str) -> bool:
        """Whether `mark` is that of the source as it is now; raises InputError where more is different."""
        if (mark.payload_hex, mark.key_id) != (payload.hex(), self.key_id):
            raise InputError("marked before with another payload or key: give another --out")
        return mark.source == source

    def _check_inside(self, item: Item) -> None:
        """Raise InputError where a link in the folder would lead the output, or its removal, elsewhere."""
        folder = (self.out / _output(item.file)).parent
        if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.out)):
            raise InputError(
                f"{_output(item.file)} would be written outside of {self.out}, through a link in it: take the"
                " link away, or give another --out"
            )

    def do(self, item: Item, call: Call) -> Mark | tuple[Line, str]:
        self._check_inside(item)
        source = json.dumps(_source(item))  # before it is read: what changes it meanwhile is seen next time
        if self.payloads.needs_tags(item.file):
            payload = call(payload_of, self.payloads.only(item.file), item, timeout=OPEN_S)
        else:
            payload = self.payloads.of(item.file, item.path)
        mark, output = self.before.get(item.file), self.out / _output(item.file)
        there = mark is not None and os.path.lexists(output)
        if mark is not None:
            done = self._is_done(mark, payload, source)
            if there and done:
                return mark
            if there and sha256_of(output) != mark.sha256:
                raise InputError(f"{_output(item.file)} was changed since it was marked, and is left")
        made = self.work / (secrets.token_hex(8) + output.suffix)
        self.running[item.file] = payload, made, source, there
        patience = _patience(item, call)
        arguments = item.path, made, payload, self.key, self.quality, self.layers, self._strength_of(item)
        answer: tuple[Line, str] = call(mark_one, *arguments, timeout=patience)
        return answer

    def finish(self, item: Item, answer: Mark | tuple[Line, str]) -> tuple[Line, str]:
        if isinstance(answer, Mark):
            mark = self.registry.get(answer.file)
            assert mark is not None  # nobody else writes it
            return _marked_line(mark), "kept"
        payload, made, source, replaced = self.running.pop(item.file)
        target = self.out / _output(item.file)
        self._check_inside(item)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {target.parent}: {error.strerror}") from None
        if not replaced and os.path.lexists(target):
            raise InputError(f"{_output(item.file)} has appeared meanwhile, and is left as it is")
        mark = Mark(
            file=_text(item.file),
            output=_text(_output(item.file)),
            payload_hex=payload.hex(),
            payload_id=payload_id(payload).hex(),
            key_id=self.key_id,
            sha256=answer[1],
            version=installed_version("soundsafe"),
            marked_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            answer=json.dumps(answer[0] | self.settings, allow_nan=False),
            source=source,
        )
        with self.registry.together():
            self.registry.put(mark)
            if replaced:  # before the line counts, so that no file is there under the line of another
                try:
                    target.unlink(missing_ok=True)
                except OSError as error:
                    raise InputError(f"cannot remove {target}: {error.strerror}") from None
        try:
            os.replace(made, target)
        except OSError as error:
            self.registry.remove(mark.file)
            raise InputError(f"cannot write {target}: {error.strerror}") from None
        return _marked_line(mark), "done"


def _marked_line(mark: Mark) -> Line:
    line = mark.to_json()
    return {"file": line.pop("file"), "task": _Embedding.name, "ok": True} | line.pop("answer") | line


class _Reading:
    name = "decode"

    def __init__(self, key: bytes, results: Path) -> None:
        self.key, self.key_id = key, key_id(key)
        self.results, self.before = results, _places_of(results)

    def kept(self, item: Item) -> Line | None:
        place = self.before.get(_text(item.file))
        if place is None:
            return None
        with open(self.results, "rb") as file:
            file.seek(place)
            line: Line = json.loads(file.readline())
        same = line.get("key_id") == self.key_id and line.get("source") == (_source(item) or "")
        return line if same else None

    def do(self, item: Item, call: Call) -> Line:
        source = _source(item)
        answer: Line = call(read_one, item.path, self.key, timeout=_patience(item, call))
        return {"source": source} | answer

    def finish(self, item: Item, answer: Line) -> tuple[Line, str]:
        line = {"file": _text(item.file), "task": self.name, "key_id": self.key_id}
        return line | answer, "done"


def embed_all(
    items: list[Item],
    out: Path,
    payloads: Payloads,
    key: bytes,
    *,
    quality: str = "default",
    layers: tuple[str, ...] = ("eul", "tile"),
    strength_db: float = 0.0,
    strengths: Mapping[str, float] = MappingProxyType({}),
    jobs: int = 1,
    progress: Progress | None = None,
    failed: Progress | None = None,
) -> Summary:
    """Mark `items` into the folder `out`, `jobs` at a time; what an earlier run finished there is kept.

    `strength_db`: in decibels against the default; `strengths`: those of files that have their own.

    `failed` is called with the share done and a line on each file that failed. Raises InputError where
    nothing can be done at all; what is wrong with one file is said in its line.
    """
    _check_outputs(items)
    with _folder(out, _Embedding.name), Registry(out / FILE_NAME, write=True) as registry:
        task = _Embedding(out, registry, payloads, key, quality, layers, strength_db, strengths)
        return _run(items, task, out, jobs, progress, failed)


def decode_all(
    items: list[Item],
    out: Path,
    key: bytes,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    failed: Progress | None = None,
) -> Summary:
    """Read `items`, with results in the folder `out`; see `embed_all`."""
    with _folder(out, _Reading.name):
        return _run(items, _Reading(key, out / RESULTS), out, jobs, progress, failed)


@contextlib.contextmanager
def _folder(out: Path, task: str) -> Iterator[None]:
    """`out`, made and held, with an empty `.work` in it that is gone afterwards. Raises InputError where it
    holds what the other task found, which would be lost."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with claim(out):
            found = (line["task"] for line in _results(out / RESULTS) if "task" in line)
            other = "embed" if (out / FILE_NAME).exists() else next(found, task)
            if other != task:
                raise InputError(f"{out} holds the results of batch {other}: give another --out")
            shutil.rmtree(out / _WORK, ignore_errors=True)
            (out / _WORK).mkdir()
            try:
                yield
            finally:
                shutil.rmtree(out / _WORK, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write into {out}: {reason(error)}") from None


def _placed(path: Path) -> Iterator[tuple[int, Line]]:
    """The lines of an earlier run and where they begin; a line torn by a kill is none."""
    if path.exists():
        with open(path, "rb") as file:
            place = 0
            for text in file:
                with contextlib.suppress(ValueError, RecursionError):
                    line = json.loads(text)
                    if isinstance(line, dict) and isinstance(line.get("file"), str):
                        yield place, line
                place += len(text)


def _results(path: Path) -> Iterator[Line]:
    """The lines of an earlier run."""
    return (line for _, line in _placed(path))


def _places_of(path: Path) -> dict[str, int]:
    """Where the lines begin that hold an answer: the lines of a million files are too much to keep."""
    return {line["file"]: place for place, line in _placed(path) if not {"error", "skipped"} & line.keys()}


def _write(file: BinaryIO, line: Line) -> None:
    file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
    file.flush()


def _failure(item: Item, task: Task, error: Exception, code: int) -> Line:
    line = {"file": _text(item.file), "task": task.name, "ok": False}
    return line | {"error": str(error), "exit_code": code}


def _run(
    items: list[Item],
    task: Task,
    out: Path,
    jobs: int,
    progress: Progress | None,
    failed: Progress | None,
) -> Summary:
    started = time.perf_counter()
    counts = {"done": 0, "kept": 0, "failed": 0, "marked": 0, "skipped": 0}
    todo: list[Item] = []

    def note(line: Line, kind: str) -> None:
        _write(results, line)
        counts[kind] += 1
        counts["marked"] += bool(line.get("ok"))
        done = sum(counts[each] for each in ("done", "kept", "failed", "skipped"))
        if failed and kind == "failed":
            failed(done / len(items), f"{line['file']}: {line['error']}")
        if progress:
            progress(done / len(items), f"{done} of {len(items)} files")

    fresh = out / _WORK / RESULTS
    asked = {_text(item.file) for item in items}
    with open(fresh, "wb") as results:
        for former in _results(out / RESULTS):
            if former["file"] not in asked:
                with contextlib.suppress(ValueError):  # NaN: not of ours
                    _write(results, former)
        for item in items:
            if item.skipped:
                left: Line = {"file": _text(item.file), "task": task.name, "ok": False}
                note(left | {"skipped": item.skipped}, "skipped")
                continue
            try:
                line = task.kept(item)
            except RegistryError:
                raise
            except InputError as error:
                note(_failure(item, task, error, 2), "failed")
                continue
            if line is None:
                todo.append(item)
            else:
                note(line, "kept")
        os.replace(fresh, out / RESULTS)
        with contextlib.closing(_in_parallel(todo, task, jobs)) as outcomes:
            for item, outcome in outcomes:
                try:
                    note(*task.finish(item, outcome()))
                except NotMarkable as error:
                    note(_failure(item, task, error, 1), "failed")
                except RegistryError:
                    raise
                except (InputError, CallFailed) as error:
                    note(_failure(item, task, error, 2), "failed")
    files = len(items) - counts["skipped"]
    summary = Summary(files, **counts, seconds=time.perf_counter() - started)
    fresh = out / _WORK / SUMMARY
    fresh.write_text(json.dumps(summary.to_json()) + "\n")
    os.replace(fresh, out / SUMMARY)
    return summary


def _in_parallel(
    items: Iterable[Item], task: Task, jobs: int
) -> Generator[tuple[Item, Callable[[], Any]], None, None]:
    """Each item with a function that returns or raises what its call did, in the order of their ends."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    workers = [Worker(threads) for _ in range(jobs)]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def call(item: Item) -> Any:
        worker = idle.get()
        try:
            return task.do(item, worker.call)
        finally:
            idle.put(worker)

    waiting = iter(items)
    running: dict[Future[Any], Item] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                while len(running) < jobs and (item := next(waiting, None)) is not None:
                    running[pool.submit(call, item)] = item
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result
        finally:
            for worker in workers:  # before the pool waits for the calls that they are in
                worker.stop()
    for worker in workers:
        worker.close()
