"""Connections that send nothing, or half a request, do not keep others out.

A connection has some seconds for the head of each request; of more connections than there is room for, those
that have asked for nothing are closed, the oldest first. Bodies and answers have limits of their own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["OncePerWhile", "patient_protocol"]

HEAD_S = 10.0
"""Seconds for the head of a request, from when it may be sent."""


class _Patient(H11Protocol):
    """HTTP as uvicorn speaks it, with a time for each request's head and a number of connections."""

    most = 1024
    head_s = HEAD_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            idle = [each for each in self.connections if isinstance(each, _Patient) and not each.asked]
            oldest = min(idle, key=lambda each: each.since, default=self)
            oldest.transport.abort()
            self.connections.discard(oldest)

    @property
    def asked(self) -> bool:
        """Whether a request's head has come and is not answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.asked:
            self._cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.asked:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._cancel()
        self.since = time.monotonic()
        self._deadline = self.loop.call_later(self.head_s, self._give_up)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.asked and not self.transport.is_closing():
            self.transport.abort()


def patient_protocol(connections: int, seconds: float = HEAD_S) -> type[H11Protocol]:
    """The protocol for uvicorn: so many connections at most, so many seconds for the head of a request."""
    return type("Patient", (_Patient,), {"most": connections, "head_s": seconds})


class OncePerWhile(logging.Filter):
    """Lets each message of a logger through once in so many seconds: what callers do must not fill a disk."""

    def __init__(self, seconds: float = 10.0, kinds: int = 256) -> None:
        super().__init__()
        self._seconds, self._kinds = seconds, kinds
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this message is logged."""
        now = time.monotonic()
        kind = str(record.msg)[:100]
        if now - self._last.get(kind, -self._seconds) < self._seconds:
            return False
        if len(self._last) >= self._kinds:
            self._last.clear()
        self._last[kind] = now
        return True
