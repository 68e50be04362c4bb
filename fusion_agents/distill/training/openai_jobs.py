"""A student trained by a provider that speaks OpenAI's API: one upload, one job, whatever fails.

Every request that makes something is noted as asked before it leaves and as done when its answer
is there. Whoever finds something asked and not done (the process was killed, the connection was
cut, the server broke) looks for it at the provider before it asks again.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import openai
from openai.types.fine_tuning import FineTuningJob

from fusion_agents.distill.nouns import Student
from fusion_agents.distill.training.job_control import ENDED, cancel_openai, standing
from fusion_agents.distill.training.job_data import JobData, prepare_job
from fusion_agents.distill.training.job_following import JobFollower
from fusion_agents.distill.training.job_making import JobMaker
from fusion_agents.distill.training.job_note import (
    JobNote,
    Notebook,
    check_free,
    check_same,
    read_note,
)
from fusion_agents.distill.training.job_pricing import (
    Estimate,
    estimate_of,
    estimate_openai,
    training_price,
)
from fusion_agents.distill.training.job_uploads import Uploads
from fusion_agents.distill.training.openai_client import make_client
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.openai_provider import FINAL, NotListedError, Provider
from fusion_agents.distill.training.progress import TrainingProgress
from fusion_agents.distill.training.runs import Run, sole
from fusion_agents.errors import ConfigError, DataError, TrainingError
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.students.files import NOTE

__all__ = [
    "Estimate",
    "OpenAIJobOptions",
    "cancel_openai",
    "estimate_openai",
    "standing",
    "train_with_openai",
]

OnProgress = Callable[[TrainingProgress], None]


async def train_with_openai(
    data: Path,
    base: str,
    out: Path,
    *,
    name: str = "student",
    options: OpenAIJobOptions = OpenAIJobOptions(),  # noqa: B008 - frozen
    client: openai.AsyncOpenAI | None = None,
    log: RoutingLog | None = None,
    on_progress: OnProgress | None = None,
) -> Student:
    """Train a student by a fine-tuning job, or go on with the job of the folder.

    The call may be killed at any moment and made again: it goes on where it was, uploads nothing
    and starts nothing a second time, and returns the same student. A job that ends while nobody
    follows it is found ended. Cancelling the call leaves the job running.

    Args:
        data: Folder of training data.
        base: The provider's model.
        out: Folder of the job: `job.json`, `progress.jsonl`, `curve.svg`, `student.json`.
        name: Of the student.
        options: Of the job.
        client: To ask with; without it, one for the server and the key that the options and the
            environment name. Its own retries are not used.
        log: That the data were selected from: what was withdrawn or forgotten since is left out.
        on_progress: Called whenever something changed, with the same object.

    Returns:
        The student, also in `student.json`.

    Raises:
        ConfigError: If the folder holds something else or another process works in it, the key is
            missing, or the provider would turn the data down.
        DataError: If the data or the folder's notes cannot be read.
        TrainingError: If the provider refuses, the job failed or was cancelled, or it cannot be
            told whether there is a job.
    """
    ready = await asyncio.to_thread(prepare_job, data, base, name, options, log)
    asked = client or make_client(options)
    progress = TrainingProgress(student=name)
    try:
        with sole(out):
            return await _Training(ready, out, options, asked, progress, on_progress).train()
    finally:
        if client is None:
            await asked.close()


class _Training:
    """One call: goes through the steps that are not done yet."""

    def __init__(
        self,
        ready: JobData,
        out: Path,
        options: OpenAIJobOptions,
        client: openai.AsyncOpenAI,
        progress: TrainingProgress,
        on_progress: OnProgress | None,
    ) -> None:
        self._ready = ready
        self._out = out
        self._options = options
        self._progress = progress
        self._on_progress = on_progress
        self._provider = Provider(client, options, self._tell)
        self._book = Notebook(out)
        self._uploads = Uploads(self._provider, options, self._book, self._tell)
        self._maker = JobMaker(
            self._provider, options, self._book, ready.content, self._show, self._tell
        )

    async def train(self) -> Student:
        await self._begin()
        if self._book.note.status == "succeeded" and (done := self._student_there()):
            await self._uploads.delete()
            return done
        if self._book.note.status in ("failed", "cancelled"):
            await self._fail()
        await self._maker.upload()
        await self._maker.start()
        return await self._follow()

    # -- the note ---------------------------------------------------------------------------

    async def _begin(self) -> None:
        run, server = self._ready.run, self._provider.server
        note = read_note(self._out)
        if note is None:
            check_free(self._out)
            self._book.write(JobNote.begin(run, server))
        elif self._options.start_again and not self._is_begun(note, run, server):
            jobs, files = await self._jobs_before(note), await self._uploads.before(note)
            self._book.write(JobNote.begin(run, server, jobs, files))
        else:
            self._book.note = note
            await self._check(note, run, server)
        if self._ready.withdrawn:
            self._tell(f"left out, as withdrawn since: {self._ready.withdrawn:,} examples")
        self._uploads.tell_what_stays()
        estimate = estimate_of(self._ready.content, run.base, self._options, server)
        self._tell(f"estimate: {estimate.words}")

    def _is_begun(self, note: JobNote, run: Run, server: str) -> bool:
        """Whether starting again was begun already and nothing was started since."""
        nothing_yet = note.job is None and note.job_asked is None
        return nothing_yet and (note.run, note.server) == (run, server)

    async def _check(self, note: JobNote, run: Run, server: str) -> None:
        try:
            check_same(self._out, note, run, server)
        except ConfigError as error:
            if not self._ready.withdrawn or note.job is None:
                raise
            if note.has_ended and note.server == server and _same_but_for_data(note.run, run):
                await self._uploads.delete()
            gone = f"examples that were withdrawn since: {self._ready.withdrawn:,}"
            kept = self._uploads.kept
            raise ConfigError(f"{error}; {gone}: {standing(self._out)}{kept}") from None

    async def _jobs_before(self, note: JobNote) -> tuple[str, ...]:
        """Jobs of the folder until now, all of which have ended."""
        names = [note.job] if note.job else []
        if note.job_asked is not None and not names:
            try:
                names = [job.id for job in await self._provider.find_jobs(note)]
            except NotListedError:
                self._tell(f"{note.server} lists no jobs: whether one was started is not known")
        for name in names if not note.has_ended else ():
            job = await self._provider.job(name)
            if job.status not in FINAL:
                raise ConfigError(
                    f"the folder {str(self._out)!r} has a job that has not ended ({name}: "
                    f"{job.status}): go on with it without --start-again, or cancel it first"
                )
        return (*note.earlier, *names)

    # -- the end ----------------------------------------------------------------------------

    async def _follow(self) -> Student:
        name = self._book.note.job
        assert name is not None
        await self._maker.cancel_doubles()
        follower = JobFollower(self._provider, self._options, self._out, self._progress, self._show)
        job = await follower.follow(name)
        await self._maker.cancel_doubles()
        follower.draw(f"{self._book.note.run.name}: {self._book.note.run.base}, {name}")
        if job.status != "succeeded":
            said = self._provider.safe(job.error.message) if job.error else None
            self._book.put(status=job.status, error=said)
            await self._fail()
        student = self._student(job, follower.loss)
        with replacing(self._out / NOTE) as file:
            file.write(student.model_dump_json(indent=1).encode() + b"\n")
        self._book.put(status=job.status)
        await self._uploads.delete()
        self._show("done")
        return student

    async def _fail(self) -> NoReturn:
        """Clean up after a job that ended badly, and say how it ended even where that fails."""
        note = self._book.note
        why = f": {note.error}" if note.error else ""
        said = (
            f"the fine-tuning job {note.job!r} {ENDED[note.status or '']}{why}; to start another "
            "in this folder on purpose: --start-again"
        )
        try:
            await self._uploads.delete()
        except TrainingError as error:
            raise TrainingError(f"{said}; {error}") from None
        raise TrainingError(said)

    def _student_there(self) -> Student | None:
        try:
            return Student.model_validate_json((self._out / NOTE).read_bytes())
        except FileNotFoundError:
            return None  # it is made anew of what the provider says
        except ValueError as error:
            raise DataError(
                f"{self._out / NOTE}: is damaged: remove it, and the same command makes it anew"
            ) from error

    def _student(self, job: FineTuningJob, loss: float | None) -> Student:
        note, examples = self._book.note, self._ready.dataset.data.examples
        if not job.fine_tuned_model:
            raise TrainingError(f"the job {job.id!r} is done, and {note.server} names no model")
        price = training_price(note.run.base, note.server)
        ended = job.finished_at or job.created_at
        cost = None
        if price is not None and job.trained_tokens is not None:
            cost = job.trained_tokens * price.dollars / 1e6
        return Student(
            name=note.run.name,
            spec=f"openai:{job.fine_tuned_model}",
            base=note.run.base,
            base_spec=f"openai:{note.run.base}",
            provider="openai",
            strategy=self._ready.dataset.manifest.strategy,
            data=note.run.data,
            n_examples=note.run.n_examples,
            tasks=tuple(sorted({one.query.task for one in examples if one.query.task})),
            tokens=job.trained_tokens,
            seconds=max(ended - job.created_at, 0),
            cost=cost,
            loss=loss,
            settings={
                **note.run.options,
                "job": job.id,
                "server": note.server,
                "api_key_env": self._options.api_key_env,
            },
            time=datetime.fromtimestamp(ended, UTC),
        )

    # -- telling ----------------------------------------------------------------------------

    def _show(self, phase: str | None = None) -> None:
        self._progress.phase = phase or self._progress.phase
        if self._on_progress is not None:
            self._on_progress(self._progress)

    def _tell(self, note: str) -> None:
        self._progress.notes.append(note)
        self._show()


def _same_but_for_data(one: Run, other: Run) -> bool:
    """Whether two runs differ at most in their examples, as after a withdrawal."""
    data = {"data", "examples", "n_examples"}
    return one.model_dump(exclude=data) == other.model_dump(exclude=data)
