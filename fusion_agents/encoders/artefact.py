"""How a fitted encoder is put beside a saved router, and how it is recognised again."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Self, get_type_hints

import numpy as np
from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator

from fusion_agents.encoders.base import Encoder, NoEncoder, Vectors
from fusion_agents.encoders.catalogue import encoder_classes
from fusion_agents.errors import ArtefactError, EncoderError
from fusion_agents.packing import Arrays, pack, unpack, unpack_fields
from fusion_agents.types import Noun

PROBE = "How many prime numbers are there below 100? Answer with one number."
"""The text whose vector tells whether two encoders are the same."""
_SAME = 0.045
"""Largest distance between two vectors of one text; unit vectors then have a cosine of 0.999."""


class SavedEncoder(Noun):
    """What a saved router says of its encoder: how to rebuild it, or how to recognise it."""

    model_config = ConfigDict(strict=True)

    name: str
    identity: str
    """Names everything that its vectors depend on."""
    probe: object = None
    """Vector of `PROBE`, for an encoder that must be given again when loading."""
    options: dict[str, object] = Field(default_factory=dict)
    """Hyper-parameters, for an encoder that is rebuilt."""
    state: object = None
    """What it learned; none for encoders that come trained."""

    @model_validator(mode="after")
    def _is_one_of_three_kinds(self) -> Self:
        given = self.model_fields_set - {"name", "identity"}
        if self.name == NoEncoder.name:
            if given or self.identity != NoEncoder().identity:
                raise ValueError(f"the encoder {self.name!r} has neither state nor identity")
        elif given not in ({"probe"}, {"options", "state"}):
            raise ValueError(f"the encoder {self.name!r} needs options and state, or else a probe")
        return self


def encoder_to_json(encoder: Encoder, arrays: Arrays) -> dict[str, JsonValue]:
    """Describe a fitted encoder; its arrays are added to `arrays`.

    An encoder that cannot be rebuilt from a file (LangChain embeddings) leaves the vector of a
    fixed text instead, by which it is recognised.
    """
    encoder = encoder.portable
    described: dict[str, JsonValue] = {"name": encoder.name, "identity": encoder.identity}
    if isinstance(encoder, NoEncoder):
        return described
    if not encoder.saveable:
        return {**described, "probe": pack(encoder.encode([PROBE])[0], arrays, "encoder.probe")}
    described["identity"] = _plain(encoder).identity
    described["options"] = _options(encoder, arrays)
    described["state"] = pack(getattr(encoder, "state_", None), arrays, "encoder.state")
    return described


def encoder_from_json(data: Mapping[str, object], arrays: Arrays, given: Encoder | None) -> Encoder:
    """Rebuild the encoder, or check that the given one is the same.

    Raises:
        ArtefactError: If the description is damaged, if another encoder is given, or if one is
            needed and none is given.
        EncoderError: If the given encoder cannot encode.
    """
    saved = _read(data)
    if saved.name == NoEncoder.name:
        return NoEncoder()
    core = None if given is None else given.portable
    if core is not None and core.name != saved.name:
        raise ArtefactError(
            f"the router was fitted with the encoder {saved.identity!r}, not {core.name!r}"
        )
    if "probe" in saved.model_fields_set:
        return _recognised(given, saved, arrays)
    encoder = _rebuilt(saved, arrays)
    if saved.state is None:
        return given or encoder
    if core is not None and getattr(core, "state_", None) is not None:
        _check_same(_plain(core), saved.identity)
    return encoder


def _read(data: Mapping[str, object]) -> SavedEncoder:
    try:
        return SavedEncoder.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("encoder", *first["loc"])))
        raise ArtefactError(
            f"the saved router is damaged: {where}: {first['msg'].lower()}; fit again"
        ) from error


def _rebuilt(saved: SavedEncoder, arrays: Arrays) -> Encoder:
    cls = encoder_classes().get(saved.name)
    if cls is None:
        raise ArtefactError(f"the router needs the encoder {saved.name!r}, which is not installed")
    encoder = cls(**unpack_fields(cls, saved.options, arrays, "encoder.options"))
    if saved.state is not None:
        if not hasattr(encoder, "state_"):
            raise ArtefactError(
                f"the saved router is damaged: the encoder {saved.name!r} learns nothing, but "
                "the file holds what it learned; fit again"
            )
        hint = get_type_hints(cls)["state_"]
        encoder.state_ = unpack(hint, saved.state, arrays, "encoder.state")
    _check_same(encoder, saved.identity)
    return encoder


def _options(encoder: Encoder, arrays: Arrays) -> dict[str, JsonValue]:
    return {
        f.name: pack(getattr(encoder, f.name), arrays, f"encoder.options.{f.name}")
        for f in fields(encoder)  # type: ignore[arg-type]
        if f.init
    }


def _plain(encoder: Encoder) -> Encoder:
    """The encoder as it comes back from a file: with plain numbers instead of numpy's."""
    arrays: Arrays = {}
    options = _options(encoder, arrays)
    cls = type(encoder)
    plain = cls(**unpack_fields(cls, options, arrays, "encoder.options"))
    if hasattr(encoder, "state_"):
        plain.state_ = encoder.state_  # type: ignore[attr-defined]
    return plain


def _check_same(encoder: Encoder, identity: str) -> None:
    try:
        found = encoder.identity
    except EncoderError as error:
        raise ArtefactError(
            f"the encoder {encoder.name!r} of the saved router cannot be used: {error}"
        ) from error
    if found != identity:
        raise ArtefactError(f"the router was fitted with the encoder {identity!r}, not {found!r}")


def _recognised(given: Encoder | None, saved: SavedEncoder, arrays: Arrays) -> Encoder:
    if given is None:
        raise ArtefactError(
            f"the router was fitted with {saved.identity!r}, which cannot be saved: "
            "give the same embeddings as encoder="
        )
    expected = unpack(Vectors, saved.probe, arrays, "encoder.probe")
    now = given.portable.encode([PROBE])[0]
    if expected.shape != now.shape or not np.linalg.norm(expected - now) < _SAME:
        raise ArtefactError(
            f"the router was fitted with {saved.identity!r}; the embeddings given "
            f"({given.identity!r}) turn the same text into another vector"
        )
    return given
