"""Texts that every tokenizer and every provider accepts."""


def encodable(text: str, max_chars: int | None = None) -> str:
    r"""Cut a text to `max_chars`, and replace what UTF-8 cannot hold by question marks.

    A text without a visible character becomes one full stop, as providers refuse empty texts.

    >>> encodable("a\ud800b"), encodable("  ")
    ('a?b', '.')
    """
    clean = text[:max_chars].encode("utf-8", "replace").decode()
    return clean if clean.strip() else "."
