"""Where a folder's fine-tuning job stands, and how it is cancelled."""

from pathlib import Path

import openai

from fusion_agents.distill.training.job_note import JobNote, read_note
from fusion_agents.distill.training.openai_client import make_client
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.openai_provider import NotListedError, Provider
from fusion_agents.errors import ConfigError, TrainingError

ENDED = {"succeeded": "is done", "failed": "failed", "cancelled": "was cancelled"}


async def cancel_openai(
    out: Path,
    *,
    options: OpenAIJobOptions = OpenAIJobOptions(),  # noqa: B008 - frozen
    client: openai.AsyncOpenAI | None = None,
) -> str:
    """Cancel the job of a folder, and return its state afterwards.

    Whoever follows the job meanwhile sees it end; nothing is written.

    Raises:
        ConfigError: If the folder has no job.
        TrainingError: If the provider refuses.
    """
    note = read_note(out)
    if note is None:
        raise ConfigError(f"the folder {str(out)!r} holds no fine-tuning job")
    asked = client or make_client(options)
    provider = Provider(asked, options, lambda _: None)
    try:
        names = [note.job] if note.job else await _names_of(provider, note)
        if not names:
            raise ConfigError(f"the folder {str(out)!r} has started no fine-tuning job")
        jobs = [await provider.cancel(one) for one in names]
        return jobs[0].status
    finally:
        if client is None:
            await asked.close()


async def _names_of(provider: Provider, note: JobNote) -> list[str]:
    if note.job_asked is None:
        return []
    try:
        return [job.id for job in await provider.find_jobs(note)]
    except NotListedError as error:
        raise TrainingError(
            f"{note.server} does not list its jobs ({error}): cancel it there by hand"
        ) from None


def standing(out: Path) -> str:
    """Say in words where a folder's job stands and how to go on; asks nobody."""
    note = read_note(out)
    if note is None or (note.job is None and note.job_asked is None):
        return "no fine-tuning job was started"
    named = f"the fine-tuning job {note.job!r}" if note.job else "a fine-tuning job"
    if note.has_ended:
        return f"{named} {ENDED[note.status or '']}"
    runs = "goes on at the provider" if note.job else "may have been started at the provider"
    return f"{named} {runs}: the same command follows it, and with --cancel cancels it"
