"""Finding the logged query that a prompt was made of."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

_HEAD = 12


class QueryIndex:
    r"""Knows the texts of logged queries, and finds them again inside longer texts.

    A prompt may hold several logged queries, such as examples before the query itself, and a
    query may hold another. So of the texts that lie inside no other, the last one is meant. A
    text counts only where it does not begin or end within a word.

    >>> index = QueryIndex(["2 + 2?", "What is 2 + 2?", "Who?"])
    >>> index.find("Who?\nWhat is 2 + 2?\nThink step by step.")
    'What is 2 + 2?'
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text for text in texts if text.strip()}
        self._by_head: dict[str, list[str]] = defaultdict(list)
        for text in self._texts:
            self._by_head[text[:_HEAD]].append(text)
        for same_head in self._by_head.values():
            same_head.sort(key=len, reverse=True)
        self._lengths = sorted({len(head) for head in self._by_head}, reverse=True)

    def find(self, prompt: str) -> str | None:
        """Say which text is meant: the prompt itself if it is one; none if none is in it."""
        for exact in (prompt, prompt.strip()):
            if exact in self._texts:
                return exact
        found, end = None, 0
        for start, text in self._places(prompt):
            if start + len(text) > end:
                found, end = text, start + len(text)
        return found

    def _places(self, prompt: str) -> Iterator[tuple[int, str]]:
        for start in range(len(prompt)):
            if start and prompt[start - 1].isalnum() and prompt[start].isalnum():
                continue
            text = self._longest_at(prompt, start)
            if text is not None:
                yield start, text

    def _longest_at(self, prompt: str, start: int) -> str | None:
        for length in self._lengths:
            for text in self._by_head.get(prompt[start : start + length], ()):
                if prompt.startswith(text, start) and _ends_a_word(prompt, start + len(text)):
                    return text
        return None


def _ends_a_word(prompt: str, end: int) -> bool:
    return end >= len(prompt) or not (prompt[end - 1].isalnum() and prompt[end].isalnum())
