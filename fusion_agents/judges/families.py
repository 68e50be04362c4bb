"""Which models are kin: a judge that scores its own family favours it."""

import re

_FAMILIES = {
    "anthropic": r"claude|anthropic",
    "google": r"gemini|gemma|palm|google_genai",
    "meta": r"(?:code)?llama|maverick",
    "mistral": r"mistral(?:ai)?|mixtral|codestral|ministral|magistral|devstral|pixtral|mathstral",
    "alibaba": r"qwen|qwq|qvq|alibaba",
    "deepseek": r"deepseek",
    "xai": r"grok|xai",
    "cohere": r"command-?(?:r|a|light|nightly)|cohere|c4ai|aya",
    "microsoft": r"phi|wizardlm",
    "amazon": r"nova|titan",
    "ibm": r"granite",
    "nvidia": r"nemotron|chatqa",
    "moonshot": r"kimi|moonshot(?:ai)?",
    "zhipu": r"(?:chat)?glm|zhipu|zai",
    "01-ai": r"yi",
    "ai21": r"jamba|jurassic|ai21",
    "upstage": r"solar",
    "tii": r"falcon",
    "writer": r"palmyra",
    "minimax": r"minimax",
    "openai": r"(?:chat)?gpt|o[134]|davinci|codex|openai(?=/)",
}
_PATTERNS = {
    family: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])") for family, words in _FAMILIES.items()
}
_DATE = re.compile(r"[-@_:.](?:20\d\d-?\d\d-?\d\d|\d{4}|latest)$")


def family_of(name: str) -> str:
    """The maker whose model a name means, by what the name says first.

    A name that says no known maker is a family of its own, without vendor, date and case.

    >>> [family_of(name) for name in ("openai:gpt-5-mini", "Meta-Llama-3.1-8B", "House-Model")]
    ['openai', 'meta', 'house-model']

    Args:
        name: The provider's name of a model, a string for `init_chat_model`, or any other name.
    """
    return _found(name)[0]


def families_of(*names: str | None) -> frozenset[str]:
    """All makers that any of the names says: a distilled model is kin to both of its parents.

    >>> sorted(families_of("DeepSeek-R1-Distill-Llama-70B", None))
    ['deepseek', 'meta']
    """
    return frozenset(family for name in names if name for family in _found(name))


def _found(name: str) -> list[str]:
    """Makers in the order in which the name says them; of the model's id before the provider."""
    plain = name.strip().lower()
    bare = plain.partition(":")[2] or plain
    for text in (bare, plain):
        hits = ((pattern.search(text), family) for family, pattern in _PATTERNS.items())
        found = sorted((hit.start(), family) for hit, family in hits if hit)
        if found:
            return [family for _, family in found]
    return [_DATE.sub("", bare.rpartition("/")[2]) or plain]
