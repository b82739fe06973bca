"""The notebooks of `examples` run as they stand, and print what they were saved with."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import matplotlib
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.ipynb")))
def test_notebook(name: str) -> None:
    matplotlib.use("Agg")
    cells = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("".join(cell["source"]), name, "exec"), names)
            streams = [o["text"] for o in cell["outputs"] if o["output_type"] == "stream"]
            assert printed.getvalue() == "".join("".join(text) for text in streams)
            assert cell["execution_count"], "saved without having been run"
