"""Secret keys: 32 bytes, kept in a file of one line, from which every other secret is derived.

A key file holds 64 hexadecimal digits and a newline, with mode 0600. Keys are never printed, logged or taken
from a command line; messages name the file and not its content.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import math
import os
import re
import secrets

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from soundsafe.errors import InputError, reason

__all__ = [
    "DEFAULT_KEY",
    "KEY_BYTES",
    "derive",
    "given",
    "key_id",
    "keyed_integers",
    "named_key",
    "payload_id",
    "read_key_file",
    "write_key_file",
]

KEY_BYTES = 32
"""Length of a key."""

DEFAULT_KEY: bytes = hashlib.sha256(b"soundsafe public default key").digest()
"""The key used when none is given. Everybody has it: it gives detection, but no security."""

_LONGEST_NAME = 200

_SALT = b"soundsafe/v1"
_HEX_KEY = re.compile(rb"[0-9a-fA-F]{64}")


def given(key: bytes | None) -> bytes:
    """`key`, or the public one where it is None.

    Raises:
        InputError: a key of another length than 32 bytes: a secret that was lost must not become the public
            one, nor a password a key.
    """
    if key is None:
        return DEFAULT_KEY
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        size = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
        raise InputError(f"a key is {KEY_BYTES} bytes, not {size}: soundsafe keygen makes one")
    return key


def derive(key: bytes, purpose: str, n: int) -> bytes:
    """`n` bytes (1 to 8160) for `purpose`, derived from `key` by HKDF-SHA256 (RFC 5869).

    Different purposes give independent bytes, and none of them tells anything about the key. Raises
    ValueError for an empty key or an impossible `n`.
    """
    if not key:
        raise ValueError("a key must not be empty")
    if not 1 <= n <= 255 * 32:
        raise ValueError(f"HKDF-SHA256 gives 1 to 8160 bytes, not {n}")
    return HKDF(algorithm=SHA256(), length=n, salt=_SALT, info=purpose.encode()).derive(key)


def keyed_integers(secret: bytes, label: str, *shape: int) -> NDArray[np.uint64]:
    """Integers that look random and follow from `secret`: the same on every machine and in every version.

    Args:
        secret: what `derive` gave for some purpose.
        label: what they are for; each label has integers of its own.
        shape: of the result.

    Returns:
        Integers of 64 bits, evenly distributed: the output of SHAKE-256, little-endian.

    Example:
        >>> keyed_integers(bytes(32), "dither", 2, 3).shape
        (2, 3)
    """
    count = math.prod(shape)
    stream = hashlib.shake_256(secret + label.encode()).digest(8 * count)
    return np.frombuffer(stream, "<u8").reshape(shape)


def named_key(key: bytes, name: str) -> bytes:
    """The key of one recipient or release, derived from a main key that stays where it is.

    Keys of different names tell nothing of each other or of the main key: what audio under one of them gives
    away is of no use against the others.

    Args:
        key: the main key, not empty.
        name: of the recipient or release, 1 to 200 characters; case and blanks count.

    Returns:
        32 bytes, the same each time.

    Raises:
        InputError: a name that is empty or too long.

    Example:
        >>> named_key(bytes(32), "label A") == named_key(bytes(32), "label A")
        True
        >>> named_key(bytes(32), "label A") == named_key(bytes(32), "label B")
        False
    """
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise InputError(f"the name of a key has 1 to {_LONGEST_NAME} characters, not {len(name)}")
    try:
        return hmac.digest(derive(key, "named keys", 32), name.encode(), "sha256")
    except UnicodeEncodeError:
        raise InputError("the name of a key must be text that UTF-8 can write") from None


def key_id(key: bytes) -> str:
    """16 hexadecimal digits that name `key` and tell nothing else about it: registries hold them."""
    return derive(key, "key id", 8).hex()


def payload_id(payload: bytes) -> bytes:
    """The 64-bit identifier of a payload: the first 8 bytes of its SHA-256. It needs no key."""
    return hashlib.sha256(payload).digest()[:8]


def read_key_file(path: str | os.PathLike[str]) -> bytes:
    """The key in a key file.

    Args:
        path: of a file with 64 hexadecimal digits; blanks around them are allowed.

    Returns:
        32 bytes.

    Raises:
        InputError: it cannot be read, or holds something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_key_file(f"{folder}/secret.key")
        ...     len(read_key_file(f"{folder}/secret.key"))
        32
    """
    try:
        with open(path, "rb") as file:
            text = file.read(4096)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the key file {os.fspath(path)}: {reason(error)}") from None
    digits = text.strip()
    if not _HEX_KEY.fullmatch(digits):
        raise InputError(
            f"{os.fspath(path)} is not a key file: one line of {2 * KEY_BYTES} hexadecimal digits"
        )
    return bytes.fromhex(digits.decode("ascii"))


def write_key_file(path: str | os.PathLike[str], key: bytes | None = None) -> None:
    """Keep a key in a new file, mode 0600.

    Args:
        path: of the file. It is made beside it, and gets its name when it is whole.
        key: 32 bytes; without one, new random ones.

    Raises:
        InputError: something exists there already (a key is never overwritten), or it cannot be written; then
            no file is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_key_file(f"{folder}/secret.key")
        ...     oct(os.stat(f"{folder}/secret.key").st_mode & 0o777)
        '0o600'
    """
    partial = os.path.join(os.path.dirname(path), f".soundsafe-{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write((key or secrets.token_bytes(KEY_BYTES)).hex().encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            _give_name(partial, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
    except FileExistsError:
        raise InputError(
            f"{os.fspath(path)} exists already, and a key is never overwritten: give a new name"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write the key file {os.fspath(path)}: {reason(error)}") from None


def _give_name(partial: str, path: str | os.PathLike[str]) -> None:
    """A rename that never overwrites; raises FileExistsError where `path` exists."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, or it cannot be written, as is said then
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(partial, path)
