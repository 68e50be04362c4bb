"""Export formats by name."""

from collections.abc import Sequence

from fusion_agents.distill.formats.base import ExportFormat
from fusion_agents.errors import ConfigError
from fusion_agents.plugins import find_parts


def format_classes() -> dict[str, type[ExportFormat]]:
    """All export formats by name, in alphabetical order.

    >>> "openai-chat" in format_classes()
    True
    """
    return find_parts("fusion_agents.distill.formats", ExportFormat)


def make_formats(names: Sequence[str]) -> list[ExportFormat]:
    """Make formats by name, each once, in the order of their names.

    Raises:
        ConfigError: If there is no such format.
    """
    known = format_classes()
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no export format {name!r}; known are {', '.join(known)}")
    return [known[name]() for name in sorted(set(names))]
