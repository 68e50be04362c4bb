"""Tasks by name."""

from functools import cache

from fusion_agents.errors import ConfigError
from fusion_agents.plugins import find_parts
from fusion_agents.tasks.base import Task

OTHER_NAMES = {
    "humaneval": "human_eval",
    "natural_questions": "natural_qa",
    "nq": "natural_qa",
    "nq_open": "natural_qa",
    "triviaqa": "trivia_qa",
    "csqa": "commonsense_qa",
    "commonsenseqa": "commonsense_qa",
    "openbookqa": "openbook_qa",
    "arc_c": "arc_challenge",
}
"""What else a task is called."""


@cache
def task_classes() -> dict[str, type[Task]]:
    """All tasks by name, in alphabetical order.

    Names are those of published logs, with underscores (`commonsense_qa`), because a task's name
    is data: it stands in every log entry.

    Raises:
        ConfigError: If a plug-in's task has the name of another one.
    """
    classes: dict[str, type[Task]] = {}
    for cls in find_parts("fusion_agents.tasks", Task).values():
        if cls.name in classes:
            raise ConfigError(f"two tasks are called {cls.name!r}: rename {cls.__qualname__}")
        classes[cls.name] = cls
    return dict(sorted(classes.items()))


def make_task(name: str) -> Task:
    """Make a task from its name; hyphens, case and other usual names are understood.

    >>> make_task("commonsense-qa").name, make_task("HumanEval").name
    ('commonsense_qa', 'human_eval')

    Raises:
        ConfigError: If there is no such task.
    """
    classes = task_classes()
    if name in classes:
        return classes[name]()
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    plain = OTHER_NAMES.get(plain, plain)
    if plain not in classes:
        raise ConfigError(f"unknown task {name!r}: use one of {', '.join(classes)}")
    return classes[plain]()
