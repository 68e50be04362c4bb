from pathlib import Path

import numpy as np
import pytest
from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.minilm import MiniLMEncoder
from fusion_agents.errors import ArtefactError, EncoderError
from fusion_agents.packing import Arrays
from fusion_agents.testing.encoder_contract import EncoderContract
from tests.encoders.tiny_minilm import write_tiny_minilm

NOBODY_LISTENS = "http://127.0.0.1:9/onnx.tar.gz"


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_minilm(folder)
    return folder


class TestMiniLM(EncoderContract):
    learns = False

    @pytest.fixture(autouse=True)
    def _tiny_model(self, model_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", model_files)
        monkeypatch.setattr(ONNXMiniLM_L6_V2, "MODEL_DOWNLOAD_URL", NOBODY_LISTENS)

    def make(self) -> Encoder:
        return MiniLMEncoder()

    def test_vectors_have_384_dimensions(self) -> None:
        assert self.make().encode(["how many"]).shape == (1, 384)

    def test_more_texts_than_a_batch_of_the_model_keep_their_order(self) -> None:
        texts = [f"{'how many ' * (i % 7)}prime {'numbers ' * (i % 5)}" for i in range(70)]
        encoder = self.make()
        np.testing.assert_allclose(
            encoder.encode(texts)[40:41], encoder.encode(texts[40:41]), atol=1e-5
        )

    def test_a_router_saved_with_other_model_files_is_refused(self) -> None:
        arrays: Arrays = {}
        saved = encoder_to_json(self.make(), arrays) | {"identity": "minilm-all-MiniLM-L6-v2-0000"}
        with pytest.raises(ArtefactError, match="minilm-all-MiniLM-L6-v2-0000"):
            encoder_from_json(saved, arrays, None)


def test_a_download_that_fails_says_from_where_and_what_to_do_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", tmp_path / "none")
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "MODEL_DOWNLOAD_URL", NOBODY_LISTENS)
    with pytest.raises(EncoderError) as raised:
        MiniLMEncoder().encode(["how many"])
    message = str(raised.value)
    assert NOBODY_LISTENS in message
    assert str(tmp_path / "none") in message
    assert "lexical" in message
    assert raised.value.__cause__ is not None


def test_damaged_model_files_are_an_encoder_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_minilm(tmp_path / "tiny")
    (tmp_path / "tiny" / "onnx" / "model.onnx").write_bytes(b"not a model")
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", tmp_path / "tiny")
    with pytest.raises(EncoderError, match="delete that folder"):
        MiniLMEncoder().encode(["how many"])
