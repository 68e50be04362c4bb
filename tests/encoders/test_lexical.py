import subprocess
import sys

import numpy as np
import pytest

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.encoders.text_format import FEATURES, format_features
from fusion_agents.errors import EncoderError

TEXTS = [
    "How many prime numbers are there below 100?",
    "How many prime numbers are there below 50?",
    "Write a Python function that returns the prime numbers below n.",
    "Which of these is a king of England?\n(A) Louis\n(B) Henry\n(C) Otto",
    "Simmer the onion in butter, then add flour and whisk.",
    "How many eggs are left if Rosa eats 3 of 12?",
]


def test_like_texts_are_closer_than_unlike_ones() -> None:
    vectors = LexicalEncoder().fit(TEXTS).encode(TEXTS)

    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[4] + 0.3


def test_texts_of_unknown_words_still_have_a_format() -> None:
    encoder = LexicalEncoder().fit(TEXTS)

    strange = encoder.encode(["Zzyx qwrt vlpk", "(A) zzyx\n(B) qwrt\n(C) vlpk"])

    assert np.isfinite(strange).all()
    assert not np.allclose(strange[0], strange[1])


def test_only_the_first_characters_are_read_for_words() -> None:
    encoder = LexicalEncoder(max_chars=20, format_weight=0.0).fit(TEXTS)
    start = "How many eggs are left"

    vectors = encoder.encode([start + " of twelve", start + " in the oven of the king"])

    np.testing.assert_allclose(vectors[0], vectors[1])


def test_no_texts_are_refused() -> None:
    with pytest.raises(EncoderError, match="empty list"):
        LexicalEncoder().fit([])


def test_a_single_word_is_enough_to_fit_and_encode() -> None:
    encoder = LexicalEncoder().fit(["hello"])

    assert encoder.encode(["hello", "", "other"]).shape[0] == 3


def test_the_vectors_span_the_leading_directions_of_the_texts() -> None:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(60)]
    texts = [" ".join(rng.choice(words, 12)) for _ in range(200)]
    few = LexicalEncoder(n_components=5, n_chars=0, format_weight=0.0).fit(texts)
    many = LexicalEncoder(n_components=150, n_chars=0, format_weight=0.0).fit(texts)

    assert few.encode(texts).shape == (200, 5 + len(FEATURES))
    assert many.state_ is not None
    gram = many.state_.components.T @ many.state_.components
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=0.01)


def test_format_features_count_what_they_are_named_after() -> None:
    text = "Q: 2 + 2 = ?\n(A) 3\n(B) 4\n```def f(x): return x```"

    found = dict(zip(FEATURES, format_features([text])[0], strict=True))

    assert found["letter_options"] == pytest.approx(np.log1p(2))
    assert found["question_marks"] == pytest.approx(np.log1p(1))
    assert found["code"] == 1.0
    assert found["boxed"] == 0.0
    assert 0 < found["digits"] < 0.3


def test_an_empty_text_has_zero_features() -> None:
    assert not format_features([""]).any()


def test_options_are_counted_behind_blank_lines_and_spaces() -> None:
    text = "Which?\n\n \n  (A) one\n\t\nB) two\n\n\nC: three D. four"
    found = dict(zip(FEATURES, format_features([text])[0], strict=True))

    assert found["letter_options"] == pytest.approx(np.log1p(3))


def test_of_a_long_text_the_start_is_read_and_the_length_is_true() -> None:
    start = ("How many? " * 400)[:4_000]
    short, long = format_features([start, start + "```def f(x): $\\frac" * 1_000])

    assert long[0] == pytest.approx(np.log1p(4_000 + 19_000))
    np.testing.assert_array_equal(short[1:], long[1:])


def test_patterns_take_time_in_proportion_to_the_text() -> None:
    script = """
import itertools, re
from fusion_agents.encoders import text_format as t
patterns = [*t._COUNTS.values(), *t._SIGNS.values(), *t._SHARES.values()]
pieces = ["\\n", " ", "\\n ", ".", "_", "\\\\", "[", "[a", "(", "{ ", "1", "1.", "A", "def ", "a "]
for pattern, piece in itertools.product(patterns, pieces):
    pattern.findall(piece * 100_000)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
