"""Text of others inside of a prompt: as data, between lines that it cannot close."""

from hashlib import sha256

SHOWN = (6_000, 3_000)
"""Characters of a long text that are shown: of its beginning, and of its end."""


def quoted(name: str, text: str, *, salt: str = "", shown: tuple[int, int] = SHOWN) -> str:
    r"""Put a text between two lines with a marker that its author cannot know.

    The marker follows from the text, so that no text can contain its own, and the same text makes
    the same prompt; a secret or random `salt` keeps it from whoever can compute it. Of a long
    text, the beginning and the end are shown.

    >>> quoted("answer", "4", salt="s")
    '[answer 0e6534edc3d7]\n4\n[end of answer 0e6534edc3d7]'

    Args:
        name: What it is, in a word or two.
        text: Anything.
        salt: Changes the marker.
        shown: Characters of the beginning and of the end.
    """
    marker = marker_of(text, salt)
    return f"[{name} {marker}]\n{shortened(text, *shown)}\n[end of {name} {marker}]"


def marker_of(text: str, salt: str = "") -> str:
    """Twelve hexadecimal digits that the text does not contain."""
    digest = sha256(f"{salt}\n{text}".encode("utf-8", "surrogatepass"))
    while (marker := digest.hexdigest()[:12]) in text:
        digest.update(b".")
    return marker


def shortened(text: str, first: int, last: int) -> str:
    """Leave out the middle of a text that is longer than both parts together."""
    left_out = len(text) - first - last
    if left_out <= 0:
        return text
    end = text[len(text) - last :]
    return f"{text[:first]}\n[... {left_out} characters are left out ...]\n{end}"
