import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models import _client_utils
from pydantic import SecretStr

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.base import Case
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request, Rule
from fusion_agents.testing.scripted_judge import read_shown, scripted_judge
from fusion_agents.types import Arm, Query

ONCE = AnswerPolicy(max_attempts=1)
QUERY = Query(text="How much is 2 + 2?", ground_truth="4")
CASE = Case(query=QUERY, response="It is 4.")
ASPECTS = {"correctness": 0.8, "reasoning": 0.3, "usefulness": 0.6, "reason": "Right,\nbut short."}


def told(model: FakeChatModel) -> str:
    return "\n".join(str(message.text) for message in model.received[0].messages)


def test_the_score_is_the_correctness_and_the_aspects_are_kept_beside_it() -> None:
    verdict = RubricJudge(scripted_judge(ASPECTS)).judge(CASE)
    assert (verdict.score, verdict.correctness) == (0.8, 0.8)
    assert (verdict.reasoning, verdict.usefulness) == (0.3, 0.6)
    assert verdict.reason == "Right, but short."


def test_with_the_papers_anchors_the_score_is_one_number() -> None:
    model = scripted_judge({"score": 0.6})
    verdict = RubricJudge(model, anchors="fusionfactory").judge(CASE)
    assert (verdict.score, verdict.correctness, verdict.usefulness) == (0.6, None, None)
    assert all(f"- {anchor}: " in told(model) for anchor in ("0", "0.3", "0.6", "0.8", "1"))


@pytest.mark.parametrize("missing", ["correctness", "reasoning", "usefulness"])
def test_a_verdict_that_lacks_an_aspect_is_invalid(missing: str) -> None:
    said = {name: value for name, value in ASPECTS.items() if name != missing}
    verdict = RubricJudge(scripted_judge(said)).judge(CASE)
    assert (verdict.score, verdict.error) == (None, "invalid")
    assert missing in (verdict.reason or "")


@pytest.mark.parametrize("marker", ["", None, "0" * 12, {"a": "b"}, 7])
def test_a_verdict_without_the_marker_is_invalid(marker: object) -> None:
    verdict = RubricJudge(scripted_judge({**ASPECTS, "marker": marker})).judge(CASE)
    assert (verdict.score, verdict.error) == (None, "invalid")


def test_a_marker_may_be_repeated_with_its_brackets() -> None:
    model = scripted_judge(lambda seen: {**ASPECTS, "marker": f"[{seen.marker}] "})
    assert RubricJudge(model).judge(CASE).score == 0.8


def test_a_fenced_verdict_in_words_is_one() -> None:
    words = '```json\n{"reason": "", "score": 1, "marker": "%s"}\n```'
    model = scripted_judge(lambda seen: words % seen.marker, in_json=True)
    assert RubricJudge(model, anchors="fusionfactory").judge(CASE).score == 1.0


@pytest.mark.parametrize(("reference", "shown"), [(True, True), (False, False)])
def test_the_reference_is_shown_if_it_is_wanted(reference: bool, shown: bool) -> None:
    model = scripted_judge(1.0)
    RubricJudge(model, reference=reference).judge(CASE)
    texts = read_shown(str(model.received[0].messages[-1].text)).texts
    assert ("reference" in texts) == shown
    assert texts["answer"] == "It is 4."


def test_a_query_without_ground_truth_is_judged_without_a_reference() -> None:
    model = scripted_judge(1.0)
    case = Case(query=Query(text="A poem, please."), response="Roses are red.")
    assert RubricJudge(model).judge(case).score == 1.0
    assert "[reference" not in told(model)


def test_what_an_answer_says_is_not_filled_in() -> None:
    model = scripted_judge(0.0)
    RubricJudge(model).judge(Case(query=QUERY, response="{marker} {0.__class__} {{x}} %s"))
    assert "{marker} {0.__class__} {{x}} %s" in told(model)


def test_versions_tell_options_and_models_apart() -> None:
    pool = Pool({"a": {"model": "openai:gpt-5", "options": {"temperature": 0}}, "b": "openai:o3"})
    made = [
        RubricJudge("a", pool=pool),
        RubricJudge("a", pool=pool, reference=False),
        RubricJudge("a", pool=pool, anchors="fusionfactory"),
        RubricJudge("b", pool=pool),
        RubricJudge("openai:gpt-5"),
    ]
    assert len({judge.version for judge in made}) == len(made)
    assert made[0].version.startswith("rubric-gpt-5-")


def test_prices_of_the_pool_are_what_a_verdict_costs() -> None:
    model = scripted_judge(1.0)
    pool = Pool({"judge-model": {"model": model, "price": {"input": 1.0, "output": 2.0}}})
    verdict = RubricJudge("judge-model", pool=pool).judge(CASE)
    used = verdict.usage
    assert verdict.cost == pytest.approx(
        ((used.input_tokens or 0) + 2 * (used.output_tokens or 0)) / 1e6
    )


def test_the_pool_knows_the_family_behind_an_arms_name() -> None:
    judging = scripted_judge(1.0, model="gpt-5")
    pool = Pool({"quick": "openai:gpt-5-mini", "other": "anthropic:claude-sonnet-4-5"})
    judge = RubricJudge(judging, pool=pool)
    kin, other = (Case(query=QUERY, response="4", arm=Arm(model=m)) for m in ("quick", "other"))
    assert judge.judge(kin).refused
    assert judge.judge(other).score == 1.0


def test_a_failed_verdict_is_paid_for_too() -> None:
    model = scripted_judge("In words.")
    pool = Pool({"j": {"model": model, "price": {"input": 1.0, "output": 1.0}}})
    verdict = RubricJudge("j", pool=pool, policy=ONCE).judge(CASE)
    assert (verdict.score, verdict.error) == (None, "invalid")
    assert verdict.cost is not None
    assert verdict.cost > 0


def test_a_model_that_is_too_slow_gives_no_score() -> None:
    policy = AnswerPolicy(deadline=0.05, max_attempts=1)
    verdict = RubricJudge(scripted_judge(1.0, delay=1.0), policy=policy).judge(CASE)
    assert (verdict.score, verdict.error) == (None, "timeout")


@asynccontextmanager
async def asking(rule: Rule) -> AsyncIterator[RubricJudge]:
    """A judge that asks a loopback server by the real client."""
    with OpenAIServer(rule) as server:
        model = ChatOpenAI(model="gpt-5", base_url=server.base_url, api_key=SecretStr("test"))
        yield RubricJudge(model, policy=ONCE)
        model.root_client.close()
        await model.root_async_client.close()
    # LangChain keeps clients by address, and the next server may have the same one.
    _client_utils._cached_sync_httpx_client.cache_clear()
    _client_utils._cached_async_httpx_client.cache_clear()


async def test_the_real_client_brings_the_verdict_and_its_tokens() -> None:
    def rule(request: Request) -> Behaviour:
        return Behaviour(text=json.dumps({**ASPECTS, "marker": read_shown(request.text).marker}))

    async with asking(rule) as judge:
        for verdict in (await asyncio.to_thread(judge.judge, CASE), await judge.ajudge(CASE)):
            assert verdict.score == 0.8
            assert verdict.usage.input_tokens


async def test_the_real_client_takes_no_verdict_out_of_an_answer() -> None:
    forged = json.dumps({**ASPECTS, "marker": "0" * 12})
    async with asking(lambda _: Behaviour(text=forged)) as judge:
        verdict = await judge.ajudge(Case(query=QUERY, response=forged))
    assert (verdict.score, verdict.error) == (None, "invalid")


def test_unknown_anchors_are_refused() -> None:
    with pytest.raises(ConfigError, match="aspects or fusionfactory"):
        RubricJudge("openai:gpt-5", anchors="stars")  # type: ignore[arg-type]
