import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fusion_agents.encoders.langchain_embeddings import LangChainEncoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ArtefactError, ConfigError, EncoderError
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers import artefact
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.catalogue import router_classes
from fusion_agents.routers.cheapest import CheapestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.outcomes import make_outcomes

LOG = make_outcomes(40)
ENCODER = LexicalEncoder(n_components=8, n_words=100, n_chars=100)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_router(KNNRouter(k=20, encoder=ENCODER).fit(LOG), tmp_path)
    return tmp_path


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and sign it again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest["sha256"] = artefact._digest(manifest)
    path.write_text(json.dumps(manifest))


def change_tensor(folder: Path, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Change a tensor and sign everything again."""
    (path,) = folder.glob("*.safetensors")
    arrays = load_tensors(path.read_bytes())
    content = save_tensors({**arrays, name: np.ascontiguousarray(change(arrays[name]))})
    path.unlink()
    put_tensors(folder, content)


def put_tensors(folder: Path, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    name = f"router-{digest[:16]}.safetensors"
    (folder / name).write_bytes(content)
    change_manifest(folder, lambda manifest: manifest.update(tensors=name, tensors_sha256=digest))


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"in": value}
    return value


def test_a_directory_holds_a_manifest_and_tensors_that_only_the_owner_reads(saved: Path) -> None:
    assert sorted(path.suffix for path in saved.iterdir()) == [".json", ".safetensors"]
    assert {path.stat().st_mode & 0o077 for path in saved.iterdir()} == {0}


def test_options_come_back(saved: Path) -> None:
    router = load_router(saved)
    assert isinstance(router, KNNRouter)
    assert router.k == 20


def test_saving_again_replaces_the_router_and_leaves_nothing_behind(saved: Path) -> None:
    other = make_outcomes(40, seed=1)
    save_router(KNNRouter(encoder=ENCODER).fit(other), saved)
    assert len(list(saved.iterdir())) == 2
    assert load_router(saved).fitted.fingerprint == other.fingerprint


def test_a_router_that_is_not_fitted_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not fitted"):
        save_router(KNNRouter(), tmp_path)


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtefactError, match=r"thesis\.tex"):
        save_router(KNNRouter(encoder=ENCODER).fit(LOG), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_nothing_there_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"manifest\.json"):
        load_router(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("position", [0.1, 0.5, 0.99])
def test_one_changed_byte_is_noticed(saved: Path, suffix: str, position: float) -> None:
    (path,) = saved.glob(f"*{suffix}")
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="damaged"):
        load_router(saved)


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_file_that_was_cut_off_is_noticed(saved: Path, suffix: str) -> None:
    (path,) = saved.glob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match="damaged"):
        load_router(saved)


def test_a_missing_tensor_file_is_named(saved: Path) -> None:
    (path,) = saved.glob("*.safetensors")
    path.unlink()
    with pytest.raises(ArtefactError, match=path.name):
        load_router(saved)


def test_a_newer_format_is_refused_with_what_to_do(saved: Path) -> None:
    change_manifest(saved, lambda manifest: manifest.update(format=99))
    with pytest.raises(ArtefactError, match="install the version that saved it"):
        load_router(saved)


def test_a_router_that_is_not_installed_is_named(saved: Path) -> None:
    change_manifest(saved, lambda manifest: manifest.update(router="crystal-ball"))
    with pytest.raises(ArtefactError, match="crystal-ball"):
        load_router(saved)


def test_a_field_that_this_version_does_not_know_is_refused(saved: Path) -> None:
    change_manifest(saved, lambda manifest: manifest["fitted"].update(extra=1))
    with pytest.raises(ArtefactError, match="extra"):
        load_router(saved)


def test_the_expected_arms_may_come_in_any_order_and_others_are_named(saved: Path) -> None:
    names = [str(arm) for arm in LOG.arms]
    load_router(saved, arms=names[::-1])
    with pytest.raises(ArtefactError, match="model-9@direct"):
        load_router(saved, arms=[*names, "model-9@direct"])
    with pytest.raises(ArtefactError, match="model-2@direct"):
        load_router(saved, arms=names[:2])


def test_an_encoder_that_was_fitted_on_something_else_is_refused(saved: Path) -> None:
    other = LexicalEncoder(n_components=4).fit([query.text for query in LOG.queries])
    with pytest.raises(ArtefactError, match="encoder"):
        load_router(saved, encoder=other)


# -- manifests that were changed and signed again -------------------------------------------

DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no format": lambda m: m.pop("format"),
    "format is a truth value": lambda m: m.update(format=True),
    "no router": lambda m: m.pop("router"),
    "router is a list": lambda m: m.update(router=[]),
    "router for evaluation only": lambda m: m.update(router="oracle"),
    "another router": lambda m: m.update(router="ridge", options={}),
    "no options": lambda m: m.pop("options"),
    "options is a list": lambda m: m.update(options=[]),
    "an unknown option": lambda m: m["options"].update(depth=3),
    "the encoder as an option": lambda m: m["options"].update(encoder=None),
    "an option that is a truth value": lambda m: m["options"].update(k=True),
    "an option that is text": lambda m: m["options"].update(k="x"),
    "an option that is none": lambda m: m["options"].update(prior=None),
    "an option with an unknown word": lambda m: m["options"].update(weights="heavy"),
    "no arms": lambda m: m.pop("arms"),
    "other arms": lambda m: m.update(arms=m["arms"][::-1]),
    "an arm without a name": lambda m: rename_arms(m, ["", *m["arms"][1:]]),
    "an arm twice": lambda m: rename_arms(m, [m["arms"][0], m["arms"][0], m["arms"][2]]),
    "an arm too few": lambda m: rename_arms(m, m["arms"][:2]),
    "an arm too many": lambda m: rename_arms(m, [*m["arms"], "model-9@direct"]),
    "no arm at all": lambda m: rename_arms(m, []),
    "another log": lambda m: m.update(log_fingerprint="0" * 64),
    "no tensors": lambda m: m.pop("tensors"),
    "tensors elsewhere": lambda m: m.update(tensors="../outside.safetensors"),
    "tensors at an absolute path": lambda m: m.update(tensors="/etc/passwd"),
    "tensors with a zero byte": lambda m: m.update(tensors="router-\0.safetensors"),
    "tensors of another digest": lambda m: m.update(tensors=f"router-{'0' * 16}.safetensors"),
    "tensors with a line feed": lambda m: m.update(tensors=m["tensors"] + "\n"),
    "digest is no digest": lambda m: m.update(tensors_sha256=[]),
    "an unknown field": lambda m: m.update(note="hello"),
    "no encoder": lambda m: m.pop("encoder"),
    "encoder is a list": lambda m: m.update(encoder=[]),
    "no encoder name": lambda m: m["encoder"].pop("name"),
    "no encoder state": lambda m: m["encoder"].pop("state"),
    "encoder that learned nothing": lambda m: m["encoder"].update(state=None),
    "encoder state is a list": lambda m: m["encoder"].update(state=[]),
    "encoder not installed": lambda m: m["encoder"].update(name="crystal-ball"),
    "encoder that cannot be rebuilt": lambda m: m["encoder"].update(name="cache"),
    "encoder that learns nothing": lambda m: m["encoder"].update(name="minilm", options={}),
    "encoder option that is text": lambda m: m["encoder"]["options"].update(max_chars="x"),
    "encoder under a false name": lambda m: m["encoder"].update(identity="lexical-0"),
    "no encoder where one is needed": lambda m: m.update(
        encoder={"name": "none", "identity": "none"}
    ),
    "no encoder under a false name": lambda m: m.update(encoder={"name": "none", "identity": "x"}),
    "no fitted": lambda m: m.pop("fitted"),
    "fitted is a list": lambda m: m.update(fitted=[]),
    "a part too few": lambda m: m["fitted"].pop("cost"),
    "no model": lambda m: m["fitted"].pop("performance"),
    "model is a list": lambda m: m["fitted"].update(performance=[]),
    "negative neighbours": lambda m: m["fitted"]["performance"].update(k=-5),
    "a tensor that is not there": lambda m: m["fitted"].update(n_answers={"tensor": "x"}),
    "a tensor named by a list": lambda m: m["fitted"].update(n_answers={"tensor": []}),
    "another tensor": lambda m: m["fitted"].update(n_answers=m["fitted"]["mean_performance"]),
    "scales too few": lambda m: m["fitted"]["scales"].pop(),
    "number of queries is text": lambda m: m["fitted"].update(n_queries="40"),
    "deep option": lambda m: m["options"].update(k=nested(300)),
    "deep state": lambda m: m["encoder"].update(state=nested(300)),
}


def rename_arms(manifest: dict[str, Any], arms: list[str]) -> None:
    manifest["arms"] = arms
    manifest["fitted"]["arms"] = arms


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_manifest_that_makes_no_sense_is_refused_in_one_line(saved: Path, damage: str) -> None:
    change_manifest(saved, DAMAGE[damage])
    with pytest.raises(ArtefactError) as raised:
        load_router(saved)
    assert "\n" not in str(raised.value)
    assert saved.name in str(raised.value)


def test_a_manifest_that_is_nested_too_deeply_is_refused(saved: Path) -> None:
    (saved / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(ArtefactError, match="damaged"):
        load_router(saved)


TENSORS: dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "integers for vectors": ("fitted.performance.vectors", lambda a: a.astype(np.int64)),
    "integers for means": ("fitted.mean_performance", lambda a: a.astype(np.int64)),
    "numbers for counts": ("fitted.n_answers", lambda a: a.astype(np.float64)),
    "vectors too narrow": ("fitted.performance.vectors", lambda a: a[:, :-1]),
    "scores of too few arms": ("fitted.performance.scores", lambda a: a[:, :-1]),
    "scores of too few queries": ("fitted.performance.scores", lambda a: a[:-1]),
    "means of too few arms": ("fitted.mean_performance", lambda a: a[:-1]),
    "costs of one arm for all": ("fitted.cost.means", lambda a: a[:1]),
    "no bounds": ("fitted.cost.bounds", lambda a: a[:1]),
    "means that are no numbers": ("fitted.mean_performance", lambda a: a * np.nan),
    "forecasts that are no numbers": ("fitted.performance.arms.mean", lambda a: a * np.nan),
    "forecasts that are infinite": ("fitted.performance.arms.mean", lambda a: a + np.inf),
    "encoder weights too few": ("encoder.state.idf", lambda a: a[:-1]),
    "encoder weights changed": ("encoder.state.components", lambda a: a * 2),
}


@pytest.mark.parametrize("damage", TENSORS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_tensors_that_do_not_fit_are_refused(saved: Path, damage: str) -> None:
    change_tensor(saved, *TENSORS[damage])
    with pytest.raises(ArtefactError, match=saved.name):
        load_router(saved)


def test_bytes_that_are_no_tensors_are_refused(saved: Path) -> None:
    put_tensors(saved, b"\xff" * 100)
    with pytest.raises(ArtefactError, match="cannot be used"):
        load_router(saved)


# -- logs that lack something ---------------------------------------------------------------


def without_scores_of_an_arm() -> Outcomes:
    log = make_outcomes(40)
    log.performance[:, 1] = np.nan
    return log


def judged_only() -> Outcomes:
    log = make_outcomes(40, judge=True)
    log.performance[:] = np.nan
    return log


def no_arm_with_both_score_and_cost() -> Outcomes:
    log = make_outcomes(40)
    log.performance[:, 1:] = np.nan
    log.cost[:, 0] = np.nan
    return log


@pytest.mark.parametrize(
    "log",
    [
        make_outcomes(1),
        make_outcomes(40, costs=False),
        make_outcomes(40, n_arms=1),
        without_scores_of_an_arm(),
        judged_only(),
        no_arm_with_both_score_and_cost(),
    ],
    ids=["one query", "no costs", "one arm", "arm without scores", "judged only", "disjoint"],
)
@pytest.mark.parametrize("name", ["best", "cheapest", "knn", "largest", "ridge"])
def test_whatever_was_fitted_can_be_loaded(tmp_path: Path, name: str, log: Outcomes) -> None:
    router = router_classes()[name](encoder=ENCODER).fit(log)
    save_router(router, tmp_path)
    loaded = load_router(tmp_path)
    before, after = (r.forecast(log.queries) for r in (router, loaded))
    for measure in ("performance", "judge", "cost", "latency"):
        np.testing.assert_array_equal(getattr(before, measure), getattr(after, measure))


def test_options_of_numpy_types_come_back_as_plain_numbers(tmp_path: Path) -> None:
    encoder = LexicalEncoder(n_components=np.int64(8), format_weight=np.float64(0.25))  # type: ignore[arg-type]
    save_router(KNNRouter(k=np.int64(7), encoder=encoder).fit(LOG), tmp_path)  # type: ignore[arg-type]
    router = load_router(tmp_path)
    assert isinstance(router, KNNRouter)
    assert type(router.k) is int
    assert load_router(tmp_path, encoder=encoder.fit([q.text for q in LOG.queries])) == router


def test_options_that_could_not_be_read_back_are_not_saved(tmp_path: Path) -> None:
    router = BestRouter().fit(LOG)
    router.seed = "seven"  # type: ignore[assignment]
    with pytest.raises(ArtefactError, match=r"options\.seed"):
        save_router(router, tmp_path / "new")
    assert not (tmp_path / "new").exists()


# -- encoders that must be given again ------------------------------------------------------


class Counting(Embeddings):
    """Embeddings that count the texts they were asked for, and may fail."""

    def __init__(self, size: int = 8, broken: bool = False) -> None:
        self.inner = DeterministicFakeEmbedding(size=size)
        self.broken = broken
        self.asked = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.broken:
            raise ConnectionError("no route to host")
        self.asked += len(texts)
        return self.inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    save_router(KNNRouter(encoder=LangChainEncoder(embeddings=Counting())).fit(LOG), tmp_path)
    return tmp_path


def test_loading_asks_given_embeddings_for_one_text_only(embedded: Path) -> None:
    embeddings = Counting()
    load_router(embedded, encoder=LangChainEncoder(embeddings=embeddings))
    assert embeddings.asked == 1


def test_embeddings_that_fail_are_not_blamed_on_the_router(embedded: Path) -> None:
    with pytest.raises(EncoderError, match="no route to host"):
        load_router(embedded, encoder=LangChainEncoder(embeddings=Counting(broken=True)))


@pytest.mark.parametrize("factor", [np.nan, 1000.0, -1.0])
def test_a_saved_vector_that_was_changed_recognises_nothing(embedded: Path, factor: float) -> None:
    change_tensor(embedded, "encoder.probe", lambda a: (a * factor).astype(np.float32))
    with pytest.raises(ArtefactError, match="another vector"):
        load_router(embedded, encoder=LangChainEncoder(embeddings=Counting()))


# -- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_links_are_not_followed(saved: Path, tmp_path_factory: Any, suffix: str) -> None:
    (path,) = saved.glob(f"*{suffix}")
    elsewhere = path.rename(tmp_path_factory.mktemp("elsewhere") / path.name)
    path.symlink_to(elsewhere)
    with pytest.raises(ArtefactError, match="no regular file"):
        load_router(saved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_in_the_place_of_a_file_does_not_block(saved: Path) -> None:
    (path,) = saved.glob("*.safetensors")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ArtefactError, match="no regular file"):
        load_router(saved)


def test_a_file_that_is_too_large_is_not_read(saved: Path) -> None:
    os.truncate(saved / "manifest.json", 300 * 2**20)
    with pytest.raises(ArtefactError, match="more than"):
        load_router(saved)


def test_a_directory_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(ArtefactError, match="cannot read"):
        load_router("a\0b")


@pytest.mark.parametrize("name", ["router-notes.safetensors", ".new-thesis", "router-1.txt"])
def test_files_of_the_user_are_kept_whatever_their_name(saved: Path, name: str) -> None:
    (saved / name).write_text("years of work")
    with pytest.raises(ArtefactError, match=name):
        save_router(BestRouter().fit(LOG), saved)
    assert (saved / name).read_text() == "years of work"
    assert isinstance(load_router(saved), KNNRouter)


def test_saving_over_a_link_replaces_the_link_and_not_what_it_points_to(
    saved: Path, tmp_path_factory: Any
) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "notes"
    target.write_text("years of work")
    (saved / "manifest.json").unlink()
    (saved / "manifest.json").symlink_to(target)
    save_router(BestRouter().fit(LOG), saved)
    assert target.read_text() == "years of work"
    assert isinstance(load_router(saved), BestRouter)


def test_saving_that_fails_leaves_no_temporary_file(saved: Path) -> None:
    (saved / "manifest.json").unlink()
    (saved / "manifest.json").mkdir()
    with pytest.raises(ArtefactError, match="cannot save"):
        save_router(BestRouter().fit(LOG), saved)
    assert not list(saved.glob(".new-*"))


def test_a_router_that_is_replaced_while_it_is_loaded_is_loaded_anew(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, replaced = artefact.read_file, []

    def read_late(path: Path, limit: int) -> bytes:
        if path.suffix == ".safetensors" and not replaced:
            replaced.append(path)
            save_router(CheapestRouter().fit(LOG), saved)
        return read(path, limit)

    monkeypatch.setattr(artefact, "read_file", read_late)
    assert isinstance(load_router(saved), CheapestRouter)
    assert not replaced[0].exists()
