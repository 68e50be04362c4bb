"""Reading files in tests, and what hypothesis makes logs of."""

from datetime import UTC
from pathlib import Path

from hypothesis import strategies as st

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Origin, Record, format_of
from fusion_agents.types import Arm, Judgement, LogEntry, Query, Usage

DATA = Path(__file__).parent / "data"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
words = texts.filter(lambda text: bool(text.strip()))
scores = st.floats(0, 1)
amounts = st.floats(0, 1e12)
counts = st.integers(0, 2**53)


def read(path: Path, source: str = "test") -> tuple[list[Record], list[RowError]]:
    found, head = format_of(path)
    everything = list(found.read(head, Origin(source)))
    records = [one for one in everything if isinstance(one, Record)]
    return records, [one for one in everything if isinstance(one, RowError)]


def reasons(path: Path) -> list[tuple[int, str]]:
    return [(error.line, error.reason) for error in read(path)[1]]


def without_rows(records: list[Record]) -> list[Record]:
    return [record._replace(row=0) for record in records]


queries = st.builds(
    Query,
    id=words,
    text=texts,
    task=st.none() | words,
    ground_truth=st.none() | words | st.lists(texts, min_size=1, max_size=3).map(tuple),
    metric=st.none() | words,
    split=st.none() | words,
)
arms = st.builds(
    Arm, model=words, strategy=st.sampled_from(["direct", "think", "few_shot_cot", "thought"])
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A record with any fields at all."""
    error = draw(st.none() | words)
    entry = LogEntry(
        key=draw(words),
        query=draw(queries),
        arm=draw(arms),
        model_version=draw(st.none() | texts),
        response=draw(st.none() | texts),
        usage=Usage(
            input_tokens=draw(st.none() | counts),
            output_tokens=draw(st.none() | counts),
            cached_tokens=draw(st.none() | counts),
            reasoning_tokens=draw(st.none() | counts),
        ),
        cost=draw(st.none() | amounts),
        input_price=draw(st.none() | amounts),
        output_price=draw(st.none() | amounts),
        latency=draw(st.none() | amounts),
        finish_reason=draw(st.none() | texts),
        error=error,
        performance=None if error else draw(st.none() | scores),
        propensity=draw(st.floats(0, 1, exclude_min=True)),
        sample=draw(st.integers(0, 9)),
        template_ids=tuple(draw(st.lists(texts, max_size=2))),
        source=draw(words),
        tenant=draw(words),
        time=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
    )
    judgements = draw(
        st.lists(
            st.builds(
                Judgement,
                entry_key=st.just(entry.key),
                score=st.none() | scores,
                reason=st.none() | texts,
                correctness=st.none() | scores,
                reasoning=st.none() | scores,
                usefulness=st.none() | scores,
                judge=words,
                judge_version=texts,
                cost=st.none() | amounts,
                source=words,
                time=st.none() | st.datetimes(timezones=st.just(UTC)),
            ),
            max_size=2,
        )
    )
    return Record(entry, tuple(judgements))


@st.composite
def plain_records(draw: st.DrawFn) -> Record:
    """A record with what FusionBench has columns for."""
    full = draw(records())
    entry = LogEntry(
        **full.entry.model_dump(include={"key", "query", "arm", "cost", "input_price", "error"})
        | full.entry.model_dump(include={"output_price", "performance", "source", "tenant"}),
        response=full.entry.response or None,
        usage=Usage(
            input_tokens=full.entry.usage.input_tokens,
            output_tokens=full.entry.usage.output_tokens,
        ),
    )
    score = draw(st.none() | scores)
    verdict = Judgement(entry_key=entry.key, score=score, judge="fusionbench")
    return Record(entry, () if score is None else (verdict,))
