from pathlib import Path

import numpy as np
import pytest

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.transformer import TransformerEncoder
from fusion_agents.errors import ArtefactError, EncoderError
from fusion_agents.packing import Arrays
from fusion_agents.testing.encoder_contract import TEXTS, EncoderContract

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
if True:  # they need both
    from tests.encoders.tiny_transformer import (
        write_modules,
        write_pooling,
        write_tiny_transformer,
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_transformer(folder, TEXTS)
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    write_tiny_transformer(tmp_path / "tiny", TEXTS)
    return tmp_path / "tiny"


class TestTransformer(EncoderContract):
    learns = False

    @pytest.fixture(autouse=True)
    def _tiny_model(self, model: Path) -> None:
        self.folder = model

    def make(self) -> Encoder:
        return TransformerEncoder(path=str(self.folder), batch_size=4)


def test_vectors_are_the_mean_of_all_tokens_as_the_model_gives_them(model: Path) -> None:
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    pieces = AutoTokenizer.from_pretrained(model)(TEXTS[0], return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(model).eval()(**pieces).last_hidden_state[0]
    expected = states.mean(dim=0).numpy()
    found = TransformerEncoder(path=str(model)).encode(TEXTS)[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_a_model_that_takes_the_first_token_gets_other_vectors_and_another_identity(
    model: Path, own: Path
) -> None:
    write_pooling(own, "cls_token")
    mean, first = (TransformerEncoder(path=str(folder)) for folder in (model, own))
    assert mean.identity != first.identity
    assert not np.allclose(mean.encode(TEXTS), first.encode(TEXTS), atol=1e-2)


def test_only_so_many_word_pieces_are_read(model: Path) -> None:
    short = TransformerEncoder(path=str(model), max_tokens=5)
    begins_alike = ["how many prime numbers are", "how many prime gas is noble"]
    first, second = short.encode(begins_alike)
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert short.identity != TransformerEncoder(path=str(model)).identity


def test_a_special_token_in_a_question_is_text(model: Path) -> None:
    encoder = TransformerEncoder(path=str(model))
    assert encoder._pieces(encoder._model(), "how [SEP] many").count(3) == 1


def test_weights_that_are_not_safetensors_are_refused(own: Path) -> None:
    (own / "model.safetensors").unlink()
    torch.save({}, own / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="safetensors"):
        TransformerEncoder(path=str(own)).encode(["how many"])


def test_code_that_comes_with_a_model_is_not_run(own: Path) -> None:
    (own / "mine.py").write_text(f"open({str(own / 'ran')!r}, 'w')")
    config = (own / "config.json").read_text()
    mapped = '"auto_map": {"AutoConfig": "mine.C", "AutoModel": "mine.M"}, "model_type": "mine"'
    (own / "config.json").write_text(config.replace('"model_type": "bert"', mapped))
    with pytest.raises(EncoderError, match="cannot read the model"):
        TransformerEncoder(path=str(own)).encode(["how many"])
    assert not (own / "ran").exists()


def test_a_model_with_a_part_that_would_be_left_out_is_refused(own: Path) -> None:
    write_modules(own, "Transformer", "Pooling", "Dense", "Normalize")
    with pytest.raises(EncoderError, match="cannot run Dense"):
        TransformerEncoder(path=str(own)).encode(["how many"])


@pytest.mark.parametrize("modes", [("mean_tokens", "cls_token"), ("weightedmean_tokens",)])
def test_a_pooling_that_is_not_known_is_refused(own: Path, modes: tuple[str, ...]) -> None:
    write_pooling(own, *modes)
    with pytest.raises(EncoderError, match=f"pooling_mode_{modes[-1]}"):
        TransformerEncoder(path=str(own)).identity  # noqa: B018 - asking loads it


@pytest.mark.parametrize("path", ["nobody/has-this-model", "no such/folder/at all"])
def test_a_model_that_is_not_here_is_not_downloaded(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderError, match="on this machine"):
        TransformerEncoder(path=path).encode(["how many"])


def test_a_router_saved_with_other_weights_is_refused(model: Path, tmp_path: Path) -> None:
    arrays: Arrays = {}
    saved = encoder_to_json(TransformerEncoder(path=str(model)), arrays)
    write_tiny_transformer(tmp_path / "other", TEXTS, seed=1)
    options = {**saved["options"], "path": str(tmp_path / "other")}  # type: ignore[dict-item]
    with pytest.raises(ArtefactError, match="fitted with the encoder"):
        encoder_from_json({**saved, "options": options}, arrays, None)
