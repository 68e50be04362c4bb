import inspect
from importlib import import_module
from pathlib import Path

from fusion_agents.strategies.base import Strategy
from fusion_agents.strategies.catalogue import strategy_classes
from fusion_agents.strategies.direct import DirectStrategy
from fusion_agents.strategies.few_shot import FewShotStrategy
from fusion_agents.strategies.think import ThinkStrategy
from fusion_agents.testing.strategy_contract import StrategyContract
from tests.strategies.logs import prime_entries


class TestDirect(StrategyContract):
    def make(self) -> Strategy:
        return DirectStrategy()


class TestThink(StrategyContract):
    def make(self) -> Strategy:
        return ThinkStrategy()


class TestFewShot(StrategyContract):
    def make(self) -> Strategy:
        return FewShotStrategy.from_log(prime_entries(), max_tokens=200, min_similarity=-1)


def test_every_strategy_is_held_to_the_contract() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        import_module(f"tests.strategies.{path.stem}")
    sources = [inspect.getsource(contract) for contract in StrategyContract.__subclasses__()]
    classes = strategy_classes()
    missing = [n for n, cls in classes.items() if not any(cls.__name__ in s for s in sources)]
    assert {"direct", "think", "few-shot"} <= set(classes)
    assert missing == []
