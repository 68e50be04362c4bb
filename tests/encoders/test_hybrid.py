from pathlib import Path

import numpy as np
import pytest
from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.hybrid import HybridEncoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.encoders.minilm import MiniLMEncoder
from fusion_agents.encoders.transformer import TransformerEncoder
from fusion_agents.errors import EncoderError
from fusion_agents.packing import Arrays
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.testing.encoder_contract import TEXTS, EncoderContract
from fusion_agents.types import ThoughtTemplate
from tests.encoders.tiny_minilm import write_tiny_minilm


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_minilm(folder)
    return folder


@pytest.fixture(autouse=True)
def _tiny_model(model_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", model_files)
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "MODEL_DOWNLOAD_URL", "http://127.0.0.1:9/onnx.tar.gz")


class TestHybrid(EncoderContract):
    def make(self) -> Encoder:
        return HybridEncoder()


def test_cosines_are_the_weighted_mean_of_those_of_both() -> None:
    both = HybridEncoder(weight=0.25).fit(TEXTS).encode(TEXTS)
    words, meaning = LexicalEncoder().fit(TEXTS).encode(TEXTS), MiniLMEncoder().encode(TEXTS)
    expected = 0.75 * words @ words.T + 0.25 * meaning @ meaning.T
    np.testing.assert_allclose(both @ both.T, expected, atol=1e-5)


def test_fitting_leaves_the_given_encoder_of_words_as_it_was() -> None:
    words = LexicalEncoder(n_components=8)
    HybridEncoder(words=words).fit(TEXTS)
    assert words.state_ is None


def test_identities_tell_weights_and_options_apart() -> None:
    made = [
        HybridEncoder(),
        HybridEncoder(weight=0.4),
        HybridEncoder(words=LexicalEncoder(n_chars=9)),
    ]
    assert len({encoder.fit(TEXTS).identity for encoder in made}) == 3


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_of_0_and_1_is_refused(weight: float) -> None:
    with pytest.raises(EncoderError, match="weight"):
        HybridEncoder(weight=weight).fit(TEXTS)


def test_a_saved_hybrid_comes_back_with_its_own_kind_of_sentence_encoder(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.encoders.tiny_transformer import write_tiny_transformer  # noqa: PLC0415

    write_tiny_transformer(tmp_path / "tiny", TEXTS)
    words = LexicalEncoder(n_components=4)
    for meaning in (MiniLMEncoder(), TransformerEncoder(path=str(tmp_path / "tiny"))):
        encoder = HybridEncoder(words=words, meaning=meaning, weight=0.3).fit(TEXTS)
        arrays: Arrays = {}
        loaded = encoder_from_json(encoder_to_json(encoder, arrays), arrays, None)
        assert loaded == encoder
        np.testing.assert_array_equal(loaded.encode(TEXTS), encoder.encode(TEXTS))


def test_a_store_keeps_what_a_hybrid_learned_and_is_filled_again_for_another(
    tmp_path: Path,
) -> None:
    def search(encoder: Encoder | None) -> tuple[str, float, int]:
        with RoutingLog(tmp_path / "log.db") as log, TemplateStore(log, encoder=encoder) as store:
            store.add(
                ThoughtTemplate(problem="Think.", question=text, query_id=str(number))
                for number, text in enumerate(TEXTS)
            )
            hit = store.search(TEXTS[5], 1)[0]
            return hit.template.query_id, round(hit.similarity, 4), len(hit.vector)

    plain, both = search(None), search(HybridEncoder())
    assert plain[:2] == both[:2] == ("5", 1.0)
    assert both[2] == plain[2] + 384
    assert search(HybridEncoder()) == search(None) == both
    assert search(LexicalEncoder()) == plain


def test_a_store_that_grows_stays_with_the_kind_of_encoder_that_it_has(tmp_path: Path) -> None:
    def learn(encoder: Encoder | None, *texts: str) -> int:
        with RoutingLog(tmp_path / "log.db") as log, TemplateStore(log, encoder=encoder) as store:
            store.add(
                ThoughtTemplate(problem="Think.", question=text, query_id=text) for text in texts
            )
            return len(store.search(texts[0], 1)[0].vector)

    few = learn(HybridEncoder(), *TEXTS[:2])
    grown = learn(None, *TEXTS, *(f"{text} And {i}?" for text in TEXTS for i in range(3)))
    assert grown > few >= 384
