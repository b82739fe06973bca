"""Rows of a study on standard output, one JSON line each."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable

from soundsafe.errors import InputError
from soundsafe.eval.documents import Dataclass

__all__ = ["print_rows"]


def print_rows(study: Callable[[], Iterable[Dataclass]]) -> int:
    """Print the rows of a study as they come.

    Args:
        study: gives the rows; what it refuses is an `InputError`.

    Returns:
        The exit code: 0, or 2 where it refused, with its line on standard error.
    """
    try:
        for row in study():
            print(json.dumps(dataclasses.asdict(row)), flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
