"""How a fitted encoder is put beside a saved router, and how it is recognised again."""

from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np
from pydantic import JsonValue

from fusion_agents.encoders.base import Encoder, NoEncoder
from fusion_agents.encoders.catalogue import encoder_classes
from fusion_agents.errors import ArtefactError
from fusion_agents.packing import Arrays, pack, unpack

_PROBE = "How many prime numbers are there below 100? Answer with one number."
_SAME = 0.999


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
        return {**described, "probe": pack(encoder.encode([_PROBE])[0], arrays, "encoder.probe")}
    described["options"] = {f.name: getattr(encoder, f.name) for f in fields(encoder) if f.init}  # type: ignore[arg-type]
    described["state"] = pack(getattr(encoder, "state_", None), arrays, "encoder.state")
    return described


def encoder_from_json(data: dict[str, Any], arrays: Arrays, given: Encoder | None) -> Encoder:
    """Rebuild the encoder, or check that the given one is the same.

    Raises:
        ArtefactError: If another encoder is given, or one is needed and none is given.
    """
    name, identity = data["name"], data["identity"]
    if name == NoEncoder.name:
        return NoEncoder()
    core = None if given is None else given.portable
    if core is not None and core.name != name:
        raise ArtefactError(
            f"the router was fitted with the encoder {identity!r}, not {core.name!r}"
        )
    if "probe" in data:
        return _recognised(given, identity, arrays)
    cls = encoder_classes().get(name)
    if cls is None:
        raise ArtefactError(f"the router needs the encoder {name!r}, which is not installed")
    encoder = cls(**data["options"])
    if data["state"] is None:
        _check_same(encoder, identity)
        return given or encoder
    encoder.state_ = unpack(  # type: ignore[attr-defined]
        get_type_hints(cls)["state_"], data["state"], arrays, "encoder.state"
    )
    if getattr(core, "state_", None) is not None:
        _check_same(core, identity)
    return encoder


def _check_same(encoder: Encoder | None, identity: str) -> None:
    if encoder is not None and encoder.identity != identity:
        raise ArtefactError(
            f"the router was fitted with the encoder {identity!r}, not {encoder.identity!r}"
        )


def _recognised(given: Encoder | None, identity: str, arrays: Arrays) -> Encoder:
    if given is None:
        raise ArtefactError(
            f"the router was fitted with {identity!r}, which cannot be saved: "
            "give the same embeddings as encoder="
        )
    saved, now = arrays["encoder.probe"], given.portable.encode([_PROBE])[0]
    if saved.shape != now.shape or float(np.dot(saved, now)) < _SAME:
        raise ArtefactError(
            f"the router was fitted with {identity!r}; the embeddings given ({given.identity!r}) "
            "turn the same text into another vector"
        )
    return given
