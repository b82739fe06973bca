"""The service: embed and decode by upload over HTTP, each call in a worker process.

An upload is the request's body, the audio file as it is or in a form (`soundsafe.service.multipart`). It goes
to disk as it arrives, so memory does not grow with its size, and waits there for a worker. The key is the
service's own: no request brings one, and it is in no answer and no log. People have a page at `/`
(`soundsafe.service.page`). Needs the extra ``serve``.

======================  ==================================================================================
status                  means
======================  ==================================================================================
200                     done; for `/decode` also where there is no mark (``"ok": false``)
400                     bad input: not audio, a payload that is none, unknown quality …
403                     a page of another site sent it, from somebody's browser
408, 413                the upload took too long; it, or the audio in it, is larger than the limits
422                     the audio is sound, but cannot be marked
500, 503, 504           the call failed; too many wait, or there is no room; it took longer than the limit
======================  ==================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal
from urllib.parse import parse_qsl, urlsplit

import prometheus_client
import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundsafe.errors import InputError, NotMarkable, reason
from soundsafe.files.audio_file import AudioReader
from soundsafe.message.container import MAX_PAYLOAD
from soundsafe.service import page
from soundsafe.service.claim import claim
from soundsafe.service.connections import OncePerWhile, patient_protocol
from soundsafe.service.multipart import Parts, boundary_of
from soundsafe.service.workers import CallFailed, Worker

__all__ = ["Limits", "create_app", "serve"]

LOOPBACK = ("127.0.0.1", "localhost")

_CHUNK = 1 << 18
_UPLOADS = "soundsafe-serve-"
"""How the folder of a service's uploads begins."""

_STARTING_S = 60.0
_MOST_NAMED = 1000
"""Seconds that an answer's header names, at most."""

_SPARE_FILES = 64
_LOG = logging.getLogger("soundsafe.serve")
_TYPES = {"flac": "audio/flac", "wav": "audio/x-wav"}


@dataclass(frozen=True)
class Limits:
    """`megabytes` of one upload; `audio_seconds` in it; `timeout`: seconds for its arrival, for the work, and
    for sending what was made; `waiting`: requests at a time, more are turned away; `jobs`: worker processes.
    """

    megabytes: float = 100.0
    audio_seconds: float = 600.0
    timeout: float = 300.0
    waiting: int = 1024
    jobs: int = 1


class _Refused(Exception):
    """A request that ends with this HTTP `status` and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Failure(BaseModel):
    """Every answer but 200: one line that says what is wrong."""

    error: str


class Health(BaseModel):
    """The service answers. `waiting`: requests that wait, are being worked on, or are being answered."""

    status: Literal["ok"]
    version: str
    waiting: int


class _Asked(BaseModel, extra="forbid"):
    """The query of a request to mark; one that names anything else is refused."""

    payload_hex: str | None = Field(None, pattern="^([0-9a-fA-F]{2})+$", max_length=2 * MAX_PAYLOAD)
    message: str | None = Field(None, min_length=1, max_length=MAX_PAYLOAD)
    format: Literal["flac", "wav"] = "flac"
    quality: Literal["fast", "default", "best"] = "default"
    strength: Literal["quiet", "default", "strong"] | Annotated[float, Field(ge=-6.0, le=6.0)] = "default"

    def payload(self) -> bytes:
        """What is marked; a `_Refused` where it is given twice or not at all."""
        if (self.payload_hex is None) == (self.message is None):
            raise _Refused(400, "give the payload once: payload_hex or message")
        return bytes.fromhex(self.payload_hex) if self.payload_hex else (self.message or "").encode()


def _with_fields(asked: _Asked, fields: dict[str, str]) -> _Asked:
    """What is asked for by query and form together."""
    given = asked.model_dump(exclude_unset=True)
    if both := given.keys() & fields.keys():
        raise _Refused(400, f"give {min(both)} once, in the query or in the form")
    try:
        return _Asked.model_validate(given | fields)
    except ValidationError as error:
        raise _Refused(400, _first_of(error.errors())) from None


def _first_of(errors: Sequence[Any]) -> str:
    """The first of several errors of validation, in a line."""
    return f"{'.'.join(str(part) for part in errors[0]['loc'])}: {errors[0]['msg']}"


def warm() -> None:
    """Runs in a worker: load what the first call would wait for."""
    import soundsafe.api  # noqa: F401


def read_upload(path: Path, key: bytes, longest: float) -> dict[str, Any]:
    """Runs in a worker: the answer of a detection."""
    from soundsafe.api import decode_file

    _check_length(path, longest)
    return decode_file(path, key).to_json()


def mark_upload(
    path: Path, target: Path, payload: bytes, key: bytes, quality: str, strength: str | float, longest: float
) -> dict[str, Any]:
    """Runs in a worker: mark the audio at `path` into `target`; the answer without its warnings."""
    from soundsafe.api import embed_file

    _check_length(path, longest)
    result = embed_file(path, target, payload, key, quality=quality, strength=strength)
    answer = result.to_json() | {"unmarked_seconds": result.unmarked_seconds[:_MOST_NAMED]}
    del answer["warnings"]  # a header has little room
    return answer


def _check_length(path: Path, longest: float) -> None:
    with AudioReader(path, tags=False) as reader:
        seconds = reader.info.seconds
    if seconds > longest:
        raise _TooLong(f"the audio has {seconds:.0f} s: at most {longest:g} s work")


class _TooLong(InputError):
    pass


def _boundary(request: Request) -> bytes | None:
    """What parts the request's body; None where it is no form."""
    try:
        return boundary_of(request.headers.get("content-type", ""))
    except InputError as error:
        raise _Refused(400, str(error)) from None


@dataclass
class _Service:
    """The workers and the folder of uploads, between the application's start and end."""

    key: bytes
    limits: Limits
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    idle: asyncio.Queue[Worker] = field(default_factory=asyncio.Queue)
    waiting: int = 0

    def start(self) -> None:
        threads = max(1, (os.cpu_count() or 1) // self.limits.jobs)
        self.workers = [Worker(threads) for _ in range(self.limits.jobs)]
        self.threads = ThreadPoolExecutor(self.limits.jobs)
        for worker in self.workers:
            self._submit(worker, worker.call, warm)

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.threads.shutdown()
        for worker in self.workers:
            worker.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _submit(self, worker: Worker, call: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)

        def ended(done: asyncio.Future[Any]) -> None:
            if not done.cancelled():
                done.exception()  # whoever waited may be gone
            self.idle.put_nowait(worker)

        future.add_done_callback(ended)
        return future

    async def call(self, request: Request, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function` in the next worker that is free; what goes wrong becomes a `_Refused`. Raises
        ClientDisconnect where nobody waits for the answer any more."""
        worker = await self.idle.get()
        try:
            if await request.is_disconnected():
                raise ClientDisconnect
        except BaseException:
            self.idle.put_nowait(worker)
            raise
        call = partial(worker.call, function, *arguments, timeout=self.limits.timeout)
        try:
            # A request that is given up must not free a worker that is still at it.
            return await asyncio.shield(self._submit(worker, call))
        except _TooLong as error:
            raise _Refused(413, str(error)) from None
        except InputError as error:
            raise _Refused(400, self._named(error)) from None
        except NotMarkable as error:
            raise _Refused(422, self._named(error)) from None
        except CallFailed as error:
            if error.timed_out:
                raise _Refused(504, f"the work took longer than {self.limits.timeout:g} s") from None
            _LOG.error("a call failed: %s", self._named(error))
            raise _Refused(500, "the call failed; other requests are not affected") from None

    def _named(self, error: Exception) -> str:
        """The message without the paths of temporary files."""
        return re.sub(re.escape(str(self.folder)) + r"/[\w./-]+", "the upload", str(error))

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """One of the places of those that wait."""
        if self.waiting >= self.limits.waiting:
            raise _Refused(503, f"{self.waiting} requests wait already: come back later")
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextlib.asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator[tuple[Path, dict[str, str]]]:
        """The uploaded file in a folder of its own, which is gone afterwards, with what a worker that was
        killed has left in it; and the other fields where it came in a form."""
        try:
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            try:
                path = folder / "upload"
                with path.open("wb") as file:
                    fields = await self._receive(request, file)
                yield path, fields
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise _Refused(503, f"no room for the upload: {error.strerror}") from None

    async def _receive(self, request: Request, file: BinaryIO) -> dict[str, str]:
        """Write the upload into `file`; the other fields of a form."""
        try:
            boundary = _boundary(request)
            async with asyncio.timeout(self.limits.timeout):
                if boundary is None:
                    async for chunk in self._counted(request):
                        file.write(chunk)
                    return {}
                parts = Parts(self._counted(request), boundary)
                async for chunk in parts.file():
                    file.write(chunk)
                return parts.fields
        except InputError as error:
            raise _Refused(400, str(error)) from None
        except TimeoutError:
            raise _Refused(408, f"the upload took longer than {self.limits.timeout:g} s") from None

    async def _counted(self, request: Request) -> AsyncIterator[bytes]:
        """The request's body, as long as it is not larger than the limit."""
        most = int(self.limits.megabytes * 1e6)
        too_large = _Refused(413, f"the upload is larger than {self.limits.megabytes:g} MB")
        with contextlib.suppress(ValueError):
            if int(request.headers.get("content-length", "0")) > most:
                raise too_large
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise too_large
            yield chunk


class _Download(StreamingResponse):
    """A file that was made. Sending it keeps what `kept` holds, for so many `seconds` at most."""

    def __init__(
        self, file: BinaryIO, kept: contextlib.ExitStack, seconds: float, answer: Any, media_type: str
    ) -> None:
        self.kept, self.seconds = kept, seconds
        length = os.fstat(file.fileno()).st_size
        super().__init__(
            iter(partial(file.read, _CHUNK), b""),
            headers={"Content-Length": str(length), "Soundsafe-Answer": json.dumps(answer)},
            media_type=media_type,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.kept:
            try:
                async with asyncio.timeout(self.seconds):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                _LOG.warning("a download was ended: it took longer than %g s", self.seconds)
                raise ClientDisconnect from None


class _Named:
    """Answers where it is asked by one of `hosts`, or by any name if they hold ``*``."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, [host.lower() for host in hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "*" not in self.hosts:
            name = re.sub(r":\d*$", "", Headers(scope=scope).get("host", "")).lower()
            if name not in self.hosts:
                await _failure(400, "the service does not go by this name")(scope, receive, send)
                return
        if scope["type"] == "http" and _is_cross_site(Headers(scope=scope)):
            await _failure(403, "pages of other sites cannot use the service")(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_cross_site(headers: Headers) -> bool:
    """Whether a browser says that a page of another site sends the request; programs say nothing."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _check_text(query: bytes) -> None:
    """Refuse a query whose escapes are no UTF-8: it would be marked as something else."""
    try:
        parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise _Refused(400, "the query is not UTF-8: give such a payload as payload_hex") from None
    except ValueError:
        raise _Refused(400, "the query has too many parts") from None


class _Counted:
    """Counts answers and seconds, and answers whatever nobody foresaw with one line."""

    def __init__(self, app: ASGIApp, metrics: prometheus_client.CollectorRegistry) -> None:
        self.app = app
        self.answers = prometheus_client.Counter(
            "soundsafe_answers_total", "Answers by path and status.", ["path", "status"], registry=metrics
        )
        self.seconds = prometheus_client.Histogram(
            "soundsafe_request_seconds", "Seconds from request to answer, by path.", ["path"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300), registry=metrics,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"] if scope["path"] in _PATHS else "other"
        with self.seconds.labels(path).time():
            try:
                await self.app(scope, receive, noting)
            except ClientDisconnect:
                status = status or 499
            except Exception as error:
                _LOG.error("internal error: %s", type(error).__name__)
                if not status:
                    await _failure(500, "internal error")(scope, receive, noting)
        self.answers.labels(path, str(status)).inc()


_PATHS = ("/embed", "/decode", "/health", "/metrics", "/openapi.json", *page.PATHS)


def _failure(status: int, message: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Failure} for status in statuses}


_BODY = {
    "requestBody": {
        "required": True,
        "description": "An audio file, or a video with an audio track.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def _remove_left_uploads() -> None:
    """Take away the uploads of services that were killed: nobody holds their folders any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_UPLOADS}*"):
        with contextlib.suppress(OSError, InputError):
            if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
                continue
            if time.time() - folder.stat().st_mtime < _STARTING_S and not (folder / ".lock").exists():
                continue  # made a moment ago, and not held yet
            with claim(folder):
                shutil.rmtree(folder, ignore_errors=True)


def create_app(key: bytes, limits: Limits | None = None, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """The application. `hosts`: names by which it may be asked (``("*",)``: any), so that no page that a
    browser shows can reach a service on loopback under a name of its own."""
    limits = limits or Limits()
    metrics = prometheus_client.CollectorRegistry()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _remove_left_uploads()
        service = _Service(key, limits, Path(tempfile.mkdtemp(prefix=_UPLOADS)))
        with claim(service.folder):
            service.start()
            app.state.service = service
            try:
                yield
            finally:
                await asyncio.to_thread(service.stop)

    app = FastAPI(
        title="soundsafe",
        version=installed_version("soundsafe"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(_Named, hosts=hosts)
    app.add_middleware(_Counted, metrics=metrics)
    prometheus_client.Gauge(
        "soundsafe_waiting", "Requests that wait, are worked on, or are answered.", registry=metrics
    ).set_function(lambda: app.state.service.waiting)

    @app.exception_handler(_Refused)
    async def refused(request: Request, error: _Refused) -> Response:
        return _failure(error.status, str(error), {"Retry-After": "10"} if error.status == 503 else None)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _failure(400, _first_of(error.errors()))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        return _failure(error.status_code, str(error.detail), error.headers)

    @app.post("/decode", openapi_extra=_BODY, responses=_documented(400, 408, 413, 422, 500, 503, 504))
    async def decode(request: Request) -> dict[str, Any]:
        """Read the mark of the audio in the body."""
        service: _Service = request.app.state.service
        with service.place():
            async with service.upload(request) as (path, _):
                answer: dict[str, Any] = await service.call(
                    request, read_upload, path, key, limits.audio_seconds
                )
        return answer

    @app.post(
        "/embed",
        openapi_extra=_BODY,
        response_class=StreamingResponse,
        responses=_documented(400, 408, 413, 422, 500, 503, 504)
        | {
            200: {
                "description": "The marked audio.",
                "content": {kind: {"schema": {"type": "string"}} for kind in _TYPES.values()},
                "headers": {"Soundsafe-Answer": {"schema": {"type": "string"}, "description": "JSON."}},
            }
        },
    )
    async def embed(request: Request, asked: Annotated[_Asked, Query()]) -> Response:
        """Mark the audio in the body with the payload, given once, as `payload_hex` or as `message`."""
        _check_text(request.scope["query_string"])
        if len(request.query_params.multi_items()) > len(request.query_params):
            raise _Refused(400, "give each part of the query once")
        service: _Service = request.app.state.service
        if _boundary(request) is None:
            asked.payload()  # refused before the upload is received
        with contextlib.ExitStack() as kept:
            kept.enter_context(service.place())
            async with service.upload(request) as (path, fields):
                asked = _with_fields(asked, fields)
                target = path.with_name(f"{path.name}.{asked.format}")
                answer = await service.call(
                    request, mark_upload, path, target, asked.payload(), key, asked.quality,
                    asked.strength, limits.audio_seconds,
                )  # fmt: skip
                file = kept.enter_context(open(target, "rb"))
            return _Download(file, kept.pop_all(), limits.timeout, answer, _TYPES[asked.format])

    @app.get("/health")
    async def health(request: Request) -> Health:
        """Whether the service answers."""
        waiting = request.app.state.service.waiting
        return Health(status="ok", version=installed_version("soundsafe"), waiting=waiting)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def figures() -> Response:
        """Figures for Prometheus."""
        return Response(
            prometheus_client.generate_latest(metrics), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    page.add_pages(app)
    return app


def _allow_open_files(waiting: int) -> int:
    """Raise this process's limit of open files, as far as it may, to what that many requests take: each a
    connection, and a file while it arrives. Returns how many connections there is room for."""
    wanted = 2 * waiting + _SPARE_FILES
    try:
        import resource
    except ImportError:  # pragma: no cover - there is no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    files = max(wanted, soft) if soft != resource.RLIM_INFINITY else wanted
    return max(1, min(waiting + _SPARE_FILES, (files - _SPARE_FILES) // 2))


def serve(key: bytes, host: str, port: int, limits: Limits, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, and then finish what is being worked on. Raises InputError where
    nothing can listen. `ready` is called with the address."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"cannot listen on {host}, port {port}: {reason(error)}") from None
    connections = _allow_open_files(limits.waiting)
    for name in ("uvicorn.error", "asyncio", _LOG.name):
        logging.getLogger(name).addFilter(OncePerWhile())
    hosts = LOOPBACK if host in LOOPBACK else ("*",)
    config = uvicorn.Config(
        create_app(key, limits, hosts),
        log_level="warning",
        access_log=False,
        server_header=False,
        http=patient_protocol(connections),
        timeout_graceful_shutdown=int(limits.timeout),
    )
    server = uvicorn.Server(config)
    with listening:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # who takes nothing at all any more is cut off
            most = int(min(1000 * limits.timeout, 0x7FFF_FFFF))
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, most)
        ready(f"http://{host}:{listening.getsockname()[1]}")
        # The server ends what is under way, then passes the signal on.
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            server.run(sockets=[listening])
    if not server.started:
        raise InputError("the service did not start")
