"""How parts are found: one module, one part; the module's name is the part's name.

Third parties add theirs through entry points of the group `fusion_agents.<family>`.
"""

import inspect
from functools import cache
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import TypeVar

from fusion_agents.errors import ConfigError

T = TypeVar("T")


@cache
def find_parts(package: str, base: type[T]) -> dict[str, type[T]]:
    """Map names to the concrete subclasses of `base` that a package's modules define.

    Args:
        package: Such as `fusion_agents.routers`; each module defines at most one part.
        base: What a part is a subclass of.

    Raises:
        ConfigError: If an entry point is not such a subclass or takes a name that exists.
    """
    parts: dict[str, type[T]] = {}
    for info in iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{info.name}")
        for part in vars(module).values():
            if _is_part(part, base) and part.__module__ == module.__name__:
                parts[info.name.replace("_", "-")] = part
    for point in metadata.entry_points(group=package):
        part = point.load()
        if not _is_part(part, base) or point.name in parts:
            raise ConfigError(
                f"entry point {point.name!r} of {package} must be a new name for a concrete "
                f"{base.__name__}, not {point.value!r}"
            )
        parts[point.name] = part
    return dict(sorted(parts.items()))


def _is_part(part: object, base: type[T]) -> bool:
    return inspect.isclass(part) and issubclass(part, base) and not inspect.isabstract(part)
