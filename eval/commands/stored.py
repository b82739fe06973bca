"""What `report` and `listen` have in common: systems of stored runs, their clips marked again, answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from soundsafe.console import say
from soundsafe.errors import InputError

if TYPE_CHECKING:
    from soundsafe.eval.analysis.stored import Example, Run
    from soundsafe.reports.listen import Scores
    from soundsafe.reports.load import Subject

__all__ = ["listened", "marked_again", "subjects", "worst", "writable"]


def writable(path: Path | None) -> None:
    """Raise InputError where a file of this name cannot be made."""
    if path is not None and path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if path is not None and not path.parent.is_dir():
        raise InputError(f"{path.parent} is not a folder: make it, or give another name")


LONGEST_S = 30.0
"""Clips that are longer are not marked again for a report unless it is asked for: it would take too long."""


def marked_again(
    wanted: Sequence[tuple[Path, Subject, Sequence[str]]],
    dataset: str | None,
    *,
    attacked: bool = False,
    asked: bool = True,
) -> tuple[list[Example], list[str]]:
    """Clips of runs' systems, marked again, under the systems' labels; one line for each system or clip
    that is left out, and why.

    Args:
        wanted: each system, its run's folder, and names of clips.
        dataset: where the clips are, if not where the run found them.
        attacked: attack them too, see `telling_attack`.
        asked: say on stderr what is left out, and take nothing at all for an error.

    Raises:
        InputError: nothing could be marked again.
    """
    from soundsafe.eval.running.examples import attack_again, mark_again, system_of, telling_attack

    out: list[Example] = []
    missing: list[str] = []
    for folder, subject, clips in wanted:
        document = subject.run.document
        try:
            system = system_of(folder, document, subject.system)
        except InputError as error:
            missing.append(str(error))
            continue
        for clip in clips:
            try:
                again = mark_again(document, system, [clip], dataset=dataset)
                attack = telling_attack(subject.frame, subject.system, clip) if attacked else ""
                if attack:
                    again = [attack_again(document, x, attack, subject.frame) for x in again]
            except InputError as error:
                missing.append(str(error))
            else:
                out += [replace(x, system=subject.label) for x in again]
    missing = list(dict.fromkeys(missing))
    if missing and not out and asked:
        raise InputError(missing[0])
    for line in missing if asked else ():
        say(f"left out: {line}")
    return out, missing


def subjects(folders: Sequence[Path], runs: Sequence[Run]) -> list[tuple[Path, Subject]]:
    """Every system of the runs, with its run's folder; those that mark nothing come last."""
    from soundsafe.reports.load import gather

    gathered = gather(runs)
    found = {run.name: folder for run, folder in zip(gathered.runs, folders, strict=True)}
    return [(found[subject.run.name], subject) for subject in (*gathered.subjects, *gathered.nulls)]


def worst(
    folders: Sequence[Path], runs: Sequence[Run], many: int | None, dataset: str | None
) -> tuple[list[Example], list[str]]:
    """The worst clips of each system, attacked too: so many, or one of those that do not take long."""
    from soundsafe.eval.running.examples import worst_first
    from soundsafe.reports.load import NULL

    wanted = []
    for folder, subject in subjects(folders, runs):
        if subject.system == NULL:
            continue
        frame = subject.frame if many is not None else subject.frame[subject.frame["clip_s"] <= LONGEST_S]
        clips = worst_first(frame, subject.system)[: 1 if many is None else many]
        wanted.append((folder, subject, clips))
    return marked_again(wanted, dataset, attacked=True, asked=many is not None)


def listened(folders: Sequence[Path], files: Sequence[Path]) -> Scores:
    """The statistics of answers, with the key that one of the runs' folders keeps."""
    from soundsafe.reports import listen as listening

    answers = []
    for path in files:
        try:
            answers.append(listening.read_answers(path.read_text(encoding="utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read") from error
    names = sorted({a.test for a in answers})
    if len(names) > 1:
        raise InputError(f"the answers are of different tests: {', '.join(names)}")
    for folder in folders:
        path = folder / "listening" / f"{names[0]}.json"
        if path.is_file():
            return listening.scores(answers, listening.read_key(path.read_text(encoding="utf-8"), str(path)))
    raise InputError(f"no run given here has the key of test {names[0]}: name the run that the page is of")
