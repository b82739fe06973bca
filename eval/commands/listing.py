"""`soundsafe-eval list`: what can be run, a line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import typer

from soundsafe import plugins
from soundsafe.console import print_json, write
from soundsafe.console.screen import lines_of, screen
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Json, Plugins

__all__ = ["attack_item", "listing", "suite_item"]

Kind = Literal["suites", "attacks", "systems", "datasets", "metrics"]
Item: TypeAlias = Mapping[str, object]


def suite_item(name: str) -> Item:
    """A suite as JSON."""
    from soundsafe.attacks.suite_files import suite

    s = suite(name)
    return {"suite": s.name, "version": s.version, "attacks": list(s.attacks), "description": s.description}


def _suites() -> list[Item]:
    from soundsafe.attacks.suite_files import suites

    return [suite_item(name) for name in suites()]


def attack_item(name: str) -> Item:
    """An attack as JSON."""
    from soundsafe import attacks

    a = attacks.get(name)
    return {
        "attack": a.name,
        "family": a.family,
        "params": dict(a.params),
        "changes_length": a.changes_length,
        "differentiable": a.differentiable,
        "engine": a.engine,
        "needs_access": a.needs_access,
        "left_out": a.left_out,
        "source": a.source.name,
        "licence": a.source.licence,
    }


def _attacks() -> list[Item]:
    from soundsafe import attacks

    return [attack_item(a.name) for a in attacks.all_attacks()]


def _systems() -> Sequence[Item]:
    from soundsafe.eval.systems.registry import listing

    return listing()


def _datasets() -> list[Item]:
    from soundsafe import datasets

    found: list[Item] = [{"dataset": name, "how": "comes with the package"} for name in datasets.names()]
    found += [{"dataset": n, "how": f"soundsafe-eval dataset make {n} DIR"} for n in datasets.recipes()]
    for name, layout in datasets.LAYOUTS.items():
        how = f"{layout.title} in DIR, grouped by {layout.group}: {layout.needs}"
        found.append({"dataset": f"{name}:DIR", "how": how})
    return found


def _metrics() -> list[Item]:
    from soundsafe.eval.metrics import metrics

    return [
        {
            "metric": m.name,
            "unit": m.unit,
            "better": m.better,
            "level": m.level,
            "description": m.description + (" (only when asked for)" if m.on_request else ""),
        }
        for m in metrics()
    ]


_LISTS: dict[str, Callable[[], Sequence[Item]]] = {
    "suites": _suites, "attacks": _attacks, "systems": _systems, "datasets": _datasets, "metrics": _metrics,
}  # fmt: skip

_NEXT = {
    "suites": "next: soundsafe-eval show suite NAME",
    "attacks": "next: soundsafe-eval show attack NAME, soundsafe-eval run --attack NAME",
    "systems": "next: soundsafe-eval show system NAME, run --system NAME, peer install NAME",
}


def _payload(item: Item) -> str:
    size = item["payload_bytes"]
    if not item["available"]:
        return "not installed"
    return f"{size} bytes" if isinstance(size, int) and size else "–"


def _place(item: Item) -> tuple[bool, int]:
    """Where a system stands in a list for people: installed ones first, the codec before what it
    is compared with."""
    kind = str(item["description"]).partition(":")[0]
    return not item["available"], {"baseline": 1, "peer": 2}.get(kind, 0)


def _cells(kind: str, item: Item) -> list[str]:
    """What a line of text says of an item: its name first, its description last."""
    if kind == "suites":
        named = item["attacks"]
        return [
            str(item["suite"]),
            str(len(named) if isinstance(named, list) else 0),
            str(item["description"]),
        ]
    if kind == "systems":
        return [str(item["system"]), _payload(item), str(item["description"])]
    if kind == "attacks":
        left = f"left out: {item['left_out']}" if item["left_out"] else ""
        return [str(item["attack"]), str(item["family"]), str(item["source"]), left or params_text(item)]
    if kind == "metrics":
        return [
            str(item["metric"]),
            _BETTER.get(str(item["better"]), ""),
            f"{item['description']} ({item['unit']})",
        ]
    return [str(value) for value in item.values()]


def params_text(item: Item) -> str:
    """An attack's parameters in a few words."""
    params = item["params"]
    return " ".join(f"{k}={v}" for k, v in params.items()) if isinstance(params, Mapping) else ""


_BETTER = {"lower": "lower is better", "higher": "higher is better", "zero": "zero is better"}

_HEADS = {
    "suites": ("suite", "attacks", "what"),
    "systems": ("system", "payload", "what"),
    "attacks": ("attack", "family", "source", "parameters"),
    "datasets": ("dataset", "how"),
    "metrics": ("metric", "", "what"),
}


def listing(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    word: Annotated[
        str | None, typer.Argument(metavar="[WORD]", help="Those with this in their names.")
    ] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """List suites, attacks, systems, datasets or metrics, a line each."""
    for path in plugin or ():
        plugins.load(path)
    items = [i for i in _LISTS[kind]() if word is None or word.lower() in str(next(iter(i.values()))).lower()]
    if word is not None and not items:
        raise InputError(f"no {kind} with {word!r} in their names: soundsafe-eval list {kind} names all")
    if as_json:
        print_json(items, ascii_only=False)
        return
    right = {1} if kind == "suites" else set()
    console = screen()
    items = sorted(items, key=_place) if kind == "systems" else items
    for line in lines_of(console, _HEADS[kind], [_cells(kind, item) for item in items], right):
        write(line)
    if kind in _NEXT and console.is_terminal:
        write(f"\n{_NEXT[kind]}\n")
