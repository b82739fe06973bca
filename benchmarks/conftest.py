"""Prints the ratios that `note` keeps with each benchmark."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    for bench in getattr(session, "benchmarks", []):
        info = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in bench.extra_info.items())
        terminalreporter.write_line(f"{bench.name}: {info}")
