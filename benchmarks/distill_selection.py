"""What a student may learn from published logs, and whether all of it is right.

Reads `zeroeval`, `mmlupro_small8` and `routeprofile12` in `../shared/data` (or `--data`), which are
not part of the project. A fifth of the queries is held out, and of others near-duplicates are
planted: in other case and marks, with words in front or behind, and with one word changed. Then
each example is checked: its metric (or, where that is not ours, its measured performance) says
that it is right, its entries are in the log and hold its answer, and no held-out query is in it.

Run: python benchmarks/distill_selection.py [--markdown]
"""

import argparse
import random
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from fusion_agents.distill.nouns import TrainingData
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.selection import select_training_data
from fusion_agents.metrics.catalogue import score
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.importing import import_files
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Query

LOGS = ("zeroeval", "mmlupro_small8", "routeprofile12")
METRICS = {"gsm8k": "number", "math_l5": "math", "cruxeval_o": "literal"}
"""Of tasks whose log names a metric that is not ours."""
PLANTED = 60


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--logs", default=",".join(LOGS))
    parser.add_argument("--markdown", action="store_true", help="the table of what was dropped")
    options = parser.parse_args()
    for name in options.logs.split(","):
        path = options.data / f"{name}.jsonl.gz"
        if not path.exists():
            print(f"{name}: skipped, there is no {path.name}")
            continue
        with tempfile.TemporaryDirectory() as folder, RoutingLog(f"{folder}/log.db") as log:
            import_files(path, log)
            measure(name, log, markdown=options.markdown)


def measure(name: str, log: RoutingLog, *, markdown: bool) -> None:
    queries = sorted(log.queries(), key=lambda query: query.id)
    draw = random.Random(0)
    draw.shuffle(queries)
    held_out = queries[: len(queries) // 5]
    planted = {query.id: plant(query, draw) for query in queries[-PLANTED:]}
    given = [*held_out, *planted.values()]
    begin, used = time.perf_counter(), time.process_time()
    data = select_training_data(log, SelectionOptions(), held_out=given)
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report = data.report
    print(
        f"{name}: {report.n_answers:,} answers to {report.n_questions:,} questions -> "
        f"{report.n_examples:,} examples, {report.n_pairs:,} pairs in {seconds:.1f} s "
        f"({processor:.1f} s of processor), {memory} MiB at most"
    )
    print(f"  right: {rightness(data)}")
    print(f"  lineage: {lineage(log, data)}")
    print(f"  leaks: {leaks(data, held_out, planted)}")
    print(f"  adds up: {adds_up(data)}")
    print(f"  {'; '.join(report.notes)}")
    for balance in ("even", "sqrt"):
        even = select_training_data(log, SelectionOptions.model_validate({"balance": balance}))
        print(f"  {balance}: {even.report.by_task} of {even.report.before_balance}")
    labels = select_training_data(log, SelectionOptions(criterion="label"), held_out=given)
    kinds = Counter(example.kind for example in labels.examples)
    print(f"  label: {dict(kinds)}, right: {rightness(labels)}, adds up: {adds_up(labels)}")
    if markdown:
        print(table(data))


def plant(query: Query, draw: random.Random) -> Query:
    """The query in other words, as nobody notes that it is the same."""
    words = query.text.split()
    one = draw.randrange(len(words))
    ways = (
        query.text.upper(),
        f"{query.text}\n\nLet's think step by step.",
        f"Please answer the following question. {query.text}",
        " ".join([*words[:one], "some", *words[one + 1 :]]) if len(words) > 30 else query.text,
    )
    return Query(text=draw.choice(ways), split="test")


def rightness(data: TrainingData) -> str:
    counts: Counter[str] = Counter()
    for example in data.examples:
        query = example.query
        metric = METRICS.get(query.task or "", query.metric)
        if metric in (None, "accuracy") or (metric or "").startswith("code"):
            ok = example.performance == 1.0
            counts["measured right" if ok else "WRONG by what was measured"] += 1
            continue
        scored = score(example.answer, query.model_copy(update={"metric": metric})).score
        if scored == 1.0:
            counts["right by its metric"] += 1
        elif example.performance == 1.0:
            counts["right as measured, not by our metric"] += 1
        else:
            counts["WRONG"] += 1
    return ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items())) or "none"


def lineage(log: RoutingLog, data: TrainingData) -> str:
    keys = [key for example in data.examples for key in example.entry_keys]
    entries = {entry.key: entry for entry in log.entries(keys)}
    good = sum(
        bool(example.entry_keys)
        and all(
            entries[key].query.id and (entries[key].response or "").strip() == example.answer
            for key in example.entry_keys
            if key in entries
        )
        and set(example.entry_keys) <= set(entries)
        for example in data.examples
    )
    return f"{good:,} of {len(data.examples):,} examples are what all their entries say"


def leaks(data: TrainingData, held_out: list[Query], planted: dict[str, Query]) -> str:
    learned = {example.query.id: example.query for example in data.examples}
    texts = [query.text for query in learned.values()]
    others = [query.text for query in (*held_out, *planted.values())]
    groups = near_duplicate_groups([*texts, *others]).tolist()
    near = set(groups[: len(texts)]) & set(groups[len(texts) :])
    direct = sum(query.id in learned for query in held_out)
    disguised = sum(query_id in learned for query_id in planted)
    return (
        f"{direct} of {len(held_out):,} held-out queries, {disguised} of {len(planted)} planted "
        f"ones, {len(near)} near-duplicates"
    )


def adds_up(data: TrainingData) -> bool:
    dropped = Counter[str]()
    for one in data.report.dropped:
        dropped[one.what] += one.n
    answers = sum(example.kind == "answer" for example in data.examples)
    questions = len({example.query.id for example in data.examples})
    return (
        answers + dropped["answers"] == data.report.n_answers
        and questions + dropped["questions"] == data.report.n_questions
    )


def table(data: TrainingData) -> str:
    lines = ["| left out because it is or has | answers | questions |", "|---|---:|---:|"]
    counts: dict[str, dict[str, int]] = {}
    for one in data.report.dropped:
        counts.setdefault(one.reason, {})[one.what] = one.n
    for reason, found in counts.items():
        lines.append(f"| {reason} | {found.get('answers', 0):,} | {found.get('questions', 0):,} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
