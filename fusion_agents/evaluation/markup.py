"""HTML and SVG from nested calls; whatever is not markup yet is escaped."""

import html
import re
from importlib import resources

_VOID = frozenset({"meta", "br", "hr", "img", "link"})
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Markup(str):
    """Text that is markup already and must not be escaped again."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """Make an element.

    Args:
        tag: Its name.
        children: Markup is kept, any other text is escaped.
        attributes: A trailing underscore is dropped and others become hyphens; values are
            escaped; None leaves the attribute out.

    >>> element("td", "a < b", class_="arm", data_n=3)
    '<td class="arm" data-n="3">a &lt; b</td>'
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{join(*children)}</{tag}>")


def page(title: str, *content: str) -> str:
    """Make a document of its own that loads nothing from anywhere, in the style of our reports."""
    style = resources.files("fusion_agents.evaluation").joinpath("report.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element("body", element("main", *content))
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def join(*parts: str) -> Markup:
    """Put markup and texts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def escape(text: str) -> Markup:
    """Make any text safe, also where it has characters that no document may hold."""
    return Markup(html.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text), quote=True))


def _attribute(value: str | float) -> str:
    return f"{round(value, 2):g}" if isinstance(value, int | float) else escape(value)
