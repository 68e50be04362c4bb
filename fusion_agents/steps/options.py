"""What may be given to whoever makes steps: the chain, the middleware, the graphs."""

from typing_extensions import TypedDict

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.classifiers.base import Classifier
from fusion_agents.encoders.base import Encoder
from fusion_agents.objective import Objective
from fusion_agents.routers.base import Router
from fusion_agents.routers.exploration import Exploration
from fusion_agents.steps.judging import Judging
from fusion_agents.steps.lookups import Templates
from fusion_agents.stores.routing_log import RoutingLog

Exploring = Exploration | float | str | None
"""What `Exploration.parse` reads: a rate, or a text such as `thompson:0.05`."""


class StepOptions(TypedDict, total=False):
    """However the steps are made."""

    objective: str | Objective
    """The usual one, `performance-first` by default; a call may choose another."""
    policy: AnswerPolicy | None
    """How hard to try for an answer, and for how long."""
    judge: Judging | None
    """Who judges the answers: a judge or the text of one, such as `rubric:gpt-5-mini`, that judges
    each before it is given; or a `JudgePolicy`. Nobody by default."""
    templates: Templates | None
    """Where the strategy `thought` finds templates: a `TemplateStore`, a
    `ThoughtTemplateRetriever`, or a log or the path of its database; by default, the log that is
    learned from or recorded to. A call gets those of its tenant alone."""


class ModelsOptions(StepOptions, total=False):
    """Steps from models alone."""

    classifier: str | Classifier | None
    """Name of the model of the pool that picks (the first one by default), or any classifier."""
    record: RoutingLog | None
    """Log that what is answered goes into, to learn from later."""


class LearnedOptions(StepOptions, total=False):
    """Steps that decide by what a router learned."""

    encoder: Encoder | None
    """Of the router, the lexical one by default; of a saved one, where its own was not saved."""
    record: bool | RoutingLog
    """Whether what is answered goes back into the log, or another log for it; not by default."""
    explore: Exploring
    """How often to try another arm than the best one; never by default."""


class RouterOptions(LearnedOptions, total=False):
    """Steps from a fitted router."""

    log: RoutingLog | None
    """For strategies that look things up in it (`few-shot`, `thought`), and to record to."""


class LogOptions(LearnedOptions, total=False):
    """Steps from a log."""

    router: str | Router
    """A router's name with options, or a router; `auto` by default. A fitted one is used as it
    is."""
    seed: int
    """Of the router; 0 by default."""
