"""Characters that nobody sees, and letters that do not belong together."""

import re
import unicodedata

_JOINERS = "\u200c\u200d"
_MARKS_OF_DIRECTION = "\u200e\u200f\u061c"
_BLANKS = "\u115f\u1160\u3164\uffa0\u2800"
_HARMLESS = "\n\t\r\f\v\u00ad\ufeff\ufe0e\ufe0f"
_WITHOUT_HARMLESS = dict.fromkeys(map(ord, _HARMLESS))
_JOINED = ("ARABIC", "DEVANAGARI", "BENGALI", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA")
_RIGHT_TO_LEFT = ("R", "AL")
_ANY_SCRIPT = ("LATIN", "MATHEMATICAL", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT")
_SAME_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "HANGUL": "CJK"}
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_LOOKS_LATIN = re.compile(r"[\u0370-\u03ff\u0400-\u052f\u0561-\u0587]")
_NO_SYMBOLS = re.compile(r"\b[\u0370-\u03ff]{1,3}\b")
"""Greek letters of formulas."""
_ENOUGH = 6


def hides(text: str, *, strict: bool) -> bool:
    """Whether a text holds characters that are not seen and that it does not need.

    Joiners are needed in some scripts and pictures, marks of direction beside right-to-left
    letters. What is not strict may hold a byte order mark or a blank of no width here and there,
    as copied text does, but no run of them, which could carry a message.
    """
    if text.isascii() and text.translate(_WITHOUT_HARMLESS).isprintable():
        return False
    unseen = [at for at, c in enumerate(text) if _is_unseen(c) and not _is_needed(text, at)]
    if strict or any(_carries(text[at]) for at in unseen):
        return bool(unseen)
    return len(unseen) > 3 + len(text) // 100


def mixes_scripts(text: str) -> bool:
    """Whether a word is made of Latin letters and of others that look like them."""
    if text.isascii():
        return False
    return any(
        len(word) >= _ENOUGH - 2 and _LATIN_LETTER.search(word) and _LOOKS_LATIN.search(word)
        for word in re.findall(r"[^\W\d_]+", text)
    )


def foreign_script(text: str, question: str) -> str | None:
    """A script that a text is partly written in, and its question is not at all."""
    if text.isascii():
        return None
    known = {_script(c) for c in question if c.isalpha()}
    counts: dict[str, int] = {}
    for c in _NO_SYMBOLS.sub(" ", text):
        if c.isalpha() and (script := _script(c)) not in known and script not in _ANY_SCRIPT:
            counts[script] = counts.get(script, 0) + 1
    found = max(counts, key=lambda script: counts[script], default=None)
    return None if found is None or counts[found] < _ENOUGH else found.lower()


def _is_unseen(c: str) -> bool:
    if c in _HARMLESS:
        return False
    return unicodedata.category(c) in ("Cf", "Cc", "Co", "Cs") or c in _BLANKS or _selects(c)


def _carries(c: str) -> bool:
    """Whether it overrules the direction of reading, or can spell out a message."""
    return "\u202a" <= c <= "\u202e" or c >= "\U000e0000" or unicodedata.category(c) == "Cs"


def _selects(c: str) -> bool:
    return "\ufe00" <= c <= "\ufe0d" or "\U000e0100" <= c <= "\U000e01ef"


def _is_needed(text: str, at: int) -> bool:
    c = text[at]
    near = text[max(0, at - 2) : at] + text[at + 1 : at + 3]
    if c in _JOINERS:
        return any(_is_joined(neighbour) for neighbour in near)
    if c in _MARKS_OF_DIRECTION:
        return any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in text)
    return False


def _is_joined(c: str) -> bool:
    return unicodedata.category(c) == "So" or unicodedata.name(c, "").startswith(_JOINED)


def _script(c: str) -> str:
    name = unicodedata.name(c, "UNKNOWN").split(" ")[0]
    return _SAME_SCRIPT.get(name, name)
