"""Files and fine-tuning jobs of the loopback server, which fail when and as they are told to."""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fusion_agents.testing.openai_behaviour import Behaviour, Request
from fusion_agents.testing.openai_payload import Json, dumped
from fusion_agents.testing.openai_training_file import count_tokens, read_examples, read_form
from fusion_agents.testing.openai_tuning_job import TuningJob
from fusion_agents.types import Noun

Step = Literal[
    "upload", "files", "file", "delete", "create", "jobs", "job", "events", "checkpoints", "cancel"
]
_ROUTES: tuple[tuple[Step, str, re.Pattern[str]], ...] = (
    ("upload", "POST", re.compile(r"/v1/files")),
    ("files", "GET", re.compile(r"/v1/files")),
    ("file", "GET", re.compile(r"/v1/files/([^/]+)")),
    ("delete", "DELETE", re.compile(r"/v1/files/([^/]+)")),
    ("create", "POST", re.compile(r"/v1/fine_tuning/jobs")),
    ("jobs", "GET", re.compile(r"/v1/fine_tuning/jobs")),
    ("job", "GET", re.compile(r"/v1/fine_tuning/jobs/([^/]+)")),
    ("events", "GET", re.compile(r"/v1/fine_tuning/jobs/([^/]+)/events")),
    ("checkpoints", "GET", re.compile(r"/v1/fine_tuning/jobs/([^/]+)/checkpoints")),
    ("cancel", "POST", re.compile(r"/v1/fine_tuning/jobs/([^/]+)/cancel")),
)
USUAL_STAGES = ("validating_files", "queued", "running", "succeeded")


class Fault(Noun):
    """One step that goes wrong, once or more often."""

    step: Step
    behaviour: Behaviour
    """What the client gets in place of the answer, such as `Behaviour(hang=True)`."""
    acts: Literal["never", "first", "later"] = "never"
    """Whether the server does what it was asked: not at all, before the client learns of the
    failure, or when `Tuning.act_now` is called."""
    skip: int = 0
    """Requests of this step that go well before."""
    times: int = 1


@dataclass
class _Stored:
    body: Json
    content: bytes = b""
    hidden: int = 0
    """Lists that still lack it."""
    deleted: bool = False


@dataclass(kw_only=True)
class Tuning:
    """What a provider keeps for an account: uploaded files, fine-tuning jobs and their events.

    A job goes on by one stage whenever it is looked at, so that nothing depends on time.

    Args:
        stages: That a job goes through; `failed` fails it with `failure`.
        failure: What a job that fails says.
        metadata: Whether jobs keep the metadata that they were made with.
        suffix: Whether jobs repeat the suffix that they were made with.
        listing: Whether files and jobs can be listed; other providers answer 404.
        lag: How many lists a new file or job is missing in.
        page: Most jobs or files in one list.
        honours_keys: Whether a repeated `Idempotency-Key` gives the job that it gave before.
    """

    stages: Sequence[str] = USUAL_STAGES
    failure: str = "The job failed due to an internal error."
    metadata: bool = True
    suffix: bool = True
    listing: bool = True
    lag: int = 0
    page: int = 20
    honours_keys: bool = False

    uploads: int = 0
    """Files that were uploaded, deleted ones with them."""
    jobs: dict[str, TuningJob] = field(default_factory=dict)
    """Every job that was ever made, by its name."""
    faulted: threading.Event = field(default_factory=threading.Event)
    """Set when a fault has struck; clear it to wait for the next."""
    steps: list[Step] = field(default_factory=list)
    """What was asked for, in order."""
    _files: dict[str, _Stored] = field(default_factory=dict)
    _hidden_jobs: dict[str, int] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _faults: list[Fault] = field(default_factory=list)
    _later: list[tuple[Step, Request, str]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # -- what tests use ---------------------------------------------------------------------

    def fail(self, *faults: Fault) -> None:
        """Say which of the next requests go wrong."""
        with self._lock:
            self._faults.extend(faults)

    def act_now(self) -> None:
        """Do what was put off by faults that act later."""
        with self._lock:
            waiting, self._later = self._later, []
            for step, request, name in waiting:
                self._act(step, request, name)

    @property
    def files(self) -> dict[str, bytes]:
        """Contents of the files that are there, by their ids."""
        with self._lock:
            return {name: kept.content for name, kept in self._files.items() if not kept.deleted}

    @property
    def models(self) -> tuple[str, ...]:
        """Fine-tuned models that may be asked."""
        with self._lock:
            return tuple(job.model for job in self.jobs.values() if job.model)

    # -- what the server calls --------------------------------------------------------------

    def treat(self, request: Request) -> Behaviour | None:
        """Answer a request for a file or a job; none if it is for something else."""
        for step, method, pattern in _ROUTES:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                with self._lock:
                    return self._treat(step, request, (*found.groups(), "")[0])
        return None

    def _treat(self, step: Step, request: Request, name: str) -> Behaviour:
        self.steps.append(step)
        fault = self._fault(step)
        if fault is None:
            return self._act(step, request, name)
        if fault.acts == "first":
            self._act(step, request, name)
        elif fault.acts == "later":
            self._later.append((step, request, name))
        self.faulted.set()
        return fault.behaviour

    def _fault(self, step: Step) -> Fault | None:
        for at, fault in enumerate(self._faults):
            if fault.step != step:
                continue
            if fault.skip:
                self._faults[at] = fault.model_copy(update={"skip": fault.skip - 1})
                return None
            if fault.times > 1:
                self._faults[at] = fault.model_copy(update={"times": fault.times - 1})
            else:
                del self._faults[at]
            return fault
        return None

    def _act(self, step: Step, request: Request, name: str) -> Behaviour:
        if step in ("files", "jobs") and not self.listing:
            return Behaviour(status=404, message=f"Unknown request URL: GET {request.path}.")
        if step == "upload":
            return self._upload(request)
        if step == "files":
            return self._list_files(request.query)
        if step in ("file", "delete"):
            return self._one_file(step, name)
        if step == "create":
            return self._create(request)
        if step == "jobs":
            return self._list_jobs(request.query)
        return self._one_job(step, name, request.query)

    # -- files ------------------------------------------------------------------------------

    def _upload(self, request: Request) -> Behaviour:
        form = read_form(request.headers, request.form)
        if form is None or form.purpose != "fine-tune":
            return Behaviour(status=400, message="'file' and 'purpose' are required properties")
        if not form.name.endswith(".jsonl"):
            return Behaviour(status=400, message=f"Invalid extension of {form.name}.")
        if not form.content:
            return Behaviour(status=400, message="File is empty.")
        self.uploads += 1
        body: Json = {
            "id": f"file-{self.uploads}",
            "object": "file",
            "bytes": len(form.content),
            "created_at": int(time.time()),
            "filename": form.name,
            "purpose": form.purpose,
            "status": "processed",
        }
        self._files[body["id"]] = _Stored(body, form.content, self.lag)
        return _answer(body)

    def _list_files(self, query: Mapping[str, str]) -> Behaviour:
        shown = []
        for kept in self._files.values():
            if kept.hidden:
                kept.hidden -= 1
            elif not kept.deleted and query.get("purpose", "fine-tune") == kept.body["purpose"]:
                shown.append(kept.body)
        return self._page(shown[::-1], query)

    def _one_file(self, step: Step, name: str) -> Behaviour:
        kept = self._files.get(name)
        if kept is None or kept.deleted:
            return Behaviour(status=404, message=f"No such File object: {name}")
        if step == "delete":
            kept.deleted = True
            return _answer({"id": name, "object": "file", "deleted": True})
        return _answer(kept.body)

    # -- jobs -------------------------------------------------------------------------------

    def _create(self, request: Request) -> Behaviour:
        file = str(request.body.get("training_file"))
        if file not in self._files or self._files[file].deleted:
            return Behaviour(status=400, message=f"invalid training_file: {file} does not exist")
        key = request.headers.get("idempotency-key", "")
        if self.honours_keys and key in self._keys:
            return _answer(self.jobs[self._keys[key]].body)
        asked = dict(request.body) if self.metadata else {**request.body, "metadata": None}
        examples, problem = read_examples(self._files[file].content)
        name = f"ftjob-{len(self.jobs) + 1}"
        job = TuningJob.begin(name, asked, self.stages, problem or self.failure)
        if not self.suffix:
            del job.body["user_provided_suffix"]
        if problem:
            job.stages = ("validating_files", "failed")
        job.n_examples, job.tokens = len(examples), count_tokens(examples)
        self.jobs[name], self._keys[key], self._hidden_jobs[name] = job, name, self.lag
        return _answer(job.body)

    def _list_jobs(self, query: Mapping[str, str]) -> Behaviour:
        shown = []
        wanted = {key[9:-1]: value for key, value in query.items() if key.startswith("metadata[")}
        for name, job in self.jobs.items():
            if self._hidden_jobs[name]:
                self._hidden_jobs[name] -= 1
            elif not self.metadata or wanted.items() <= (job.body["metadata"] or {}).items():
                shown.append(job.body)
        return self._page(shown[::-1], query)

    def _one_job(self, step: Step, name: str, query: Mapping[str, str]) -> Behaviour:
        job = self.jobs.get(name)
        if job is None:
            return Behaviour(status=404, message=f"Could not find fine tune: {name}")
        if step == "events":
            return self._page(job.events[::-1], query)
        if step == "checkpoints":
            return self._page(job.checkpoints[::-1], query)
        if step == "cancel" and not job.cancel():
            done = job.body["status"]
            return Behaviour(status=400, message=f"Job {name} is already complete: {done}")
        if step == "job":
            job.go_on()
        return _answer(job.body)

    def _page(self, every: Sequence[Json], query: Mapping[str, str]) -> Behaviour:
        ids = [one["id"] for one in every]
        start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
        size = min(self.page, int(query.get("limit", self.page)))
        shown = every[start : start + size]
        more = start + size < len(every)
        return _answer({"object": "list", "data": list(shown), "has_more": more})


def _answer(body: dict[str, Any]) -> Behaviour:
    return Behaviour(body=dumped(body))
