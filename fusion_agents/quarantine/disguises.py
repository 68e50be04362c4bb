"""The ways in which a text can be read: without its disguises, and with what it encodes."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_MOST = 20_000
"""Characters that are read of a text; what is longer is no template."""
_BLOBS = 20
"""Encoded words that are looked into."""

_LOOK_ALIKES = str.maketrans(
    "авеёзіїјкмнорстухԁԍһӏոѕԛԝ" "αβεηικμνορτυχγω" "ɑɡɩıℓ|",
    "abee3iijkmhopctyxdghlnsqw" "abenikmvoptuxyw" "agiill",
)  # fmt: skip
_LEET = str.maketrans("013457@$!8", "oieastasib")
_CONTROLS = dict.fromkeys({*range(32), 127} - {ord("\n"), ord("\t")})
"""Of ASCII, which has nothing else that is invisible."""

_LETTERS_APART = re.compile(r"(?<!\w)\w(?:[ .,·•_*|/~+-]{1,3}\w(?!\w)){4,}")
_MIXED_WORD = re.compile(r"(?<![\w@$!])(?=[\w@$!]*[a-z])(?=[\w@$!]*[0-9@$!])[\w@$!]{2,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:0x)?(?:[0-9a-fA-F]{2}[ :,]?){10,}")
_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}){3,}")
_NUMBERS = re.compile(r"(?:\b\d{2,3}\b[ ,;]+){9,}\d{2,3}\b")


def folded(text: str) -> str:
    """Lower case, compatible characters made one, no accents, nothing invisible, single spaces.

    >>> folded("Ｉgnóre\u200b   THIS")
    'ignore this'
    """
    if text.isascii():
        return " ".join(text.translate(_CONTROLS).casefold().split())
    plain = unicodedata.normalize("NFKD", text)
    kept = (
        c for c in plain if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc") or c in "\n\t"
    )
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).casefold().split())


def readings(text: str) -> Iterator[str]:
    """Yield the text as a model may read it, folded: the plain reading first.

    Then with letters of other scripts read as the Latin ones that they look like, with digits
    read as letters, with letters that stand apart put together, and what base64, hexadecimal
    digits, character codes, escapes, percent signs, rot13 or writing backwards hides in it.
    """
    text = text[:_MOST]
    plain = folded(html.unescape(text))
    yield plain
    alike = plain.translate(_LOOK_ALIKES)
    yield from _if_new(alike, plain)
    yield from _if_new(_MIXED_WORD.sub(lambda word: word[0].translate(_LEET), alike), alike)
    for apart in _LETTERS_APART.finditer(html.unescape(text).lower()):
        yield from _put_together(apart[0])
    for hidden in _hidden(text):
        yield folded(hidden)


def backward_readings(text: str) -> Iterator[str]:
    """Yield the text in rot13 and backwards, folded."""
    plain = folded(text[:_MOST])
    yield codecs.encode(plain, "rot13")
    yield plain[::-1]


def _if_new(reading: str, before: str) -> Iterator[str]:
    if reading != before:
        yield reading


def _put_together(apart: str) -> Iterator[str]:
    """Letters that stand apart as words, with wider gaps or the only spaces at their ends."""
    marks = r"[.,·•_*|/~+-]" if re.search(r"\w[.,·•_*|/~+-]\w", apart) else r"(?<! ) (?! )"
    yield folded(re.sub(marks, "", apart)).translate(_LEET)
    yield folded(re.sub(r"[\W_]+", "", apart)).translate(_LEET)


def _hidden(text: str) -> Iterator[str]:
    if "%" in text and (plain := unquote(text)) != text:
        yield plain
    for found in _ESCAPES.finditer(text):
        yield found[0].encode("ascii").decode("unicode_escape")
    for found in list(_NUMBERS.finditer(text))[:_BLOBS]:
        codes = [int(code) for code in re.findall(r"\d+", found[0])]
        yield "".join(map(chr, codes))
    for found in list(_HEX.finditer(text))[:_BLOBS]:
        yield from _readable(bytes.fromhex(re.sub(r"0x|[ :,]", "", found[0])))
    for found in list(_BASE64.finditer(text))[:_BLOBS]:
        yield from _readable(_from_base64(found[0]))


def _from_base64(word: str) -> bytes:
    bare = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _readable(data: bytes) -> Iterator[str]:
    """What bytes say, if it is words."""
    try:
        said = data.decode()
    except UnicodeDecodeError:
        return
    if said and sum(c.isalpha() or c.isspace() for c in said) >= 0.8 * len(said):
        yield said
