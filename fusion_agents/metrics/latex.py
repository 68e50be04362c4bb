"""Mathematical answers: cut out of statements, and written alike."""

import re
from itertools import pairwise

from fusion_agents.metrics.numerals import Numeral, read_numerals
from fusion_agents.metrics.statements import Statement

_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_BETWEEN = re.compile(r"\s*(?:,|;|,?\s*and|,?\s*or)\s*")
_CLAUSE = re.compile(r"(?<!\d)[.!?](?=\s|$)|(?<=\d)[.](?=\s|$)|\s(?:because|since)\s|\n")
_SPACING = re.compile(r"(?<!\\)\\[,;:! ]|\\(?:left|right|big|Big|displaystyle|quad|qquad)\b|[~$]")
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox|operatorname)\s*\{([^{}]*)\}")
_SHORT_FRACTION = re.compile(r"\\[dt]?frac\s*(?:(\d)(\d)|\{([^{}]*)\}(\d)|(\d)\{([^{}]*)\})")
_REPEATING = re.compile(r"(?<![\d.])(\d{0,9})\.(\d{0,9})\\(?:overline|bar)\s*\{(\d{1,9})\}(?!\d)")
_SIGNS = str.maketrans(
    {
        "−": "-", "–": "-", "×": r"\cdot ", "·": r"\cdot ", "⋅": r"\cdot ", "π": r"\pi ",
        "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "∪": r"\cup ", "∩": r"\cap ", "±": r"\pm ",
        "°": r"^\circ ", "²": "^{2}", "³": "^{3}", "⁴": "^{4}", "⁵": "^{5}", "θ": r"\theta ",
        "α": r"\alpha ", "β": r"\beta ", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "≠": r"\ne ", "∈": r"\in ", "ℝ": r"\mathbb{R}", "∅": r"\emptyset ",
    }
)  # fmt: skip
_PLAIN = (
    (re.compile(r"(?:\\?\bsqrt|√)\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"√\s*\{?(\d+|[a-zA-Z])\}?"), r"\\sqrt{\1}"),
    (re.compile(r"\^\s*\(([^()]*)\)"), r"^{\1}"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\s*\*\s*"), r" \\cdot "),
    (re.compile(r"(?<![\\a-zA-Z])(pi|theta|alpha|beta|sin|cos|tan|log|ln)\b"), r"\\\1 "),
    (re.compile(r"(?<![\\a-zA-Z])(?:infinity|infty|inf|oo)\b"), r"\\infty "),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"(?<=[\])])\s*U\s*(?=[\[(])"), r"\\cup "),
    (re.compile(r"\^(-?\d{2,})"), r"^{\1}"),
)
_WORDS = re.compile(r"\(?[A-Za-z]\)?|[A-Za-z][A-Za-z'’.\s,-]*[A-Za-z.]")
_UNIT = re.compile(
    r"(?:\s*(?:\\?%|\^\s*\{?\s*\\circ\s*\}?|\\?\$|[a-zA-Z][a-zA-Z-]*\.?(?:\^\{?\d\}?)?|/\s*[a-zA-Z]+))*\s*\.?\s*"
)


def stated_formula(statement: Statement) -> str:
    r"""Cut the mathematics out of a statement; empty where there is none.

    >>> stated_formula(Statement(r"$x = \frac12$, since it is half.", "phrase", 0))
    'x = \\frac12'
    """
    said = statement.text.strip().strip("*`: ")
    if statement.kind != "phrase":
        return said.strip("$ ")
    formulas = list(_FORMULA.finditer(said))
    if not formulas:
        return _CLAUSE.split(said, maxsplit=1)[0].strip(" *`$:.,;\"'")
    kept = formulas[:1]
    for before, found in pairwise(formulas):
        if not _BETWEEN.fullmatch(said[before.end() : found.start()]):
            break
        kept.append(found)
    return ", ".join(next(group for group in m.groups() if group is not None) for m in kept).strip()


def tidy(answer: str) -> str:
    r"""Write an answer the way LaTeX would, without spacing, marks of style and boxes.

    >>> tidy(r"\dfrac12"), tidy("2√10"), tidy(r"\left( 1, 2 \right)"), tidy("sqrt(2)*pi")
    ('\\frac{1}{2}', '2\\sqrt{10}', '( 1, 2 )', '\\sqrt{2} \\cdot \\pi')
    """
    text = _SPACING.sub(" ", answer.replace("\\$", "").replace("\\%", "%").translate(_SIGNS))
    text = _REPEATING.sub(_as_fraction, re.sub(r"\\[dt]frac", r"\\frac", text))
    text = _SHORT_FRACTION.sub(_fraction, text)
    for pattern, latex in _PLAIN:
        text = pattern.sub(latex, text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".").strip()
    return re.sub(r"(?<=\d)(?:,|\{,\})(?=\d{3}(?!\d))", "", text) if _is_long(text) else text


def as_words(answer: str) -> str | None:
    r"""Read an answer that is words, or a letter in `\text`; none where it is mathematics.

    >>> as_words(r"\text{Evelyn}"), as_words("even"), as_words("x"), as_words(r"2\text{ cm}")
    ('Evelyn', 'even', None, None)
    """
    bare = _TEXT.sub(r" \1 ", answer).strip().strip("*").strip()
    is_text = bare != answer.strip() or len(bare) > 2
    return bare if is_text and _WORDS.fullmatch(bare) and "\\" not in bare else None


def as_number(answer: str) -> Numeral | None:
    r"""Read an answer that is one number, with a unit at most.

    >>> str(as_number(r"15\text{ pounds}").value), as_number("2x"), as_number("1, 2")
    ('15', None, None)
    """
    plain = _TEXT.sub(r" \1", answer).strip()
    found = next(read_numerals(plain), None)
    if found is None or plain[: found.start].strip():
        return None
    rest = plain[found.end :]
    if rest[:1].isalpha() or not _UNIT.fullmatch(rest) or "\\" in _UNIT_SIGN.sub("", rest):
        return None
    return found


_UNIT_SIGN = re.compile(r"\\%|\^\s*\{?\s*\\circ\s*\}?|\\\$")


def is_prose(answer: str) -> bool:
    """Whether an answer is a sentence rather than mathematics.

    >>> is_prose("this cannot be determined"), is_prose("x = 2 or x = 3")
    (True, False)
    """
    bare = _COMMAND.sub(" ", _TEXT.sub(" ", answer))
    return len(_LONG_WORD.findall(bare)) >= 3


_COMMAND = re.compile(r"\\[a-zA-Z]+(?:\{[a-z]*matrix\}|\{cases\}|\{array\})?")
_LONG_WORD = re.compile(r"[a-zA-Z]{3,}")


def _is_long(text: str) -> bool:
    """Whether commas are between thousands rather than between the parts of a list."""
    return bool(re.fullmatch(r"-?\$?\d{1,3}(?:(?:,|\{,\})\d{3})+(?:\.\d+)?\D*", text))


def _fraction(found: re.Match[str]) -> str:
    over, under = (group for group in found.groups() if group is not None)
    return f"\\frac{{{over}}}{{{under}}}"


def _as_fraction(found: re.Match[str]) -> str:
    """Write a decimal that repeats as a fraction."""
    whole, once, again = found.groups()
    under = (10 ** len(again) - 1) * 10 ** len(once)
    over = int(whole + once + again) - int(whole + once or "0")
    return f"\\frac{{{over}}}{{{under}}}"
