"""The PDF report: pages, captions, vector charts, text that survives what names may hold."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from soundsafe.eval.analysis.stored import read_run
from soundsafe.reports import pdf
from soundsafe.reports.axes import share_axis
from soundsafe.reports.content import build
from soundsafe.reports.model import Column, Figure, Report, Section, Table, TableCell, Text
from soundsafe.reports.svg import Point, Series, dots

HOSTILE = '#panic() $x$ "\\ @a <b> `c` *d* \u202e\x00 名 ' + "long_name" * 40


def _read(folder: Path) -> tuple[PdfReader, str]:
    reader = PdfReader(io.BytesIO(pdf.render(build([read_run(folder)]))))
    return reader, "\n".join(page.extract_text() for page in reader.pages)


@pytest.fixture(scope="module")
def document(four_systems: Path) -> tuple[PdfReader, str]:
    return _read(four_systems)


@pytest.mark.slow
def test_pages_are_numbered_and_tables_and_figures_captioned(document: tuple[PdfReader, str]) -> None:
    reader, text = document
    many = len(reader.pages)
    assert many > 5
    for i, page in enumerate(reader.pages, start=1):
        assert f"{i} / {many}" in page.extract_text()
    words = " ".join(text.split())
    for part in ("Table 1.", "Figure 1.", "Robustness", "Attached: matrix.csv", "soundsafe-eval run"):
        assert part in words, part


@pytest.mark.slow
def test_it_is_a_tagged_document_with_a_title_and_an_outline(document: tuple[PdfReader, str]) -> None:
    reader, _ = document
    assert reader.metadata is not None
    assert reader.metadata.title == "How well the mark survives"
    assert reader.root_object["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert len(reader.outline) > 6
    assert b"mp3,mp3_64," in reader.attachments["matrix.csv"][0]
    assert "bers.csv" in reader.attachments


@pytest.mark.slow
def test_charts_are_vectors(document: tuple[PdfReader, str]) -> None:
    reader, _ = document
    assert not [image for page in reader.pages for image in page.images]


@pytest.mark.slow
def test_same_run_same_bytes(four_systems: Path) -> None:
    report = build([read_run(four_systems)])
    assert pdf.render(report) == pdf.render(report)


@pytest.mark.slow
def test_names_are_text_and_nothing_else(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    attacks = [("none", "control", {}, 0.0), (HOSTILE, "f", {}, 1.0), ("unmarked", "unmarked", {}, 9.0)]
    rows = make_rows([(HOSTILE, 1.0, 4)], attacks, [(HOSTILE, "music"), ("b", "speech")], euls=2)
    _, text = _read(make_run(tmp_path / "x", rows, commit=HOSTILE))
    assert "#panic() $x$" in text
    assert "<b>" in text


def test_wide_tables_are_set_in_parts() -> None:
    columns = (Column("name"), *(Column("value", True, f"group {i // 2}") for i in range(40)))
    row = (TableCell("row"), *(TableCell(str(i), i) for i in range(40)))
    table = Table("wide", "A wide table.", columns, (row,))
    reader = PdfReader(io.BytesIO(pdf.render(Report("T", "S", (Section("s", "S", (table,)),)))))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert "(part 4 of 4)" in text
    assert all(f"group {i}" in text for i in range(20))
    assert text.count("row") == 4


def test_a_run_without_any_success_and_with_figures_missing(
    make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = make_rows([("lost", -20.0, 0)], clips=[("only", "music")], euls=1)
    for column in ("score", "snr_db", "zimtohrli", "lufs_difference", "parity_frames", "ber"):
        rows[column] = np.nan
    _, text = _read(make_run(tmp_path / "x", rows))
    assert "no clip gives its payload" in " ".join(text.split())
    assert not re.search(r"\bnan\b|Infinity", text, re.IGNORECASE)


def test_a_chart_of_many_lines_stays_on_its_page() -> None:
    names = [f"attack_{i}" for i in range(40)]
    series = [Series(s, k, tuple(Point(0.1 * k) for _ in names)) for k, s in enumerate("abcd")]
    chart = dots(names, series, share_axis(), groups=[n[-1] for n in names])
    figure = Figure("f", "Many lines.", "A dot plot.", chart, ("a",), ())
    report = Report("T", "S", (Section("s", "S", (Text("Before."), figure)),))
    reader = PdfReader(io.BytesIO(pdf.render(report)))
    heights: list[float] = []

    def note(text: str, cm: list[float], tm: list[float], *_: object) -> None:
        if text.strip():
            heights.append(tm[4] * cm[1] + tm[5] * cm[3] + cm[5])

    words = [page.extract_text(visitor_text=note) for page in reader.pages]
    assert "attack_39" in words[-1]
    assert min(heights) > 20
