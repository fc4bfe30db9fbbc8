"""The page as a browser shows it; needs Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from chromium import Page
from storyteller_exporter.character.cases import random_features
from storyteller_exporter.evaluate.character_model import open_model
from storyteller_trainer.character.data.dataset import load_dataset

pytestmark = pytest.mark.slow

SIZES = [(400, False), (400, True), (1400, False), (1400, True)]


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_nothing_goes_wrong_and_nothing_runs_out_of_the_page(tab: Page, page: Path, width: int, dark: bool) -> None:
    tab.errors.clear()
    tab.open(page, width=width, dark=dark)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") <= width
    # Words that are broken letter by letter make a row as high as they are long.
    heights = tab.run("[...document.querySelectorAll('tbody th')].map((each) => each.getBoundingClientRect().height)")
    assert max(heights) < 120
    assert tab.errors == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(22, 22, 26)" if dark else "rgb(251, 250, 248)")


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_the_page_of_event_runs_fits_and_its_charts_are_drawn(
    tab: Page, events_page: Path, width: int, dark: bool
) -> None:
    tab.errors.clear()
    tab.open(events_page, width=width, dark=dark)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.errors == []
    found = tab.run(
        """[...document.querySelectorAll("figure svg")].map((svg) => {
          const seen = [...svg.querySelectorAll("path, use, line")].filter((e) => e.getBoundingClientRect().width > 0);
          return [svg.getBoundingClientRect().width, seen.length];
        })"""
    )
    assert len(found) >= 7
    assert min(wide for wide, _ in found) > 250
    assert min(drawn for _, drawn in found) > 5
    right = tab.run("Math.max(...[...document.querySelectorAll('mark')].map((e) => e.getBoundingClientRect().right))")
    assert 0 < right <= width


@pytest.mark.parametrize("width", [400, 1400])
def test_what_stands_above_a_wide_table_can_be_read_without_moving_it(tab: Page, page: Path, width: int) -> None:
    tab.open(page, width=width)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = tab.run("[...document.querySelectorAll('caption span')].map((e) => e.getBoundingClientRect().right)")
    assert len(found) > 10
    assert max(found) <= width
    tab.run("document.querySelectorAll('.wide').forEach((each) => { each.scrollLeft = 1000; })")
    moved = tab.run("[...document.querySelectorAll('caption span')].map((e) => e.getBoundingClientRect().left)")
    assert min(moved) >= 0


@pytest.mark.parametrize("width", [400, 1400])
def test_every_chart_is_drawn_and_its_text_can_be_read(tab: Page, page: Path, width: int) -> None:
    tab.open(page, width=width)
    found = tab.run(
        """[...document.querySelectorAll("figure svg")].map((svg) => {
          const box = svg.getBoundingClientRect();
          const sizes = [...svg.querySelectorAll("text")].map((t) => t.getBoundingClientRect().height);
          const ink = [...svg.querySelectorAll("path, use, line")].filter((e) => e.getBoundingClientRect().width > 0);
          return [box.width, box.height, ink.length, Math.max(...sizes)];
        })"""
    )
    assert len(found) >= 20
    for wide, high, drawn, text in found:
        assert wide > 250
        assert high > 100
        assert drawn > 5
        assert text > 9  # pixels


def test_the_explorer_is_the_exported_file_to_a_ten_thousandth(
    tab: Page, page: Path, models: Path, sample: Path
) -> None:
    real = np.asarray(load_dataset(sample, None).features)[:100]
    rows = np.concatenate([real, random_features(100, np.random.default_rng(2))])
    expected = open_model(models).outputs(rows)
    tab.open(page, width=1400)
    found = tab.run(f"{json.dumps(rows.tolist())}.map((row) => storyteller.predict(row))")
    assert np.abs(np.asarray(found) - expected).max() < 1e-4


def test_a_changed_input_changes_the_prediction_and_can_be_undone(tab: Page, page: Path) -> None:
    tab.open(page, width=1400)
    read = "document.getElementById('outcome').textContent"
    before = tab.run(read)
    tab.run(
        """(() => {
          const box = [...document.querySelectorAll("label")].find((each) => each.textContent === "tension");
          const input = document.getElementById(box.htmlFor);
          input.value = input.value > 0.5 ? "0.05" : "0.95";
          input.dispatchEvent(new Event("input", { bubbles: true }));
        })()"""
    )
    assert tab.run(read) != before
    assert "You have changed inputs" in tab.run("document.getElementById('changed').textContent")
    tab.run("document.getElementById('reset').click()")
    assert tab.run(read) == before
    assert tab.run("document.getElementById('changed').textContent") == ""


def test_a_list_sets_a_one_hot_and_none_empties_it(tab: Page, page: Path) -> None:
    tab.open(page, width=1400)
    read = "document.getElementById('outcome').textContent"
    seen = set()
    for value in ("0", "3", "-1"):
        tab.run(
            f"""(() => {{
              const box = [...document.querySelectorAll("label")].find((each) => each.textContent === "event type");
              const input = document.getElementById(box.htmlFor);
              input.value = "{value}";
              input.dispatchEvent(new Event("change", {{ bubbles: true }}));
            }})()"""
        )
        seen.add(tab.run(read))
    assert len(seen) == 3


def test_what_moves_the_prediction_is_listed(tab: Page, page: Path) -> None:
    tab.open(page, width=1400)
    rows = "[...document.querySelectorAll('#moves tbody tr')]"
    changes = tab.run(f"{rows}.map((row) => Math.abs(row.cells[3].textContent))")
    assert len(changes) == 12
    assert changes == sorted(changes, reverse=True)
    before = tab.run("document.getElementById('moves').textContent")
    target = "document.getElementById('target')"
    tab.run(f"{target}.selectedIndex = 2; {target}.dispatchEvent(new Event('change'))")
    assert tab.run("document.getElementById('moves').textContent") != before


def test_the_keyboard_alone_reaches_and_changes_the_explorer(tab: Page, page: Path) -> None:
    tab.open(page, width=1400)
    words = "document.getElementById('example-words').textContent"
    before = tab.run(words)
    for _ in range(200):
        tab.press("Tab", 9)
        if tab.run("document.activeElement.id") == "example":
            break
    assert tab.run("document.activeElement.id") == "example"
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("ArrowDown", 40)
    assert tab.run(words) != before
    tab.press("Tab", 9)
    assert tab.run("document.activeElement.id") == "reset"


def test_a_screen_reader_is_told_what_everything_is(tab: Page, page: Path) -> None:
    tab.open(page, width=1400)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    roles = tab.roles()
    nameless = [
        (role, name)
        for role, name in roles
        if role in ("combobox", "spinbutton", "button", "link", "region", "table") and not name.strip()
    ]
    assert nameless == []
    headings = [name for role, name in roles if role == "heading"]
    for name in ("Verdict", "Explorer", "Prediction", "What moves it", "Loss by epoch"):
        assert name in headings
    assert "status" in [role for role, _ in roles]
    assert tab.run("document.documentElement.lang") == "en"
    assert tab.run("document.getElementById('summary').getAttribute('aria-live')") == "polite"


def test_without_javascript_the_page_says_what_is_missing(page: Path) -> None:
    assert "<noscript>" in page.read_text(encoding="utf-8")
