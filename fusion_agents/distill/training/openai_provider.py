"""The requests of a fine-tuning job, each sent once, and what their failures mean."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import openai
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from fusion_agents.answering.retry_after import retry_after
from fusion_agents.distill.training.job_note import JobNote
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.errors import TrainingError
from fusion_agents.pool.keys import without_secrets

T = TypeVar("T")

RUN_KEY = "fusion_agents_run"
"""Of the metadata that a job is found by."""
FINAL = ("succeeded", "failed", "cancelled")
"""States of a job that has ended."""
_UPLOAD_FACTOR = 10
_PAGE = 100
_LONGEST = 400
"""Characters of what a provider says that are repeated."""
_NOT_THERE = frozenset({404, 405, 501})
_SURELY_REFUSED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429, 501})
_OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_ADVICE = {
    401: "the key was refused; check the environment variable that holds it",
    403: "the key may not do this; fine-tuning may be closed to its account, see the provider's "
    "notes on fine-tuning",
    404: "the provider does not know it; check the model, the base URL and the key's project",
    429: "the account has used up its quota",
}


class UnsureError(Exception):
    """A request failed so that nobody knows whether the provider has done what it asked for."""


class NotListedError(Exception):
    """The provider does not list what was looked for."""


class BusyError(Exception):
    """The provider did nothing and wants to be asked again."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"in {wait:g} s")
        self.wait = wait


class Provider:
    """Speaks with a provider; no request is repeated that asks for something to be made.

    Args:
        client: Whose key and server are used; its own retries are turned off.
        options: Of the job.
        tell: Told in words of what went wrong and was waited for.
    """

    def __init__(
        self, client: openai.AsyncOpenAI, options: OpenAIJobOptions, tell: Callable[[str], None]
    ) -> None:
        self._client = client.with_options(max_retries=0, timeout=options.timeout)
        self._options = options
        self._tell = tell

    @property
    def server(self) -> str:
        """That is asked, without what could be secret in its address."""
        return str(self._client.base_url.copy_with(username=None, password=None, query=None))

    # -- files ------------------------------------------------------------------------------

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a training file and return its name there.

        Raises:
            UnsureError: If nobody knows whether it is there.
            BusyError: If it is not, and may be later.
            TrainingError: If it was refused.
        """
        patient = self._client.with_options(timeout=self._options.timeout * _UPLOAD_FACTOR)
        made = await self._once(
            "the upload of the training file",
            lambda: patient.files.create(file=(name, content), purpose="fine-tune"),
        )
        return _name_of(made)

    async def find_file(self, name: str, n_bytes: int | None = None) -> str | None:
        """Look for an upload, whole if a size is given; none if the provider does not list it.

        Raises:
            NotListedError: If the provider lists no files.
        """

        async def look() -> str | None:
            async for file in self._client.files.list(purpose="fine-tune"):
                whole = n_bytes is None or (file.bytes == n_bytes and file.status != "error")
                if file.filename == name and whole:
                    return file.id
            return None

        return await self._listed("the list of files", look)

    async def delete_file(self, name: str) -> None:
        """Delete an upload; one that is gone already is no error."""

        async def delete() -> None:
            with suppress(openai.NotFoundError):
                await self._client.files.delete(name)

        await self.patiently("deleting the training file", delete)

    # -- jobs -------------------------------------------------------------------------------

    async def create(self, note: JobNote) -> FineTuningJob:
        """Ask for the job, once.

        Raises:
            UnsureError: If nobody knows whether there is a job.
            BusyError: If there is none, and may be later.
            TrainingError: If it was refused.
        """
        options = self._options
        fields: dict[str, Any] = {
            "model": note.run.base,
            "training_file": note.file,
            "method": options.method(),
            "seed": options.seed,
            "suffix": options.suffix_of(note.run.name, note.key),
            "metadata": {RUN_KEY: note.key, "data": note.run.data[:64]},
            "extra_headers": {"Idempotency-Key": f"fusion-agents-{note.key}"},
        }
        made: FineTuningJob = await self._once(
            "the request for the fine-tuning job",
            lambda: self._client.fine_tuning.jobs.create(**fields),
        )
        _name_of(made)
        return made

    async def find_jobs(self, note: JobNote) -> list[FineTuningJob]:
        """Look for the jobs of an attempt, the oldest first.

        Raises:
            NotListedError: If the provider lists no jobs.
        """
        suffix = self._options.suffix_of(note.run.name, note.key)

        async def look(**query: Any) -> list[FineTuningJob]:
            jobs = self._client.fine_tuning.jobs.list(limit=_PAGE, **query)
            return [job async for job in jobs if _is_of(job, note, suffix)]

        found = await self._listed(
            "the list of jobs", lambda: look(metadata={RUN_KEY: note.key})
        ) or await self._listed("the list of jobs", look)
        return sorted(found, key=lambda job: (job.created_at, len(job.id), job.id))

    async def job(self, name: str) -> FineTuningJob:
        """Look at a job."""
        return await self.patiently(
            f"the job {name!r}", lambda: self._client.fine_tuning.jobs.retrieve(name)
        )

    async def cancel(self, name: str) -> FineTuningJob:
        """Cancel a job; one that has ended stays as it is."""

        async def cancel() -> FineTuningJob:
            try:
                return await self._client.fine_tuning.jobs.cancel(name)
            except openai.BadRequestError:
                return await self._client.fine_tuning.jobs.retrieve(name)

        return await self.patiently(f"cancelling the job {name!r}", cancel)

    async def events(self, name: str, known: Mapping[str, Any]) -> list[FineTuningJobEvent]:
        """The events of a job that are not known yet, the oldest first.

        Where the provider lists none there are none.
        """

        async def look() -> list[FineTuningJobEvent]:
            found = []
            async for event in self._client.fine_tuning.jobs.list_events(name, limit=_PAGE):
                if event.id in known:
                    break
                found.append(event)
            return found[::-1]

        try:
            return await self._listed(f"the events of the job {name!r}", look)
        except NotListedError:
            return []

    # -- what failures mean -----------------------------------------------------------------

    async def _once(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except openai.APIStatusError as error:
            if error.status_code not in _SURELY_REFUSED:
                raise UnsureError(self._words(error)) from None
            if error.status_code == 429 and error.code not in _OUT_OF_MONEY:
                raise BusyError(_pause(error, self._options.poll)) from None
            raise self._refused(what, error) from None
        except openai.APIError as error:
            raise UnsureError(self._words(error)) from None

    async def patiently(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Do what does no harm when it is done twice, until it is done.

        Raises:
            TrainingError: If the provider refuses, or does not answer for too long.
        """
        began, pause, told = time.monotonic(), self._options.poll, False
        while True:
            try:
                return await call()
            except openai.APIError as error:
                if not _passes(error):
                    raise self._refused(what, error) from None
                wait = _pause(error, pause)
                if time.monotonic() - began + wait > self._options.unreachable:
                    raise TrainingError(
                        f"{what}: {self.server} has not answered for "
                        f"{self._options.unreachable:g} s ({self._words(error)}); what was started "
                        "there goes on, and the same command goes on from here"
                    ) from None
                if not told:
                    self._tell(f"{what}: {self._words(error)}; trying again")
                told = True
                await asyncio.sleep(wait)
                pause = min(pause * 1.5, self._options.poll_most)

    async def _listed(self, what: str, look: Callable[[], Awaitable[T]]) -> T:
        async def guarded() -> T:
            try:
                return await look()
            except openai.APIStatusError as error:
                if error.status_code in _NOT_THERE:
                    raise NotListedError(self._words(error)) from None
                raise

        return await self.patiently(what, guarded)

    def _refused(self, what: str, error: openai.APIError) -> TrainingError:
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        advice = f"; {_ADVICE[status]}" if status in _ADVICE else ""
        return TrainingError(f"{what} was refused: {self._words(error)}{advice}")

    def _words(self, error: openai.APIError) -> str:
        said = str(error)
        if isinstance(error, openai.APIStatusError):
            body = error.body if isinstance(error.body, Mapping) else {}
            said = f"{error.status_code}, {body.get('message') or 'no reason was given'}"
        return self.safe(said)

    def safe(self, text: str) -> str:
        """What a provider said, on one line, not too long, and without the key."""
        key = self._client.api_key
        hidden = text.replace(key, "***") if len(key) > 5 else text
        line = " ".join(without_secrets(hidden).split()).rstrip(".")
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _name_of(made: object) -> str:
    """The name of what was made; a page that somebody put in between has none."""
    name = getattr(made, "id", None)
    if not isinstance(name, str) or not name:
        raise UnsureError("the answer is not one of OpenAI's API")
    return name


def _passes(error: openai.APIError) -> bool:
    if not isinstance(error, openai.APIStatusError):
        return isinstance(error, openai.APIConnectionError)
    if error.status_code == 429:
        return error.code not in _OUT_OF_MONEY
    return error.status_code in (408, 409) or (
        error.status_code >= 500 and error.status_code != 501
    )


def _pause(error: openai.APIError, usual: float) -> float:
    if not isinstance(error, openai.APIStatusError):
        return usual
    return max(usual, retry_after(error.response.headers) or 0.0)


def _is_of(job: FineTuningJob, note: JobNote, suffix: str) -> bool:
    """Whether a job is of an attempt: by its metadata, else its suffix, else its file alone."""
    if key := (job.metadata or {}).get(RUN_KEY):
        return key == note.key
    if given := getattr(job, "user_provided_suffix", None):
        return bool(given == suffix)
    return job.training_file == note.file and job.id not in note.earlier
