import inspect
from importlib import import_module
from pathlib import Path

import pytest

from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.plugins import find_parts
from fusion_agents.testing.encoder_contract import EncoderContract


class TestLexical(EncoderContract):
    def make(self) -> Encoder:
        return LexicalEncoder()


def test_every_encoder_is_held_to_the_contract() -> None:
    not_here: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        try:
            import_module(f"tests.encoders.{path.stem}")
        except pytest.skip.Exception:  # it needs an extra that is not installed
            not_here.add(path.stem.removeprefix("test_").replace("_", "-"))
    sources = [inspect.getsource(contract) for contract in EncoderContract.__subclasses__()]
    parts = dict(find_parts("fusion_agents.encoders", Encoder))
    del parts["base"]  # the encoder of routers that do not look at the query
    missing = [
        name
        for name, cls in parts.items()
        if name not in not_here and not any(cls.__name__ in source for source in sources)
    ]
    assert {"lexical", "minilm", "cache", "langchain-embeddings", "hybrid"} <= set(parts)
    assert not_here <= {"transformer"}
    assert missing == []
