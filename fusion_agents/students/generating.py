"""Answering a batch of questions with a Transformers model, token by token."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from fusion_agents.students.jobs import Job


def generate(model: Any, jobs: Sequence[Job], pad: int) -> None:
    """Answer the jobs together; each ends when its own answer does.

    The prompts are padded on the left, so each answer is the one that its question gets alone, up
    to the rounding of sums that are computed in another order. A temperature above 0 draws by the
    Gumbel-max trick with a generator of the job's own: what is drawn depends neither on the other
    questions of the batch nor on anything else that draws in this process.

    Args:
        model: A causal language model, in evaluation mode, with the adapter switched as the jobs
            want it.
        jobs: That want one and the same adapter.
        pad: Token to fill up with; it is never looked at.
    """
    torch = import_module("torch")
    transformers = import_module("transformers")
    longest = max(len(job.prompt) for job in jobs)
    missing = [longest - len(job.prompt) for job in jobs]
    ids = [[pad] * n + list(job.prompt) for n, job in zip(missing, jobs, strict=True)]
    seen = [[0] * n + [1] * len(job.prompt) for n, job in zip(missing, jobs, strict=True)]
    with torch.inference_mode():
        model.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(seen, device=model.device),
            max_new_tokens=max(job.limit for job in jobs),
            logits_processor=transformers.LogitsProcessorList(_draws(jobs, torch)),
            stopping_criteria=transformers.StoppingCriteriaList([_Watch(jobs, torch)]),
        )


class _Watch:
    """Hands each new token to its job, and says which jobs have ended."""

    def __init__(self, jobs: Sequence[Job], torch: Any) -> None:
        self._jobs = jobs
        self._torch = torch

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        newest = input_ids[:, -1].tolist()
        ended = [job.take(token) for job, token in zip(self._jobs, newest, strict=True)]
        return self._torch.tensor(ended, dtype=self._torch.bool, device=input_ids.device)


class _Draw:
    """Adds the noise that makes the likeliest token a draw.

    Source: Gumbel, "Statistical Theory of Extreme Values" (1954): the argmax of logits / t plus
    independent Gumbel noise has the distribution softmax(logits / t).
    """

    def __init__(self, row: int, job: Job, torch: Any) -> None:
        self._row = row
        self._temperature = job.temperature
        self._torch = torch
        self._generator = torch.Generator().manual_seed(job.seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        flat = self._torch.empty(scores.shape[-1], dtype=self._torch.float64)
        noise = -flat.exponential_(generator=self._generator).log()
        scaled = scores[self._row].double() / self._temperature + noise.to(scores.device)
        scores = scores.clone()
        scores[self._row] = scaled.to(scores.dtype)
        return scores


def _draws(jobs: Sequence[Job], torch: Any) -> list[_Draw]:
    return [_Draw(row, job, torch) for row, job in enumerate(jobs) if job.temperature > 0]
