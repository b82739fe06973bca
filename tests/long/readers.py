"""Everything that reads bytes or files from outside, one by one, each with sound examples.

For `tests/long/fuzz.py` and for the test that damages the examples.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Check = Callable[[bytes], object]
"""Takes any bytes; may raise InputError and nothing else."""

Load = Callable[[str], Any]
"""Imports a module by its name."""

Target = Callable[[Load, Path, list[bytes]], Check]
"""Makes a check that works in a folder, and adds sound examples to the list."""

KEY = bytes(32)

_LONGEST_S = 4.0


def container_target(load: Load, folder: Path, seeds: list[bytes]) -> Check:
    """Blocks with the right tag and any content, so that all behind the tag is reached."""
    container = load("soundsafe.message.container")
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
        payload = container.assemble(parts, KEY)
        assert payload is None or 1 <= len(payload) <= container.MAX_PAYLOAD
        raw = data[:191].ljust(191, b"\0")
        assert container.open_part(raw, KEY) is None

    return check


def file_target(
    name: str,
    file: str,
    read: Callable[[Any, Path], object],
    example: bytes | Callable[[Any, Path], None],
) -> Target:
    """``read(module, path)`` of a file called `file`, of which there is a sound `example`."""

    def target(load: Load, folder: Path, seeds: list[bytes]) -> Check:
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


def run_target(load: Load, folder: Path, seeds: list[bytes]) -> Check:
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
            reader.gather([load("soundsafe.eval.analysis.stored").read_run(folder)])
        finally:
            (folder / name).write_bytes(sound[name])

    return check


def audio_target(load: Load, folder: Path, seeds: list[bytes]) -> Check:
    """Any file as audio: header, samples, tags; and its tags copied to what is made of it."""
    audio_file = load("soundsafe.files.audio_file")
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


def decode_target(load: Load, folder: Path, seeds: list[bytes]) -> Check:
    """Any file as audio that may bear a mark, read to the end; never another payload than the right one."""
    api, audio_file, errors = (load(f"soundsafe.{name}") for name in ("api", "audio_file", "errors"))
    import numpy as np
    import soundfile

    golden = Path(__file__).parents[1] / "soundsafe" / "golden"
    entry = json.loads((golden / "golden.json").read_text())["files"]["v2_choral_mono_both"]
    key, payload = bytes.fromhex(entry["key_hex"]), entry["payload_hex"]
    marked, info = audio_file.read_audio(golden / "v2_choral_mono_both.flac")
    noise = np.random.default_rng(0).standard_normal(8_000) * 0.1
    for samples, rate, suffix in ((marked[0, : info.rate], info.rate, "flac"), (noise, 8_000, "wav")):
        soundfile.write(folder / f"x.{suffix}", samples, rate, subtype="PCM_16")
        seeds.append((folder / f"x.{suffix}").read_bytes())

    def check(data: bytes) -> None:
        path = folder / "input"
        path.write_bytes(data)
        with audio_file.AudioReader(path) as reader:
            if reader.info.seconds > _LONGEST_S:  # minutes of silence fit into few bytes, and take long
                raise errors.InputError("too long to be tried")
        assert api.decode_file(path, key).payload_hex in (None, payload)

    return check


def _read_registry(module: Any, path: Path) -> object:
    with module.Registry(path) as opened:
        return [mark.to_json() for mark in opened.search()]


def _registry_example(module: Any, path: Path) -> None:
    with module.Registry(path, write=True) as opened:
        opened.put(module.Mark("a", "a.flac", "00", "11", "22", "33", "0", "now", "{}", "{}"))


def _checkpoint_example(module: Any, path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    made = json.dumps(module.TrainConfig().to_json())
    meta = {"config": made, "data_hash": "", "code_version": "", "step": "1", "rng": "{}"}
    save_file({"model.x": torch.zeros(2), "optimizer.0.step": torch.zeros(1)}, str(path), metadata=meta)


_CONFIG = b'seed = 1\nlr = 1e-3\nsn_layers = ["a.*"]\n'
_SUITE = b'suite = "x"\nversion = 1\nattacks = ["gain_+3dB"]\ninclude = ["smoke"]\nleaves_out = ["y"]\n'

TARGETS: dict[str, Target] = {
    "container": container_target,
    "run_folder": run_target,
    "audio": audio_target,
    "decode": decode_target,
    "manifest": file_target(
        "soundsafe.files.audio_folder",
        "manifest.csv",
        lambda module, path: module.read_folder(path.parent),
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
        "soundsafe.eval.analysis.gate",
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
        "soundsafe.service.payloads",
        "t.csv",
        lambda module, path: module.read_table(path, complete=True),
        b'file,message,payload_hex\na,"b,c",00\n',
    ),
    "list": file_target(
        "soundsafe.service.batch",
        "l.txt",
        lambda module, path: module.gather(path, path.parent / "out"),
        b"a.wav\nb/c.flac\n",
    ),
    "results": file_target(
        "soundsafe.service.batch",
        "r.jsonl",
        lambda module, path: module._places_of(path),
        b'{"file": "a", "ok": true}\n',
    ),
    "registry": file_target("soundsafe.service.registry", "r.sqlite", _read_registry, _registry_example),
}
