"""Options that every command has: `--quiet`, `--verbose` and `--config`; `-h` is `--help`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from soundsafe.console.defaults import read_defaults
from soundsafe.console.output import set_level

if TYPE_CHECKING:
    from soundsafe.console.defaults import Parser

__all__ = ["HELP_NAMES", "add_common_options"]

HELP_NAMES = ["-h", "--help"]


def _quiet(value: bool) -> None:
    if value:
        set_level(logging.ERROR)


def _verbose(value: bool) -> None:
    if value:
        set_level(logging.DEBUG)


def _configured(ctx: typer.Context, value: Path | None) -> None:
    if value is None:
        return
    names: list[str] = []
    root: Any = ctx
    while root.parent is not None:
        names.insert(0, str(root.info_name))
        root = root.parent
    found: Any = read_defaults(value, root.info_name, root.command)
    for name in names:
        found = found.get(name, {})
    ctx.default_map = found


_options = typer.Typer(add_completion=False)


@_options.command()
def _each(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", expose_value=False, is_eager=True, callback=_configured,
            help="Defaults of options; without it, soundsafe.toml in this folder.",
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", expose_value=False, is_eager=True, callback=_quiet,
            help="Say nothing but the answer and errors.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", expose_value=False, is_eager=True, callback=_verbose,
            help="Say what is done, and how long it took.",
        ),
    ] = False,
) -> None:  # fmt: skip
    """The options, as a command has them: parsers do not tell how to make one otherwise."""


def add_common_options(parser: Parser) -> None:
    """Add the options to a program's parser and to all commands below it.

    Args:
        parser: of the program, as `typer.main.get_command` makes it.
    """
    common = [p for p in typer.main.get_command(_options).params if p.name != "help"]

    def extend(command: Parser) -> None:
        command.params = [*command.params, *common]
        if isinstance(command, TyperGroup):
            for inner in command.commands.values():
                extend(inner)

    extend(parser)
