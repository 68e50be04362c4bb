"""Where the study keeps its templates: a store for each criterion, apart from those in use."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from fusion_agents.errors import ConfigError
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.selecting import Criterion
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.types import Dollars, content_key


class Shelves:
    """The stores of a study, one file for each criterion.

    With a summariser they lie in a folder, a file for each way of writing templates, and keep
    what was paid for. Without one they are made anew from the templates that the log has.

    Args:
        folder: Where the files are; made when the first is.
        log: Has the templates that are used without a summariser.
        summarizer: Writes templates.
        learned: What may be learned from; templates of the log that come from elsewhere are not
            used.

    Raises:
        ConfigError: Without a summariser, if the log has no template of a criterion.
    """

    def __init__(
        self,
        folder: Path,
        log: RoutingLog,
        criteria: Sequence[Criterion],
        summarizer: Summarizer | None,
        learned: LogFilter | None = None,
    ) -> None:
        self.stores: dict[Criterion, TemplateStore] = {}
        self.borrowed: dict[Criterion, Dollars] = {}
        """What templates of the log cost when they were written."""
        self._open = ExitStack()
        if summarizer is None and criteria:
            folder = Path(self._open.enter_context(TemporaryDirectory()))
        elif criteria:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._way = "log" if summarizer is None else _way(summarizer)
        try:
            for criterion in criteria:
                path = folder / f"{criterion}-{self._way}.db"
                file = self._open.enter_context(RoutingLog(path))
                store = self._open.enter_context(TemplateStore(file))
                self.stores[criterion] = store
                if summarizer is None:
                    self.borrowed[criterion] = _borrow(log, store, criterion, learned)
        except BaseException:
            self._open.close()
            raise

    def spent(self, criterion: Criterion) -> Dollars:
        """What a store's templates have cost, with what calls that were cut off may have."""
        totals = self.stores[criterion].minings.totals()
        return totals.cost + totals.lost + self.borrowed.get(criterion, 0.0)

    def paid(self) -> Dollars:
        """What the study itself has paid for templates."""
        return sum(self.spent(one) - self.borrowed.get(one, 0.0) for one in self.stores)

    def is_full(self, criterion: Criterion, per_task: int | None) -> bool:
        """Whether all templates were asked for, of so many questions of each task."""
        mark = self._mark(criterion)
        return mark.exists() and mark.read_text(encoding="utf-8") == str(per_task)

    def close_off(self, criterion: Criterion, per_task: int | None) -> None:
        """Fit the encoder on all of a criterion's templates, and note that they are all there."""
        if self.stores[criterion].count():
            self.stores[criterion].rebuild(refit=True)
        self._mark(criterion).write_text(str(per_task), encoding="utf-8")

    def _mark(self, criterion: Criterion) -> Path:
        return self._folder / f"{criterion}-{self._way}.full"

    def close(self) -> None:
        """Close the stores."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _way(summarizer: Summarizer) -> str:
    return content_key(summarizer.name, summarizer.prompt_version)[:12]


def _borrow(
    log: RoutingLog, store: TemplateStore, criterion: Criterion, learned: LogFilter | None
) -> Dollars:
    """Copy the active templates of a criterion, and sum up what they cost."""
    ids = None if learned is None else set(learned.query_ids or ())
    templates = [
        one
        for one in TemplateStore(log).scan("default")
        if one.criterion == criterion and (ids is None or one.query_id in ids)
    ]
    if not templates:
        raise ConfigError(
            f"the log has no templates of the criterion {criterion!r}: name a summarizer that "
            "writes some, or leave the condition out"
        )
    store.add(templates)
    return sum(template.cost or 0.0 for template in templates)
