"""The service: limits and errors with a stand-in for the workers, its OpenAPI, and whole as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("fastapi", reason="the extra serve is not installed")
httpx = pytest.importorskip("httpx")
schemathesis = pytest.importorskip("schemathesis")

import uvicorn  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402
from starlette.requests import ClientDisconnect, Request  # noqa: E402

from soundsafe import cli  # noqa: E402
from soundsafe.errors import InputError, NotMarkable  # noqa: E402
from soundsafe.keys import read_key_file, write_key_file  # noqa: E402
from soundsafe.service import serve  # noqa: E402
from soundsafe.service.claim import claim  # noqa: E402
from soundsafe.service.serve import Limits, create_app  # noqa: E402
from soundsafe.service.workers import CallFailed  # noqa: E402

KEY = b"secret of the service, 32 bytes."
LARGE = bytes(40_000_000)
"""More than lies in all buffers on the way."""


class InThread:
    """A worker without a process."""

    def __init__(self, threads: int) -> None:
        pass

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Any:
        return function(*arguments)

    def stop(self) -> None:
        pass

    close = stop


def fake_read(path: Path, key: bytes, longest: float) -> dict[str, Any]:
    assert key == KEY
    content = path.read_bytes()
    errors = {
        b"bad": InputError(f"{path} is not audio"),
        b"silent": NotMarkable(f"{path} is silent throughout"),
        b"long": serve._TooLong("the audio has 700 s: at most 600 s work"),
        b"slow": CallFailed("gave no answer in 5 s", timed_out=True),
        b"crash": CallFailed("its process crashed (SIGSEGV)"),
        b"defect": ZeroDivisionError("secret"),
    }
    if content in errors:
        raise errors[content]
    return {"ok": True, "payload_hex": content.hex()}


def fake_mark(
    path: Path, target: Path, payload: bytes, key: bytes, quality: str, strength: str | float, longest: float
) -> dict[str, Any]:
    partial = target.with_name(".soundsafe-0.tmp")  # what a worker that is killed leaves
    partial.write_bytes(path.read_bytes() + b" with " + payload)
    answer = fake_read(path, key, longest)
    partial.rename(target)
    return answer | {"quality": quality, "strength": strength}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TestClient]:
    monkeypatch.setattr(serve, "Worker", InThread)
    monkeypatch.setattr(serve, "read_upload", fake_read)
    monkeypatch.setattr(serve, "mark_upload", fake_mark)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    app = create_app(KEY, Limits(megabytes=0.001, timeout=5.0, waiting=2))
    with TestClient(app, base_url="http://localhost") as client:
        yield client
        folders = list(tmp_path.iterdir())
        assert len(folders) == 1
        assert [path.name for path in folders[0].iterdir()] == [".lock"], "a file was left"
    assert list(tmp_path.iterdir()) == []


def test_an_upload_is_read(client: TestClient) -> None:
    answer = client.post("/decode", content=b"audio")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "payload_hex": b"audio".hex()})


@pytest.mark.parametrize(("format", "kind"), [("flac", "audio/flac"), ("wav", "audio/x-wav")])
def test_an_upload_is_marked(client: TestClient, format: str, kind: str) -> None:
    query = {"payload_hex": "4142", "format": format, "quality": "fast", "strength": "-1.5"}
    answer = client.post("/embed", params=query, content=b"audio")
    assert (answer.status_code, answer.content) == (200, b"audio with AB")
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-length"] == "13"
    assert json.loads(answer.headers["soundsafe-answer"])["quality"] == "fast"
    assert json.loads(answer.headers["soundsafe-answer"])["strength"] == -1.5
    assert client.post("/embed", params={"message": "ü"}, content=b"a").content == b"a with \xc3\xbc"


def test_forms_as_curl_and_browsers_send_them(client: TestClient) -> None:
    form = {"file": ("song.flac", b"au\r\ndio\r\n--", "audio/flac")}
    answer = client.post("/decode", files=form)
    assert bytes.fromhex(answer.json()["payload_hex"]) == b"au\r\ndio\r\n--"
    marked = client.post("/embed", files=form, data={"message": "to A", "format": "wav", "quality": "best"})
    assert marked.content == b"au\r\ndio\r\n-- with to A"
    assert marked.headers["content-type"] == "audio/x-wav"
    assert json.loads(marked.headers["soundsafe-answer"])["quality"] == "best"
    assert client.post("/embed?message=B", files=form).content.endswith(b" with B")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"data": {"message": "x"}, "files": {"a": b"1", "b": b"2"}}, "more than one file"),
        ({"data": {"message": "x", "format": "mp3"}, "files": {"a": b"1"}}, "format: "),
        ({"data": {"massage": "x"}, "files": {"a": b"1"}}, "massage: "),
        ({"files": {"a": b"1"}}, "give the payload once"),
        ({"files": {"message": (None, "x")}}, "the form has no file"),
        ({"data": {"message": "x"}, "files": {"a": bytes(1001)}}, "larger than 0.001 MB"),
        (
            {"content": b"--b\r\nhalf", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            "the form ends in the middle of a part",
        ),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "does not say what parts it"),
    ],
)
def test_forms_that_make_no_sense(client: TestClient, form: dict[str, Any], says: str) -> None:
    answer = client.post("/embed", **form)
    assert answer.status_code == (413 if "larger" in says else 400)
    assert says in answer.json()["error"]


def test_pages_come_whole_and_from_here_alone(client: TestClient) -> None:
    for path, word in (("/", "Drop audio here"), ("/page.css", "prefers-color-scheme"), ("/page.js", "Card")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert word in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    docs = client.get("/docs").text
    assert "POST /embed" in docs
    assert "curl -F file=@song.flac" in docs
    assert "http" not in client.get("/").text + client.get("/page.js").text + client.get("/page.css").text


@pytest.mark.parametrize("path", ["/decode", "/embed?message=x"])
@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"bad", 400, "the upload is not audio"),
        (b"silent", 422, "the upload is silent throughout"),
        (b"long", 413, "the audio has 700 s: at most 600 s work"),
        (b"slow", 504, "the work took longer than 5 s"),
        (b"crash", 500, "the call failed; other requests are not affected"),
        (b"defect", 500, "internal error"),
        (bytes(1001), 413, "the upload is larger than 0.001 MB"),
    ],
)
def test_what_goes_wrong_is_one_line(
    client: TestClient, path: str, content: bytes, status: int, error: str
) -> None:
    answer = client.post(path, content=content)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert client.post("/decode", content=b"next").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?message=x&payload_hex=00",
        "?payload_hex=0",
        "?payload_hex=zz",
        "?message=x&qualty=best",
        "?message=x&message=y",
        "?message=",
        "?message=x&format=mp3",
        "?message=x&quality=odd",
        "?message=x&strength=loud",
        "?message=x&strength=7",
        "?payload_hex=" + "00" * 4097,
        "?message=" + "x" * 4097,
    ],
)
def test_requests_that_make_no_sense(client: TestClient, query: str) -> None:
    answer = client.post(f"/embed{query}", content=b"audio")
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


def test_an_upload_without_a_length_is_limited_too(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(100)

    answer = client.post("/decode", content=endless())
    assert (answer.status_code, answer.json()) == (413, {"error": "the upload is larger than 0.001 MB"})


def test_more_than_may_wait_are_turned_away(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, end = threading.Semaphore(0), threading.Event()

    def wait(path: Path, key: bytes, longest: float) -> dict[str, Any]:
        begun.release()
        end.wait(30)
        return {"ok": False}

    monkeypatch.setattr(serve, "read_upload", wait)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post("/decode", content=b"x").status_code))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert begun.acquire(timeout=30)  # one works, the other waits
    give_up = time.monotonic() + 60
    while client.get("/health").json()["waiting"] < 2 and time.monotonic() < give_up:
        time.sleep(0.01)
    refused = client.post("/decode", content=b"x")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert client.get("/health").status_code == 200
    end.set()
    for thread in threads:
        thread.join(30)
    assert answers == [200, 200]


def test_nothing_is_done_for_who_has_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serve, "Worker", InThread)

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def scenario() -> None:
        service = serve._Service(KEY, Limits(), tmp_path / "uploads")
        service.start()
        for _ in range(3):  # each time the one worker is there again
            with pytest.raises(ClientDisconnect):
                await service.call(Request({"type": "http"}, gone), pytest.fail)
        service.stop()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_full_disk_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Any) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(serve.tempfile, "mkdtemp", full)
        answer = client.post("/decode", content=b"x")
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "no room for the upload: No space left on device"},
    )
    assert client.post("/decode", content=b"x").status_code == 200


@contextlib.contextmanager
def served(timeout: float, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Any]:
    """A client of a service that has one place and marks whatever it is sent as `LARGE`."""

    def mark(path: Path, target: Path, *rest: Any) -> dict[str, Any]:
        target.write_bytes(LARGE)
        return {}

    monkeypatch.setattr(serve, "Worker", InThread)
    monkeypatch.setattr(serve, "mark_upload", mark)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    app = create_app(KEY, Limits(timeout=timeout, waiting=1))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(60)


def wait_until_free(client: Any) -> None:
    """The place is free again a moment after the last byte arrived."""
    end = time.monotonic() + 60
    while client.get("/health").json()["waiting"]:
        assert time.monotonic() < end, "the place is still taken"
        time.sleep(0.05)


def test_a_download_holds_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served(300.0, monkeypatch, tmp_path) as client:
        assert client.post("/embed?message=x", content=b"x").content == LARGE
        wait_until_free(client)
        with client.stream("POST", "/embed?message=x", content=b"x") as answer:
            assert answer.status_code == 200
            assert client.get("/health").json()["waiting"] == 1
            assert client.post("/decode", content=b"x").status_code == 503
        wait_until_free(client)  # whoever wanted it is gone


def test_a_download_that_nobody_reads_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        served(3.0, monkeypatch, tmp_path) as client,
        client.stream("POST", "/embed?message=x", content=b"x") as answer,
    ):
        assert answer.status_code == 200
        wait_until_free(client)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    assert "a download was ended: it took longer than 3 s" in caplog.text


def test_health_metrics_and_other_names(client: TestClient) -> None:
    client.post("/decode", content=b"x")
    client.post("/decode", content=b"bad")
    client.get("/any/other")
    assert client.get("/health").json()["status"] == "ok"
    figures = client.get("/metrics").text
    assert 'soundsafe_answers_total{path="/decode",status="200"} 1.0' in figures
    assert 'soundsafe_answers_total{path="/decode",status="400"} 1.0' in figures
    assert 'soundsafe_answers_total{path="other",status="404"} 1.0' in figures
    assert 'soundsafe_request_seconds_count{path="/decode"} 2.0' in figures
    assert "soundsafe_waiting 0.0" in figures
    assert client.get("/any/other").json() == {"error": "Not Found"}
    assert client.get("/decode").status_code == 405
    # A page under a name of its own that leads to this machine:
    refused = client.get("/health", headers={"Host": "page.example:80"})
    assert (refused.status_code, refused.json()) == (400, {"error": "the service does not go by this name"})
    assert client.get("/health", headers={"Host": "LOCALHOST:8000"}).status_code == 200


# --- its OpenAPI


def statuses_of(operation: Any, mode: Any, client: TestClient) -> set[int]:
    """Ask what the document allows, or what it does not; every answer must be one that it describes."""
    seen: set[int] = set()

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=12, deadline=None, derandomize=True, database=None)
    def check(case: Any) -> None:
        # That the payload is given once, as one of two, a schema cannot say.
        excluded = [positive_data_acceptance] if operation.path == "/embed" else []
        seen.add(case.call_and_validate(session=client, excluded_checks=excluded).status_code)

    check()
    return seen


@pytest.mark.slow
def test_the_openapi_document_is_what_the_service_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "Worker", InThread)
    monkeypatch.setattr(serve, "read_upload", fake_read)
    monkeypatch.setattr(serve, "mark_upload", fake_mark)
    app = create_app(KEY, hosts=("*",))
    document = schemathesis.openapi.from_dict(app.openapi())
    document.app = app
    allowed, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    with TestClient(app, base_url="http://localhost") as client:
        operations = {found.ok().label: found.ok() for found in document.get_all_operations()}
        statuses = {name: statuses_of(operation, allowed, client) for name, operation in operations.items()}
        refused = statuses_of(operations["POST /embed"], wrong, client)
    assert statuses.pop("POST /embed") == {200, 400}
    assert statuses == {"POST /decode": {200}, "GET /health": {200}, "GET /metrics": {200}}
    assert refused == {400}


def test_pages_of_other_sites_are_refused(client: TestClient) -> None:
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({}, 200),
    ):
        assert client.post("/decode", content=b"audio", headers=headers).status_code == status, headers


@pytest.mark.parametrize("query", ["message=%FF", "message=a%C3", "message=%ED%A0%80"])
def test_a_message_that_is_no_text_is_refused(client: TestClient, query: str) -> None:
    answer = client.post(f"/embed?{query}", content=b"audio")
    assert answer.status_code == 400
    assert "UTF-8" in answer.json()["error"]


def test_uploads_of_a_service_that_was_killed_are_taken_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve, "Worker", InThread)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, held, other = (tmp_path / name for name in ("soundsafe-serve-a", "soundsafe-serve-b", "other"))
    for folder in (left, held, other):
        (folder / "x").mkdir(parents=True)
        (folder / "x" / "upload").write_bytes(b"audio")
        (folder / ".lock").touch()
    with claim(held), TestClient(create_app(KEY), base_url="http://localhost"):
        assert not left.exists()
        assert (held / "x" / "upload").exists()
        assert (other / "x" / "upload").exists()


# --- the command


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    monkeypatch.chdir(tmp_path)
    write_key_file("k")
    arguments = ("serve", "--port", "0", "--key-file", "k", "--max-mb", "0.5", "--max-seconds", "5")
    with subprocess.Popen(
        [sys.executable, "-m", "soundsafe.cli", *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            yield process, re.fullmatch(r"soundsafe: listening on (http://127\.0\.0\.1:\d+)\n", line)[1]  # type: ignore[index]
        finally:
            process.kill()


@pytest.mark.slow
def test_the_service_whole(
    service: tuple[subprocess.Popen[str], str], cut: Callable[..., NDArray[Any]]
) -> None:
    process, address = service
    soundfile.write("in.flac", cut("rock", 2.0).T, 44_100)
    soundfile.write("long.flac", cut("rock", 2.0).repeat(3, axis=1).T * 0.01, 44_100)
    with httpx.Client(base_url=address, timeout=120.0) as client:
        assert client.get("/health").status_code == 200
        body = Path("in.flac").read_bytes()
        marked = client.post("/embed", params={"message": "to A", "quality": "fast"}, content=body)
        assert marked.status_code == 200
        assert json.loads(marked.headers["soundsafe-answer"])["euls"] == 2
        found = client.post("/decode", content=marked.content).json()
        assert (found["ok"], found["payload_hex"]) == (True, b"to A".hex())
        assert client.post("/decode", content=b"no audio").status_code == 400
        assert client.post("/decode", content=bytes(600_000)).status_code == 413
        assert client.post("/decode", content=Path("long.flac").read_bytes()).status_code == 413
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(client.post("/decode", content=body)))
        thread.start()
        give_up = time.monotonic() + 60
        while client.get("/health").json()["waiting"] < 1 and not answers and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)  # what is under way is answered
        thread.join(120)
    assert [(answer.status_code, answer.json()["ok"]) for answer in answers] == [(200, False)]
    assert process.wait(60) == 0
    assert process.stderr is not None
    said = process.stderr.read()
    assert said == ""
    assert read_key_file("k").hex() not in said + "".join(str(answer.headers) for answer in answers)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "70000"], "--port"),
        (["--host", "not a host"], "cannot listen on not a host"),
        (["--jobs", "0"], "jobs"),
        (["--timeout", "inf"], "--timeout inf: a finite number is needed"),
        (["--max-mb", "inf"], "--max-mb inf: a finite number is needed"),
        (["--key-file", "missing"], "cannot read the key file missing"),
    ],
)
def test_bad_usage(capfd: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", *arguments])
    _, err = capfd.readouterr()
    assert caught.value.code == 2
    assert reason in err
    assert "Traceback" not in err


def test_a_port_in_use(capfd: pytest.CaptureFixture[str], service: tuple[Any, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", "--port", service[1].rsplit(":", 1)[1]])
    assert caught.value.code == 2
    assert "Address already in use" in capfd.readouterr().err


def test_there_are_files_for_all_that_may_wait() -> None:
    resource = pytest.importorskip("resource")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 400:
        pytest.skip("this process may not open so many files")
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (100, r.getrlimit(r.RLIMIT_NOFILE)[1]));"
        "from soundsafe.service.serve import _allow_open_files as allow;"
        "allow(10); print(r.getrlimit(r.RLIMIT_NOFILE)[0]);"
        "allow(100); print(r.getrlimit(r.RLIMIT_NOFILE)[0]);"
        "r.setrlimit(r.RLIMIT_NOFILE, (100, 150)); allow(100); print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100", "264", "150"]
