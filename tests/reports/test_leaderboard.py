"""The leaderboard: what is on it, in what order, and the page in a browser."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.entries import AttackEntry, Entry
from soundsafe.eval.analysis.families import ALL, UNATTACKED, FamilyRow
from soundsafe.reports import leaderboard

CHROMIUM = shutil.which("chromium")


def entry(system: str, bits: int, share: float, seconds: float = 5.0, **more: Any) -> Entry:
    families = tuple(
        FamilyRow(system, "core", name, category, attacks=1, kinds=1, clips=8, groups=8, clip_success=value,
                  clip_success_ci95=(0.0, 1.0), bit_accuracy=value, auc=value)
        for category in ("all", "music")
        for name, value in ((UNATTACKED, 1.0), ("mp3", share), ("r_verb|%", share / 2), (ALL, 0.75 * share))
    )  # fmt: skip
    attacks = (
        AttackEntry("none", "control", 8, 0.0),
        AttackEntry("mp3_128", "mp3", 8, share),
        AttackEntry("reverb", "r_verb|%", 8, share / 2),
    )
    return Entry(
        system, "1.0", payload_bits=bits, clips=8, groups=8, seconds=seconds, dataset="dev", commit="c" * 40,
        rows_digest=f"{abs(hash((system, seconds))):064x}", command=f"soundsafe-eval run --system {system}",
        zimtohrli=1e-4 * (1 + share), snr_db=30.0, nmr_db=-5.0, embed_s=0.1, decode_s=0.2, unmarked_clips=8,
        families=families, attacks=attacks, **more,
    )  # fmt: skip


BOARD = [
    entry("afiles-qim:step_scale=0.1", 16, 0.25, checked=False),
    entry("soundsafe-16", 128, 1.0, checked=True),
    entry("soundsafe-16", 128, 0.9, seconds=10.0, checked=True),
    entry("<b>&perth", 0, 0.5, checked=True),
]


def test_the_best_stand_first_and_equal_names_are_told_apart() -> None:
    board = leaderboard.lines([*BOARD, BOARD[0]])
    assert [line.label for line in board] == [
        "soundsafe-16 (5 s)", "soundsafe-16 (10 s)", "<b>&perth", "afiles-qim:step_scale=0.1"
    ]  # fmt: skip
    assert len({line.slug for line in board}) == 4
    own = BOARD[1]
    others = [replace(own, dataset="mine", rows_digest=64 * "1"), replace(own, rows_digest=64 * "2")]
    labels = [line.label for line in leaderboard.lines([own, *others])]
    assert labels == ["soundsafe-16 (dev)", "soundsafe-16 (dev) 2", "soundsafe-16 (mine)"]
    assert [line.label for line in leaderboard.lines([own, others[1]])] == ["soundsafe-16", "soundsafe-16 2"]
    assert [line.payload for line in board] == ["more", "more", "presence", "up to 20 bits"]
    assert [a.attack for a in board[0].weakest] == ["reverb", "mp3_128"]
    assert len(leaderboard.lines(BOARD, payload="more", seconds=10.0)) == 1
    with pytest.raises(InputError, match="no system is left"):
        leaderboard.lines(BOARD, payload="21 to 64 bits")


def test_the_same_figures_in_every_format() -> None:
    board = leaderboard.lines(BOARD)
    rows = list(csv.DictReader(io.StringIO(leaderboard.csv_table(board).decode())))
    assert [float(r["mp3"]) for r in rows] == [1.0, 0.9, 0.5, 0.25]
    text = leaderboard.markdown(board).decode()
    assert text.count("\n") == 6
    assert "r_verb\\|%" in text.splitlines()[0].replace("r_verb|%", "r_verb\\|%")
    assert "| 25.0 (0–100) |" in text
    tex = leaderboard.latex(board).decode()
    assert r"r\_verb|\%" in tex
    assert r"25.0 {\tiny[0--100]}" in tex
    assert all(line.endswith(r"\\") for line in tex.splitlines()[3:-2] if line != "\\midrule")


def test_the_page_escapes_names_and_holds_all_lines() -> None:
    text = leaderboard.page(leaderboard.lines(BOARD)).decode()
    assert "<b>&perth" not in text
    assert text.count('class="system"') == 4
    assert "src=" not in text
    assert len(text) < 200_000


_CELLS = "body => [...body.rows].map(row => [...row.cells].slice(1).map(cell => cell.textContent.trim()))"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize(("width", "theme"), [(400, "dark"), (1600, "light")])
def test_the_page_in_a_browser(tmp_path: Path, width: int, theme: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = tmp_path / "board.html"
    # An eighth is halved under reverb: 6.25 % lies half-way between two tenths.
    board = leaderboard.lines([entry("afiles-qim:step_scale=0.1", 16, 0.125, checked=False), *BOARD[1:]])
    path.write_bytes(leaderboard.page(board))
    trouble: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.on("console", lambda m: trouble.append(m.text))
        page.on("pageerror", lambda e: trouble.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        drawn = page.locator("#board tbody").evaluate(_CELLS)
        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto(path.as_uri())
        assert drawn == plain.locator("#board tbody").evaluate(_CELLS)
        assert "6.20–100" in drawn[-1]
        assert page.locator("#board tbody tr").count() == 4
        assert page.locator(".plot svg a").count() == 4
        assert axe.run(page).response["violations"] == []
        # All is worked by keys: the payload's choice, a column's order, a point of the plot.
        page.locator('input[name="payload"]').first.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#board tbody tr").count() == 1
        page.keyboard.press("ArrowLeft")
        page.locator('button[data-head="system"]').focus()
        page.keyboard.press("Enter")
        assert "perth" in page.locator("#board tbody tr").first.inner_text()
        assert page.evaluate("document.activeElement.dataset.head") == "system"
        page.locator(".plot svg a").first.focus()
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash").startswith("#s-")
        page.locator("details.more summary").click()
        page.locator('input[value="mp3"]').uncheck(force=True)
        assert "mp3" not in page.locator("#board thead").inner_text()
        page.locator('select[name="measure"]').select_option("4")
        page.locator('select[name="x"]').select_option("embed")
        assert page.locator(".plot svg a").count() == 4
        browser.close()
    assert trouble == []
    assert asked == [path.as_uri()]
