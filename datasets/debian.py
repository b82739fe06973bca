"""Files inside Debian packages, read without installing anything, and packages got by `apt-get download`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from soundsafe.errors import InputError

__all__ = ["download", "find", "members", "version_of"]

_MAGIC = b"!<arch>\n"
_HEADER = 60
_PACKINGS = {".tar": "r|", ".tar.gz": "r|gz", ".tar.bz2": "r|bz2", ".tar.xz": "r|xz"}


class _Part:
    """The next `size` bytes of an open file, as a file that is read once."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data


def version_of(package: Path) -> str:
    """The version in a package's file name; '' where it has none.

    >>> version_of(Path("klettres-data_4%3a22.12.3-1_all.deb"))
    '4:22.12.3-1'
    """
    parts = package.name.split("_")
    return parts[1].replace("%3a", ":") if len(parts) == 3 else ""


def find(name: str, version: str, folder: Path) -> Path | None:
    """The file of a package in a folder: of this version where it is there, else the only one.

    Raises:
        InputError: several of other versions, of which none is better than the others.
    """
    found = sorted(folder.glob(f"{name}_*.deb")) or sorted(folder.glob(f"{name}.deb"))
    exact = [path for path in found if version_of(path) == version]
    if not exact and len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder}: which of {names}? leave one of them there, best of version {version}")
    return next(iter(exact or found), None)


def download(name: str, version: str, folder: Path) -> Path:
    """Get a package by `apt-get download`, in this version or the one that is offered.

    Args:
        name: of the package.
        version: that is tried first.
        folder: that holds the file afterwards.

    Returns:
        The file.

    Raises:
        InputError: there is no apt-get, or it does not get the package.
    """
    program = shutil.which("apt-get")
    if program is None:
        raise InputError(
            f"package {name} is needed and there is no apt-get: give --packages a folder with {name}_*.deb"
        )
    said = ""
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=folder) as own:
        for wanted in (f"{name}={version}", name):
            found = subprocess.run(
                [program, "-q", "download", wanted], cwd=own, capture_output=True, text=True,
                errors="replace", env=os.environ | {"LC_ALL": "C"}, check=False,
            )  # fmt: skip
            packages = list(Path(own).glob("*.deb"))
            if found.returncode == 0 and len(packages) == 1:
                target = folder / packages[0].name
                os.replace(packages[0], target)
                return target
            lines = [line for line in found.stderr.splitlines() if line.startswith("E:")]
            said = lines[-1].removeprefix("E:").strip() if lines else f"exit code {found.returncode}"
    raise InputError(
        f"package {name} cannot be got ({said}): run apt-get update, or give --packages a folder with "
        f"{name}_*.deb"
    )


def members(package: Path, paths: Collection[str]) -> dict[str, bytes]:
    """The contents of files in a package.

    Args:
        package: a `.deb` file.
        paths: without a leading slash.

    Returns:
        By path. Nothing is written anywhere; what comes behind the last of them is not unpacked.

    Raises:
        InputError: it is no Debian package, is damaged, or lacks one of the files.
    """
    left, out = set(paths), {}
    try:
        with _archive(package) as archive:
            for entry in archive:
                name = entry.name.removeprefix("./")
                if name in left and entry.isfile():
                    out[name] = cast(IO[bytes], archive.extractfile(entry)).read()
                    left.discard(name)
                    if not left:
                        break
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{package}: cannot be unpacked ({error})") from error
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise InputError(f"{package}: holds no {min(left)}{more}; another version of the package may")
    return out


@contextmanager
def _archive(package: Path) -> Iterator[tarfile.TarFile]:
    """The archive of files (`data.tar.*`) of a package, to be read once from its start."""
    with package.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{package}: not a Debian package")
        while len(header := file.read(_HEADER)) == _HEADER:
            name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
            if name.startswith("data.tar"):
                mode = _PACKINGS.get(name.removeprefix("data"))
                if mode is None:
                    with _unpacked(package, name) as archive:
                        yield archive
                else:
                    part = cast(IO[bytes], _Part(file, size))
                    with tarfile.open(fileobj=part, mode=mode) as archive:  # type: ignore[call-overload]
                        yield archive
                return
            file.seek(size + size % 2, os.SEEK_CUR)
    raise InputError(f"{package}: holds no files")


@contextmanager
def _unpacked(package: Path, name: str) -> Iterator[tarfile.TarFile]:
    """The same by dpkg-deb, for packings that Python does not know everywhere (zstd)."""
    program = shutil.which("dpkg-deb")
    if program is None:
        raise InputError(f"{package}: {name} needs dpkg-deb to be unpacked, which is not here")
    with (
        subprocess.Popen([program, "--fsys-tarfile", package], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        yield archive
        process.kill()
