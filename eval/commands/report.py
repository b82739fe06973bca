"""`soundsafe-eval report`: stored runs side by side in one document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe.console import say, tell
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Dataset, Scores

if TYPE_CHECKING:
    from soundsafe.reports.model import Report, Section

__all__ = ["report"]

Documented = Annotated[
    list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of finished runs, of training runs too.")
]


def _renderer(path: Path) -> Callable[[Report], bytes]:
    from soundsafe.reports import html, markdown, pdf

    known = {".md": markdown.render, ".html": html.render, ".pdf": pdf.render}
    if path.suffix.lower() not in known:
        raise InputError(f"{path}: a card is a .md, .html or .pdf file")
    return known[path.suffix.lower()]


def report(
    run_dirs: Documented,
    html: Annotated[
        Path | None, typer.Option(help="HTML file; RUN_DIR/report.html where no document is named.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="PDF file; RUN_DIR/report.pdf where none is.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Reviewed figures to judge the runs by.")] = None,
    audio: Annotated[
        int | None,
        typer.Option(help="So many of each system's worst clips to hear; 1 where that is quick, 0: none."),
    ] = None,
    scores: Scores = None,
    dataset: Dataset = None,
    model_card: Annotated[
        Path | None, typer.Option(help="Card of the first system: .md, .html, .pdf.")
    ] = None,
    dataset_card: Annotated[Path | None, typer.Option(help="Card of the first run's data.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open what was made in the browser.")] = False,
) -> None:
    """Set stored runs side by side in one HTML file and a PDF."""
    if audio is not None and audio < 0:
        raise InputError(f"--audio {audio}: a number of clips is needed")
    from soundsafe.eval.analysis import gate
    from soundsafe.eval.analysis.phases import is_training
    from soundsafe.eval.analysis.stored import read_run
    from soundsafe.eval.commands.stored import listened, worst, writable
    from soundsafe.eval.running.examples import clip_facts, mp3_distance
    from soundsafe.eval.running.store import write_atomically
    from soundsafe.reports import cards
    from soundsafe.reports import html as html_file
    from soundsafe.reports import pdf as pdf_file
    from soundsafe.reports.content import build
    from soundsafe.reports.listen import section
    from soundsafe.reports.overview import Reference
    from soundsafe.reports.training import read_training, training_report

    trained = [folder for folder in run_dirs if is_training(folder)]
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
        writable(path)
    if len({path.resolve() for path in asked}) < len(asked):
        raise InputError("each document needs a file of its own: " + ", ".join(map(str, asked)))
    wanted: list[tuple[Path, Callable[[Report], bytes], Report]] = []
    clips = [facts for run in runs for facts in clip_facts(run.document, dataset)]
    if html is not None or pdf is not None:
        known = None if baseline is None else gate.read_baseline(baseline)
        heard: Section | None = section(listened(run_dirs, scores)) if scores else None
        if not runs:
            document = training_report(trainings[0], title)
        else:
            examples, missing = worst(evaluated, runs, audio, dataset) if audio != 0 else ([], [])
            known_mp3 = mp3_distance(runs[0].document, dataset)
            document = build(
                runs,
                title=title,
                clips=clips,
                gates=[] if known is None else [gate.check(run.frame, known) for run in runs],
                examples=examples,
                unheard=missing,
                listening=heard,
                trainings=trainings,
                mp3=None if known_mp3 is None else Reference(*known_mp3),
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
        tell(str(path))
    if show:
        import webbrowser

        if not webbrowser.open(asked[0].resolve().as_uri()):
            say(f"no browser here: open {asked[0]} in one")
