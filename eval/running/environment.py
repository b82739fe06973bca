"""What a run depended on: versions, commit, machine. No times, no paths."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from soundsafe.eval.rows import Json

__all__ = ["commit", "environment", "kernels", "source_hash"]

_PACKAGES = (
    "soundsafe", "numpy", "scipy", "torch", "pandas", "pyarrow", "soundfile", "soxr", "lameenc", "av", "ldpc",
    "reedsolo", "pyloudnorm", "zimtohrli", "visqol-python", "pesq", "pystoi",
    "python-stretch", "transformers",
)  # fmt: skip
_CODE = ("soundsafe", "soundsafe.attacks", "soundsafe.datasets", "soundsafe.eval")
_ROOMS = frozenset({"attacks", "datasets", "eval", "reports"})
"""Packages that lie in the folder of `soundsafe` or beside it, as the installation has it."""


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


@cache
def source_hash() -> str:
    """16 hex digits of the SHA-256 of the code and suites that rows depend on, installed or editable."""
    digest = hashlib.sha256()
    for package in _CODE:
        folder = _folder(package)
        if folder is None:
            continue
        files = [
            p
            for p in folder.rglob("*")
            if p.suffix in {".py", ".toml", ".json", ".npz"}
            and not (package == "soundsafe" and p.relative_to(folder).parts[0] in _ROOMS)
        ]
        for path in sorted(files):
            digest.update(f"{package}/{path.relative_to(folder).as_posix()}".encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def commit() -> str | None:
    """The commit of the checkout that this package runs from, by links too (an editable install).

    Of an installed copy the commit that it was built from, see `setup.py`; None where that was not known.
    `source` tells a copy apart that was changed since.
    """
    spec = find_spec("soundsafe")
    if spec is None or spec.origin is None:
        return None
    built = Path(spec.origin).resolve().parent / "commit.txt"
    checkout = built.parents[1]
    if not (checkout / ".git").exists():
        return built.read_text(encoding="ascii").strip() if built.is_file() else None
    try:
        out = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return out.stdout.strip() or None if out.returncode == 0 else None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _ffmpeg() -> dict[str, str]:
    try:
        import av
    except ImportError:
        return {}
    return {f"ffmpeg.{name}": ".".join(map(str, v)) for name, v in sorted(av.library_versions.items())}


def _rubberband() -> dict[str, str]:
    try:
        out = subprocess.run(["rubberband", "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"rubberband": (out.stdout + out.stderr).strip()}


_KERNEL_VARIABLES = (
    "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
)  # fmt: skip

_BLAS = ("internal_api", "version", "architecture")


def kernels() -> dict[str, Json]:
    """What the last bits of floating-point numbers depend on, beside versions.

    Returns:
        `blas`: library, version and kernel of each that NumPy and SciPy use; `aten_capability`: instructions
        that torch's kernels use; `mkl`: version of torch's MKL and its mode of reproducibility (MKL_CBWR);
        `threads` of both in this process (workers have one each); `variables` that choose among these.

    Example:
        >>> sorted(kernels())
        ['aten_capability', 'blas', 'mkl', 'threads', 'variables']
    """
    import numpy as np
    import scipy.linalg
    import torch
    from threadpoolctl import threadpool_info

    del np, scipy  # loaded, so that their libraries are
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    mkl = re.search(r"Math Kernel Library Version (\S+)", torch.__config__.show())
    return {
        "blas": [*sorted(" ".join(filter(None, (b.get(name) for name in _BLAS))) for b in blas)],
        "aten_capability": torch.backends.cpu.get_cpu_capability(),
        "mkl": {
            "version": mkl.group(1) if mkl else None,
            "mode": os.environ.get("MKL_CBWR", "default") if torch.backends.mkl.is_available() else None,
        },
        "threads": {
            "blas": max((int(b["num_threads"]) for b in blas), default=1),
            "torch": torch.get_num_threads(),
        },
        "variables": {name: os.environ[name] for name in _KERNEL_VARIABLES if name in os.environ},
    }


def environment() -> dict[str, Json]:
    """`versions`, `commit`, `source`, `machine`, `environment` (see `kernels`), as JSON values."""
    versions: dict[str, Json] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    machine: dict[str, Json] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }
    return {
        "versions": {**versions, **_ffmpeg(), **_rubberband()},
        "commit": commit(),
        "source": source_hash(),
        "machine": machine,
        "environment": kernels(),
    }
