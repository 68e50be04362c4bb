from html.parser import HTMLParser
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fusion_agents.evaluation import Evaluation, evaluate
from fusion_agents.evaluation.html import to_html, write_html
from fusion_agents.evaluation.markup import element
from fusion_agents.evaluation.terminal import table
from fusion_agents.outcomes import Outcomes
from tests.evaluation.logs import KeywordEncoder, outcomes_of, specialists, text_of

HOSTILE = "<script>alert('x')</script>[bold]&\"\x07\ud800"


class Page(HTMLParser):
    """Collects what a browser would see; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile_log() -> Outcomes:
    rng = np.random.default_rng(0)
    return outcomes_of(
        rng.random((120, 2)),
        cost=rng.random((120, 2)),
        texts=[text_of(i) for i in range(120)],
        tasks=[HOSTILE.replace("\ud800", "") for _ in range(120)],
        arms=[HOSTILE.replace("\ud800", ""), "other"],
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(
        specialists(300), ["knn", "cheapest"], encoder=KeywordEncoder(), n_bootstrap=100
    )


def shown(evaluation: Evaluation) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(table(evaluation))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_page_is_well_formed_and_loads_nothing(evaluation: Evaluation) -> None:
    page = Page(to_html(evaluation))
    assert page.open == []
    assert page.tags.count("svg") == 5
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert "url(" not in to_html(evaluation)
    assert "@import" not in to_html(evaluation)


def test_every_chart_has_a_title_and_a_description(evaluation: Evaluation) -> None:
    page = Page(to_html(evaluation))
    assert page.tags.count("desc") == 5
    assert page.tags.count("title") > 5
    assert len([1 for name, value in page.attributes if name == "aria-label" and value]) == 5


def test_names_from_the_log_are_text_and_nothing_else() -> None:
    found = evaluate(hostile_log(), ["knn"], encoder=KeywordEncoder(), n_bootstrap=50)
    text = to_html(found)
    assert "script" not in Page(text).tags
    assert "<script" not in text
    assert "\x07" not in text
    assert "[bold]" in shown(found)


def test_the_page_is_written_as_utf8(evaluation: Evaluation, tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_html(evaluation, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == to_html(evaluation)


def test_a_refused_evaluation_has_a_page_too() -> None:
    values = np.full((200, 2), np.nan)
    values[np.arange(200), np.arange(200) % 2] = 1.0
    log = outcomes_of(values, propensity=np.where(np.isnan(values), np.nan, 1.0))
    found = evaluate(log, ["knn"], encoder=KeywordEncoder(), n_bootstrap=50)
    assert "cannot tell" in to_html(found)
    assert Page(to_html(found)).open == []
    assert "chosen for certain" in shown(found)


def test_the_terminal_table_has_a_line_for_each_router(evaluation: Evaluation) -> None:
    text = shown(evaluation)
    for row in evaluation.rows:
        assert row.router in text
    assert "$/1k" in text
    assert "judge" not in text


def test_the_terminal_says_why_a_router_has_no_figures() -> None:
    log = specialists(100)
    log.cost[:] = np.nan
    found = evaluate(log, ["cheapest"], n_bootstrap=10)
    assert "needs costs" in shown(found)


@given(st.text())
def test_text_and_attributes_survive_escaping(content: str) -> None:
    class Reader(HTMLParser):
        data, value = "", ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.value = attrs[0][1] or ""

        def handle_data(self, data: str) -> None:
            self.data += data

    reader = Reader()
    reader.feed(element("p", content, title=content))
    reader.close()
    clean = "".join("\ufffd" if _unfit(c) else c for c in content)
    assert reader.data == clean
    assert reader.value == clean


def _unfit(character: str) -> bool:
    code = ord(character)
    return (code < 32 and character not in "\t\n\r") or code == 127 or 0xD800 <= code <= 0xDFFF
