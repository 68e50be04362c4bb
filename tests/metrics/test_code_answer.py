import time
from typing import Any

import pytest

from fusion_agents.metrics.code_answer import program_in

PROMPT = 'from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """Add."""\n'
WHOLE = "def total(xs):\n    return sum(xs)"


def total(response: str, prompt: str = PROMPT) -> Any:
    program = program_in(response, prompt, "total")
    assert program is not None
    names: dict[str, Any] = {}
    exec(program, names)
    return names["total"]([1, 2, 3])


@pytest.mark.parametrize(
    "response",
    [
        "    s = 0\n    for x in xs:\n        s += x\n    return s",
        "s = 0\n    for x in xs:\n        s += x\n    return s",  # the first indentation stripped
        "s = 0\nfor x in xs:\n    s += x\nreturn s",
        "  s = 0\n  for x in xs:\n    s += x\n  return s",
        "\ts = 0\n\tfor x in xs:\n\t\ts += x\n\treturn s",
        "for x in xs:\n        pass\n    return sum(xs)",
        "import math\n    return int(math.fsum(xs))",
        "import math\nreturn int(math.fsum(xs))",
        "if not xs:\n    return 0\ntotal = sum(xs)\nreturn total",
        "return sum(xs)",
        "```python\n    return sum(xs)\n```",
        "[BEGIN]\n```python\nreturn sum(xs)\n```\n[DONE]",
        "[BEGIN] return sum(xs) [Done]",
        "Here is the body:\n\n    return sum(xs)\n\nHope it helps!",
    ],
)
def test_a_body_continues_the_prompt_however_it_is_indented(response: str) -> None:
    assert total(response) == 6


@pytest.mark.parametrize("prompt", [PROMPT, ""])
@pytest.mark.parametrize(
    "response",
    [
        WHOLE,
        f"```python\n{WHOLE}\n```",
        f"Sure!\n\n```\n{WHOLE}\n```\n\nIt adds them.",
        f"1. Like this:\n   ```py\n   {WHOLE.replace(chr(10), chr(10) + '   ')}\n   ```",
        f"```python\n{WHOLE}",
        f"[BEGIN]\n{WHOLE}\n[DONE]\nThat is all.",
        f"{WHOLE}\n[DONE]",
        f"The function is:\n\n{WHOLE}\n\nfrom here on it is simple.",
        f"import math\nfrom functools import reduce\n\n{WHOLE}",
        "    def total(xs):\n        return sum(xs)",
        WHOLE.replace("\n", "\r\n"),
        f"<think>def total(xs): return 0</think>\n{WHOLE}",
        f"```python\ndef total(xs):\n    return 0\n```\nBetter:\n```python\n{WHOLE}\n```",
        "```python\ndef h(xs):\n    return sum(xs)\n```\n"
        "```python\ndef total(xs):\n    return h(xs)\n```",
        f"```python\n{WHOLE}\n```\nUse it:\n```python\nprint(total([1]))\n```",
        "total = lambda xs: sum(xs)",
    ],
)
def test_a_whole_function_is_found_between_other_text(response: str, prompt: str) -> None:
    assert total(response, prompt) == 6


def test_an_index_named_like_a_tag_is_not_a_tag() -> None:
    code = (
        "def total(xs):\n    end = done = 0\n    xs[end] = xs[done]\n    y = xs[end]\n    return y"
    )
    assert program_in(code, "", "total") == code


def test_helpers_of_the_prompt_stay() -> None:
    prompt = "def twice(x):\n    return 2 * x\n\n\ndef total(xs):\n    '''Add.'''\n"
    assert total("def total(xs):\n    return twice(sum(xs))", prompt) == 12


@pytest.mark.parametrize(
    "response",
    [
        "",
        "I cannot do that.",
        "def other(): pass",
        "```python\n```",
        "def total(xs:\n  return",
        "\0",
    ],
)
def test_a_response_without_the_function_has_no_program(response: str) -> None:
    assert program_in(response, "", "total") is None


@pytest.mark.parametrize(
    "response",
    [
        *("```" * 60_000, "```\n" * 50_000, "<think>" * 30_000, " " * 200_000, "[BEGIN]" * 30_000),
        *("def f(:\n" * 25_000, "import x\n" * 20_000, "-" * 200_000 + "1", "(" * 200_000),
        "\n".join(f"def f{number}(: x" for number in range(9000)),
    ],
    ids=lambda response: response[:8],
)
def test_hostile_responses_are_read_in_little_time(response: str) -> None:
    began = time.process_time()
    program_in(response, PROMPT, "total")
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    "before",
    [
        "if 1:\n    pass\n" + "".join(f"elif {n}:\n    pass\n" for n in range(2000)),
        "if " + "1 if 2 else " * 800 + "3:\n    pass\n",
    ],
    ids=["branches", "conditions"],
)
def test_a_program_with_deep_branches_is_found(before: str) -> None:
    assert program_in(f"{before}\ndef total(x):\n    return x\n", "", "total") is not None
