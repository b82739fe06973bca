"""The pages in a real browser, where there is one: chromium, driven by Playwright, checked by axe-core."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soundsafe.eval.analysis.stored import read_run
from soundsafe.eval.running.examples import Example
from soundsafe.reports import html, listen
from soundsafe.reports.content import build

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"),
    # One browser for all tests of this file, whatever the number of workers.
    pytest.mark.xdist_group("browser"),
]

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def file(
    make_rows: Callable[..., pd.DataFrame],
    make_run: Callable[..., Path],
    four_systems: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A report of two runs, with something to hear."""
    folder = tmp_path_factory.mktemp("page")
    other = make_run(folder / "later", make_rows([("soundsafe", 2.0, 175)]))
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype(np.float32)
    marked = (0.99 * noise).astype(np.float32)
    examples = [Example("soundsafe", "clip_1", 8000, noise, marked, 0.5 * noise, "mp3_64", "still reads")]
    report = build([read_run(four_systems), read_run(other)], examples=examples)
    path = folder / "report.html"
    path.write_bytes(html.render(report))
    return path


class _Open:
    """A page, and everything that went wrong in it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console", lambda m: self.trouble.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda e: self.trouble.append(str(e)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(path.as_uri())
        self.path = path

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        outside = [
            r for r in self.requests if not r.startswith(("data:", "blob:")) and r != self.path.as_uri()
        ]
        self.context.close()
        if kind is None:
            assert self.trouble == []
            assert outside == []


def _violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['target']} {v['nodes'][0].get('failureSummary', '')}" for v in found]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(400, "light"), (1600, "dark")])
def test_no_page_scrolls_sideways_and_every_plot_is_drawn(
    browser: Any, file: Path, width: int, theme: str
) -> None:
    with _Open(browser, file, viewport={"width": width, "height": 900}, color_scheme=theme) as opened:
        page = opened.page
        assert page.evaluate("document.documentElement.scrollHeight") < 7000 * (1 if width > 1000 else 2)
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")
        page.locator("#all tbody tr").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert light is (theme == "light")
        boxes = page.evaluate(
            "[...document.querySelectorAll('.plot svg')].map(s => "
            "[s.querySelectorAll('path,circle,rect').length, s.getBBox().width, "
            "s.getBoundingClientRect().height])"
        )
        assert len(boxes) > 8
        assert all(marks > 5 and wide > 100 and tall > 50 for marks, wide, tall in boxes)
        # Of each table's like rows a few stand for all: axe takes half a minute for thousands of cells.
        page.evaluate(
            "document.querySelectorAll('tbody').forEach(b => [...b.rows].slice(4).forEach(r => r.remove()))"
        )
        assert _violations(page) == []


@pytest.mark.slow
def test_families_sort_fold_out_and_filter(browser: Any, file: Path, tmp_path: Path) -> None:
    with _Open(browser, file) as opened:
        page = opened.page
        table = page.locator("#matrix")
        head = table.locator("thead tr").last.locator("th")
        families = table.locator("tbody.head")
        assert families.count() == 8
        assert table.locator("tbody.rows tr:visible").count() == 0

        def values() -> list[float]:
            return families.evaluate_all("bodies => bodies.map(b => Number(b.rows[0].cells[1].dataset.v))")

        head.nth(1).locator(".sort").click()
        assert values() == sorted(values(), reverse=True)
        assert head.nth(1).get_attribute("aria-sort") == "descending"
        head.nth(1).locator(".sort").press("Enter")
        assert values() == sorted(values())
        page.locator("#family-mp3 .fold").click()
        rows = table.locator("tbody.rows tr:visible")
        rows.nth(3).wait_for()
        assert rows.count() == 4
        head.nth(0).locator(".sort").click()
        names = rows.locator("th").all_inner_texts()
        assert names.index("mp3_64") < names.index("mp3_128")
        table.locator("[data-filter]").fill("MP3 128")
        page.wait_for_function("document.querySelector('#matrix .shown').textContent === '1 of 14'")
        assert rows.count() == 1
        with page.expect_download() as waiting:
            table.locator("[data-csv]").click()
        waiting.value.save_as(tmp_path / "matrix.csv")
        lines = (tmp_path / "matrix.csv").read_text().splitlines()
        assert lines[0].startswith("Family,Attack,")
        assert len(lines) == 1 + 8 + 14
        head.nth(1).locator(".help").click()
        assert "combining allowed" in page.locator("#help").inner_text()


@pytest.mark.slow
def test_what_is_closed_opens_for_a_link_and_long_tables_say_that_they_go_on(
    browser: Any, file: Path
) -> None:
    with _Open(browser, file, viewport={"width": 400, "height": 800}) as opened:
        page = opened.page
        assert page.locator("#standing .cue").inner_text() == "More to the right →"
        assert not page.locator("#bers").is_visible()
        page.evaluate("location.hash = 'bits'")
        page.locator("#bers").wait_for()
        page.evaluate("location.hash = 'parity'")
        term = page.locator("#parity .term").first
        term.scroll_into_view_if_needed()
        term.click()
        shown = page.locator(".pop:popover-open")
        assert len(shown.inner_text()) > 30
        box = shown.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400


@pytest.mark.slow
def test_all_figures_can_be_searched(browser: Any, file: Path) -> None:
    with _Open(browser, file) as opened:
        page = opened.page
        page.locator("#explorer > summary").click()
        body = page.locator("#all tbody tr")
        body.first.wait_for()
        assert body.count() == 50
        page.locator("#find").fill("perth mp3_64")
        assert body.count() == 1
        page.select_option("#category", "")
        assert body.count() == 3
        page.select_option("#part", "quality")
        page.locator("#find").fill("")
        assert page.locator("#all thead").inner_text().startswith("run")


def test_charts_speak_zoom_and_save(browser: Any, file: Path, tmp_path: Path) -> None:
    with _Open(browser, file) as opened:
        page = opened.page
        page.evaluate("location.hash = 'bits'")
        figure = page.locator("#ber-1")
        figure.locator("summary").click()
        mark = figure.locator("[data-tip]").first
        mark.scroll_into_view_if_needed()
        mark.hover()
        assert "soundsafe" in page.locator("#tip").inner_text()
        whole = figure.locator("svg").get_attribute("viewBox")
        figure.locator("[data-zoom=in]").click()
        assert figure.locator("svg").get_attribute("viewBox") != whole
        figure.locator("[data-zoom=all]").click()
        assert figure.locator("svg").get_attribute("viewBox") == whole
        for kind, start in (("svg", b"<svg"), ("png", b"\x89PNG"), ("csv", b"system,attack,ber")):
            with page.expect_download() as waiting:
                figure.locator(f"[data-save={kind}]").click()
            path = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(path)
            assert path.name == f"ber-1.{kind}"
            assert path.read_bytes().startswith(start)
            assert b"var(--" not in path.read_bytes()
        numbers = json.loads(figure.locator(".numbers").text_content())
        assert figure.locator(".numbers-table tbody tr").count() == len(numbers["rows"])


@pytest.mark.slow
def test_theme_button_and_keyboard(browser: Any, file: Path) -> None:
    with _Open(browser, file, color_scheme="light") as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert page.locator("#theme").inner_text() == "Theme: dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
        page.reload()
        assert page.locator("#theme").inner_text() == "Theme: dark"


@pytest.mark.slow
def test_versions_of_a_clip_play_in_step(browser: Any, file: Path) -> None:
    with _Open(browser, file) as opened:
        player = opened.page.locator(".player")
        picks = player.locator(".pick")
        assert picks.locator(".name").all_inner_texts() == [
            "original", "marked", "difference, +20 dB", "after mp3_64"
        ]  # fmt: skip
        picks.nth(1).click()
        player.locator(".play", has_text="Stop").wait_for()
        assert picks.nth(1).get_attribute("aria-pressed") == "true"
        player.press("4")
        assert picks.nth(3).get_attribute("aria-pressed") == "true"
        player.locator(".play", has_text="Play").wait_for()  # a second of audio has ended by itself
        assert player.locator(".time").inner_text() == "0.0 s"
        boxes = picks.locator("img").evaluate_all("all => all.map(i => [i.naturalWidth, i.naturalHeight])")
        assert boxes == [[400, 128]] * 4


@pytest.mark.slow
def test_a_listener_goes_through_the_test(browser: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype(np.float32)
    examples = [Example("soundsafe", "clip", 8000, noise, (0.9 * noise).astype(np.float32))]
    test = listen.make(examples, trials=2, rng=np.random.default_rng(0))
    path = tmp_path / "page.html"
    path.write_bytes(test.page)
    with _Open(browser, path, viewport={"width": 400, "height": 800}) as opened:
        page = opened.page
        assert _violations(page) == []
        page.locator("#listener").fill("R. <b>")
        page.locator("#begin").click()
        for _ in range(2):
            page.locator("#play:not([disabled])").click()
            page.locator("#player button").nth(2).click()
            assert page.locator("#play").inner_text() == "Stop"
            assert page.locator(".choice button").first.is_disabled()  # B was not heard
            page.locator("#player button").nth(1).click()
            page.locator(".choice button").first.click()
            page.locator("#next").click()
        page.locator("#play:not([disabled])").wait_for()
        assert page.locator("#player button").count() == 4
        assert _violations(page) == []
        assert page.locator("#next").is_disabled()
        assert page.locator(".rate input").nth(1).is_disabled()
        for version in page.locator("#player button").all():
            version.click()
        for slider in page.locator(".rate input").all():
            slider.focus()
            slider.press("ArrowRight")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.locator("#next").click()
        with page.expect_download() as waiting:
            page.locator("#save").click()
        saved = tmp_path / "answers.json"
        waiting.value.save_as(saved)
    answers = listen.read_answers(saved.read_text(), "answers")
    result = listen.scores([answers], listen.read_key(json.dumps(test.key), "key"))
    assert answers.listener == "R. <b>"
    assert result.abx[0].trials == 2
    assert {a.listener for a in result.abx} == {"", "R. <b>"}
    assert len(answers.ratings) == 3
