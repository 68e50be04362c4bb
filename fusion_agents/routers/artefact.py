"""Saved routers: a manifest and tensors, checked before anything is used, never a pickle.

A router directory holds `manifest.json` and one `router-<sha256>.safetensors`. The manifest names
the router, its hyper-parameters, arms, encoder and log fingerprint, and carries the SHA-256 of the
tensors and of itself; the tensors are written first and the manifest is then replaced in one step,
so a reader finds the old router or the new one, never half of each.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ArtefactError, ConfigError
from fusion_agents.packing import Arrays, pack, unpack
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import hyper_parameters, router_classes
from fusion_agents.routers.interfaces import Fitted

FORMAT = 1
"""Raised whenever older versions of this package could not read the result."""

_MANIFEST = "manifest.json"


def save_router(router: Router, directory: str | Path) -> None:
    """Save a fitted router; one that is already there is replaced in one step.

    Raises:
        ConfigError: If the router is not fitted, or is for evaluation only.
        ArtefactError: If the directory holds anything but a router, or cannot be written.
    """
    if router.evaluation_only:
        raise ConfigError(f"router {router.name!r} is for evaluation only: it cannot be saved")
    arrays: Arrays = {}
    manifest: dict[str, JsonValue] = {
        "format": FORMAT,
        "router": router.name,
        "options": {name: getattr(router, name) for name in hyper_parameters(type(router))},
        "arms": list(router.fitted.arms),
        "log_fingerprint": router.fitted.fingerprint,
        "encoder": encoder_to_json(router.encoder_, arrays),
        "fitted": pack(router.fitted, arrays, "fitted"),
    }
    tensors = save_tensors(arrays)
    digest = hashlib.sha256(tensors).hexdigest()
    name = f"router-{digest[:16]}.safetensors"
    manifest |= {"tensors": name, "tensors_sha256": digest}
    manifest["sha256"] = _digest(manifest)
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_foreign_files(folder)
        _write(folder / name, tensors)
        _write(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())
        for old in folder.glob("router-*.safetensors"):
            if old.name != name:
                old.unlink()
    except OSError as error:
        raise ArtefactError(f"cannot save a router in {str(folder)!r}: {error.strerror}") from error


def load_router(
    directory: str | Path, *, arms: Sequence[str] | None = None, encoder: Encoder | None = None
) -> Router:
    """Load a saved router after checking every byte of it.

    Args:
        directory: Where `save_router` put it.
        arms: Names of the arms that it must route to, in any order; none to accept any.
        encoder: The encoder, where it cannot be saved (LangChain embeddings), or to make sure
            that it is the one that the router was fitted with.

    Raises:
        ArtefactError: If a file is missing, damaged or from a newer version, or if the encoder or
            the arms are not those of the router.
    """
    folder = Path(directory)
    manifest = _read_manifest(folder)
    _check_arms(manifest, arms)
    tensors = _read(folder / str(manifest["tensors"]))
    if hashlib.sha256(tensors).hexdigest() != manifest["tensors_sha256"]:
        raise ArtefactError(
            f"{folder / str(manifest['tensors'])} is damaged: sha256 does not match"
        )
    try:
        arrays = load_tensors(tensors)
    except SafetensorError as error:
        raise ArtefactError(f"{folder} holds tensors that cannot be read: {error}") from error
    cls = router_classes().get(manifest["router"])
    if cls is None:
        raise ArtefactError(
            f"{folder} holds a router {manifest['router']!r}, which is not installed"
        )
    router = cls(**manifest["options"])
    router.encoder_ = encoder_from_json(manifest["encoder"], arrays, encoder)
    router.encoder = router.encoder_
    router.fitted_ = _fitted(cls, manifest["fitted"], arrays)
    return router


def _fitted(cls: type[Router], data: dict[str, Any], arrays: Arrays) -> Fitted:
    fitted: Fitted = unpack(Fitted, {**data, "performance": None, "judge": None}, arrays, "fitted")
    performance, judge = (
        None if data[name] is None else unpack(cls.model, data[name], arrays, f"fitted.{name}")
        for name in ("performance", "judge")
    )
    return replace(fitted, performance=performance, judge=judge)


def _check_arms(manifest: dict[str, Any], arms: Sequence[str] | None) -> None:
    if arms is None or set(arms) == set(manifest["arms"]):
        return
    missing = sorted(set(arms) - set(manifest["arms"]))
    extra = sorted(set(manifest["arms"]) - set(arms))
    raise ArtefactError(
        f"the saved router has other arms: it does not know {missing or 'any others'}, "
        f"and it knows {extra or 'no others'} that were not asked for"
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    try:
        manifest = json.loads(_read(path))
    except ValueError as error:
        raise ArtefactError(f"{path} is damaged: it is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("sha256") != _digest(manifest):
        raise ArtefactError(f"{path} is damaged: sha256 does not match")
    if manifest["format"] != FORMAT:
        raise ArtefactError(
            f"{path} has format {manifest['format']}, this version reads format {FORMAT}: "
            "install the version that saved it, or fit again"
        )
    return manifest


def _digest(manifest: dict[str, Any]) -> str:
    content = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _refuse_foreign_files(folder: Path) -> None:
    foreign = [
        p.name
        for p in folder.iterdir()
        if p.name != _MANIFEST and not p.name.startswith(("router-", ".new-"))
    ]
    if foreign:
        raise ArtefactError(
            f"{str(folder)!r} holds other files ({', '.join(sorted(foreign)[:3])}): "
            "give an empty folder or one with a saved router"
        )


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    new = path.with_name(f".new-{os.getpid()}-{path.name}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
