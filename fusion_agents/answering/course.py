"""One call on its way to an answer: what is sent next, and what is made of what came back."""

from collections import Counter
from collections.abc import Callable, Sequence

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.bindings import Binder
from fusion_agents.answering.exchange import Reply, Request
from fusion_agents.answering.faults import Fault, classify, misfit
from fusion_agents.answering.nouns import Answer, Call
from fusion_agents.answering.plan import Ask, Plan
from fusion_agents.answering.redaction import Redactor
from fusion_agents.answering.replies import usage_of
from fusion_agents.answering.tracing import is_the_callers, run_config
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm, Attempt, Dollars, Usage


class Course:
    """What drivers of all kinds share; nothing here waits but `prepare`."""

    def __init__(
        self,
        call: Call,
        config: RunnableConfig,
        plan: Plan,
        *,
        pool: Pool,
        binder: Binder,
        redactor: Callable[[], Redactor],
        handler: BaseCallbackHandler,
    ) -> None:
        self.plan = plan
        self.used: UsageMetadata | None = None
        """By attempts that failed."""
        self._rejected: AIMessage | None = None
        self._call = call
        self._config = config
        self._pool = pool
        self._binder = binder
        self._redactor = redactor
        self._handler = handler

    def prepare(self, ask: Ask) -> Request:
        """Make the request; may build a client, and wait for a strategy that waits."""
        call = self._call
        strategy = self._pool.strategy(ask.arm.strategy).on(call.occasion)
        prompt = strategy.prompt(call.messages, call.query)
        bound = self._binder.bind(ask.arm.model, self._pool.chat_model, call.bindings)
        return Request(
            bound=bound,
            messages=prompt.messages,
            template_ids=prompt.template_ids,
            config=run_config(self._config, call, ask.arm, ask.number, self._handler),
            timeout=ask.timeout,
        )

    def answer(self, ask: Ask, reply: Reply) -> Answer | None:
        """Take a reply: an answer, or none if it is none."""
        message = reply.message
        if reply.fault is not None or message is None:
            fault = reply.fault or Fault("empty", "nothing came back", retry=True)
            self._failed(ask, fault, message)
            return None
        self.plan.answered(*self._spent(ask, message))
        if self.used is not None:
            usage = add_usage(self.used, message.usage_metadata)
            message = message.model_copy(update={"usage_metadata": usage})
        return Answer(
            message=message,
            parsed=reply.parsed,
            arm=ask.arm,
            attempts=tuple(self.plan.attempts),
            template_ids=reply.template_ids,
        )

    def failed(self, ask: Ask, error: Exception, message: AIMessage | None = None) -> None:
        """Take an exception, with what had come before it.

        Those by which a graph interrupts itself, or a callback ends the run, are not for us.
        """
        if is_the_callers(error):
            raise error
        if isinstance(error, TimeoutError) and not str(error):
            error = TimeoutError(f"no answer within {ask.timeout:.3g} s")
        fault = classify(error)
        if fault.kind == "other" and self._call.bindings.schema is not None:
            fault = misfit(error) or fault
        self._failed(ask, fault, message)

    def _failed(self, ask: Ask, fault: Fault, message: AIMessage | None) -> None:
        if message is not None and message.usage_metadata:
            self.used = add_usage(self.used, message.usage_metadata)
        if message is not None and fault.kind == "malformed":
            self._rejected = message
        clean = fault._replace(reason=self._redactor().text(fault.reason))
        self.plan.failed(clean, *self._spent(ask, message))

    def _spent(self, ask: Ask, message: AIMessage | None) -> tuple[Usage, Dollars | None]:
        usage = usage_of(message)
        return usage, self._pool.cost(ask.arm.model, usage)

    def unanswered(self) -> AnswerError:
        """What to raise when there is nothing left to try."""
        attempts = tuple(self.plan.attempts)
        arms = "; ".join(self._story(arm, attempts) for arm in self._call.arms)
        calls = "1 call" if len(attempts) == 1 else f"{len(attempts)} calls"
        return AnswerError(
            f"no arm gave an answer in {calls} and {self.plan.seconds:.1f} s: {arms}",
            attempts,
            self._rejected,
        )

    def _story(self, arm: Arm, attempts: Sequence[Attempt]) -> str:
        """How an arm fared: each kind of fault once, with the reason it had the last time."""
        mine = [attempt for attempt in attempts if attempt.arm == arm]
        if not mine:
            resting = self.plan.resting(arm)
            return (
                f"{arm}: {resting}" if resting else f"{arm} was not asked: no calls or no time left"
            )
        counts = Counter(attempt.error for attempt in mine)
        reasons = {attempt.error: attempt.reason for attempt in mine}
        return f"{arm}: " + ", ".join(
            f"{f'{counts[kind]} x ' if counts[kind] > 1 else ''}{kind} ({reason})"
            for kind, reason in reasons.items()
        )

    def broken_off(self) -> AnswerError:
        """What to raise when a stream fails of which a part has been passed on."""
        attempts = tuple(self.plan.attempts)
        last = attempts[-1]
        return AnswerError(
            f"the answer of {last.arm} broke off: {last.error} ({last.reason}); nothing else was "
            "asked because a part of it had been passed on",
            attempts,
        )
