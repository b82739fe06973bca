"""Coverage-guided fuzzing of everything that reads files or bytes from outside, with atheris (Linux).

    pip install atheris
    python tests/long/fuzz.py container --seconds 300

Each target may raise InputError and nothing else, and no input may take more than five seconds. Prints one
JSON document: how many inputs ran, and every way in which one failed, with the input.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

from soundsafe.errors import InputError

Check = Callable[[bytes], object]
KEY = bytes(32)


def load(name: str) -> Any:
    """A module, with itself and what it brings from this package watched by the fuzzer."""
    with atheris.instrument_imports(include=["soundsafe"]):
        return importlib.import_module(name)


def container_target(folder: Path, seeds: list[bytes]) -> Check:
    """Blocks with the right tag and any content, so that all behind the tag is reached."""
    container = load("soundsafe.container")
    seeds += [
        b"".join(block[:8] + block[16:] for block in container.pack(bytes(n), KEY)) for n in (1, 175, 400)
    ]

    def check(data: bytes) -> None:
        parts = []
        for start in range(0, len(data), 183):
            content = data[start : start + 183].ljust(183, b"\0")
            head, body = content[:8], content[8:]
            right = container.open_part(head + container._tag(head, body, KEY) + body, KEY)
            if right is not None:
                parts.append(right)
        payload = container.assemble(parts)
        assert payload is None or 1 <= len(payload) <= container.MAX_PAYLOAD
        raw = data[:191].ljust(191, b"\0")
        assert container.open_part(raw, KEY) is None

    return check


def file_target(
    name: str,
    file: str,
    read: Callable[[Any, Path], object],
    example: bytes | Callable[[Any, Path], None],
) -> Callable[[Path, list[bytes]], Check]:
    """``read(module, path)`` of a file called `file`, of which there is a sound `example`."""

    def target(folder: Path, seeds: list[bytes]) -> Check:
        module = load(name)
        path = folder / file
        if callable(example):
            example(module, path)
            seeds.append(path.read_bytes())
        else:
            seeds.append(example)

        def check(data: bytes) -> None:
            path.write_bytes(data)
            read(module, path)

        return check

    return target


def run_target(folder: Path, seeds: list[bytes]) -> Check:
    """A run's folder, one file of which (the first byte says which) is replaced."""
    reader = load("soundsafe.reports.load")
    import pandas

    from soundsafe.eval.rows import Row

    names = ("summary.json", "run.json", "timing.csv", "results.parquet")
    row = {name: 0 if kind in ("int", "float") else "" for name, kind in Row.__annotations__.items()}
    table = io.BytesIO()
    pandas.DataFrame([row]).to_parquet(table)
    sound = {
        "summary.json": b'{"rows": [{"system": "s", "attack": "none"}], "quality": [{"system": "s"}]}',
        "run.json": b'{"configuration": {"seed": 0}}',
        "timing.csv": b"system,seconds\ns,1.0\n",
        "results.parquet": table.getvalue(),
    }
    for name, content in sound.items():
        (folder / name).write_bytes(content)
        seeds.append(bytes([names.index(name)]) + content)

    def check(data: bytes) -> None:
        name = names[data[0] % len(names)] if data else names[0]
        (folder / name).write_bytes(data[1:])
        try:
            reader.gather([reader.read_run(folder)])
        finally:
            (folder / name).write_bytes(sound[name])

    return check


def audio_target(folder: Path, seeds: list[bytes]) -> Check:
    """Any file as audio: header, samples, tags; and its tags copied to what is made of it."""
    audio_file = load("soundsafe.audio_file")
    import lameenc
    import numpy as np
    import soundfile

    sound = np.random.default_rng(0).standard_normal((400, 2)) * 0.1
    for suffix, subtype in (("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS")):
        with soundfile.SoundFile(folder / f"x.{suffix}", "w", 8000, 2, subtype) as file:
            file.title = "a title"
            file.write(sound)
        seeds.append((folder / f"x.{suffix}").read_bytes())
    encoder = lameenc.Encoder()
    encoder.set_channels(2)
    encoder.set_in_sample_rate(16_000)
    encoder.silence()
    seeds.append(
        bytes(encoder.encode((sound * 32_000).astype("<i2").repeat(6, 0).tobytes()) + encoder.flush())
    )

    def check(data: bytes) -> None:
        path = folder / "input"
        path.write_bytes(data)
        with (
            audio_file.AudioReader(path) as reader,
            audio_file.AudioWriter(folder / "output.flac", reader.info) as writer,
        ):
            for _, block in zip(range(4), reader.blocks(1 << 14), strict=False):
                writer.write(block)
            writer.finish()

    return check


def _read_registry(module: Any, path: Path) -> object:
    with module.Registry(path) as opened:
        return [mark.to_json() for mark in opened.search()]


def _registry_example(module: Any, path: Path) -> None:
    with module.Registry(path, write=True) as opened:
        opened.put(module.Mark("a", "a.flac", "00", "11", "22", "33", "0", "now", "{}"))


def _checkpoint_example(module: Any, path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    made = json.dumps(module.TrainConfig().to_json())
    meta = {"config": made, "data_hash": "", "code_version": "", "step": "1", "rng": "{}"}
    save_file({"model.x": torch.zeros(2), "optimizer.0.step": torch.zeros(1)}, str(path), metadata=meta)


_CONFIG = b'seed = 1\nlr = 1e-3\nsn_layers = ["a.*"]\n'
_SUITE = b'suite = "x"\nversion = 1\nattacks = ["gain_+3dB"]\ninclude = ["smoke"]\nleaves_out = ["y"]\n'

TARGETS: dict[str, Callable[[Path, list[bytes]], Check]] = {
    "container": container_target,
    "run_folder": run_target,
    "audio": audio_target,
    "manifest": file_target(
        "soundsafe.datasets.dataset",
        "manifest.csv",
        lambda module, path: module.load(path.parent),
        b"file,clip,split\nmanifest.csv,a,test\n",
    ),
    "config": file_target(
        "soundsafe.training.config", "c.toml", lambda module, path: module.load_config(str(path)), _CONFIG
    ),
    "config_json": file_target(
        "soundsafe.training.config",
        "c.json",
        lambda module, path: module.load_config(str(path)),
        b'{"seed": 1}',
    ),
    "suite": file_target(
        "soundsafe.attacks.suite_files", "s.toml", lambda module, path: module.suite(str(path)), _SUITE
    ),
    "baseline": file_target(
        "soundsafe.eval.gate",
        "b.json",
        lambda module, path: module.read_baseline(path),
        b'{"format": 1, "systems": {}}',
    ),
    "checkpoint": file_target(
        "soundsafe.training.checkpoint",
        "x.safetensors",
        lambda module, path: module.read_checkpoint(path),
        _checkpoint_example,
    ),
    "key": file_target(
        "soundsafe.keys",
        "k",
        lambda module, path: module.read_key_file(path),
        b"0123456789abcdef" * 4 + b"\n",
    ),
    "table": file_target(
        "soundsafe.payloads",
        "t.csv",
        lambda module, path: module.read_table(path, complete=True),
        b'file,message,payload_hex\na,"b,c",00\n',
    ),
    "list": file_target(
        "soundsafe.batch",
        "l.txt",
        lambda module, path: module.gather(path, path.parent / "out"),
        b"a.wav\nb/c.flac\n",
    ),
    "results": file_target(
        "soundsafe.batch",
        "r.jsonl",
        lambda module, path: module._lines_of(path),
        b'{"file": "a", "ok": true}\n',
    ),
    "registry": file_target("soundsafe.registry", "r.sqlite", _read_registry, _registry_example),
}


def fuzz(target: str, work: Path, corpus: Path, options: list[str]) -> None:
    """Runs in a process of its own, which libFuzzer ends: every new way to fail is a line in `work`."""
    seeds: list[bytes] = []
    (work / "files").mkdir()
    check = TARGETS[target](work / "files", seeds)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    known: set[str] = set()

    @atheris.instrument_func
    def one(data: bytes) -> None:
        try:
            check(data)
        except InputError:
            pass
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            way = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            if way not in known:
                known.add(way)
                with open(work / "failures.jsonl", "a") as lines:
                    lines.write(
                        json.dumps({"failure": way, "says": str(error)[:200], "input": data.hex()}) + "\n"
                    )

    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--inputs", type=int, default=-1, help="at most so many; -1: no limit")
    parser.add_argument("--corpus", type=Path, help="folder that keeps what was found, for the next time")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    options = [
        f"-max_total_time={asked.seconds}", f"-runs={asked.inputs}", "-timeout=5", "-rss_limit_mb=4096",
        "-max_len=65536", "-print_final_stats=1",
    ]  # fmt: skip
    if asked.work:
        fuzz(asked.target, asked.work, asked.corpus, [*options, f"-artifact_prefix={asked.work}/hang-"])
        return
    with tempfile.TemporaryDirectory(prefix="soundsafe-fuzz-") as name:
        work = Path(name)
        corpus = asked.corpus or work / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, *sys.argv, "--work", name, "--corpus", str(corpus)]
        done = subprocess.run(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, errors="replace"
        )
        figures = dict(re.findall(r"stat::(\w+): +(\d+)", done.stderr))
        hangs = [path.read_bytes().hex() for path in work.glob("hang-*")]
        found = work / "failures.jsonl"
        failures = [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []
        answer = {
            "target": asked.target,
            "inputs": int(figures.get("number_of_executed_units", 0)),
            "slowest_s": int(figures.get("slowest_unit_time_sec", -1)),
            "failures": failures,
            "crashes_and_hangs": hangs,
        }
        print(json.dumps(answer))
        if not figures:
            sys.exit(done.stderr[-2000:])
        sys.exit(1 if failures or hangs else 0)


if __name__ == "__main__":
    main()
