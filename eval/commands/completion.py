"""What shells complete: names of suites, attacks, systems and datasets, as far as they are typed."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["attack_names", "dataset_names", "suite_names", "system_names"]


def suite_names(incomplete: str) -> Iterator[str]:
    """Suites of this package, and files of suites by the shell itself."""
    from soundsafe.attacks.suite_files import suites

    return (name for name in suites() if name.startswith(incomplete))


def attack_names(incomplete: str) -> Iterator[str]:
    """All attacks but chains that no suite names."""
    from soundsafe import attacks

    return (a.name for a in attacks.all_attacks() if a.name.startswith(incomplete))


def system_names(incomplete: str) -> Iterator[str]:
    """Systems of this package and of others."""
    from soundsafe.eval.systems.registry import systems

    return (name for name in systems() if name.startswith(incomplete))


def dataset_names(incomplete: str) -> Iterator[str]:
    """Datasets by name; folders are the shell's own."""
    from soundsafe import datasets

    return (name for name in datasets.names() if name.startswith(incomplete))
