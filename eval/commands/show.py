"""`soundsafe-eval show`: a stored run, or what a suite, an attack or a system is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe import plugins
from soundsafe.console import print_json, tell, write
from soundsafe.console.screen import lines_of, screen
from soundsafe.errors import InputError
from soundsafe.eval.commands.listing import attack_item, params_text, suite_item
from soundsafe.eval.commands.options import Json, Latex, Plugins

if TYPE_CHECKING:
    from soundsafe.eval.commands.listing import Item

__all__ = ["show"]


def _system_item(name: str) -> Item:
    from soundsafe.eval.systems import registry

    if name not in registry.systems():
        registry.get(name)  # refused with what may be meant
    return next(item for item in registry.listing() if item["system"] == name)


_KINDS = {"suite": suite_item, "attack": attack_item, "system": _system_item}


def show(
    what: Annotated[
        list[str], typer.Argument(metavar="RUN_DIR | suite|attack|system NAME", help="What to show.")
    ],
    every_attack: Annotated[
        bool, typer.Option("--attacks", help="Of a run: a line for each attack, however many.")
    ] = False,
    categories: Annotated[
        bool, typer.Option("--categories", help="Of a run: what came of each category of clips, too.")
    ] = False,
    latex: Latex = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Print a stored run as `run` did, or tell what a suite, an attack or a system is."""
    for path in plugin or ():
        plugins.load(path)
    if len(what) == 1:
        _show_run(Path(what[0]), every_attack, categories, latex, as_json)
        return
    if len(what) != 2 or what[0] not in _KINDS:
        raise InputError(f"show {' '.join(what)}: give RUN_DIR, or {', '.join(_KINDS)} with a NAME")
    kind, name = what
    item = _KINDS[kind](name)
    if as_json:
        print_json(item, ascii_only=False)
    elif kind == "suite":
        _show_suite(item)
    else:
        for key, value in item.items():
            if value not in (None, "", False, {}):
                said = params_text(item) if isinstance(value, Mapping) else "yes" if value is True else value
                tell(f"{key.replace('_', ' ')}: {said}")


def _show_suite(item: Item) -> None:
    """The suite's description, and its attacks with their families and parameters."""
    names = item["attacks"]
    assert isinstance(names, list)
    tell(f"{item['suite']}, version {item['version']}, {len(names)} attacks: {item['description']}")
    from soundsafe.eval.rows import control_of

    rows = []
    for name in names:
        if control_of(name):
            rows.append((name, "control", ""))
        else:
            attack = attack_item(name)
            left = f"left out: {attack['left_out']}" if attack["left_out"] else ""
            rows.append((name, str(attack["family"]), left or params_text(attack)))
    for line in lines_of(screen(), ("attack", "family", "parameters"), rows):
        write(line)


def _show_run(folder: Path, every_attack: bool, categories: bool, latex: Path | None, as_json: bool) -> None:
    from soundsafe.eval.analysis.stored import read_run
    from soundsafe.eval.commands.stored import writable

    writable(latex)

    if not folder.exists():
        raise InputError(f"{folder}: no such run; soundsafe-eval show suite NAME shows a suite")
    run = read_run(folder)
    if as_json:
        from soundsafe.eval.documents import summary_items

        print_json(summary_items(run.summary), ascii_only=False)
        return
    from soundsafe.eval.commands.outcome import Outcome, next_steps, show_outcome

    outcome = Outcome(run.summary, run.frame, run.timing, folder)
    if latex is not None:
        from soundsafe.eval.running.store import write_atomically
        from soundsafe.reports.latex import Sheets

        sheets = Sheets()
        show_outcome(sheets, outcome, every_attack=every_attack, categories=categories)
        write_atomically(latex, sheets.document())
    show_outcome(screen(), outcome, every_attack=every_attack, categories=categories)
    for line in next_steps(outcome, every_attack):
        tell(f"next: {line}")
