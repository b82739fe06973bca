"""Packages of Python that attacks need."""

from __future__ import annotations

from soundsafe.attacks.packages import Package


def test_without_the_package_the_remedy_is_named() -> None:
    missing = Package("no_such_module_here", "no-such-package[extras]").missing()
    assert missing == "needs the package no_such_module_here: pip install 'no-such-package[extras]'"
    assert Package("numpy", "numpy").missing() == ""
