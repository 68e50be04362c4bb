import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.langchain_embeddings import LangChainEncoder
from fusion_agents.errors import EncoderError
from fusion_agents.testing.encoder_contract import EncoderContract


class TestLangChainEmbeddings(EncoderContract):
    learns = False

    def make(self) -> Encoder:
        return LangChainEncoder(embeddings=DeterministicFakeEmbedding(size=16), batch_size=2)


class Scripted(Embeddings):
    """Gives what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: list[list[float]] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []
        self.model = "scripted-1"
        self.api_key = "sk-secret"

    def __repr__(self) -> str:
        return f"Scripted(api_key={self.api_key!r})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(texts)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("queries and logged queries must meet in the same space")


def test_vectors_are_scaled_to_length_one_and_a_zero_vector_stays_zero() -> None:
    encoder = LangChainEncoder(embeddings=Scripted([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(encoder.encode(["a", "b"]), [[0.6, 0.8], [0.0, 0.0]], atol=1e-7)


def test_texts_are_sent_in_batches() -> None:
    embeddings = Scripted([[1.0], [1.0]], [[1.0]])
    LangChainEncoder(embeddings=embeddings, batch_size=2).encode(["a", "b", "c"])
    assert embeddings.asked == [["a", "b"], ["c"]]


def test_what_a_provider_refuses_is_not_sent() -> None:
    embeddings = Scripted([[1.0], [1.0]])
    LangChainEncoder(embeddings=embeddings).encode(["", "a\ud800"])
    assert embeddings.asked == [[".", "a?"]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([[1.0, 2.0]], "1 vectors"),
        ([[1.0], [1.0, 2.0]], "lengths"),
        ([[1.0], [float("nan")]], "not finite"),
        ([[1.0], [float("inf")]], "not finite"),
        ([], "0 vectors"),
    ],
)
def test_vectors_of_the_wrong_shape_are_refused(answer: list[list[float]], words: str) -> None:
    encoder = LangChainEncoder(embeddings=Scripted(answer))
    with pytest.raises(EncoderError, match=words):
        encoder.encode(["a", "b"])


def test_vectors_that_change_their_length_between_calls_are_refused() -> None:
    encoder = LangChainEncoder(embeddings=Scripted([[1.0, 0.0]], [[1.0]]))
    encoder.encode(["a"])
    with pytest.raises(EncoderError, match="length 2"):
        encoder.encode(["b"])


def test_a_failing_provider_is_an_encoder_error_with_its_cause() -> None:
    failure = ConnectionError("no route to host")
    encoder = LangChainEncoder(embeddings=Scripted(failure))
    with pytest.raises(EncoderError, match="Scripted could not embed 1 texts: ConnectionError"):
        encoder.encode(["a"])


def test_identity_and_repr_name_the_model_and_no_secret() -> None:
    encoder = LangChainEncoder(embeddings=Scripted())
    assert "model=scripted-1" in encoder.identity
    assert "sk-secret" not in encoder.identity
    assert "sk-secret" not in repr(encoder)
