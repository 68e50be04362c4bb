"""Reading a choice (a letter, a digit) out of a response, and never guessing one."""

import re
import unicodedata
from collections.abc import Mapping

from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.statements import (
    LONGEST,
    MOST,
    lowered,
    stated_answers,
    without_next_questions,
)

NONE = "no stated answer"
SEVERAL = "several answers stated"

_LATEX = re.compile(r"\\(?:boxed|text(?:bf|it|rm)?|math(?:rm|bf|it|sf)|fbox)\s*\{|\\[()\[\]]|[{}$]")
_LEAD = re.compile(
    r"(?:[\s*_`\"'“”‘’#>:=：\-–—,]"
    r"|\b(?:most likely|likely|probably|clearly|definitely|simply|therefore|thus|hence|indeed|then"
    r"|actually|still|also|just|option|choice|letter|answer|number|labell?ed|the|is|that|be"
    r"|(?:correct|right|best|final)(?= (?:option|choice|answer|letter)))\b(?!\s*\)))*",
    re.I,
)
_SHUT = r"(?=[)\].:*_`\"'“”’$,;!?}\s—–\-]|$)"
_LABEL = re.compile(
    rf"(?:[(\[]\s*([A-Za-z]|\d{{1,2}})\s*[)\]]|([A-Za-z]|\d{{1,2}}){_SHUT}(?!\.\d))"
)
_OPTION = re.compile(r"^(?:option|choice)\s+(?=\W*\w{1,2}\b)", re.I)
_JOIN = re.compile(r"[)\].*_`\"']*\s*(?:,|/|&|\+|;|\band\b|\bor\b|,\s*(?:and|or)\b)+\s*")
_GOES_ON = re.compile(
    r"\s+(?:or|and|/|because|since|as|which|with|due|given|for|based|from|by|is|are|was|-|–|—|\()",
    re.I,
)
_DENIED = re.compile(r"[)\].*_`\"']*\s+(?:is|was|are)\s+(?:not|wrong|incorrect|false|out)\b", re.I)
_MEANT_TOO = re.compile(
    r"(.*?)[\s,\-–]+(?:(?:which is|that is|i\.e\.,?) )?(?:option |choice )?"
    r"[(\[]?([A-Za-z]|\d{1,2})[)\]]?\W*$"
)
_REJECTED = re.compile(r",? (?:and not|but not|not|rather than|instead of) ", re.I)
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
_FORMULA = re.compile(r"\s*[=<>+/^×·≈\[]|\s*-\s*\d")
_CORRECT = r"(?:the )?(?:most |only )?(?:correct|right|best|appropriate|accurate|likely)\b"
_NAMED = re.compile(
    r"\b(?:correct|right|best|final|appropriate)\s+(?:option|choice|letter|response|selection)\b"
    r"[^\n.:;?!=]{0,60}?(?:\bis\b|\bwould be\b|\bmust be\b|[:=])"
    r"|\banswer[ *_]*[-–—](?=\s)"
    r"|\bi(?:['’]d| would|['’]ll| will)? (?:choose|pick|select|(?:go|opt) (?:with|for))\b"
)
_CALLED = re.compile(
    rf"\b(?:option|choice|answer)\s*(?=[*(\[]{{0,3}}(?:[a-z]|\d{{1,2}})[*)\]]{{0,3}}"
    rf"\s+(?:is\s+|must be\s+|would be\s+|as\s+)?{_CORRECT}(?!\s+(?:if|when|only)\b))"
    r"|(?:^|(?<=\s))(?=[*]{0,2}\((?:[a-z]|\d{1,2})\)[*]{0,2}\s+(?:is|must be|would be)\s+the "
    r"(?:most |only )?(?:correct|right|best|appropriate) (?:answer|option|choice)\b)"
    r"|^(?=[*]{0,2}(?:[a-z]|\d{1,2})[*]{0,2} is (?:the )?correct(?: (?:answer|option|choice))?"
    r"[*]{0,2}[.!]?\s*$)",
    re.M,
)
_CONCLUDED = re.compile(
    r"(?:\b(?:therefore|thus|hence|so|conclusion)\b)[,:]?"
    r"(?: it(?: is|['’]s)| we have| this is| that is| i choose| my choice is)?:?\s*"
    r"(?=(?:(?:option|choice|answer) )?[*]*[(\[]?(?:[a-z]|\d)[)\]]?[*]*[.!]?\s*$)"
)
_ENDING = re.compile(
    r"\b(?:is|be|are|namely|option|choice|with|to)[:]?\s+(?:option |choice )?"
    r"(?=[*]{0,2}\((?:[a-z]|\d{1,2})\)[*]{0,2}[.!]?\s*$)"
)
_RULED_OUT = re.compile(
    r"\bnot\b|n['’]t\b|\bwrong|\bincorrect|\bfalse|\brul|\belimin|\bexclu|\bif\b"
)


def read_choice(text: str, question: str, options: Mapping[str, str], right: frozenset[str]) -> str:
    """Read the label that a response states; `NONE` or `SEVERAL` where there is not one.

    Args:
        text: The response, without hidden reasoning.
        question: What was asked, with which the text may begin.
        options: Texts of the options by label, where they are known.
        right: The right labels: they tell letters from digits, and nothing else.
    """
    text = without_next_questions(_plain(text), question)
    digits = any(r.isdigit() for r in right)
    reader = _Reader(options, digits=digits)
    found = NONE
    for statement in _statements(text):
        found = reader.stated(statement) or found
    return found if found != NONE else reader.bare(text)


def _plain(text: str) -> str:
    if text.isascii():
        return text
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))


def _statements(text: str) -> list[str]:
    """List what is stated, the last most."""
    general = [(s.start, s.text) for s in stated_answers(text)]
    last_field = general[-1:] if len(general) > 1 and general[-1][0] < general[-2][0] else []
    text = text[-LONGEST:]
    low = lowered(text)
    for pattern in (_NAMED, _CALLED, _CONCLUDED):
        found = list(pattern.finditer(low))[-MOST:]
        general += [(m.start(), text[m.end() :].split("\n", 1)[0]) for m in found]
    ending = _ENDING.search(low, max(0, len(low.rstrip()) - 30))
    if ending and not _RULED_OUT.search(_last_sentence(low[: ending.end()])):
        general.append((ending.start(), text[ending.end() :]))
    return [said for _, said in [*sorted(general), *last_field]]


def _last_sentence(text: str) -> str:
    return re.split(r"[.!?]\s|\n", text[-400:])[-1]


class _Reader:
    """Reads labels: letters or digits, among known options or any."""

    def __init__(self, options: Mapping[str, str], *, digits: bool) -> None:
        known = {label: text for label, text in options.items() if label.isdigit() == digits}
        self.options = known
        self.digits = digits

    def stated(self, said: str) -> str | None:
        """Read a statement; none where it is about something else."""
        said = _LATEX.sub("", said[:2000])
        rest = said[_LEAD.match(said).end() :]  # type: ignore[union-attr]
        found = _LABEL.match(rest)
        label = self._label(found, rest) if found else None
        if label is None or found is None or (found[2] and self._is_named(rest, label)):
            return self._by_text(rest)
        if _DENIED.match(rest, found.end()):
            return None
        return SEVERAL if self._another(rest[found.end() :], label) else label

    def bare(self, text: str) -> str:
        """Read a first or last line that is nothing but a choice."""
        lines = [line for line in text.strip().split("\n") if line.strip(" *_`\"'#\r.-")]
        if not lines:
            return NONE
        found = [self._line(line) for line in lines]
        if len(set(found)) > 1 and all(map(self._is_alone, lines)) and all(found):
            return SEVERAL
        for end in (-1, 0):
            if found[end] and self._is_alone(lines[end]):
                return found[end] or NONE
        if len({label for label in found if label}) > 1:
            return SEVERAL
        return found[-1] or found[0] or NONE

    def _is_alone(self, line: str) -> bool:
        """Whether a line is a label and nothing else."""
        bare = _LATEX.sub("", line).strip(" *_`\"'#>.()[]!\r:-")
        return len(bare) <= (2 if self.digits else 1)

    def _label(self, found: re.Match[str], rest: str) -> str | None:
        label = (found[1] or found[2]).upper()
        if label.isdigit() != self.digits or (found[2] and not self._fits(found, rest)):
            return None
        return None if self.options and found[2] and label not in self.options else label

    def _fits(self, found: re.Match[str], rest: str) -> bool:
        """Whether a label without parentheses is one, and no word, symbol or quantity."""
        bare, after = found[2], rest[found.end() :]
        if _FORMULA.match(after):
            return False
        ends = not after.strip(" *_`\"'.!\r")
        if ends or after[0] == ")":
            return True
        if bare.islower():
            return after[0] in ".:" and not after[1:2].isalpha()
        if not after[0].isspace() or (bare not in "AI" and not self.digits):
            return True
        words = self.options.get(bare, "")
        return bool(_GOES_ON.match(after)) or (bool(words) and normalised(after).startswith(words))

    def _another(self, after: str, label: str) -> bool:
        """Whether other labels follow: "A or B", "(A), (C)"."""
        join = _JOIN.match(after)
        rest = after[join.end() :] if join else ""
        rest = rest[_LEAD.match(rest).end() :]  # type: ignore[union-attr]
        found = _LABEL.match(rest)
        other = self._label(found, rest) if found else None
        return other is not None and other != label

    def _by_text(self, rest: str) -> str | None:
        """Find the option whose words are stated."""
        if not self.options:
            return None
        said = re.split(r"[.;!?](?:\s|$)|\n", rest, maxsplit=1)[0]
        if found := self._with_text(said):
            return found
        if meant := _MEANT_TOO.match(said):
            label = meant[2].upper()
            return label if label and self._with_text(meant[1]) == label else None
        return self._with_text(_REJECTED.split(said, maxsplit=1)[0])

    def _with_text(self, said: str) -> str | None:
        words = normalised(said)
        found = [label for label, text in self.options.items() if text and text == words]
        return found[0] if len(found) == 1 else None

    def _is_named(self, rest: str, label: str) -> bool:
        """Whether what looks like a label begins the text of another option ("C major")."""
        named = self._by_text(rest) if " " in rest.strip() else None
        return named is not None and named != label

    def _line(self, line: str) -> str | None:
        """Read a line that begins with a label and is nothing else, or goes on with its text."""
        said = _LATEX.sub("", line[:2000]).strip().lstrip("*_`\"'#>- ")
        said = _OPTION.sub("", said)
        found = _LABEL.match(said)
        if not found:
            return self._by_text(said)
        label = (found[1] or found[2]).upper()
        after = said[found.end() :]
        if label.isdigit() != self.digits or (self.options and label not in self.options):
            return None
        alone = not after.strip(" *_`\"'.!\r)")
        words = self.options.get(label, "")
        if alone or (words and normalised(after).startswith(words)):
            return label
        marked = bool(found[1]) or after[:1] in (")", ".", ":")
        if marked and not self.options and not found[0].islower():
            return label
        return None if marked else self._by_text(said)
