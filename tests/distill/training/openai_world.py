"""What tests of fine-tuning jobs need: data, a client, and a process that can be killed."""

import asyncio
import os
from pathlib import Path

import openai

from fusion_agents.distill.data.dataset import write_dataset
from fusion_agents.distill.nouns import Example, SelectionReport, Student, TrainingData
from fusion_agents.distill.training.openai_jobs import OpenAIJobOptions, train_with_openai
from fusion_agents.testing.openai_server import OpenAIServer
from fusion_agents.types import Query

KEY = "sk-test-0123456789abcdefghij"
BASE = "gpt-4o-mini-2024-07-18"
QUICK = OpenAIJobOptions(
    poll=0.005, poll_most=0.02, timeout=5, settle=0.1, unreachable=5, epochs=2, seed=7
)
"""As patient as a test can be."""


def training_data(n: int = 12, offset: int = 0) -> TrainingData:
    examples = tuple(
        Example(
            query=Query(text=f"What is {i} + {i}?", task="sums" if i % 2 else "doubles"),
            answer=f"It is {2 * i}.",
            kind="answer",
            teacher="large",
            entry_keys=(f"entry-{i}",),
        )
        for i in range(offset, offset + n)
    )
    report = SelectionReport(
        criterion="performance",
        n_questions=n,
        n_examples=n,
        n_pairs=0,
        by_task={"sums": n // 2, "doubles": n - n // 2},
        by_teacher={"large": n},
        lengths={},
        dropped=(),
    )
    return TrainingData(examples=examples, report=report)


def make_data(folder: Path, n: int = 12, offset: int = 0) -> Path:
    write_dataset(training_data(n, offset), folder, formats=())
    return folder


def again(**changes: object) -> OpenAIJobOptions:
    return QUICK.model_copy(update=changes)


def make_client(server: OpenAIServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY)


def train_in_a_process(url: str, data: str, out: str, options: OpenAIJobOptions) -> None:
    """Train with the client that the package makes of the environment."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY=KEY)
    asyncio.run(train_with_openai(Path(data), BASE, Path(out), options=options))


async def train(
    server: OpenAIServer, data: Path, out: Path, options: OpenAIJobOptions = QUICK, **more
) -> Student:
    async with make_client(server) as client:
        return await train_with_openai(
            data, more.pop("base", BASE), out, options=options, client=client, **more
        )
