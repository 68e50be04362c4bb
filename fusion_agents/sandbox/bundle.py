"""What runs inside, compiled once: reading and compiling it each time would double a run."""

import marshal
import os
from functools import cache

from fusion_agents.sandbox.base import INSIDE, MODULE, Part

WHERE = "/inside/bundle"
_ORDER = ("text", "values", "channel")

_START = """
import marshal, sys
with open({where!r}, "rb") as file:
    codes = marshal.load(file)
kind = type(sys)
for name in ("fusion_agents", "fusion_agents.sandbox", {module!r}):
    sys.modules[name] = kind(name)
for name in (*{order!r}, {part!r}):
    module = sys.modules[{module!r} + "." + name] = kind(name)
    exec(codes[name], vars(module))
module.main()
"""


def start(part: Part) -> str:
    """Give the code that starts a part from the bundle at `WHERE`; for the same interpreter."""
    return _START.format(where=WHERE, module=MODULE, order=_ORDER, part=part)


def bundle_descriptor() -> int:
    """Open a file in memory with the bundle; the caller closes it."""
    descriptor = os.memfd_create("bundle")
    os.write(descriptor, _bundle())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


@cache
def _bundle() -> bytes:
    names = (*_ORDER, "candidate", "tester")
    sources = {name: (INSIDE / f"{name}.py").read_text("utf-8") for name in names}
    return marshal.dumps(
        {name: compile(source, f"{name}.py", "exec") for name, source in sources.items()}
    )
