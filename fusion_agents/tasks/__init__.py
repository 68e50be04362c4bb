"""Tasks: named sets of queries with their right answers; one file each."""

from fusion_agents.tasks.base import Question, Split, Task
from fusion_agents.tasks.catalogue import make_task, task_classes
from fusion_agents.tasks.hub import HubLoader
from fusion_agents.tasks.part import Part, Splits

__all__ = ["HubLoader", "Part", "Question", "Split", "Splits", "Task", "make_task", "task_classes"]
