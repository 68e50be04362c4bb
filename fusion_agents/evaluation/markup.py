"""HTML and SVG from nested calls; whatever is not markup yet is escaped."""

import html
import re

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


def join(*parts: str) -> Markup:
    """Put markup and texts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def escape(text: str) -> Markup:
    """Make any text safe, also where it has characters that no document may hold."""
    return Markup(html.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text), quote=True))


def _attribute(value: str | float) -> str:
    return f"{round(value, 2):g}" if isinstance(value, int | float) else escape(value)
