"""The page at `/` in a real browser, where there is one, on a service that marks and reads for good."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

pytest.importorskip("fastapi", reason="the extra serve is not installed")
playwright = pytest.importorskip("playwright.sync_api")

from soundsafe import datasets  # noqa: E402

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"),
    pytest.mark.xdist_group("browser"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE = 300_000
DROP = """
([bytes, name]) => {
  const file = new File([new Uint8Array(bytes)], name, { type: "audio/flac" });
  const data = new DataTransfer();
  data.items.add(file);
  const at = document.getElementById("drop");
  for (const kind of ["dragenter", "dragover", "drop"])
    at.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "soundsafe.cli", "serve", "--port", str(port), "--jobs", "1", "-q"]
    process = subprocess.Popen(program)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    assert process.wait(60) == 0


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of the bundled rock."""
    (clip,) = [c for c in datasets.load("bundled").clips if c.clip == "rock"]
    audio, rate = clip.read()
    path = tmp_path_factory.mktemp("song") / "song.flac"
    soundfile.write(path, audio[:, : 3 * rate].T, rate)
    return path


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        found = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
        found.set_default_timeout(PATIENCE)
        said: list[str] = []
        found.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        found.on("pageerror", lambda error: said.append(str(error)))
        found.goto(address)
        yield found
        assert [line for line in said if "status of 4" not in line] == []
        browser.close()


def test_from_upload_to_download_and_back(page: Any, song: Path, tmp_path: Path) -> None:
    """Mark by the file dialogue, hear, download, drop what came: it is read. Nothing to read is said so, and
    two files are worked on at once. All of it fits into 400 pixels, in the dark too."""
    page.check("input[value=embed]")
    page.set_input_files("#files", song)
    assert "Give a message first" in page.text_content("#notice")
    page.fill("#message", "to Ä")
    page.set_input_files("#files", song)
    page.wait_for_selector(".card.yes .get a")
    assert page.text_content(".headline") == "Marked: reads back from 3 of 3 seconds"
    assert "e-5" in page.text_content("dl")
    assert page.is_visible("canvas")
    page.click(".play")
    page.check(".listen input[value='2']")
    assert page.text_content(".play") == "Stop"
    page.click(".play")
    with page.expect_download() as waiting:
        page.click(".get a")
    marked = tmp_path / waiting.value.suggested_filename
    assert marked.name == "song.marked.flac"
    waiting.value.save_as(marked)
    page.click(".away")

    page.check("input[value=decode]")
    page.evaluate(DROP, [list(marked.read_bytes()), "dropped.flac"])
    page.wait_for_selector(".card.yes .answer:not([hidden])")
    assert page.text_content(".headline") == "to Ä"
    facts = page.text_content("dl")
    for part in ("746f20c384", "0.0 s to 3.0 s", "3 of 3", "fewer than 1 in"):
        assert part in facts
    green = "c => c.getContext('2d').getImageData(2, 80, 1, 1).data[1] > 100"
    assert page.eval_on_selector("canvas", green)

    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"no audio")
    page.set_input_files("#files", [bad, song])
    page.wait_for_selector(".card.failed")
    page.locator(".answer:not([hidden])").nth(1).wait_for()
    assert "not" in page.text_content(".card.failed .state")
    headlines = page.locator(".answer:not([hidden]) .headline").all_text_contents()
    assert sorted(headlines) == ["No mark found", "to Ä"]
    for width, scheme in ((1000, "light"), (400, "light"), (400, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
