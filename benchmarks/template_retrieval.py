"""How often the thought templates that come with a query are of its kind, and never its own.

Templates are made of real training queries, without a summarizer: a search goes by the question.
The other queries are searched for, without their task. Queries and their near-duplicates lie on
one side of the split. `--folds` splits the training queries again, to choose how to rank; without
it, the queries that were kept apart are searched for, once.

Into the store go also, as templates, some of the very queries that are searched for, under their
own id, under another id, and changed a little: none of them may be found.

    python -m benchmarks.template_retrieval --data FOLDER
    python -m benchmarks.template_retrieval --data FOLDER --encoder hybrid --model FOLDER
"""

import argparse
import gzip
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.catalogue import make_encoder
from fusion_agents.encoders.hybrid import HybridEncoder
from fusion_agents.encoders.transformer import TransformerEncoder
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.types import Query, ThoughtTemplate

LOGS = ["llmrouter14", "zeroeval", "mmlupro_small8"]
KINDS = {
    "llmrouter14": {
        "gsm8k": "mathematics",
        "math": "mathematics",
        "mgsm": "mathematics",
        "mbpp": "code",
        "human_eval": "code",
        "commonsense_qa": "commonsense",
        "openbook_qa": "commonsense",
        "arc_challenge": "commonsense",
        "natural_qa": "knowledge",
        "trivia_qa": "knowledge",
    }
}
"""Other tasks are kinds of their own."""

RANKINGS: dict[str, dict[str, object]] = {
    "cosine": {"agreement": 0.0, "diversity": 0.0},
    "cosine, diverse": {"agreement": 0.0},
    "default": {},
    "default, not diverse": {"diversity": 0.0},
    "agreement 0.3": {"agreement": 0.3},
    "agreement 3": {"agreement": 3.0},
}
"""Options of the retriever."""

TRAIN, PLANTED = 0.7, 30


class Split(NamedTuple):
    """Queries to make templates of, and queries to search for."""

    known: list[Query]
    asked: list[Query]


def read(path: Path) -> list[Query]:
    """The different queries of a log, in its order."""
    found: dict[str, Query] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            query = Query(id=str(row["query_id"]), text=row["query"], task=row["task"])
            found.setdefault(query.id, query)
    return list(found.values())


def splits(queries: Sequence[Query], folds: int, seed: int = 0) -> Iterator[Split]:
    """One split into training and test queries, or several of the training queries alone."""
    groups = near_duplicate_groups([query.text for query in queries])
    names, places = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).random(len(names))[places]
    if not folds:
        yield _parted(queries, drawn < TRAIN, drawn >= TRAIN)
    for fold in range(folds):
        inside = (drawn >= TRAIN * fold / folds) & (drawn < TRAIN * (fold + 1) / folds)
        yield _parted(queries, (drawn < TRAIN) & ~inside, inside)


def _parted(queries: Sequence[Query], *sides: np.typing.NDArray[np.bool_]) -> Split:
    known, asked = ([queries[i] for i in np.flatnonzero(side)] for side in sides)
    return Split(known, asked)


def template(query: Query, **given: object) -> ThoughtTemplate:
    values: dict[str, object] = {
        "problem": f"A question like number {query.id}.",
        "question": query.text,
        "query_id": query.id,
        "task": query.task,
    }
    return ThoughtTemplate.model_validate(values | given)


def planted(query: Query) -> list[ThoughtTemplate]:
    """The query itself, and near-duplicates of it under other ids."""
    changed = query.text.upper() + "!"
    if len(query.text.split()) >= 10:
        changed += " Please."
    return [
        template(query, source="planted", problem=f"Planted {query.id}."),
        template(query, source="planted", query_id=f"copy-{query.id}"),
        template(query, source="planted", query_id=f"near-{query.id}", question=changed),
    ]


class Tally:
    """Right and all templates that were found, by kind."""

    def __init__(self) -> None:
        self.right: defaultdict[str, int] = defaultdict(int)
        self.found: defaultdict[str, int] = defaultdict(int)
        self.own = self.short = self.asked = 0
        self.each: list[tuple[int, int]] = []
        """Right and found, for each query."""
        self.milliseconds: list[float] = []

    def figures(self) -> dict[str, object]:
        by_kind = {kind: self.right[kind] / self.found[kind] for kind in sorted(self.found)}
        return {
            "precision@3": round(sum(self.right.values()) / max(sum(self.found.values()), 1), 4),
            "by kind": {kind: round(value, 3) for kind, value in by_kind.items()},
            "asked": self.asked,
            "fewer than 3": self.short,
            "own or near-duplicate": self.own,
            "interval": self.interval(),
            "median ms": round(float(np.median(self.milliseconds)), 1),
        }

    def interval(self) -> list[float]:
        """95 %, from 2,000 draws of the queries."""
        right, found = np.array(self.each).T
        rows = np.random.default_rng(0).integers(len(right), size=(2_000, len(right)))
        drawn = right[rows].sum(axis=1) / found[rows].sum(axis=1)
        return [round(float(end), 4) for end in np.quantile(drawn, [0.025, 0.975])]


def encoder_of(name: str, model: str | None) -> Encoder | None:
    if model is not None:
        trained = TransformerEncoder(path=model)
        return HybridEncoder(meaning=trained) if name == "hybrid" else trained
    return None if name == "lexical" else make_encoder(name)


def measure(
    store: TemplateStore, split: Split, kinds: dict[str, str], tally: Tally, **options: object
) -> None:
    retriever = ThoughtTemplateRetriever.model_validate({"store": store, **options})
    for query in split.asked:
        started = time.perf_counter()
        hits = retriever.find(Query(id=query.id, text=query.text))
        tally.milliseconds.append(1e3 * (time.perf_counter() - started))
        kind = kinds.get(str(query.task), str(query.task))
        tally.asked += 1
        tally.short += len(hits) < 3
        tasks = [str(hit.template.task) for hit in hits]
        tally.each.append((sum(kinds.get(task, task) == kind for task in tasks), len(hits)))
        for hit, task in zip(hits, tasks, strict=True):
            tally.found[kind] += 1
            tally.right[kind] += kinds.get(task, task) == kind
            origin = hit.template.query_id.removeprefix("copy-").removeprefix("near-")
            tally.own += origin == query.id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the logs, as NAME.jsonl.gz")
    parser.add_argument("--logs", nargs="+", default=LOGS)
    parser.add_argument("--folds", type=int, default=0, help="0, or 2 and more")
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--queries", type=int, help="search for so many at most, in each fold")
    parser.add_argument("--rankings", nargs="*", default=["cosine", "default"], choices=RANKINGS)
    parser.add_argument("--encoder", default="lexical", help="lexical, hybrid, minilm, transformer")
    parser.add_argument("--model", help="folder of a sentence encoder, for hybrid and transformer")
    parser.add_argument("--lexical", action="store_true", help="also with BM25")
    options = parser.parse_args()
    rankings = {name: RANKINGS[name] for name in options.rankings}
    if options.lexical:
        rankings["default, BM25"] = {"lexical": True}
    if options.data is None:
        print("skipped: --data names the folder of the logs")
        return
    for log in options.logs:
        path = options.data / f"{log}.jsonl.gz"
        tallies = {name: Tally() for name in rankings}
        for known, asked in splits(read(path), options.folds, options.seed):
            order = np.random.default_rng(1).permutation(len(asked))[: options.queries]
            split = Split(known, [asked[i] for i in order])
            with tempfile.TemporaryDirectory() as folder, RoutingLog(f"{folder}/log.db") as rows:
                store = TemplateStore(rows, encoder=encoder_of(options.encoder, options.model))
                store.add(map(template, known))
                store.encode(["fitted before the queries are planted"])
                for query in split.asked[:PLANTED]:
                    store.add(planted(query))
                for name, ranking in rankings.items():
                    measure(store, split, KINDS.get(log, {}), tallies[name], **ranking)
        for name, tally in tallies.items():
            print(json.dumps({"log": log, "ranking": name, **tally.figures()}), flush=True)
            assert tally.own == 0, "a query's own template, or a near-duplicate's, was found"


if __name__ == "__main__":
    main()
