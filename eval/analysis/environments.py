"""Where two runs worked with other numeric libraries or kernels: the last bits of audio may differ then.

Most audio is the same all the same. What is not, and by how much, `tests/long/equal_environments.py` finds
out.
"""

from __future__ import annotations

from collections.abc import Mapping

from soundsafe.eval.rows import Json

__all__ = ["differences", "numeric", "remark"]

_COMPARED = ("blas", "aten_capability", "mkl", "variables")
_LIBRARIES = ("numpy", "scipy", "torch", "soxr", "av", "lameenc")


def numeric(document: Mapping[str, Json]) -> dict[str, Json]:
    """Of a `run.json`, what the last bits of audio depend on.

    Args:
        document: its content, or another that has its `environment` and `versions`.

    Returns:
        Name and value of each part that it states.

    Example:
        >>> numeric({"environment": {"aten_capability": "AVX2"}, "versions": {"numpy": "2.4", "pandas": "3"}})
        {'aten_capability': 'AVX2', 'numpy': '2.4'}
    """
    out: dict[str, Json] = {}
    for part, names in (("environment", _COMPARED), ("versions", _LIBRARIES)):
        found = document.get(part)
        if isinstance(found, Mapping):
            out |= {name: found[name] for name in names if name in found}
    return out


def differences(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[str]:
    """What differs between two of `numeric`, in words; nothing that one of them does not state.

    Example:
        >>> differences({"blas": ["a"], "numpy": "2"}, {"blas": ["b"], "numpy": "2", "mkl": None})
        ['blas a, now b']
    """
    both = [name for name in old if name in new]
    return [f"{n} {_said(old[n])}, now {_said(new[n])}" for n in both if old[n] != new[n]]


def _said(value: Json) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{k}={v}" for k, v in value.items() if v is not None) or "none"
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def remark(what: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> list[str]:
    """A line that says where the numeric environment is another than that of `what`; none where it is not."""
    found = differences(old, new)
    return [f"another numeric environment than {what}: {', '.join(found)}"] if found else []
