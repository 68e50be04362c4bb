import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.testing.replay_index import QueryIndex


@pytest.mark.parametrize(
    ("texts", "prompt", "found"),
    [
        (["Hi"], "This is it", None),
        (["Hi"], "Hi there", "Hi"),
        (["Hi"], "  Hi ", "Hi"),
        (["", "  "], "", None),
        (["a long enough question", "a long enough question?"], "a long enough question? Yes.",
         "a long enough question?"),
        (["inner question", "an outer inner question here"], "an outer inner question here.",
         "an outer inner question here"),
        (["first question", "second question"], "first question, then second question",
         "second question"),
        (["日本の首都はどこ。"], "質問: 日本の首都はどこ。", "日本の首都はどこ。"),
    ],
)  # fmt: skip
def test_the_text_that_is_meant_is_found(texts: list[str], prompt: str, found: str | None) -> None:
    assert QueryIndex(texts).find(prompt) == found


@given(
    texts=st.lists(st.text(min_size=1).filter(str.strip), min_size=1),
    before=st.text(),
    after=st.text(),
)
def test_every_text_is_found_in_what_is_put_around_it(
    texts: list[str], before: str, after: str
) -> None:
    index = QueryIndex(texts)
    prompt = f"{before}\n{texts[0]}\n{after}"
    found = index.find(prompt)
    assert found is not None
    assert found in prompt
