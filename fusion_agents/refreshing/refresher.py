"""A router that is kept up to date while an app runs."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.objective import Objective
from fusion_agents.refreshing.gate import Gate
from fusion_agents.refreshing.refresh import RefreshReport, only_unsaved, refresh
from fusion_agents.refreshing.versions import Versions
from fusion_agents.routers.base import Router
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import TrainingPolicy

logger = logging.getLogger(__name__)

OnRouter = Callable[[Router], object]


class Refresher:
    """Refreshes the router in the background, and hands every new current version on.

    Whenever the log has grown by `every` entries, or `seconds` have passed and it has grown at
    all, a challenger is fitted and must pass the gate. Versions that another process promoted or
    rolled back to are handed on too, so of several processes one refreshes and the others, made
    without a log, follow. A refresh that fails is logged and tried again when the log has grown
    again; the router in use stays.

    Fitting takes a processor for seconds to minutes. Where an app must answer within milliseconds
    meanwhile, run `fusion-agents refresh` in a process of its own, and a follower in the app.

    Args:
        versions: The folder of versions.
        on_router: Called with each new current router, such as `chain.steps.use_router`; it must
            return soon, and swap in one step.
        log: What to learn from; none to follow only.
        router: Name of the router with options.
        objective: What routers are compared under.
        every: New entries after which to refresh.
        seconds: Time after which to refresh; none for never.
        poll: Seconds between two looks at the log and the folder.
        policy: Which scores count.
        gate: The rule by which a challenger takes over.
        encoder: Of the router.
        seed: Of the router.

    Raises:
        ConfigError: If a number is out of its range.
    """

    def __init__(
        self,
        versions: Versions,
        on_router: OnRouter,
        *,
        log: RoutingLog | None = None,
        router: str = "auto",
        objective: str | Objective = "performance-first",
        every: int = 250,
        seconds: float | None = None,
        poll: float = 5.0,
        policy: TrainingPolicy | None = None,
        gate: Gate | None = None,
        encoder: Encoder | None = None,
        seed: int = 0,
    ) -> None:
        if every < 1 or poll <= 0 or (seconds is not None and seconds <= 0):
            raise ConfigError(
                f"a refresher needs numbers above 0, not every={every!r}, poll={poll!r}, "
                f"seconds={seconds!r}"
            )
        self.versions, self.log = versions, log
        self.on_router, self.every, self.seconds, self.poll = on_router, every, seconds, poll
        self.encoder = encoder
        self.last_report: RefreshReport | None = None
        self.last_error: Exception | None = None
        self._refresh = partial(
            refresh,
            versions=versions,
            router=router,
            objective=objective,
            policy=policy,
            gate=gate,
            encoder=encoder,
            seed=seed,
        )
        current = versions.current
        self._in_use = None if current is None else current.name
        self._learned_at = 0 if log is None or current is None else log.count()
        self._refreshed = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> bool:
        """Look once: refresh if it is time, hand a new current version on; say whether one was.

        Raises:
            FusionError: If something that a refresh needs is wrong.
        """
        if self.log is not None and self._is_time(n_entries := self.log.count()):
            self._learned_at, self._refreshed = n_entries, time.monotonic()
            try:
                self.last_report = self._refresh(self.log)
            except EmptyLogError:
                return False  # nothing is scored yet
        return self._hand_on()

    def _is_time(self, n_entries: int) -> bool:
        grown = n_entries - self._learned_at
        waited = time.monotonic() - self._refreshed
        return grown >= self.every or (
            grown > 0 and self.seconds is not None and waited >= self.seconds
        )

    def _hand_on(self) -> bool:
        current = self.versions.current
        if current is None or current.name == self._in_use:
            return False
        self.on_router(self.versions.router(encoder=only_unsaved(self.encoder)))
        self._in_use = current.name
        return True

    # -- in the background --------------------------------------------------------------------

    def start(self) -> Self:
        """Begin looking, in a thread that ends with the process; a second call does nothing."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._run, name="fusion-agents-refresher", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, after the refresh that may be under way; a second call does nothing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(self.poll):
            try:
                self.look()
                self.last_error = None
            except Exception as error:  # noqa: BLE001 - the thread's border: nobody is behind it
                self.last_error = error
                logger.warning("the router could not be refreshed; it stays as it is: %s", error)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
