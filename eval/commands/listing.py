"""`soundsafe-eval list`: what can be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import typer

from soundsafe.console import print_json, write
from soundsafe.eval.commands.options import Json

__all__ = ["listing"]

Kind = Literal["suites", "attacks", "systems", "datasets", "metrics"]
Item: TypeAlias = Mapping[str, object]


def _suites() -> list[Item]:
    from soundsafe.attacks.suite_files import suite, suites

    return [
        {"suite": s.name, "version": s.version, "attacks": list(s.attacks), "description": s.description}
        for s in map(suite, suites())
    ]


def _attacks() -> list[Item]:
    from soundsafe import attacks

    return [
        {
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
        for a in attacks.all_attacks()
    ]


def _systems() -> Sequence[Item]:
    from soundsafe.eval.systems.registry import listing

    return listing()


def _datasets() -> list[Item]:
    from soundsafe import datasets

    return [{"dataset": name} for name in datasets.names()]


def _metrics() -> list[Item]:
    from soundsafe.eval.metrics import metrics

    return [
        {
            "metric": m.name,
            "unit": m.unit,
            "better": m.better,
            "level": m.level,
            "description": m.description + (" (only when asked for)" if m.package else ""),
        }
        for m in metrics()
    ]


_LISTS: dict[str, Callable[[], Sequence[Item]]] = {
    "suites": _suites, "attacks": _attacks, "systems": _systems, "datasets": _datasets, "metrics": _metrics,
}  # fmt: skip


def _shown(value: object) -> str:
    """A value in a line of text; '' where it says nothing there."""
    if isinstance(value, Mapping):
        return " ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None or isinstance(value, bool) else str(value)


def listing(kind: Annotated[Kind, typer.Argument()], as_json: Json = False) -> None:
    """List suites, attacks, systems, datasets or metrics."""
    items = _LISTS[kind]()
    if as_json:
        print_json(items, ascii_only=False)
        return
    for item in items:
        said = {k: f"left out: {v}" if k == "left_out" and v else v for k, v in item.items()}
        name, *rest = said.values()
        texts = [text for value in rest if (text := _shown(value))]
        write("  ".join([f"{name!s:<24}", *texts]).rstrip() + "\n")
