import numpy as np
import pytest

from fusion_agents.templates.notation import has_formulas, notation


@pytest.mark.parametrize(
    "text",
    [
        "Let $x$ be even.",
        r"A coat costs $\$70$ today.",
        r"It grows by $5\%$ each year.",
        "Solve $$x + 1 = 2$$ for x.",
        r"Solve \(x + 1 = 2\).",
        r"Solve \[x + 1 = 2\].",
        r"Put the answer in \boxed{}.",
        "If $y$ is\n$3$, what is it?",
    ],
)
def test_formulas_in_tex_are_seen(text: str) -> None:
    assert has_formulas(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tea is $5 and cake is $6.",
        "It costs between $10-$20 a day.",
        "She pays $5, and he pays $ 6 .",
        r"Tea is \$5\$ here, cake is \$6.",
        "How many apples are left?",
        "def f(a): return '$' + a",
        "$" * 5_000,
        "$a " * 5_000,
        "$" + "a" * 5_000,
        "x" * 4_000 + "$x$",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_prices_and_other_text_are_no_formulas(text: str) -> None:
    assert not has_formulas(text)


def test_texts_in_one_notation_are_alike_and_others_are_not() -> None:
    written = notation(["Let $x$ be even.", "Find $y$.", "How many apples are left?"])
    products = written @ written.T
    assert products[0, 1] == products[0, 0] > 0
    assert products[0, 2] == products[2, 2] == 0


def test_no_text_has_no_row() -> None:
    assert notation([]).shape == (0, 1)
    assert notation([""]).dtype == np.float32
