"""Names, parameters and defaults of the original design, copied from its code, against what there is.

Ours may have more parameters after those, and other types for them; what the original calls by position or by
name keeps working.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SIGNATURES = Path(__file__).parents[2] / "fixtures" / "original_signatures.txt"


class Documented(NamedTuple):
    """A function of the original: dotted name below its module, (name, default) of each parameter."""

    module: str
    name: str
    parameters: list[tuple[str, object]]
    returns: str


def _value(node: ast.expr | None) -> object:
    # `255 * 8` is no literal.
    return inspect.Parameter.empty if node is None else eval(compile(ast.Expression(node), "", "eval"))


def _function(module: str, owner: str, node: ast.FunctionDef) -> Documented:
    given = node.args.args[1:] if owner else node.args.args
    defaults = [None] * (len(node.args.args) - len(node.args.defaults)) + list(node.args.defaults)
    name = owner if node.name == "__init__" else ".".join(filter(None, (owner, node.name)))
    values = [_value(default) for default in defaults[len(node.args.args) - len(given) :]]
    returns = "" if node.returns is None else ast.unparse(node.returns)
    return Documented(module, name, [(a.arg, v) for a, v in zip(given, values, strict=True)], returns)


def documented() -> list[Documented]:
    """All functions and classes of the original; a class with fields counts as a function of them."""
    found = []
    parts = re.split(r"^# module (\S+)$", SIGNATURES.read_text(), flags=re.M)[1:]
    for module, source in zip(parts[::2], parts[1::2], strict=True):
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef):
                found.append(_function(module, "", node))
            elif isinstance(node, ast.ClassDef):
                fields = [
                    (item.target.id, _value(item.value))
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                ]
                if fields:
                    found.append(Documented(module, node.name, fields, ""))
                found += [
                    _function(module, node.name, f) for f in node.body if isinstance(f, ast.FunctionDef)
                ]
    return found


ORIGINAL = documented()


def actual(one: Documented) -> Any:
    item: Any = importlib.import_module(one.module)
    for part in one.name.split("."):
        item = getattr(item, part)
    return item


def test_all_of_them_are_read() -> None:
    assert len(ORIGINAL) == 20


@pytest.mark.parametrize("one", ORIGINAL, ids=lambda one: one.name)
def test_parameters_and_defaults(one: Documented) -> None:
    item = actual(one)
    ours = [p for p in inspect.signature(item).parameters.values() if p.name != "self"]
    if one.name == "TrainConfig":  # fields by name: there are more of them, in between
        there = {p.name: p.default for p in ours}
        assert {name: there.get(name) for name, _ in one.parameters} == dict(one.parameters)
    else:
        assert [(p.name, p.default) for p in ours[: len(one.parameters)]] == one.parameters


def test_bytes_in_bytes_out() -> None:
    for one in ORIGINAL:
        if one.returns == "bytes":
            assert inspect.signature(actual(one)).return_annotation == "bytes"
