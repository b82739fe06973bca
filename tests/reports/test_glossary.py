"""Terms are explained where they stand, in the words of the page of the documentation."""

from __future__ import annotations

from pathlib import Path

from soundsafe.reports.glossary import glossary, marked_terms

ROOT = Path(__file__).parents[2]


def test_the_package_holds_the_page() -> None:
    names = ("docs/glossary.md", "reports/templates/glossary.md")
    page, copy = ((ROOT / name).read_bytes() for name in names)
    assert page == copy, f"cp {names[0]} {names[1]}"
    assert len(glossary()) == page.count(b"\n| **")


def test_a_term_is_a_button_once_and_markup_stays_text() -> None:
    used: set[str] = set()
    text = str(marked_terms("<b> Parity of a family; family, parity_bits and disparity", glossary(), used))
    assert text == (
        '&lt;b&gt; <button type="button" class="term" popovertarget="term-parity">Parity</button> of a '
        '<button type="button" class="term" popovertarget="term-family">family</button>; family, '
        "parity_bits and disparity"
    )
    assert used == {"term-parity", "term-family"}
    assert marked_terms("family", glossary(), used) == "family"
