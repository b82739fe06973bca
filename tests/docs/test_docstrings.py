"""Docstrings of the public API: what goes in, what comes out, what is raised, and an example that runs.

That examples run is checked by `pytest --doctest-modules soundsafe`.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Every function and class that these modules export.
MODULES = (
    "soundsafe",
    "soundsafe.attacks",
    "soundsafe.datasets",
    "soundsafe.eval",
    "soundsafe.message.coding",
    "soundsafe.models",
    "soundsafe.models.coupling",
    "soundsafe.models.inn",
    "soundsafe.models.spectral",
    "soundsafe.pipeline.adaptive_bit_allocation",
    "soundsafe.pipeline.features",
    "soundsafe.pipeline.ingest_and_chunk",
    "soundsafe.pipeline.micro_chunking",
    "soundsafe.pipeline.moore_glasberg",
    "soundsafe.pipeline.parity",
    "soundsafe.pipeline.rules",
    "soundsafe.pipeline.sync_anchors",
    "soundsafe.stft",
    "soundsafe.training",
    "soundsafe.training.losses",
    "soundsafe.training.schedules",
)


def exported() -> dict[str, Any]:
    """Functions and classes by module and name; what several modules export counts once."""
    found = {}
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            item = getattr(importlib.import_module(module), name)
            if inspect.isfunction(item) or inspect.isclass(item):
                found[f"{item.__module__}.{item.__name__}"] = item
    return found


def methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, item in vars(cls).items():
        function = item.__func__ if isinstance(item, (staticmethod, classmethod)) else item
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


EXPORTED = exported()
FUNCTIONS = {name: item for name, item in EXPORTED.items() if inspect.isfunction(item)} | {
    f"{name}.{method}": function
    for name, cls in EXPORTED.items()
    if inspect.isclass(cls)
    for method, function in methods(cls)
}


def section(item: object, *titles: str) -> str:
    """The lines of the docstring under the first of these titles that it has; '' without."""
    words = (inspect.getdoc(item) or "") + "\n"
    found = re.search(rf"^(?:{'|'.join(titles)}):\n((?: .*\n|\n)*)", words, re.M)
    return found[1] if found else ""


def described(text: str) -> list[str]:
    return re.findall(r"^ {4}(\w+): \S", text, re.M)


def raises_itself(function: Callable[..., Any]) -> bool:
    """Whether its own lines raise, other than by letting something through."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def returns_nothing(function: Callable[..., Any]) -> bool:
    return inspect.signature(function).return_annotation in (None, "None")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_goes_in_and_what_comes_out(name: str) -> None:
    function = inspect.unwrap(FUNCTIONS[name])
    parameters = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
    assert sorted(described(section(function, "Args"))) == sorted(parameters)
    assert returns_nothing(function) or section(function, "Returns", "Yields")
    if raises_itself(function):
        assert described(section(function, "Raises"))


@pytest.mark.parametrize("name", [name for name, item in EXPORTED.items() if inspect.isclass(item)])
def test_classes_say_what_they_are_made_of(name: str) -> None:
    cls = EXPORTED[name]
    if dataclasses.is_dataclass(cls):
        fields = [field.name for field in dataclasses.fields(cls) if field.init]
        assert described(section(cls, "Args", "Attributes")) == fields
    elif "__init__" in vars(cls) and not getattr(cls, "_is_protocol", False):
        parameters = [p for p in inspect.signature(cls).parameters]
        assert described(section(cls, "Args")) == parameters


@pytest.mark.parametrize("name", EXPORTED)
def test_functions_and_classes_have_an_example(name: str) -> None:
    assert ">>> " in section(EXPORTED[name], "Example")


def test_the_walk_meets_what_there_is() -> None:
    # A list that shrank by accident would let everything pass.
    assert len(FUNCTIONS) > 100
    assert {name.rpartition(".")[2] for name in EXPORTED} >= {
        "EULDriver",
        "MooreGlasbergAnalyzer",
        "PerceptualSignificanceMetric",
        "AdaptiveBitAllocator",
        "MicroChunker",
        "apply_psychoacoustic_gate",
        "apply_psychoacoustic_gate_batched",
        "SyncAnchor",
        "SyncDetector",
        "INNWatermarker",
        "TrainConfig",
        "compute_slot_stability_loss",
        "apply_spectral_normalization",
        "compute_losses_and_metrics",
        "rs_encode_255_191",
        "rs_decode_255_191",
        "interleave_bytes",
        "embed",
        "decode",
    }
