"""Which arms may answer a turn, and what is said if none may."""

import pytest
from langchain_core.messages import HumanMessage

from fusion_agents.answering.nouns import Bindings
from fusion_agents.errors import ConfigError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.turn import Choices, Turn, read_turn
from fusion_agents.testing.fake_chat import FakeChatModel

POOL = Pool(
    {
        "small": {
            "model": FakeChatModel(model="small"),
            "strategies": ["direct", "think"],
            "context_window": 1_000,
            "vision": False,
        },
        "large": {"model": FakeChatModel(model="large"), "context_window": 100_000},
        "blunt": {"model": FakeChatModel(model="blunt"), "tools": False},
    }
)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def read(value: object = "2 + 2?", bindings: Bindings | None = None, **choices: str) -> Turn:
    return read_turn(
        value,  # type: ignore[arg-type]
        Choices(**choices),
        bindings or Bindings(),
        pool=POOL,
        arms=POOL.arms,
        objective=Objective.parse("balance"),
    )


def arms(turn: Turn) -> list[str]:
    return [str(arm) for arm in turn.arms]


def test_without_choices_every_arm_may_answer_in_the_pools_order() -> None:
    turn = read()
    assert arms(turn) == ["small@direct", "small@think", "large@direct", "blunt@direct"]
    assert turn.query.text == "2 + 2?"
    assert (turn.objective.name, turn.tenant) == ("balance", "default")


def test_two_turns_never_share_a_key() -> None:
    assert read().key != read().key


def test_a_call_may_choose_a_model_an_arm_an_objective_and_a_tenant() -> None:
    assert arms(read(model="small")) == ["small@direct", "small@think"]
    assert arms(read(arm="small@think")) == ["small@think"]
    assert arms(read(objective="performance=1,arms=large|small@think")) == [
        "small@think",
        "large@direct",
    ]
    assert read(tenant="acme").tenant == "acme"


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"model": "huge"}, ConfigError, "unknown model 'huge': the pool has small, large, blunt"),
        ({"arm": "small@guess"}, ConfigError, "unknown arm 'small@guess': use one of small@direct"),
        ({"objective": "best"}, ObjectiveError, "unknown objective 'best'"),
        ({"objective": "performance=1,arms=x"}, ObjectiveError, "allows x, which is no arm of"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused_with_those_that_do(
    choices: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(**choices)


def test_only_arms_that_are_able_may_answer() -> None:
    assert "blunt@direct" not in arms(read(bindings=Bindings(tools=(print,))))
    assert arms(read([HumanMessage([PICTURE])])) == ["large@direct", "blunt@direct"]
    assert arms(read("word " * 2_000))[0] == "large@direct"


def test_if_no_arm_is_able_the_error_says_why_of_each() -> None:
    with pytest.raises(RouteError, match=r"able to answer: small@direct: .+; small@think: "):
        read("word " * 2_000, model="small")
