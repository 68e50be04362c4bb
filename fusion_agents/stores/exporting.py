"""The routing log into a file."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from fusion_agents.stores.formats.base import Record, writer_for
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement

_BATCH = 2000


def export_log(
    log: RoutingLog,
    path: str | Path,
    format: str | None = None,
    *,
    where: LogFilter | None = None,
) -> int:
    """Write log entries with their judgements to a file, and count the entries.

    The file appears at once and complete, with mode 600, in place of an older one.

    Args:
        log: Where from.
        path: `.jsonl` (and `.jsonl.gz`) and `.parquet` lose nothing; `.csv` means FusionBench.
        format: `jsonl`, `parquet` or `fusionbench`, whatever the file's name.
        where: Which entries; without it, all.

    Raises:
        ConfigError: If neither name nor `format` says what to write.
        StoreError: If the file cannot be written; an older one is untouched.
    """
    target = Path(path)
    return writer_for(target, format).write(_records(log, where), target)


def _records(log: RoutingLog, where: LogFilter | None) -> Iterator[Record]:
    """Join entries and judgements, a batch at a time."""
    entries = log.scan(where)
    while batch := list(islice(entries, _BATCH)):
        keys = {entry.key for entry in batch}
        about = LogFilter(query_ids=tuple({entry.query.id for entry in batch}))
        judged: defaultdict[str, list[Judgement]] = defaultdict(list)
        for judgement in log.judgements(about):
            if judgement.entry_key in keys:
                judged[judgement.entry_key].append(judgement)
        for entry in batch:
            yield Record(entry, tuple(judged[entry.key]))
