"""Saved routers: a manifest and tensors, checked before anything is used, never a pickle.

A router directory holds `manifest.json` and one `router-<sha256>.safetensors`. The manifest names
the router, its hyper-parameters, arms, encoder and log fingerprint, and carries the SHA-256 of the
tensors and of itself; the tensors are written first and the manifest is then replaced in one step,
so a reader finds the old router or the new one, never half of each.

The checksums find damage, not intent: whoever can write the directory can sign what they wrote.
So a manifest names no file outside of the directory, fills in only what the router's class
declares, and a router that cannot forecast a query is refused when it is loaded.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import (
    ArtefactError,
    ConfigError,
    EncoderError,
    MissingExtraError,
)
from fusion_agents.packing import Arrays, pack, unpack, unpack_fields
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import hyper_parameters, router_classes
from fusion_agents.routers.files import read_file, write_file
from fusion_agents.routers.interfaces import Fitted
from fusion_agents.routers.pointer import current_folder
from fusion_agents.routers.rehearsal import rehearse
from fusion_agents.types import Arm, Noun

FORMAT = 1
"""Raised whenever older versions of this package could not read the result."""

_MANIFEST = "manifest.json"
_MAX_MANIFEST = 256 * 2**20
_MAX_TENSORS = 4 * 2**30
"""Largest files that are read, in bytes."""
_TENSORS = r"router-[0-9a-f]{16}\.safetensors"
_OWN_FILES = re.compile(rf"(\.new-[0-9a-f]+-)?({_TENSORS}|manifest\.json)")
_ATTEMPTS = 5


class Manifest(Noun):
    """What a router directory says of its router."""

    model_config = ConfigDict(strict=True)

    format: int
    router: Annotated[str, Field(min_length=1)]
    """Name of the router's class."""
    options: dict[str, object]
    """Hyper-parameters."""
    arms: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]
    log_fingerprint: str
    encoder: dict[str, object]
    """A `SavedEncoder`."""
    fitted: dict[str, object]
    """What was learned, as `pack` describes it."""
    tensors: Annotated[str, Field(pattern=f"^{_TENSORS}$")]
    """Name of the file of tensors, with the beginning of its SHA-256."""
    tensors_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    sha256: str
    """Of everything else in the manifest."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.tensors != _tensors_name(self.tensors_sha256):
            raise ValueError("the file of tensors is not named after its sha256")
        if not self.arms or len(set(map(Arm.parse, self.arms))) < len(self.arms):
            raise ValueError("the arms must be different, and at least one")
        return self


# -- saving ---------------------------------------------------------------------------------


def save_router(router: Router, directory: str | Path) -> None:
    """Save a fitted router; one that is already there is replaced in one step.

    Raises:
        ConfigError: If the router is not fitted, or is for evaluation only.
        ArtefactError: If the router holds what cannot be read back, or if the directory holds
            anything but a router, or cannot be written.
    """
    if router.evaluation_only:
        raise ConfigError(f"router {router.name!r} is for evaluation only: it cannot be saved")
    arrays: Arrays = {}
    options = {name: getattr(router, name) for name in hyper_parameters(type(router))}
    manifest: dict[str, JsonValue] = {
        "format": FORMAT,
        "router": router.name,
        "options": pack(options, arrays, "options"),
        "arms": list(router.fitted.arms),
        "log_fingerprint": router.fitted.fingerprint,
        "encoder": encoder_to_json(router.encoder_, arrays),
        "fitted": pack(router.fitted, arrays, "fitted"),
    }
    try:
        _rebuilt(type(router), manifest["options"], manifest["fitted"], arrays)
    except ArtefactError as error:
        raise ArtefactError(f"router {router.name!r} could not be read back: {error}") from error
    tensors = save_tensors(arrays)
    digest = hashlib.sha256(tensors).hexdigest()
    manifest |= {"tensors": _tensors_name(digest), "tensors_sha256": digest}
    manifest["sha256"] = _digest(manifest)
    _replace(Path(directory), json.dumps(manifest, indent=1).encode(), tensors, digest)


def _replace(folder: Path, manifest: bytes, tensors: bytes, digest: str) -> None:
    if len(manifest) > _MAX_MANIFEST or len(tensors) > _MAX_TENSORS:
        raise ArtefactError(
            f"the router is too large to save ({len(manifest) + len(tensors):,} bytes): "
            "fit it on fewer queries"
        )
    name = _tensors_name(digest)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_foreign_files(folder)
        write_file(folder / name, tensors)
        write_file(folder / _MANIFEST, manifest)
        for old in folder.iterdir():
            if old.name != name and re.fullmatch(_TENSORS, old.name):
                old.unlink(missing_ok=True)
    except OSError as error:
        raise ArtefactError(f"cannot save a router in {str(folder)!r}: {error.strerror}") from error


def own_files(folder: Path) -> list[Path]:
    """The files in a folder that are a saved router's, those of one half written included."""
    return [path for path in folder.iterdir() if _OWN_FILES.fullmatch(path.name)]


def foreign_files(folder: Path) -> list[str]:
    """Names of what else there is in a folder."""
    return [path.name for path in folder.iterdir() if not _OWN_FILES.fullmatch(path.name)]


def _refuse_foreign_files(folder: Path) -> None:
    foreign = foreign_files(folder)
    if foreign:
        raise ArtefactError(
            f"{str(folder)!r} holds other files ({', '.join(sorted(foreign)[:3])}): "
            "give an empty folder or one with a saved router"
        )


# -- loading --------------------------------------------------------------------------------


def load_router(
    directory: str | Path, *, arms: Sequence[str] | None = None, encoder: Encoder | None = None
) -> Router:
    """Load a saved router after checking every byte of it, and that it can route.

    Args:
        directory: Where `save_router` put it, or a folder of versions: then the current one.
        arms: Names of the arms that it must route to, in any order; none to accept any.
        encoder: The encoder, where it cannot be saved (LangChain embeddings), or to make sure
            that it is the one that the router was fitted with.

    Raises:
        ArtefactError: If a file is missing, damaged or from a newer version, or if the encoder or
            the arms are not those of the router.
        EncoderError: If the given encoder cannot encode.
    """
    folder = current_folder(Path(directory))
    try:
        manifest, tensors = _read_both(folder)
    except ArtefactError:  # it may be an old version that was removed just now
        if (newer := current_folder(Path(directory))) == folder:
            raise
        folder = newer
        manifest, tensors = _read_both(folder)
    _check_arms(manifest, arms)
    cls = router_classes().get(manifest.router)
    if cls is None or cls.evaluation_only:
        why = "which is not installed" if cls is None else "which is for evaluation only"
        raise ArtefactError(f"{str(folder)!r} holds a router {manifest.router!r}, {why}")
    try:
        arrays = load_tensors(tensors)
        router = _rebuilt(cls, manifest.options, manifest.fitted, arrays)
        _check_fitted(router.fitted, manifest)
        router.encoder_ = encoder_from_json(manifest.encoder, arrays, encoder)
        router.encoder = router.encoder_
        rehearse(router)
    except ArtefactError as error:
        raise ArtefactError(f"cannot load {str(folder)!r}: {error}") from error
    except MissingExtraError:
        raise
    except Exception as error:  # classes of third parties meet a file that anyone may have written
        if isinstance(error, EncoderError) and encoder is not None:
            raise
        reason = str(error).partition("\n")[0]
        raise ArtefactError(
            f"{str(folder)!r} holds a router {manifest.router!r} that cannot be used "
            f"({type(error).__name__}: {reason}): fit and save it again"
        ) from error
    return router


def _rebuilt(cls: type[Router], options: Any, fitted: Any, arrays: Arrays) -> Router:
    values = unpack_fields(cls, options, arrays, "options")
    if set(values) - set(hyper_parameters(cls)):
        raise ArtefactError(f"router {cls.name!r} has no such options: {', '.join(values)}")
    router = cls(**values)
    router.fitted_ = _fitted(cls, fitted, arrays)
    return router


def _fitted(cls: type[Router], data: Mapping[str, Any], arrays: Arrays) -> Fitted:
    fitted: Fitted = unpack(Fitted, {**data, "performance": None, "judge": None}, arrays, "fitted")
    performance, judge = (
        unpack(cls.model | None, data.get(name), arrays, f"fitted.{name}")
        for name in ("performance", "judge")
    )
    return replace(fitted, performance=performance, judge=judge)


def _check_fitted(fitted: Fitted, manifest: Manifest) -> None:
    n_arms = len(manifest.arms)
    if fitted.arms != manifest.arms or fitted.fingerprint != manifest.log_fingerprint:
        raise ArtefactError("the manifest names other arms or another log than what was learned")
    if fitted.performance is None and fitted.judge is None:
        raise ArtefactError("the router has learned neither performance nor judge scores")
    for values in (fitted.mean_performance, fitted.mean_judge, fitted.n_answers):
        _check_shapes("means", {values.shape}, (n_arms,))
    scored = ((fitted.performance, fitted.mean_performance), (fitted.judge, fitted.mean_judge))
    if any((model is None) != np.isnan(means).all() for model, means in scored):
        raise ArtefactError("the means are known of other scores than those that were learned")
    for quantity in (fitted.cost, fitted.latency):
        _check_shapes("means of cost or latency", {quantity.means.shape}, (n_arms,))
        _check_shapes("factors of cost or latency", {quantity.factors.shape}, (n_arms,))
        _check_shapes("bounds of cost or latency", {quantity.bounds.shape}, (2, n_arms))
        _check_shapes("weights of cost or latency", {quantity.weights.shape[1:]}, (n_arms,))
    _check_held_out(fitted, n_arms)


def _check_held_out(fitted: Fitted, n_arms: int) -> None:
    held_out, logged = fitted.held_out, fitted.logged
    shapes = {array.shape for array in _arrays_in(held_out) if array.ndim != 1}
    if shapes:
        _check_shapes("held-out forecasts", shapes, (min(shapes)[0], n_arms))
    if logged is not None:
        _check_shapes("numbers of the training queries", {logged.shape}, (fitted.n_queries,))
    if held_out is not None and held_out.rows is not None:
        rows = held_out.rows
        _check_shapes("positions of held-out queries", {rows.shape}, (len(held_out.propensity),))
        if logged is None or (len(rows) and not (rows.min() >= 0 and rows.max() < len(logged))):
            raise ArtefactError("the held-out queries are none of those that were learned from")


def _check_shapes(what: str, found: set[tuple[int, ...]], expected: tuple[int, ...]) -> None:
    if found != {expected}:
        raise ArtefactError(f"the {what} have shape {max(found - {expected})}, not {expected}")


def _arrays_in(value: object) -> Iterator[NDArray[Any]]:
    if isinstance(value, np.ndarray):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _arrays_in(getattr(value, each.name))


def _check_arms(manifest: Manifest, arms: Sequence[str] | None) -> None:
    if arms is None or set(arms) == set(manifest.arms):
        return
    missing = sorted(set(arms) - set(manifest.arms))
    extra = sorted(set(manifest.arms) - set(arms))
    raise ArtefactError(
        f"the saved router has other arms: it does not know {missing or 'any others'}, "
        f"and it knows {extra or 'no others'} that were not asked for"
    )


# -- files ----------------------------------------------------------------------------------


def _read_both(folder: Path) -> tuple[Manifest, bytes]:
    """Manifest and tensors of one router, also while another process replaces it."""
    manifest = _read_manifest(folder)
    for _ in range(_ATTEMPTS):
        try:
            tensors = read_file(folder / manifest.tensors, _MAX_TENSORS)
        except ArtefactError as error:
            newer, missing = _read_manifest(folder), isinstance(error.__cause__, FileNotFoundError)
            if newer.sha256 == manifest.sha256 or not missing:
                raise
            manifest = newer
            continue
        if hashlib.sha256(tensors).hexdigest() != manifest.tensors_sha256:
            raise ArtefactError(
                f"{folder / manifest.tensors} is damaged: sha256 does not match; save it again"
            )
        return manifest, tensors
    raise ArtefactError(f"{str(folder)!r} is being replaced all the time: load it again later")


def _read_manifest(folder: Path) -> Manifest:
    path = folder / _MANIFEST
    try:
        raw = json.loads(read_file(path, _MAX_MANIFEST))
        intact = isinstance(raw, dict) and raw.get("sha256") == _digest(raw)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} is damaged: it is not JSON; save the router again") from error
    if not intact:
        raise ArtefactError(f"{path} is damaged: sha256 does not match; save the router again")
    version = raw.get("format")
    if isinstance(version, int) and version != FORMAT:
        raise ArtefactError(
            f"{path} has format {version}, this version reads format {FORMAT}: "
            "install the version that saved it, or fit again"
        )
    try:
        return Manifest.model_validate(raw)
    except (ValidationError, RecursionError) as error:
        raise ArtefactError(f"{path} is damaged: {_first(error)}; save the router again") from error


def _first(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "it contradicts itself"
    return f"{where}: {first['msg'].lower()}"


def _digest(manifest: Mapping[str, Any]) -> str:
    content = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _tensors_name(digest: str) -> str:
    return f"router-{digest[:16]}.safetensors"
