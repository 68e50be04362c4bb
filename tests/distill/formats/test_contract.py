import inspect
from collections.abc import Sequence

from fusion_agents.distill.data.prompting import Turn
from fusion_agents.distill.formats.alpaca import AlpacaFormat
from fusion_agents.distill.formats.base import Demonstration, ExportFormat, Material, Preference
from fusion_agents.distill.formats.catalogue import format_classes
from fusion_agents.distill.formats.dpo import DPOFormat
from fusion_agents.distill.formats.openai_chat import OpenAIChatFormat
from fusion_agents.distill.formats.openai_preference import OpenAIPreferenceFormat
from fusion_agents.distill.formats.sharegpt import ShareGPTFormat
from fusion_agents.distill.formats.trl import TRLFormat
from fusion_agents.testing.export_format_contract import ExportFormatContract


def asked(text: str, *, system: bool = False) -> tuple[Turn, ...]:
    question: Turn = {"role": "user", "content": text}
    return ({"role": "system", "content": text}, question) if system else (question,)


def demonstrations(texts: Sequence[str]) -> Material:
    """Every other one with a system prompt."""
    both = enumerate(zip(texts, reversed(texts), strict=True))
    return Material(
        tuple(Demonstration(asked(one, system=place % 2 == 1), two) for place, (one, two) in both)
    )


def preferences(texts: Sequence[str]) -> Material:
    others = [*texts[1:], texts[0]]
    pairs = zip(texts, reversed(texts), others, strict=True)
    return Material(preferences=tuple(Preference(asked(one), *two) for one, *two in pairs))


class DemonstrationsContract(ExportFormatContract):
    def material(self, texts: Sequence[str]) -> Material:
        return demonstrations(texts)


class PreferencesContract(ExportFormatContract):
    def material(self, texts: Sequence[str]) -> Material:
        return preferences(texts)


class TestAlpaca(DemonstrationsContract):
    def make(self) -> ExportFormat:
        return AlpacaFormat()


class TestShareGPT(DemonstrationsContract):
    def make(self) -> ExportFormat:
        return ShareGPTFormat()


class TestTRL(DemonstrationsContract):
    def make(self) -> ExportFormat:
        return TRLFormat()


class TestOpenAIChat(DemonstrationsContract):
    def make(self) -> ExportFormat:
        return OpenAIChatFormat()


class TestDPO(PreferencesContract):
    def make(self) -> ExportFormat:
        return DPOFormat()


class TestOpenAIPreference(PreferencesContract):
    def make(self) -> ExportFormat:
        return OpenAIPreferenceFormat()


def test_no_format_is_left_out_here() -> None:
    tested = [cls for cls in globals().values() if inspect.isclass(cls)]
    made = [
        type(cls().make())
        for cls in tested
        if issubclass(cls, ExportFormatContract) and not inspect.isabstract(cls)
    ]
    assert set(made) == set(format_classes().values())
