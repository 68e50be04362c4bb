"""The two things that a fine-tuning job needs made, each once: the upload and the job."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from fusion_agents.distill.training.job_note import Notebook, state_to_keep
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.openai_provider import (
    FINAL,
    BusyError,
    NotListedError,
    Provider,
    UnsureError,
)
from fusion_agents.errors import TrainingError

_TRIES = 3
"""How often something is asked for whose requests all end without an answer."""


class JobMaker:
    """Uploads the training file and starts the job, unless they are there.

    Args:
        provider: That is asked.
        options: Of the job.
        book: Of the folder; what is asked for is noted there before and after.
        content: Of the training file.
        show: Told what is being done.
        tell: Told in words what went wrong.
    """

    def __init__(
        self,
        provider: Provider,
        options: OpenAIJobOptions,
        book: Notebook,
        content: bytes,
        show: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        self._provider = provider
        self._options = options
        self._book = book
        self._content = content
        self._show = show
        self._tell = tell

    # -- the upload -------------------------------------------------------------------------

    async def upload(self) -> None:
        """Upload the training file, unless it is there."""
        tries = 0
        while self._book.note.file is None:
            if self._book.note.upload_asked is not None and await self._found_file():
                return
            if tries == _TRIES:
                raise TrainingError(
                    f"the upload of the training file got no answer {tries} times; the same "
                    "command goes on from here"
                )
            tries += 1
            self._show("uploading")
            self._book.put(upload_asked=_now())
            try:
                name = await self._provider.upload(self._book.note.file_name, self._content)
            except UnsureError as error:
                self._tell(f"the upload of the training file: {error}; looking for it")
                await asyncio.sleep(self._options.poll)
            except BusyError as error:
                self._book.put(upload_asked=None)
                await asyncio.sleep(error.wait)
            else:
                self._book.put(file=name)

    async def _found_file(self) -> bool:
        """Whether an upload whose end is not known is there; a second one would do no harm."""
        for pause in (self._options.poll, 0.0):
            try:
                name = await self._provider.find_file(self._book.note.file_name, len(self._content))
            except NotListedError:
                return False
            if name is not None:
                self._book.put(file=name)
                return True
            await asyncio.sleep(pause)
        return False

    # -- the job ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the job, unless it was started."""
        tries = 0
        while self._book.note.job is None:
            if self._book.note.job_asked is not None:
                await self._recall()
                continue
            if tries == _TRIES:
                raise TrainingError(
                    f"the request for the fine-tuning job got no answer {tries} times and no job "
                    "is listed; the same command goes on from here"
                )
            tries += 1
            self._show("starting")
            self._book.put(job_asked=_now(), asks=self._book.note.asks + 1)
            try:
                job = await self._provider.create(self._book.note)
            except UnsureError as error:
                self._tell(f"the request for the fine-tuning job: {error}; looking for the job")
            except BusyError as error:
                tries -= 1
                self._book.put(job_asked=None, asks=self._book.note.asks - 1)
                self._tell("the provider is busy; asking again")
                await asyncio.sleep(error.wait)
            except TrainingError:
                self._book.put(job_asked=None, asks=self._book.note.asks - 1)
                raise
            else:
                self._book.put(job=job.id, status=state_to_keep(job.status))

    async def _recall(self) -> None:
        """Find the job of a request whose end is not known.

        Without one, when the provider has had time to list it, the request counts as lost.
        """
        if self._options.job is not None:
            self._book.put(job=self._options.job)
            return
        self._show("looking for the job")
        asked = self._book.note.job_asked or _now()
        until = min(asked.timestamp(), _now().timestamp()) + self._options.settle
        pause = self._options.poll
        while True:
            if await self._found_job():
                return
            if _now().timestamp() >= until:
                break
            await asyncio.sleep(min(pause, max(until - _now().timestamp(), 0.0) + 0.001))
            pause = min(pause * 1.5, self._options.poll_most)
        self._book.put(job_asked=None)

    async def _found_job(self) -> bool:
        try:
            jobs = await self._provider.find_jobs(self._book.note)
        except NotListedError as error:
            note = self._book.note
            suffix = self._options.suffix_of(note.run.name, note.key)
            raise TrainingError(
                f"it cannot be told whether the fine-tuning job was started: {note.server} does "
                f"not list its jobs ({error}). Look there for a job with the suffix "
                f"{suffix!r} or the training file {note.file!r}: if there is one, go on "
                "with it (--job NAME), else start again (--start-again)"
            ) from None
        if not jobs:
            return False
        self._book.put(job=jobs[0].id)
        return True

    async def cancel_doubles(self) -> None:
        """Cancel what a request made that was thought to be lost, and came late."""
        if self._book.note.asks < 2:
            return
        try:
            jobs = await self._provider.find_jobs(self._book.note)
        except NotListedError:
            return
        for job in jobs:
            if job.id != self._book.note.job and job.status not in FINAL:
                await self._provider.cancel(job.id)
                self._tell(
                    f"cancelled the job {job.id!r}: a request that was thought lost came late"
                )


def _now() -> datetime:
    return datetime.now(UTC)
