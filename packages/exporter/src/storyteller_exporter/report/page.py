"""Pages: one file each, that needs nothing beside it and asks nobody for anything."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.one_line import visible

#: Bytes that a page may have.
LIMIT = 3_000_000
#: What a browser would ask a network for.
_ADDRESS = re.compile(r"\b(?:https?|ftp|wss?)://|(?:src|href)=[\"']?//|@import|url\((?!#)", re.IGNORECASE)


def render(template: str, **values: Any) -> str:
    """A page from its template; every value is escaped but for charts, styles and scripts of ours.

    Raises:
        StorytellerError: it is larger than LIMIT.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("storyteller_exporter.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_seen,
    )
    environment.filters |= {"percent": percent, "figure": figure}
    page = environment.get_template(template).render(asset=_asset, **values)
    if (size := len(page.encode())) > LIMIT:
        raise StorytellerError(f"the page has {size:,} bytes; it may have {LIMIT:,}")
    return page


def asks_for(page: str) -> list[str]:
    """Whatever in a page names an address; text that is only shown is as suspicious, and escaped all the same."""
    return [page[max(found.start() - 20, 0) : found.end() + 40] for found in _ADDRESS.finditer(page)]


def percent(value: float | None, digits: int = 1) -> str:
    """A share for people; nothing for None."""
    return "" if value is None else f"{value:.{digits}%}"


def figure(value: float | None, digits: int = 4) -> str:
    """A number for people; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}"


def _seen(value: object) -> object:
    """A value with what would not be seen in it as escapes; line ends stay."""
    return "\n".join(map(visible, value.split("\n"))) if type(value) is str else value


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup(files("storyteller_exporter.report").joinpath("templates", name).read_text(encoding="utf-8"))
