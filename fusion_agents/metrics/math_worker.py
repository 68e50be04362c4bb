"""The process that compares mathematical answers; run by path, one JSON line in and one out.

It imports nothing of this package and has limits on memory and, for each comparison, on processor
time: an answer that takes more ends it, and who asked sees why. Answers are parsed as LaTeX
alone, because the parser of plain expressions evaluates Python.
"""

import json
import logging
import sys
from typing import Any


def main() -> None:
    """Answer requests until the input ends."""
    sys.path[:] = json.loads(sys.argv[1])
    try:
        from math_verify import LatexExtractionConfig, parse, verify  # noqa: PLC0415
    except ImportError:
        _say({"missing": True})
        return
    logging.disable()
    config = [LatexExtractionConfig(boxed_match_priority=0)]

    def read(latex: str) -> list[Any]:
        boxed = "$\\boxed{" + latex + "}$"
        found: list[Any] = parse(boxed, config, fallback_mode="no_fallback", parsing_timeout=None)
        return found

    def is_same(right: list[Any], said: list[Any]) -> bool:
        return bool(verify(right, said, allow_set_relation_comp=True, timeout_seconds=None))

    _say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        _limit(request["seconds"])
        said = read(request["said"])
        golds = [read(gold) for gold in request["right"]] if said else []
        _say({"read": bool(said), "same": any(is_same(gold, said) for gold in golds if gold)})


def _say(message: dict[str, bool]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _limit(seconds: float) -> None:
    """Let the next comparison take so many seconds of processor time, and 2 GiB in all."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, hard))


if __name__ == "__main__":
    main()
