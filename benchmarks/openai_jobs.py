"""Kill a fine-tuning job's process at random moments, and count what the provider was asked for.

Each run trains one student at the loopback server. Its process is killed (SIGKILL) after a random
time, again and again, until one gets to the end; meanwhile the server cuts connections before and
after it has acted. What counts is the server's own account: one job a run, one upload a run, and
the same student whoever asks.

    python benchmarks/openai_jobs.py --runs 20 --seed 0
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from fusion_agents.distill.data.dataset import write_dataset
from fusion_agents.distill.nouns import Example, SelectionReport, Student, TrainingData
from fusion_agents.distill.training.job_note import read_note
from fusion_agents.distill.training.openai_jobs import OpenAIJobOptions, train_with_openai
from fusion_agents.testing.openai_server import Behaviour, Fault, OpenAIServer
from fusion_agents.types import Query

OPTIONS = OpenAIJobOptions(poll=0.005, poll_most=0.02, timeout=2, settle=2, epochs=2)
CUT = Behaviour(reset=True)
N_EXAMPLES = 12


def child(url: str, data: str, out: str) -> None:
    """Train as anybody would."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="sk-loopback")
    asyncio.run(train_with_openai(Path(data), "gpt-4o-mini", Path(out), options=OPTIONS))


def make_data(folder: Path) -> Path:
    examples = tuple(
        Example(query=Query(text=f"What is {i} + {i}?"), answer=f"{2 * i}", kind="label")
        for i in range(N_EXAMPLES)
    )
    report = SelectionReport(
        criterion="label",
        n_questions=N_EXAMPLES,
        n_examples=N_EXAMPLES,
        n_pairs=0,
        by_task={},
        by_teacher={},
        lengths={},
        dropped=(),
    )
    write_dataset(TrainingData(examples=examples, report=report), folder, formats=())
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fusion_agents.distill.training.openai_jobs"])
    jobs, uploads, states, kills = Counter(), Counter(), Counter(), 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder) / "data")
        for number in range(given.runs):
            with OpenAIServer() as server:
                for step in ("upload", "create", "job"):
                    if rng.random() < 0.5:
                        acts = rng.choice(["never", "first"])
                        server.tuning.fail(Fault(step=step, behaviour=CUT, acts=acts))
                out = Path(folder) / f"out{number}"
                killed = _until_done(context, rng, server.base_url, data, out)
                kills += sum(killed.values())
                states += killed
                jobs[len(server.tuning.jobs)] += 1
                uploads[server.tuning.uploads] += 1
                student = Student.model_validate_json((out / "student.json").read_text())
                assert student.spec == f"openai:{server.tuning.jobs['ftjob-1'].model}"
    seconds = time.perf_counter() - began
    print(f"runs {given.runs}, kills {kills}, {seconds:.0f} s")
    print(f"jobs a run: {dict(jobs)}; uploads a run: {dict(uploads)}")
    print("what the folder said after the kills:", dict(states.most_common()))


def _until_done(context, rng: random.Random, url: str, data: Path, out: Path) -> Counter[str]:
    killed: Counter[str] = Counter()
    while True:
        process = context.Process(target=child, args=(url, str(data), str(out)))
        process.start()
        process.join(rng.uniform(0.05, 1.5))
        if process.exitcode == 0:
            return killed
        assert process.exitcode is None, "training failed"
        process.kill()
        process.join()
        killed[_state(out)] += 1


def _state(out: Path) -> str:
    note = read_note(out) if out.exists() else None
    if note is None:
        return "nothing asked"
    if note.status:
        return "done"
    if note.job:
        return "following"
    if note.job_asked:
        return "job asked, not answered"
    if note.file:
        return "uploaded"
    return "upload asked, not answered" if note.upload_asked else "nothing asked"


if __name__ == "__main__":
    main()
