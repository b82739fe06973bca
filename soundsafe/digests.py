"""A name for a set of parameters: equal parameters have equal digests, on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, ClassVar, Protocol

__all__ = ["digest_of"]


class _Dataclass(Protocol):
    """Any instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def digest_of(parameters: _Dataclass) -> str:
    """SHA-256 of all fields of a dataclass, hexadecimal.

    Args:
        parameters: an instance whose fields JSON can hold: numbers, text, tuples of them.

    Returns:
        64 hexadecimal digits; they change with any field's name or value.

    Example:
        >>> from soundsafe.cells.profile import ROBUST, Profile
        >>> digest_of(ROBUST) == digest_of(Profile())
        True
    """
    return hashlib.sha256(json.dumps(dataclasses.asdict(parameters), sort_keys=True).encode()).hexdigest()
