"""Clips of a stored run, marked again: a run keeps figures, not audio, but its seed gives the audio back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from soundsafe import attacks, datasets
from soundsafe.datasets import Clip
from soundsafe.errors import InputError, NotMarkable, defect
from soundsafe.eval.analysis.stored import Example, RunDocument
from soundsafe.eval.rows import JOIN, real
from soundsafe.eval.running import seeds
from soundsafe.eval.running.messages import message_of
from soundsafe.eval.running.plan import content
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.interface import System

__all__ = [
    "attack_again", "clip_facts", "mark_again", "mp3_distance", "system_of", "telling_attack", "worst_first",
]  # fmt: skip


def _clips(document: RunDocument, dataset: str | None) -> list[Clip]:
    """The run's clips as its dataset has them.

    Raises:
        InputError: the dataset is not there.
    """
    found = datasets.load(dataset or document.dataset, split=document.split)
    return [clip for clip in found.clips if clip.clip in document.clips]


def clip_facts(document: RunDocument, dataset: str | None = None) -> list[dict[str, str]]:
    """The manifest's columns of the run's clips, at least `clip` and `license`; [] where the dataset is not
    where the run found it.

    Raises:
        InputError: it is not at `dataset`, which was given.
    """
    try:
        clips = _clips(document, dataset)
    except InputError:
        if dataset is not None:
            raise
        return []
    return [
        {**c.columns, "clip": c.clip, "license": c.license, "category": c.category, "lossy": c.lossy}
        for c in clips
    ]


def worst_first(rows: pd.DataFrame, system: str) -> list[str]:
    """Clips of a system that it marked, the largest perceptual distance first, then the lowest SNR."""
    mine = rows[(rows["system"] == system) & rows["snr_db"].notna()].drop_duplicates("clip")
    order = mine.assign(_distance=mine["zimtohrli"].fillna(0.0))
    return [str(c) for c in order.sort_values(["_distance", "snr_db"], ascending=[False, True])["clip"]]


def telling_attack(rows: pd.DataFrame, system: str, clip: str) -> str:
    """The attack nearest to where a clip is lost; '' where none was run.

    Of those that lose it, the one that most clips survive; else the one that leaves the fewest seconds.

    Attacks that move the audio by no one figure, and those that need more than it, are passed over: versions
    play in step.
    """
    mine = rows[(rows["system"] == system) & rows["status"].eq("ok")]
    names = [a for a in mine["attack"].unique() if a != "none" and real(a) and _plays_in_step(a)]
    cells = mine[mine["attack"].isin(names)]
    its = cells[cells["clip"] == clip].groupby("attack", sort=False)
    found, alone = its["clip_ok"].max(), its["payload_ok"].mean()
    if not len(found):
        return ""
    lost = found.index[~found.astype(bool)]
    if not len(lost):
        return str(alone.idxmin())
    whole = cells.drop_duplicates(["attack", "clip"]).groupby("attack", sort=False)["clip_ok"].mean()
    return str(whole.loc[lost].idxmax())


def _plays_in_step(name: str) -> bool:
    steps = name.split(JOIN)
    try:
        return not any(
            a.needs_access or a.family == "adversarial" or a.delay_samples(48_000) is None
            for a in map(attacks.get, steps)
        )
    except InputError:  # of a plug-in that is not here
        return False


def attack_again(document: RunDocument, example: Example, attack: str, rows: pd.DataFrame) -> Example:
    """The example with its marked audio after an attack, as the run attacked it, and the outcome.

    What the attack delays is moved back, so that it stands where the original has it.

    Args:
        document: what the run's `run.json` says.
        example: from `mark_again`, under its system's own name.
        attack: from `telling_attack`.
        rows: of the run.
    """
    method = attacks.get(attack)
    rng = seeds.generator(document.seed or 0, example.clip, method.name, method.params)
    heard = np.asarray(method.apply(example.marked.copy(), example.rate, rng), dtype=np.float32)
    delay, n = method.delay_samples(example.rate, len(heard)) or 0, example.marked.shape[1]
    heard = np.pad(heard[:, max(0, delay) :], ((0, 0), (max(0, -delay), 0)))[:, :n]
    its = rows[
        (rows["system"] == example.system) & (rows["clip"] == example.clip) & (rows["attack"] == attack)
    ]
    read = bool(its["clip_ok"].any())
    return replace(
        example, attacked=heard, attack=attack, outcome="still reads" if read else "does not read any more"
    )


_REFERENCE_CLIPS, _REFERENCE_S = 8, 4.0


def mp3_distance(document: RunDocument, dataset: str | None = None) -> tuple[float, int] | None:
    """Mean distance of MP3 at 192 kbit/s from the originals, and over how many clips.

    Over the first seconds of some of the run's clips, evenly chosen: it is there to read other distances by.
    None where the dataset is not where the run found it.
    """
    from soundsafe.codecs import mp3_roundtrip
    from soundsafe.eval.metrics.quality import zimtohrli

    try:
        clips = _clips(document, dataset)
    except InputError:
        return None
    found = []
    for i in np.linspace(0, len(clips) - 1, min(len(clips), _REFERENCE_CLIPS)).round().astype(int):
        audio, rate = clips[i].read()
        part = np.ascontiguousarray(audio[:, : round(_REFERENCE_S * rate)])
        if part.shape[1] >= rate:
            found.append(zimtohrli(part, mp3_roundtrip(part, rate, kbps=192, align=True), rate))
    known = [v for v in found if np.isfinite(v)]
    return (float(np.mean(known)), len(known)) if known else None


def system_of(folder: Path, document: RunDocument, name: str) -> System:
    """A system of the run in `folder`: a registered one, or the network whose checkpoint the run lies beside.

    Raises:
        InputError: it is neither, it is not installed, or the checkpoint is another one by now.
    """
    digest = document.described(name).get("checkpoint")
    if digest is None:
        if name not in systems.systems():
            raise InputError(f"{name} is not registered as a system: it cannot mark again")
        return systems.get(name)
    path = folder.resolve().parent / "model.safetensors"
    if not path.is_file():
        raise InputError(f"{name} cannot mark again: its checkpoint is not at {path}")
    from soundsafe.eval.systems.network import NetworkSystem

    network = NetworkSystem(name, path)
    if network.digest != digest:
        raise InputError(f"{name} cannot mark again: {path} is another checkpoint than the run's")
    return network


def _same_system(document: RunDocument, system: System) -> None:
    """Raise InputError where a system says something else of itself than in the run."""
    was = document.described(system.name)
    now = json.loads(json.dumps(systems.facts_of(system)))  # as the run stored it
    different = [name for name in was if now.get(name) != was[name]]
    if different:
        raise InputError(
            f"{system.name} cannot mark again as the run did: its {', '.join(different)} "
            f"{'is' if len(different) == 1 else 'are'} not the run's"
        )


def mark_again(
    document: RunDocument, system: System, names: Sequence[str], *, dataset: str | None = None
) -> list[Example]:
    """Mark clips exactly as the run did.

    Args:
        document: what the run's `run.json` says.
        system: from `system_of`.
        names: of clips.
        dataset: where the clips are now, if not where the run found them.

    Raises:
        InputError: the dataset or a clip of it is not there, the system or a clip's file is another one by
            now, or the system refuses a clip.
    """
    _same_system(document, system)
    seed = document.seed or 0
    known = {clip.clip: clip for clip in _clips(document, dataset)}
    out = []
    for name in names:
        if name not in known:
            raise InputError(f"clip {name} of the run is not in dataset {dataset or document.dataset}")
        digest = document.clips.get(name)
        if digest is not None and content(known[name]) != digest:
            raise InputError(f"{known[name].path} is not the file that the run had as {name}")
        audio, rate = known[name].read()
        if document.seconds is not None:
            audio = np.ascontiguousarray(audio[:, : max(1, round(document.seconds * rate))])
        payload = message_of(system, seed, name)
        try:
            embedded = system.embed(audio.copy(), rate, payload, seeds.bench_key(seed))
        except Exception as error:  # a peer's process that died, say
            why = error if isinstance(error, (InputError, NotMarkable)) else defect(error)
            raise InputError(f"{system.name} cannot mark {name}: {why}") from error
        out.append(Example(system.name, name, rate, audio, np.asarray(embedded.audio, dtype=np.float32)))
    return out
