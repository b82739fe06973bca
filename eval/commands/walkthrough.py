"""`soundsafe-eval walkthrough`: one second on its way through the pipeline, drawn stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, tell
from soundsafe.eval.commands.options import Json

__all__ = ["walkthrough"]


def walkthrough(
    clip: Annotated[str, typer.Argument(help="A bundled clip, or a file of audio at 44.1 kHz.")],
    out: Annotated[Path, typer.Option(help="Folder of the plots.")],
    attack: Annotated[str, typer.Option(help="What is done to the marked audio.")] = "mp3_192",
    as_json: Json = False,
) -> None:
    """Draw one second on its way through the pipeline, a plot for each stage."""
    from soundsafe import attacks, datasets
    from soundsafe.eval.commands.stages import analyse, stages
    from soundsafe.eval.running.store import make_folder, write_atomically
    from soundsafe.files.audio_file import AudioReader

    attacks.get(attack)
    bundled = {c.clip: c for c in datasets.load("bundled").clips}
    if clip in bundled:
        audio, rate = bundled[clip].read()
    else:
        with AudioReader(clip) as reader:
            rate = reader.info.rate
            audio = next(iter(reader.blocks(2 * rate)))
    found = stages(analyse(clip, audio, rate, attack))
    make_folder(out)
    for name, data in found.items():
        write_atomically(out / name, data)
    if as_json:
        print_json({"plots": [str(out / name) for name in found]}, ascii_only=False)
        return
    for name in found:
        tell(str(out / name))
