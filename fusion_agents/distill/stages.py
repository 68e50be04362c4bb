"""The stages of a distillation, each of which may be done again without doing anything twice."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event

from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.comparing.evaluating import evaluate_student
from fusion_agents.distill.comparing.leaving_out import leave_out
from fusion_agents.distill.data.dataset import read_dataset, without_withdrawn, write_dataset
from fusion_agents.distill.data.manifest import Manifest
from fusion_agents.distill.estimating import DistillEstimate
from fusion_agents.distill.nouns import Student
from fusion_agents.distill.plan import Plan
from fusion_agents.distill.registering.registering import register_student
from fusion_agents.distill.selecting.holding_out import askable, held_out_queries
from fusion_agents.distill.selecting.selection import select_training_data
from fusion_agents.distill.training.estimating import estimate_training
from fusion_agents.distill.training.job_pricing import estimate_openai
from fusion_agents.distill.training.local import require_extra, train_student
from fusion_agents.distill.training.openai_jobs import train_with_openai
from fusion_agents.distill.training.progress import TrainingProgress
from fusion_agents.distill.training.runs import has_begun
from fusion_agents.errors import ConfigError, TrainingError
from fusion_agents.pool.models_file import read_models
from fusion_agents.pool.pool import Pool, PoolInput
from fusion_agents.pool.tables import Price
from fusion_agents.stores.opening import ImportedLog, open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.students.files import NOTE
from fusion_agents.types import Query, content_key

OnProgress = Callable[[TrainingProgress], None]

_MEASURED = 3
"""Steps of training that are tried for the time, on a processor; a GPU is not touched."""


def data_folder(plan: Plan) -> Path:
    """Where the training data are."""
    return Path(plan.out) / "data"


def student_folder(plan: Plan) -> Path:
    """Where the student is; of one adapter for each task, the folder of theirs."""
    return Path(plan.out) / "student"


def tested_queries(plan: Plan) -> list[Query]:
    """The queries to compare base and student on, each task's share of them the same each time.

    Of all tasks, also of those that the student learns nothing from: a router that saw it only
    where it is good would send it everything.

    Raises:
        ConfigError: If the log is none, or has nothing to test with.
    """
    with open_log(Path(plan.log), read_only=True) as log:
        held_out = held_out_queries(
            log, split=plan.test_split, share=plan.test_share, seed=plan.selection.seed
        )
        found = leave_out(askable(log, held_out)).queries
    if not found:
        raise ConfigError(
            f"no query of {plan.log!r} is left to test a student with: it needs queries with a "
            f"ground truth and a metric, in the split {plan.test_split!r} or a larger test_share"
        )
    return list(_some(found, plan.n_test))


def select(plan: Plan) -> Manifest:
    """Select what the student learns from, and write it to the folder of the data.

    What a training has begun with stays as it is, though the log may have grown since; what was
    withdrawn is left out by `export` and by the training.

    Raises:
        ConfigError: If the log is none, or the folder holds something else.
        EmptyLogError: If there is nothing to learn from.
    """
    if has_begun(student_folder(plan)):
        begun = read_dataset(data_folder(plan)).manifest
        if _is_of(begun, plan):
            return begun
        raise ConfigError(
            f"{plan.out!r} holds a student that learned from another selection, strategy or base: "
            "name another out, or give the plan that it was made with"
        )
    with open_log(Path(plan.log), read_only=True) as log:
        if plan.record and isinstance(log, ImportedLog):
            raise ConfigError(
                f"{plan.log!r} is a file of log entries, which is told nothing: import it into a "
                "database (fusion-agents import), or plan with record=false"
            )
        held_out = held_out_queries(
            log, split=plan.test_split, share=plan.test_share, seed=plan.selection.seed
        )
        data = select_training_data(log, plan.selection, held_out=held_out)
    return write_dataset(
        data, data_folder(plan), formats=(), strategy=plan.strategy, base=plan.base
    )


def export(plan: Plan) -> Manifest:
    """Write the plan's formats beside the data, without what was withdrawn meanwhile.

    Of a student that is trained already, the data stay as it learned them.

    Raises:
        DataError: If the data cannot be read.
        ConfigError: If a trainer would turn them down.
        EmptyLogError: If everything was withdrawn.
    """
    dataset = read_dataset(data_folder(plan))
    if not any(student_folder(plan).rglob(NOTE)):
        with open_log(Path(plan.log), read_only=True) as log:
            dataset, _ = without_withdrawn(dataset, log)
    return write_dataset(
        dataset.data,
        data_folder(plan),
        formats=plan.formats,
        strategy=plan.strategy,
        base=plan.base,
    )


def estimate(plan: Plan) -> DistillEstimate:
    """What training and comparing will take; nothing is sent and nothing is trained.

    Raises:
        DataError: If the data cannot be read.
        ConfigError: If they, or the base, cannot be trained with.
    """
    calls = 2 * len(tested_queries(plan))
    if plan.provider == "openai":
        job = estimate_openai(data_folder(plan), plan.base, plan.job)
        return DistillEstimate(
            provider=plan.provider,
            base=plan.base,
            n_examples=job.n_examples,
            tokens=job.tokens * job.epochs,
            training_cost=job.cost,
            calls=calls,
        )
    require_extra()
    from fusion_agents.distill.training.loading import device_name  # noqa: PLC0415 - the extra

    steps = _MEASURED if device_name() == "cpu" else 0
    here = estimate_training(data_folder(plan), plan.base, plan.training, measured=steps)
    return DistillEstimate(
        provider=plan.provider,
        base=plan.base,
        n_examples=here.n_examples,
        tokens=here.tokens * here.epochs,
        device=here.device,
        seconds=here.seconds,
        training_cost=0.0,
        calls=calls,
        calls_cost=0.0,
    )


async def train(plan: Plan, on_progress: OnProgress | None = None) -> list[Student]:
    """Train, or go on with training, or find it done.

    Raises:
        MissingExtraError: If it is to be done here and the extra `train` is missing.
        ConfigError: If the folder holds another training.
        TrainingError: If a provider refuses or its job failed.
        EmptyLogError: If everything was withdrawn since the export.
    """
    with open_log(Path(plan.log), read_only=True) as log:
        if plan.provider == "openai":
            student = await train_with_openai(
                data_folder(plan),
                plan.base,
                student_folder(plan),
                name=plan.name,
                options=plan.job,
                log=log,
                on_progress=on_progress,
            )
            return [student]
        return await _trained_here(plan, log, on_progress)


async def _trained_here(
    plan: Plan, log: RoutingLog, on_progress: OnProgress | None
) -> list[Student]:
    """Train in a thread, which ends with its next step when this is cancelled."""
    stopped = Event()

    def tell(progress: TrainingProgress) -> None:
        if stopped.is_set():
            raise TrainingError("the training was stopped; the same command goes on with it")
        if on_progress is not None:
            on_progress(progress)

    try:
        return await asyncio.to_thread(
            train_student,
            data_folder(plan),
            plan.base,
            student_folder(plan),
            name=plan.name,
            options=plan.training,
            log=log,
            on_progress=tell,
        )
    except asyncio.CancelledError:
        stopped.set()
        raise


async def evaluate(plan: Plan, student: Student) -> Comparison:
    """Compare a student with its base, and tell the log of a part of it if that is wanted.

    Raises:
        ConfigError: If the two would not be asked in the same way.
        StoreError: If a log cannot be written.
    """
    queries = await asyncio.to_thread(tested_queries, plan)
    data = (await asyncio.to_thread(read_dataset, data_folder(plan))).data
    with open_log(Path(plan.log)) as log:
        return await evaluate_student(
            student,
            log,
            queries,
            record=log if plan.record else None,
            models=_models(plan, student),
            data=data,
            out=student.folder or student_folder(plan),
            max_tokens=plan.max_tokens,
            record_share=plan.record_share,
            concurrency=plan.concurrency,
            seed=plan.selection.seed,
        )


def register(plan: Plan, student: Student, comparison: Comparison) -> tuple[bool, str]:
    """Register a student in the plan's `models.toml`.

    Returns:
        Whether it is registered, and why or why not, in words.

    Raises:
        ConfigError: If the file cannot be changed, or the name is another model's.
    """
    if plan.models is None:
        return False, "the plan names no models.toml"
    if plan.register_if == "helped" and not _has_helped(comparison):
        return False, (
            f"{student.name} is on no task certainly better than {student.base}: "
            "it would only cost; `fusion-agents distill register` adds it all the same"
        )
    register_student(
        student,
        Path(plan.models),
        price=plan.price,
        base_url=plan.job.base_url,
        api_key_env=plan.job.api_key_env,
        comparison=comparison,
    )
    return True, (
        f"{student.name} is in {plan.models}: routers decide where it answers, once they have "
        "learned of it (fusion-agents refresh)"
    )


def _models(plan: Plan, student: Student) -> Pool:
    """The user's models, and the student as it will be registered: at its price and address."""
    members: dict[str, PoolInput] = {}
    if plan.models is not None and Path(plan.models).exists():
        members.update(read_models(plan.models))
    if student.name not in members:
        free = Price(input=0.0, output=0.0) if plan.provider == "local" else Price()
        price = (plan.price or free).model_dump(exclude_none=True)
        address = {"base_url": plan.job.base_url, "api_key_env": plan.job.api_key_env}
        there = address if plan.provider == "openai" else {}
        given = {key: value for key, value in there.items() if value is not None}
        members[student.name] = {"model": student.spec, "price": price, **given}
    return Pool(members)


def _has_helped(comparison: Comparison) -> bool:
    return any(row.finding == "helped" for row in comparison.rows())


def _is_of(manifest: Manifest, plan: Plan) -> bool:
    wanted = (plan.selection.model_dump(mode="json"), plan.strategy, plan.base)
    return (manifest.options, manifest.strategy, manifest.base) == wanted


def _some(queries: Iterable[Query], per_task: int | None) -> Iterable[Query]:
    taken: defaultdict[str | None, int] = defaultdict(int)
    for query in sorted(queries, key=lambda query: content_key("test", query.id)):
        taken[query.task] += 1
        if per_task is None or taken[query.task] <= per_task:
            yield query
