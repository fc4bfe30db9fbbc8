from __future__ import annotations

import re

import pytest
from storyteller_exporter.report.page import asks_for
from storyteller_exporter.report.svg import INK, SERIES, Canvas, Chart, bars


def line(title: str) -> Chart:
    canvas = Canvas()
    canvas.axes.plot([0, 1], [0.123456, 2], color=SERIES[0], label="a line")
    canvas.axes.axhline(1, color=INK)
    return canvas.chart(title, "what is to be seen")


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert line("one").svg == line("one").svg


def test_nothing_in_it_is_an_address() -> None:
    svg = line("one").svg
    assert svg.startswith("<svg")
    assert asks_for(svg) == []
    assert "xmlns" not in svg


def test_colours_are_the_page_s_and_text_is_text() -> None:
    svg = line("one").svg
    assert "var(--c1)" in svg
    assert "var(--ink)" in svg
    assert not re.search(r"#0[0a]0[0a]0\d", svg)
    assert ">a line</text>" in svg
    assert "font-family" not in svg


def test_two_charts_share_no_identifier_and_point_at_their_own() -> None:
    found = [set(re.findall(r' id="([^"]*)"', chart.svg)) for chart in (line("one"), line("another one"))]
    assert found[0].isdisjoint(found[1])
    for chart, ids in zip((line("one"), line("another one")), found, strict=True):
        assert set(re.findall(r'href="#([^"]*)"|url\(#([^")]*)\)', chart.svg)) <= {
            pair for each in ids for pair in ((each, ""), ("", each))
        }


def test_written_numbers_keep_their_digits() -> None:
    chart = bars("bars", "", ["0.12345"], {"a": [0.5]}, label="x")
    assert ">0.12345</text>" in chart.svg


@pytest.mark.parametrize("count", [1, 2])
def test_bars_have_a_legend_only_where_there_are_several(count: int) -> None:
    values = {f"kind {number}": [1.0, 2.0] for number in range(count)}
    assert (">kind 0</text>" in bars("bars", "", ["a", "b"], values, label="x").svg) == (count > 1)


@pytest.mark.parametrize(
    "name", ["$\\frac{$", "$x$", "\x1b[2J\r\n", "岩石", "🙂", "x" * 5000, "</text><script>", "&amp;", ""]
)
def test_a_row_may_have_any_name_and_nothing_in_it_is_read(name: str) -> None:
    svg = bars("bars", "", [name, "another"], {"a": [0.5, 1.0]}, label="x").svg
    assert ">another</text>" in svg
    assert "\x1b" not in svg
    assert "<script" not in svg
    assert "x" * 100 not in svg
    if "$" in name or (name.isprintable() and "<" not in name and "&" not in name and 0 < len(name) < 60):
        assert f">{name}</text>" in svg
