r"""Where a response states its answer.

Read are, wherever they stand: a JSON field (`"answer": "B"`, also in damaged JSON), `\boxed{B}`,
`<answer>B</answer>`, `#### 18` and phrases ("the final answer is B", "Answer: B"). Hidden
reasoning (`<think>...</think>`) is not read. Each search is linear in the length of the response.
"""

import json
import re
from itertools import islice
from typing import Literal, NamedTuple

Kind = Literal["field", "boxed", "tag", "hashes", "phrase"]


class Statement(NamedTuple):
    """An answer as it was stated."""

    text: str
    """From its beginning to the end of the line, of the box, of the field or of the quoted block;
    nothing that comes after a phrase has been cut off yet."""
    kind: Kind
    start: int
    """Where in what was looked at the statement begins."""


LONGEST = 100_000
"""So many characters are looked at, from the end."""
MOST = 50
"""So many statements of each kind are looked at, from the end: the last one counts."""

_VERB = (
    r"(?:\bis\b|\bare\b|\bwas\b|\bwould be\b|\bshould be\b|\bmust be\b|\bwill be\b|\bbecomes\b"
    r"|[:=：→]|\*\*|->)"
)
_PHRASE = re.compile(
    r"(?:\b|(?<=_))answers?(?![^\W_])(?! (?:question|key|sheet|booklet)s?\b)"
    rf"(?:[*_]{{1,2}}(?=:))?[^\n.:;?!=：→*]{{0,60}}?(?:{_VERB}|\n)"
)
_FIELD = re.compile(
    r"""["'](?:final|correct|best|my|the)?[_ ]?(?:answer|choice)[_ ]?"""
    r"""(?:letter|choice|option|index)?["']?[ \t]*:\s*"""
)
_BOXED = re.compile(r"\\f?box(?:ed)?\s*\{")
_TAG = re.compile(r"<(?:final_)?answer>")
_HASHES = re.compile(r"####[ \t]*(?=[^\n#\s])")
_DOUBTED = re.compile(
    r"(?:n['’]t|\bnot|\bnever|\bwhether|\bif|\bunless|\bdoubt)"
    r"(?: (?:say|think|believe|know|clear|certain|sure|convinced|claim))?(?: that| whether| if)?"
    r"(?: the)?(?: (?:final|correct|right|best))?[ *_]*$"
)
_WRONG = re.compile(
    r"\b(?:wrong|incorrect|false|worst|mistaken|least \w+|unlikely that(?: the)?(?: correct)?"
    r"|(?:might|may|could|tempting to) (?:say|think|believe|assume|argue|conclude)(?: that)?"
    r"(?: the)?(?: correct)?)[ *_]*$"
)
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LATEX = re.compile(r"[fbtr][a-zA-Z]|n(?:eq|abla|mid|ot|ewline|u)\b")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s*(?:[,}\]]|$|\n|```))', re.DOTALL)
_EDGE = " \t\r\n*_`:"
_BLOCK = ('"""', "'''", "```")


def visible(response: str) -> str:
    """Leave the hidden reasoning out; one that never ended leaves nothing.

    >>> visible("<think>B? No, C.</think>C")
    'C'
    """
    _, closed, after = response.rpartition("</think>")
    if closed:
        return after
    return "" if response.lstrip().startswith("<think>") else response


def lowered(text: str) -> str:
    """Lower the case of a text; its length stays the same."""
    low = text.lower()
    return low if len(low) == len(text) else text.replace("İ", "I").lower()


def stated_answers(text: str) -> list[Statement]:
    r"""List what a text states as its answer, in the order in which it counts: the last most.

    That is the order of the text, save that the field of a JSON object which ends the text
    counts more than what its other fields say.

    >>> [s.text for s in stated_answers("The answer is 4. No, the answer is \\boxed{5}!")]
    ['4. No, the answer is \\boxed{5}!', '\\boxed{5}!', '5']
    """
    skipped = max(0, len(text) - LONGEST)
    text = text[skipped:]
    low = lowered(text)
    found = [
        *(Statement(_field(text, m.end()), "field", m.start()) for m in _last(_FIELD, low)),
        *(Statement(_braced(text, m.end()), "boxed", m.start()) for m in _last(_BOXED, low)),
        *(Statement(_tagged(text, low, m.end()), "tag", m.start()) for m in _last(_TAG, low)),
        *(
            Statement(_rest(text, m.end()), "hashes", m.start())
            for m in _last(_HASHES, low)
            if not text[max(0, m.start() - 1) : m.start()].strip("\n ")
        ),
        *(
            Statement(_rest(text, m.end()), "phrase", m.start())
            for m in _last(_PHRASE, low)
            if _is_meant(low, m)
        ),
    ]
    is_object = text.rstrip(" \t\r\n`").endswith("}")
    return sorted(found, key=lambda s: (is_object and s.kind == "field", s.start))


def without_next_questions(text: str, asked: str) -> str:
    r"""Cut off what a model goes on to ask itself: the answer to that is none to the query.

    A heading (`Question:`, `Q:`) that repeats what was asked is not a new question.

    >>> without_next_questions("It is C.\nQuestion: And now?\nThe answer is B.", "What is it?")
    'It is C.'
    """
    for heading in _QUESTION.finditer(text):
        line = text[heading.end() : heading.end() + 300].lstrip().partition("\n")[0]
        begin = _words(line)[:40]
        if text[: heading.start()].strip() and (not begin or begin not in _words(asked)):
            return text[: heading.start()]
    return text


_QUESTION = re.compile(r"\n[#*\s]{0,5}(?:Question|Problem|Q|QUESTION)\b[ \d*]{0,5}:")


def _words(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _last(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    found = list(pattern.finditer(text))
    return found[-MOST:]


def _is_meant(low: str, found: re.Match[str]) -> bool:
    """Whether a phrase states: not "if the answer is", nor a line that merely ends in "answer"."""
    before = low[max(0, found.start() - 60) : found.start()].rpartition("\n")[2]
    if found[0].startswith("answers") and not low[found.end() : found.end() + 200].split("\n", 1)[
        0
    ].strip(_EDGE):
        return False  # a list of several follows
    if found[0].endswith("\n"):
        return len(before.split()) <= 2 and len(found[0].strip(_EDGE)) <= len("answers")
    return _DOUBTED.search(before) is None and _WRONG.search(before) is None


def _rest(text: str, start: int) -> str:
    """Read to the end of the line; where that is empty, the next line or a quoted block."""
    end = text.find("\n", start)
    line = text[start : end if end >= 0 else len(text)]
    if line.strip(_EDGE) and not line.strip().startswith(_BLOCK):
        return line.strip()
    after = text[start : start + 4000].lstrip(_EDGE.replace("`", ""))
    if after.startswith(_BLOCK):
        inside = after[3:].partition(after[:3])[0]
        first, newline, others = inside.partition("\n")
        return (others if newline and first.strip().isalpha() else inside).strip()
    lines = islice((part.strip() for part in after.split("\n")), 3)
    return next((part for part in lines if part.strip(_EDGE)), "")


def _braced(text: str, start: int) -> str:
    """Read to the brace that closes the one before `start`; to the end of the line without one."""
    depth = 1
    for brace in islice(re.finditer(r"(?<!\\)[{}]", text[start : start + 4000]), 400):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : start + brace.start()].strip()
    return _rest(text, start)


def _tagged(text: str, low: str, start: int) -> str:
    end = low.find("</", start, start + 4000)
    return text[start : end if end >= 0 else start + 4000].strip()


def _field(text: str, start: int) -> str:
    """Read the value of a JSON field, also where the JSON around it is damaged."""
    source = text[start : start + 20_000]
    if quoted := _STRING.match(source):
        return _ESCAPED.sub(lambda escape: _unescaped(escape, quoted[1]), quoted[1])
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(source)
    except (ValueError, RecursionError):
        value = ""
    if not isinstance(value, str):
        return source[:end]
    line = source.split("\n", 1)[0].strip().rstrip("`").rstrip().rstrip(",}").strip()
    paired = len(line) >= 2 and line[0] == line[-1] and line[0] in "\"'"
    return line[1:-1] if paired else line.strip('"')


def _unescaped(escape: re.Match[str], inside: str) -> str:
    """Undo one escape of JSON; LaTeX that was not escaped stays as it is."""
    sign = escape[1]
    if sign in ('"', "\\", "/"):
        return sign
    if sign[0] == "u" and len(sign) > 1:
        return chr(int(sign[1:], 16))
    if _LATEX.match(inside, escape.start(1)) is None and sign in "nrtbf":
        return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}[sign]
    return escape[0]
