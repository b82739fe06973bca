"""`soundsafe-eval report` and `listen`: documents from stored runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from soundsafe.errors import InputError
from soundsafe.eval.commands import phases
from soundsafe.eval.commands.say import say
from soundsafe.eval.rows import from_frame_value
from soundsafe.eval.running.store import write_atomically

if TYPE_CHECKING:
    from soundsafe.eval.running.examples import Example
    from soundsafe.reports.load import Run, Subject
    from soundsafe.reports.model import Report, Section

__all__ = ["listen", "report"]

Runs = Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of finished runs.")]
Documented = Annotated[
    list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of finished runs, of training runs too.")
]
Dataset = Annotated[
    str | None, typer.Option(help="Where the clips are now, if not where the run found them.")
]
Scores = Annotated[list[Path] | None, typer.Option(help="Answers that a listener saved; repeatable.")]


def _writable(path: Path | None) -> None:
    if path is not None and path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if path is not None and not path.parent.is_dir():
        raise InputError(f"{path.parent} is not a folder: make it, or give another name")


def _renderer(path: Path) -> Callable[[Report], bytes]:
    from soundsafe.reports import html, markdown, pdf

    known = {".md": markdown.render, ".html": html.render, ".pdf": pdf.render}
    if path.suffix.lower() not in known:
        raise InputError(f"{path}: a card is a .md, .html or .pdf file")
    return known[path.suffix.lower()]


def _marked_again(
    wanted: Sequence[tuple[Path, Subject, Sequence[str]]], dataset: str | None
) -> tuple[list[Example], list[str]]:
    """Clips of runs' systems, marked again, under the systems' labels; one line for each system or clip
    that is left out, and why.

    Raises:
        InputError: nothing could be marked again.
    """
    from soundsafe.eval.running.examples import mark_again, system_of

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
            except InputError as error:
                missing.append(str(error))
            else:
                out += [replace(x, system=subject.label) for x in again]
    missing = list(dict.fromkeys(missing))
    if missing and not out:
        raise InputError(missing[0])
    for line in missing:
        say(f"left out: {line}")
    return out, missing


def _subjects(folders: Sequence[Path], runs: Sequence[Run]) -> list[tuple[Path, Subject]]:
    """Every system of the runs, with its run's folder."""
    from soundsafe.reports.load import gather

    gathered = gather(runs)
    found = {run.name: folder for run, folder in zip(gathered.runs, folders, strict=True)}
    return [(found[subject.run.name], subject) for subject in gathered.subjects]


def _worst(
    folders: Sequence[Path], runs: Sequence[Run], many: int, dataset: str | None
) -> tuple[list[Example], list[str]]:
    """The worst clips of each system."""
    from soundsafe.eval.running.examples import worst_first

    wanted = [
        (folder, subject, worst_first(subject.frame, subject.system)[:many])
        for folder, subject in _subjects(folders, runs)
    ]
    return _marked_again(wanted, dataset)


def _listened(folders: Sequence[Path], files: Sequence[Path]) -> dict[str, Any]:
    """The statistics of answers, with the key that one of the runs' folders keeps."""
    from soundsafe.reports import listen as listening

    answers = []
    for path in files:
        try:
            answers.append(listening.read_answers(path.read_text(encoding="utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read") from error
    names = {a["test"] for a in answers}
    if len(names) > 1:
        raise InputError(f"the answers are of different tests: {', '.join(sorted(names))}")
    for folder in folders:
        path = folder / "listening" / f"{names.copy().pop()}.json"
        if path.is_file():
            try:
                return listening.scores(answers, json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, KeyError, TypeError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"{path} is damaged") from error
    raise InputError(f"no run given here has the key of test {names.pop()}: name the run that the page is of")


def report(
    run_dirs: Documented,
    html: Annotated[
        Path | None, typer.Option(help="HTML file; RUN_DIR/report.html where no document is named.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="PDF file; RUN_DIR/report.pdf where none is.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Reviewed figures to judge the runs by.")] = None,
    audio: Annotated[int, typer.Option(help="Put in so many of each system's worst clips to hear.")] = 0,
    scores: Scores = None,
    dataset: Dataset = None,
    model_card: Annotated[
        Path | None, typer.Option(help="Card of the first system: .md, .html, .pdf.")
    ] = None,
    dataset_card: Annotated[Path | None, typer.Option(help="Card of the first run's data.")] = None,
) -> None:
    """Set stored runs side by side in one HTML file and a PDF."""
    from soundsafe.eval.analysis import gate
    from soundsafe.eval.running.examples import clip_facts
    from soundsafe.reports import cards
    from soundsafe.reports import html as html_file
    from soundsafe.reports import pdf as pdf_file
    from soundsafe.reports.content import build
    from soundsafe.reports.listen import section
    from soundsafe.reports.load import read_run
    from soundsafe.reports.training import read_training, training_report

    if audio < 0:
        raise InputError(f"--audio {audio}: a number of clips is needed")
    trained = [folder for folder in run_dirs if phases.is_training(folder)]
    trainings = [read_training(folder) for folder in trained]
    evaluated = [folder for folder in run_dirs if folder not in trained]
    runs = [read_run(folder) for folder in evaluated]
    cards_of = model_card or dataset_card
    if cards_of is not None and not runs:
        raise InputError(f"{cards_of}: a card is made from a run of soundsafe-eval, not from a training run")
    if len(trainings) > 1:
        raise InputError("one training run in a report, please: " + ", ".join(map(str, trained)))
    if not any((html, pdf, model_card, dataset_card)):
        html, pdf = run_dirs[0] / "report.html", run_dirs[0] / "report.pdf"
    asked = [path for path in (html, pdf, model_card, dataset_card) if path is not None]
    for path in asked:
        _writable(path)
    if len({path.resolve() for path in asked}) < len(asked):
        raise InputError("each document needs a file of its own: " + ", ".join(map(str, asked)))
    wanted: list[tuple[Path, Callable[[Report], bytes], Report]] = []
    clips = [facts for run in runs for facts in clip_facts(run.document, dataset)]
    if html is not None or pdf is not None:
        known = None if baseline is None else gate.read_baseline(baseline)
        heard: Section | None = section(_listened(run_dirs, scores)) if scores else None
        if not runs:
            document = training_report(trainings[0], title)
        else:
            examples, missing = _worst(evaluated, runs, audio, dataset) if audio else ([], [])
            document = build(
                runs,
                title=title,
                clips=clips,
                gates=[] if known is None else [gate.check(run.frame, known) for run in runs],
                examples=examples,
                unheard=missing,
                listening=heard,
                trainings=trainings,
            )
        wanted += [(html, html_file.render, document)] if html is not None else []
        wanted += [(pdf, pdf_file.render, document)] if pdf is not None else []
    if model_card is not None:
        wanted.append((model_card, _renderer(model_card), cards.model_card(runs, clips=clips)))
    if dataset_card is not None:
        its = clip_facts(runs[0].document, dataset)
        wanted.append((dataset_card, _renderer(dataset_card), cards.dataset_card(runs[0], its)))
    for path, data in [(path, render(content)) for path, render, content in wanted]:
        write_atomically(path, data)
        sys.stdout.write(f"{path}\n")


def listen(
    run_dirs: Runs,
    out: Annotated[
        Path | None, typer.Option(help="HTML file; RUN_DIR/listening/page.html by default.")
    ] = None,
    clips: Annotated[int, typer.Option(help="So many clips, the worst first.")] = 4,
    trials: Annotated[int, typer.Option(help="ABX trials of each clip and system.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the codes of the conditions.")] = 0,
    scores: Scores = None,
    dataset: Dataset = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Make a blind listening page of a run's worst clips, or count the answers that came back."""
    from soundsafe.reports import listen as listening
    from soundsafe.reports.load import read_run

    if scores:
        result = _listened(run_dirs, scores)
        parts = {k: [asdict(v) for v in result[k]] for k in ("abx", "ratings")}
        if as_json:
            document = from_frame_value(result | parts)
            sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
            return
        for a in result["abx"]:
            who = f", {a.listener}" if a.listener else ""
            sys.stdout.write(
                f"ABX {a.system}{who}: {a.right} of {a.trials} right, p = {a.p:.2g}, d' = {a.d_prime:.2f} "
                f"({a.d_prime_ci95[0]:.2f} to {a.d_prime_ci95[1]:.2f})\n"
            )
        for r in result["ratings"]:
            sys.stdout.write(f"rating {r.condition}: {r.mean:.1f} ({r.ratings} ratings)\n")
        for name in result["screened"]:
            say(f"left out of the ratings, did not find the hidden reference: {name}")
        return
    if clips < 1 or trials < 0:
        raise InputError("at least 1 clip and no negative number of trials")
    _writable(out)
    runs = [read_run(folder) for folder in run_dirs]
    subjects = _subjects(run_dirs, runs)
    first = runs[0]
    from soundsafe.eval.running.examples import worst_first

    names = worst_first(first.frame, str(first.frame["system"].iloc[0]))[:clips] if len(first.frame) else []
    examples, _ = _marked_again([(folder, subject, names) for folder, subject in subjects], dataset)
    test = listening.make(examples, trials=trials, rng=np.random.default_rng(seed))
    folder = run_dirs[0] / "listening"
    folder.mkdir(exist_ok=True)
    path = folder / "page.html" if out is None else out
    write_atomically(folder / f"{test.id}.json", (json.dumps(test.key, indent=1) + "\n").encode())
    write_atomically(path, test.page)
    if as_json:
        sys.stdout.write(json.dumps({"page": str(path), "test": test.id, "clips": names}) + "\n")
    else:
        sys.stdout.write(f"{path}\n")
