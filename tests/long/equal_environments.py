"""Whether marks and attacked audio are equal to the bit whatever numeric kernels a processor is given.

    python tests/long/equal_environments.py --json equal.json
    python tests/long/equal_environments.py --attack eq_10band_6dB --kernels MKL_CBWR=AVX2

A process for each setting of OpenBLAS's and ATen's kernels marks bundled clips and does every attack to one
and the same audio; what differs from the first setting is listed with the size of the difference. Exit code 1
where anything does. OpenBLAS takes a kernel that the processor lacks for its own choice: run it where AVX-512
is, to see all. Every attack takes some minutes for each setting.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KERNELS = (
    "", "OPENBLAS_CORETYPE=Haswell", "OPENBLAS_CORETYPE=SkylakeX", "OPENBLAS_CORETYPE=Zen",
    "ATEN_CPU_CAPABILITY=default", "ATEN_CPU_CAPABILITY=avx2",
)  # fmt: skip
"""Settings that are compared, the first with each of the others."""

SECONDS, CLIPS, SEED = 2, 4, 0
MARKED_S = 5
PAYLOADS = (16, 175)


def attacked(names: list[str] | None, out: Path, given: Path) -> dict[str, str]:
    """Marks and attacks of this process's setting (None: every one): the digest of each one's audio.

    The first setting's audio is kept in `out`, which is `given` then; the others say how far they are off.
    """
    import torch

    from soundsafe import attacks, datasets, embed
    from soundsafe.eval.running.seeds import bench_key, generator, payload_of

    torch.set_num_threads(1)
    found: dict[str, str] = {}

    def keep(name: str, audio: NDArray[np.float32]) -> None:
        found[name] = hashlib.sha256(np.ascontiguousarray(audio).tobytes()).hexdigest()
        first = given / f"{digest(name)}.npy"
        if given == out:
            np.save(first, audio)
        elif first.exists():
            found[name] += " " + difference(np.load(first), audio)

    clips = datasets.load("bundled").clips[:CLIPS]
    for clip in [] if names else clips:
        audio, rate = clip.read()
        audio = np.ascontiguousarray(audio[:, : MARKED_S * rate])
        for size in PAYLOADS:
            made = embed(audio, rate, payload_of(SEED, clip.clip, size), bench_key(SEED)).audio
            assert made is not None
            keep(f"mark of {size} bytes, {clip.clip}", made)
    audio, rate = clips[0].read()
    audio = np.ascontiguousarray(audio[:, rate : (1 + SECONDS) * rate])
    for attack in attacks.all_attacks() if names is None else map(attacks.get, names):
        if attack.left_out or attack.needs_access or attack.weights:
            continue
        try:
            result = attack.apply(audio.copy(), rate, generator(SEED, "clip", attack.name, attack.params))
        except Exception as error:  # an attack that fails fails alike, or is listed
            found[attack.name] = f"failed: {type(error).__name__}"
            continue
        keep(attack.name, np.asarray(result, np.float32))
    return found


def digest(name: str) -> str:
    """A file's name for anything's."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> str:
    """How far two arrays are apart, in words that JSON can hold."""
    if a.shape != b.shape:
        return f"shapes {a.shape}, {b.shape}"
    change = b.astype(np.float64) - a
    if not change.any():
        return ""
    power = float((a.astype(np.float64) ** 2).sum() / (change**2).sum())
    return f"largest {np.abs(change).max():.1e}, {10 * np.log10(max(power, 1e-30)):.0f} dB below"


def of_setting(kernel: str, arguments: list[str]) -> dict[str, str]:
    """`attacked`, in a process of its own under one setting."""
    setting = dict([kernel.split("=", 1)]) if kernel else {}
    out = subprocess.run(
        [sys.executable, __file__, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1", **setting},
        capture_output=True, text=True,
    )  # fmt: skip
    if out.returncode:
        raise SystemExit(f"{kernel or 'unset'}: {out.stderr[-2000:]}")
    found: dict[str, str] = json.loads(out.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--attack", action="append", help="only this one, and no mark; repeatable")
    parser.add_argument("--marks", action="store_true", help="no attack, marks alone")
    parser.add_argument("--kernels", action="append", help="VARIABLE=VALUE beside the usual ones; repeatable")
    parser.add_argument("--json", type=Path, help="also write what was found")
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--given", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.out:
        print(json.dumps(attacked([] if asked.marks else asked.attack, asked.out, asked.given)))
        return
    only = (
        ["--marks"] if asked.marks else [part for name in asked.attack or [] for part in ("--attack", name)]
    )
    report: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        first: dict[str, str] = {}
        for kernel in (*KERNELS, *(asked.kernels or [])):
            here = Path(folder) / (digest(kernel) if first else "first")
            here.mkdir()
            found = of_setting(kernel, [*only, "--out", str(here), "--given", str(Path(folder) / "first")])
            first = first or found
            for name, value in found.items():
                if value.split(" ")[0] != first.get(name, "").split(" ")[0]:
                    report.setdefault(name, {})[kernel] = value.partition(" ")[2]
            unequal = sum(kernel in differing for differing in report.values())
            print(f"{kernel or 'unset':<32} {len(found)} made, {unequal} not equal", flush=True)
    for name, differing in report.items():
        print(name, *(f"  {kernel}: {text}" for kernel, text in differing.items()), sep="\n")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1))
    raise SystemExit(1 if report else 0)


if __name__ == "__main__":
    main()
