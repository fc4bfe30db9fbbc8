from __future__ import annotations

import pytest
from storyteller_exporter.report import page
from storyteller_schema.common.errors import StorytellerError

NOTHING: dict[str, object] = {"title": "a <b>", "subtitle": "", "parts": [], "version": "1"}


def test_values_are_escaped() -> None:
    assert "<title>a &lt;b&gt;</title>" in page.render("base.html", **NOTHING)


def test_what_would_not_be_seen_is_shown() -> None:
    shown = page.render("base.html", **NOTHING | {"title": "cell \x1b[31m\u202egpj.exe\x00", "subtitle": "one\ntwo"})
    assert r"<title>cell \x1b[31m\u202egpj.exe\x00</title>" in shown
    assert "one\ntwo" in shown
    assert not set(shown) & {"\x1b", "\u202e", "\x00"}


def test_a_page_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LIMIT", 100)
    with pytest.raises(StorytellerError, match="it may have 100"):
        page.render("base.html", **NOTHING)


@pytest.mark.parametrize(
    "text",
    ['<img src="http://a">', "<a href=//a>", "@import 'a.css'", "url(a.png)", "fetch('https://a')", "wss://a"],
)
def test_whatever_asks_for_something_is_found(text: str) -> None:
    assert page.asks_for(text)


def test_what_lies_in_the_page_is_no_address() -> None:
    assert page.asks_for('<a href="#x"> url(#y) data:, 1 / 2 // a comment') == []
