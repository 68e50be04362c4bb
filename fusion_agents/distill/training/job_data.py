"""What a fine-tuning job is made of: the training file and what decides the student."""

from pathlib import Path
from typing import NamedTuple

from fusion_agents.distill.data.dataset import Dataset, read_dataset, render, without_withdrawn
from fusion_agents.distill.training.job_pricing import FORMAT
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.runs import Run, examples_key
from fusion_agents.errors import DataError
from fusion_agents.stores.routing_log import RoutingLog


class JobData(NamedTuple):
    """What a job is made of."""

    dataset: Dataset
    content: bytes
    """Of the training file."""
    run: Run
    withdrawn: int
    """Examples that were left out since the data were written."""


def prepare_job(
    data: Path, base: str, name: str, options: OpenAIJobOptions, log: RoutingLog | None
) -> JobData:
    """Read training data and make the training file, without what was withdrawn since.

    Raises:
        DataError: If the data cannot be read, or the provider would turn them down.
        ConfigError: Likewise.
    """
    dataset, withdrawn = read_dataset(data), 0
    if log is not None:
        dataset, withdrawn = without_withdrawn(dataset, log)
    if not dataset.data.examples:
        raise DataError(f"{data}: every example was withdrawn: there is nothing to learn from")
    content = b"".join(render(dataset, FORMAT, base=base).values())
    run = Run(
        name=name,
        data=dataset.manifest.fingerprint,
        examples=examples_key(example.key for example in dataset.data.examples),
        n_examples=len(dataset.data.examples),
        base=base,
        base_fingerprint="",
        options=options.learning(),
    )
    return JobData(dataset, content, run, withdrawn)
