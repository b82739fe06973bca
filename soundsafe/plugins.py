"""Files of Python that bring attacks and systems for one run, without packaging.

A plug-in is imported by the name of its file. Attacks register themselves by the decorator
`soundsafe.attacks.attack`; systems are found by what they have (`soundsafe.eval.systems.registry`). Worker
processes find the files through an environment variable, which `load` sets.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from soundsafe.errors import InputError

__all__ = ["VARIABLE", "load", "loaded"]

VARIABLE = "SOUNDSAFE_PLUGINS"
"""Paths of the files, joined as those of PATH are."""

_MODULES: dict[Path, ModuleType] = {}


def load(path: str | os.PathLike[str]) -> ModuleType:
    """Import a plug-in, here and in the processes that are started from here on.

    Args:
        path: of a file that ends in `.py`, whose name is no module's that can be imported otherwise.

    Returns:
        The module.

    Raises:
        InputError: there is no such file, its name is taken, or it cannot be imported: the message says why.

    Example:
        >>> load("no_such_file.py")
        Traceback (most recent call last):
        ...
        soundsafe.errors.InputError: plug-in no_such_file.py: no such file
    """
    file = Path(path).resolve()
    if file in _MODULES:
        return _MODULES[file]
    name = file.stem
    if file.suffix != ".py" or not re.fullmatch(r"[^\W\d]\w*", name):
        raise InputError(f"plug-in {path}: a file NAME.py is needed, NAME of letters, digits and _")
    if not file.is_file():
        raise InputError(f"plug-in {path}: no such file")
    # What is pickled for a worker names its module: there, too, it must be importable by that name.
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    found = PathFinder.find_spec(name)
    origin = getattr(sys.modules.get(name), "__file__", None) or (found.origin if found else None)
    if name in sys.stdlib_module_names or origin is None or Path(origin).resolve() != file:
        raise InputError(f"plug-in {path}: there is another module {name}: give the file another name")
    try:
        module = importlib.import_module(name)
    except Exception as error:  # whatever a file of others raises
        raise InputError(f"plug-in {path} cannot be imported: {type(error).__name__}: {error}") from error
    _MODULES[file] = module
    os.environ[VARIABLE] = os.pathsep.join(map(str, _MODULES))
    return module


def loaded() -> tuple[ModuleType, ...]:
    """The plug-ins of this process, those that its parent loaded among them.

    Returns:
        Modules, in the order in which they were asked for.

    Raises:
        InputError: one cannot be imported any more.

    Example:
        >>> isinstance(loaded(), tuple)
        True
    """
    for path in os.environ.get(VARIABLE, "").split(os.pathsep):
        if path:
            load(path)
    return tuple(_MODULES.values())
