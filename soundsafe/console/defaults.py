"""Defaults of options from a file: `soundsafe.toml` in the working folder, or another one by `--config`.

Each program has its table, each of its commands a table in that, whose keys are the options' names:

    [soundsafe.decode]
    key-file = ["my.key"]

    [soundsafe-eval.run]
    system = ["soundsafe", "soundsafe-16"]
    jobs = 2

What is given on the command line counts more than the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from typer.core import TyperGroup, TyperOption

from soundsafe.errors import InputError, reason, unknown

if TYPE_CHECKING:
    from typer._click import Command as Parser  # what typer makes; it has no public name

__all__ = ["FILE", "read_defaults"]

FILE = "soundsafe.toml"
"""The file in the working folder that is read without being asked for."""


def read_defaults(path: Path, program: str, parser: Parser) -> dict[str, object]:
    """The defaults that a file gives to a program.

    Args:
        path: of a TOML file.
        program: whose table is read; the others are left to other programs.
        parser: the program's commands, as the parser has them.

    Returns:
        Values by parameter in a mapping for each command, as parsers take them (`default_map`).

    Raises:
        InputError: it is no TOML, or names a command or an option that there is not.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise InputError(f"cannot read {path}: not text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no TOML: {error}") from None
    table = document.get(program, {})
    if not isinstance(table, dict):
        raise InputError(f"{path}: {program} is a table of commands: [{program}.COMMAND]")
    return _of_group(table, parser, path, program)


def _of_group(table: Mapping[str, object], group: Parser, path: Path, place: str) -> dict[str, object]:
    out: dict[str, object] = {}
    commands = group.commands if isinstance(group, TyperGroup) else {}
    for name, inner in table.items():
        if name not in commands:
            raise InputError(f"{path}, [{place}]: {unknown('command', name, commands)}")
        if not isinstance(inner, dict):
            raise InputError(f"{path}: {name} is a table of options: [{place}.{name}]")
        there = f"{place}.{name}"
        below = _of_group if isinstance(commands[name], TyperGroup) else _of_command
        out[name] = below(inner, commands[name], path, there)
    return out


def _of_command(table: Mapping[str, object], command: Parser, path: Path, place: str) -> dict[str, object]:
    options = {
        option.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, TyperOption)
        for option in parameter.opts
        if option.startswith("--")
    }
    out: dict[str, object] = {}
    for name, value in table.items():
        parameter = options.get(name.replace("_", "-"))
        if parameter is None:
            raise InputError(f"{path}, [{place}]: {unknown('option', name, options)}")
        if isinstance(value, dict) or (isinstance(value, list) and not parameter.multiple):
            raise InputError(f"{path}, [{place}]: {name} takes one value")
        several = parameter.multiple and not isinstance(value, list)
        out[str(parameter.name)] = [value] if several else value
    return out
