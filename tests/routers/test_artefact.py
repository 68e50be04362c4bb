import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ArtefactError, ConfigError
from fusion_agents.routers import artefact
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.outcomes import make_outcomes

LOG = make_outcomes(40)
ENCODER = LexicalEncoder(n_components=8, n_words=100, n_chars=100)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_router(KNNRouter(k=20, encoder=ENCODER).fit(LOG), tmp_path)
    return tmp_path


def change_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change a manifest and sign it again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest["sha256"] = artefact._digest(manifest)
    path.write_text(json.dumps(manifest))


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
    change_manifest(saved, lambda manifest: manifest["fitted"].update(extra=1))  # type: ignore[attr-defined]
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
