import numpy as np
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.strategies.few_shot import FewShotStrategy
from fusion_agents.types import Query
from tests.strategies.logs import OTHERS, PRIMES, entry, prime_entries

QUERY = Query(text="How many primes are there below 100?")


class TableEncoder(Encoder):
    """Vectors that are written down."""

    def __init__(self, **vectors: tuple[float, float]) -> None:
        self.vectors = vectors

    def encode(self, texts: object) -> Vectors:
        rows = [self.vectors[text.partition(" ")[0]] for text in texts]  # type: ignore[attr-defined]
        return np.array(rows, dtype=np.float32).reshape(-1, 2)

    @property
    def identity(self) -> str:
        return "table"


def shown(strategy: FewShotStrategy, text: str = QUERY.text) -> list[str]:
    return [example.question for example in strategy.examples(Query(text=text))]


def test_examples_are_pairs_between_the_system_prompt_and_the_history() -> None:
    strategy = FewShotStrategy.from_log(prime_entries(), k=1)
    messages: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage("Hello"),
        AIMessage("Hi."),
        HumanMessage(QUERY.text),
    ]
    sent = strategy.prompt(messages, QUERY).messages
    question = strategy.examples(QUERY)[0].question
    assert sent[0] == messages[0]
    assert sent[1:3] == [HumanMessage(question), AIMessage(PRIMES[question])]
    assert sent[3:] == messages[1:]


def test_the_most_similar_example_stands_closest_to_the_conversation() -> None:
    encoder = TableEncoder(near=(1, 0), far=(0.8, 0.6), query=(1, 0))
    entries = [entry("near one", "1"), entry("far one", "2")]
    strategy = FewShotStrategy.from_log(entries, encoder=encoder, diversity=0)
    sent = strategy.prompt([HumanMessage("query me")], Query(text="query me")).messages
    assert [m.content for m in sent] == ["far one", "2", "near one", "1", "query me"]


def test_similar_questions_are_preferred_to_others() -> None:
    strategy = FewShotStrategy.from_log(prime_entries(), k=2, diversity=0)
    assert set(shown(strategy)) <= set(PRIMES)
    assert set(shown(strategy, "Which king signed the Magna Carta?")) & set(OTHERS)


def test_neither_the_query_nor_its_near_duplicates_are_shown() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    entries = [entry(f"{words} fifteen", "a"), entry("five green bottles", "b")]
    strategy = FewShotStrategy.from_log(entries, min_similarity=-1)
    assert shown(strategy, f"{words} FIFTEEN!") == ["five green bottles"]
    assert shown(strategy, f"{words} fifteen sixteen") == ["five green bottles"]


def test_the_query_is_recognised_by_its_id_too() -> None:
    logged = entry("five green bottles", "a", query=Query(id="q1", text="five green bottles"))
    strategy = FewShotStrategy.from_log([logged, entry("ten", "b")], min_similarity=-1)
    found = strategy.examples(Query(id="q1", text="something else"))
    assert [example.question for example in found] == ["ten"]


def test_questions_that_share_a_long_template_are_no_duplicates_of_each_other() -> None:
    template = "Choose the right answer among these options and reply with one letter only please"
    nouns = [f"w{i}x{i * i} y{i} z{i * 7}" for i in range(80)]
    entries = [entry(f"{template}: {noun}", "A") for noun in nouns]
    assert len(set(near_duplicate_groups([e.query.text for e in entries]))) == 80
    strategy = FewShotStrategy.from_log(entries, min_similarity=-1)
    assert len(shown(strategy, f"{template}: q1 q2 q3 q4")) == 3


def test_only_one_of_several_near_duplicates_is_an_example() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    entries = [entry(words, "a"), entry(f"{words} fifteen", "b"), entry("green bottles", "c")]
    strategy = FewShotStrategy.from_log(entries, min_similarity=-1)
    assert len(strategy.index.examples) == 2


def test_diversity_prefers_what_is_not_shown_yet() -> None:
    encoder = TableEncoder(a=(1, 0), b=(0.99, 0.14), c=(0.7, -0.71), query=(1, 0))
    entries = [entry("a one", "1"), entry("b one", "2"), entry("c one", "3")]
    alike = FewShotStrategy.from_log(entries, encoder=encoder, k=2, diversity=0)
    varied = FewShotStrategy.from_log(entries, encoder=encoder, k=2, diversity=0.6)
    assert shown(alike, "query") == ["a one", "b one"]
    assert shown(varied, "query") == ["a one", "c one"]


def test_examples_keep_to_the_token_budget_and_pass_over_what_is_too_long() -> None:
    encoder = TableEncoder(a=(1, 0), b=(0.9, 0.44), query=(1, 0))
    entries = [entry("a one", "word " * 500), entry("b one", "2")]
    strategy = FewShotStrategy.from_log(entries, encoder=encoder, max_tokens=50)
    assert shown(strategy, "query") == ["b one"]


def test_no_more_than_k_examples_are_shown() -> None:
    assert len(shown(FewShotStrategy.from_log(prime_entries(), k=2, min_similarity=-1))) == 2


def test_a_question_unlike_all_examples_gets_none() -> None:
    encoder = TableEncoder(a=(1, 0), query=(0, 1))
    strategy = FewShotStrategy.from_log([entry("a one", "1")], encoder=encoder)
    messages = [HumanMessage("query")]
    assert strategy.prompt(messages, Query(text="query")).messages == messages


@pytest.mark.parametrize(
    "first",
    [AIMessage("Good morning."), HumanMessage([{"type": "tool_result", "tool_use_id": "1"}])],
)
def test_nothing_is_put_in_front_of_a_conversation_that_was_cut_off(first: BaseMessage) -> None:
    strategy = FewShotStrategy.from_log(prime_entries())
    messages = [first, HumanMessage(QUERY.text)]
    assert strategy.prompt(messages, QUERY).messages == messages


def test_an_encoder_that_is_given_is_used_as_it_is() -> None:
    encoder = LexicalEncoder().fit(list(PRIMES))
    state = encoder.state_
    strategy = FewShotStrategy.from_log(prime_entries(), encoder=encoder)
    assert strategy.index.encoder is encoder
    assert encoder.state_ is state


def test_a_log_without_good_answers_is_refused() -> None:
    with pytest.raises(EmptyLogError, match="lower the floor"):
        FewShotStrategy.from_log([entry("2 + 2?", "5", 0.0)])
    with pytest.raises(EmptyLogError):
        FewShotStrategy.from_log([])


@pytest.mark.parametrize("options", [{"k": 0}, {"max_tokens": 0}, {"diversity": 2}, {"floor": -1}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        FewShotStrategy.from_log(prime_entries(), **options)  # type: ignore[arg-type]


def test_its_repr_shows_no_answers() -> None:
    assert "97" not in repr(FewShotStrategy.from_log(prime_entries()))
