"""What every encoder promises, as a test class to subclass.

```python
class TestMyEncoder(EncoderContract):
    def make(self) -> Encoder:
        return MyEncoder(dimensions=8)
```
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import pytest

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.errors import ArtefactError, EncoderError
from fusion_agents.packing import Arrays

TEXTS = (
    "How many prime numbers are there below 100?",
    "Which of these is a noble gas? A. Oxygen B. Neon C. Iron",
    "def add(a, b):\n    return a + b\nWhat does add(2, 3) return?",
    "Who wrote the novel Middlemarch?",
    "Was ist die Hauptstadt von Österreich?",
    "How many even numbers are there below 50?",
)
ODD_TEXTS = (
    "",
    "   \n\t ",
    "日本の首都はどこですか。",
    "🙂" * 10,
    "lone surrogate \ud800 here",
    "null \x00 byte",
    "word " * 30_000,
    "x" * 100_000,
)


class EncoderContract(ABC):
    """Subclass it, name the class `Test...` and give `make`."""

    tolerance: float = 1e-5
    """How far the vectors of one text may lie apart when it is encoded alone and in a batch."""

    learns: bool = True
    """Whether `fit` learns anything; set it to False for encoders that come trained."""

    @abstractmethod
    def make(self) -> Encoder:
        """Make a new encoder that was not fitted; always the same."""

    def fitted(self, texts: Sequence[str] = TEXTS) -> Encoder:
        """Make an encoder and fit it."""
        return self.make().fit(texts)

    def test_vectors_are_single_precision_one_row_a_text(self) -> None:
        vectors = self.fitted().encode(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.ndim == 2
        assert len(vectors) == len(TEXTS)

    def test_vectors_have_length_one_or_zero(self) -> None:
        self._assert_unit(self.fitted().encode(TEXTS))

    def test_different_texts_get_different_vectors(self) -> None:
        vectors = self.fitted().encode(TEXTS)
        similarity = vectors @ vectors.T - 2 * np.eye(len(TEXTS))
        assert similarity.max() < 0.9999

    def test_no_text_gives_no_row_and_the_same_number_of_columns(self) -> None:
        columns = self.fitted().encode(TEXTS).shape[1]
        assert self.fitted().encode([]).shape == (0, columns)

    def test_the_other_texts_of_a_batch_change_nothing(self) -> None:
        encoder = self.fitted()
        together = encoder.encode(TEXTS)
        alone = np.vstack([encoder.encode([text]) for text in TEXTS])
        reverse = encoder.encode(TEXTS[::-1])[::-1]
        np.testing.assert_allclose(alone, together, atol=self.tolerance)
        np.testing.assert_allclose(reverse, together, atol=self.tolerance)

    def test_a_text_that_comes_twice_gets_the_same_vector_twice(self) -> None:
        vectors = self.fitted().encode([TEXTS[0], TEXTS[1], TEXTS[0]])
        np.testing.assert_allclose(vectors[0], vectors[2], atol=self.tolerance)

    def test_two_encoders_made_alike_agree(self) -> None:
        first, second = self.fitted(), self.fitted()
        assert first.identity == second.identity
        np.testing.assert_array_equal(first.encode(TEXTS), second.encode(TEXTS))

    def test_the_order_of_the_texts_in_fit_changes_nothing(self) -> None:
        forward, backward = self.fitted(), self.fitted(TEXTS[::-1])
        assert forward.identity == backward.identity
        np.testing.assert_array_equal(forward.encode(TEXTS), backward.encode(TEXTS))

    def test_fit_forgets_earlier_fits(self) -> None:
        again = self.fitted(("An earlier text", "Another earlier text")).fit(TEXTS)
        np.testing.assert_array_equal(again.encode(TEXTS), self.fitted().encode(TEXTS))

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:20]))
    def test_odd_texts_are_encoded(self, text: str) -> None:
        encoder = self.fitted()
        vectors = encoder.encode([text, TEXTS[0]])
        self._assert_unit(vectors)
        np.testing.assert_allclose(vectors[1], encoder.encode([TEXTS[0]])[0], atol=self.tolerance)

    def test_an_encoder_that_learns_refuses_to_encode_before_it_is_fitted(self) -> None:
        if not self.learns:
            pytest.skip("this encoder comes trained")
        with pytest.raises(EncoderError, match="fit"):
            self.make().encode(TEXTS)

    def test_a_saved_encoder_gives_the_same_vectors(self) -> None:
        encoder = self.fitted()
        arrays: Arrays = {}
        described = encoder_to_json(encoder, arrays)
        given = None if encoder.portable.saveable else encoder
        loaded = encoder_from_json(described, arrays, given)
        np.testing.assert_array_equal(loaded.encode(TEXTS), encoder.encode(TEXTS))
        assert loaded.identity == encoder.identity

    def test_an_encoder_that_cannot_be_saved_must_be_given_again(self) -> None:
        encoder = self.fitted()
        if encoder.portable.saveable:
            pytest.skip("this encoder can be saved")
        arrays: Arrays = {}
        described = encoder_to_json(encoder, arrays)
        with pytest.raises(ArtefactError, match="encoder="):
            encoder_from_json(described, arrays, None)

    def _assert_unit(self, vectors: Vectors) -> None:
        length = np.linalg.norm(vectors, axis=1)
        assert np.isfinite(length).all()
        assert np.all((np.abs(length - 1) < 1e-4) | (length == 0))
