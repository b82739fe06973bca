"""Uploads as forms send them (`multipart/form-data`), taken apart as they arrive: a file, and fields."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.message import Message

from soundsafe.errors import InputError

__all__ = ["Parts", "boundary_of"]

_HEAD = 8192
"""Bytes of a part's head, and of a field, at most."""

_FIELDS = 16


def boundary_of(content_type: str) -> bytes | None:
    """What parts the body of such a request; None where it is no form.

    Raises:
        InputError: a form that does not say.

    Example:
        >>> boundary_of('multipart/form-data; boundary="a b"'), boundary_of("audio/flac")
        (b'a b', None)
    """
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "multipart/form-data":
        return None
    found = message.get_param("boundary")
    if not isinstance(found, str) or not 0 < len(found) <= 200 or not found.isascii():
        raise InputError("the form does not say what parts it")
    return found.encode()


class Parts:
    """The parts of a form: `file` gives the bytes of its one file, then `fields` holds the others.

    Args:
        body: the request's body in pieces of any size.
        boundary: see `boundary_of`.
    """

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes) -> None:
        self._body = body
        self._border = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # the first border has no line before it
        self.fields: dict[str, str] = {}

    async def _more(self) -> None:
        async for chunk in self._body:
            self._buffer += chunk
            if chunk:
                return
        raise InputError("the form ends in the middle of a part")

    async def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > _HEAD:
                raise InputError("the form has a part whose head or field is too long")
            await self._more()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return found

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes as they arrive.

        Raises:
            InputError: it is no form, has no file, or more than one.
        """
        seen = False
        await self._until(self._border)
        while True:
            while len(self._buffer) < 2:
                await self._more()
            end, self._buffer = self._buffer[:2], self._buffer[2:]
            if end == b"--":
                break
            if end != b"\r\n":
                raise InputError("the upload is no form: a part ends oddly")
            name, is_file = _disposition(await self._until(b"\r\n\r\n"))
            if is_file:
                if seen:
                    raise InputError("the form has more than one file: send one at a time")
                seen = True
                async for chunk in self._content():
                    yield chunk
            else:
                if name in self.fields or len(self.fields) >= _FIELDS:
                    raise InputError("give each part of the form once")
                try:
                    self.fields[name] = (await self._until(self._border)).decode()
                except UnicodeDecodeError:
                    raise InputError("a field of the form is not UTF-8") from None
        async for _ in self._body:  # whatever follows counts for nothing
            pass
        if not seen:
            raise InputError("the form has no file: curl -F file=@x.flac sends one")

    async def _content(self) -> AsyncIterator[bytes]:
        border = self._border
        while (at := self._buffer.find(border)) < 0:
            sure = len(self._buffer) - len(border)
            if sure > 0:
                chunk, self._buffer = self._buffer[:sure], self._buffer[sure:]
                yield chunk
            await self._more()
        yield self._buffer[:at]
        self._buffer = self._buffer[at + len(border) :]


def _disposition(head: bytes) -> tuple[str, bool]:
    """A part's name, and whether it is a file."""
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            message = Message()
            message["content-disposition"] = re.sub(r"[^\x20-\x7e]", "?", value.strip())
            said = message.get_param("name", header="content-disposition")
            return str(said), message.get_param("filename", None, "content-disposition") is not None
    raise InputError("the form has a part without a name")
