import inspect
from importlib import import_module
from pathlib import Path

from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.plugins import find_parts
from fusion_agents.testing.encoder_contract import EncoderContract


class TestLexical(EncoderContract):
    def make(self) -> Encoder:
        return LexicalEncoder()


def test_every_encoder_is_held_to_the_contract() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        import_module(f"tests.encoders.{path.stem}")
    sources = [inspect.getsource(contract) for contract in EncoderContract.__subclasses__()]
    parts = dict(find_parts("fusion_agents.encoders", Encoder))
    del parts["base"]  # the encoder of routers that do not look at the query
    missing = [n for n, cls in parts.items() if not any(cls.__name__ in s for s in sources)]
    assert {"lexical", "minilm", "cache", "langchain-embeddings"} <= set(parts)
    assert missing == []
