from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.pool import Pool
from fusion_agents.pool.models_file import read_models
from fusion_agents.students import StudentChatModel


def config_of(folder: Path, content: str = '{"max_position_embeddings": 512}') -> Path:
    """A folder that looks like a model, until its weights are loaded."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(content)
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def adapter_over(base: object, folder: Path) -> Path:
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter/adapter_config.json").write_text("{}")
    (folder / "adapter/adapter_model.safetensors").write_bytes(b"")
    said = f'{{"name": "small", "base": "{base}", "provider": "local"}}'
    (folder / "student.json").write_text(said)
    return folder


def problem(table: object) -> str:
    with pytest.raises(ConfigError) as caught:
        Pool({"small": table}).chat_model("small")  # type: ignore[dict-item]
    assert caught.value.__context__ is None
    assert str(caught.value).startswith("model 'small': ")
    return str(caught.value)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a library look as if it was not installed."""
    found = util.find_spec

    def hide(name: str) -> None:
        monkeypatch.setattr(
            util, "find_spec", lambda one, *rest: None if one == name else found(one, *rest)
        )

    return hide


pytestmark = pytest.mark.skipif(
    any(util.find_spec(name) is None for name in ("torch", "transformers", "peft")),
    reason="needs the extra train",
)


def test_a_pool_makes_a_student_with_its_options(tmp_path: Path) -> None:
    folder = config_of(tmp_path / "base")
    pool = Pool({"small": {"model": f"student:{folder}", "max_tokens": 7, "seed": 3}})
    made = pool.chat_model("small")
    assert isinstance(made, StudentChatModel)
    assert (made.folder, made.max_tokens, made.seed) == (str(folder), 7, 3)


def test_the_card_knows_what_a_student_is_able_to_do(tmp_path: Path) -> None:
    card = Pool({"small": f"student:{config_of(tmp_path / 'base')}"}).card("small")
    assert (card.context_window, card.tools, card.vision) == (512, False, False)
    assert card.structured_output is False


def test_a_relative_folder_is_meant_from_the_folder_of_the_file(tmp_path: Path) -> None:
    folder = config_of(tmp_path / "students/out")
    file = tmp_path / "models.toml"
    file.write_text('[models.small]\nmodel = "student:students/out"\n')
    assert read_models(file)["small"].spec == f"student:{folder}"


def test_what_is_no_folder_beside_the_file_may_be_a_name_on_the_hub(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[models.small]\nmodel = "student:owner/model-1b"\n')
    member = read_models(file)["small"]
    assert member.spec == "student:owner/model-1b"
    assert isinstance(Pool({"small": member}).chat_model("small"), StudentChatModel)


def test_two_ways_to_one_student_are_one_model(tmp_path: Path) -> None:
    folder = config_of(tmp_path / "students/out")
    file = tmp_path / "models.toml"
    file.write_text(
        f'[models.a]\nmodel = "student:students/out"\n[models.b]\nmodel = "student:{folder}"\n'
    )
    with pytest.raises(ConfigError, match="are the same model"):
        Pool.from_toml(file)


def test_a_missing_extra_is_named(tmp_path: Path, without: Callable[[str], None]) -> None:
    folder = config_of(tmp_path / "base")
    without("torch")
    assert "pip install 'fusion-agents[train]'" in problem(f"student:{folder}")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"no folder '{tmp_path}/none'" in problem(f"student:{tmp_path}/none")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    said = problem(f"student:{tmp_path}")
    assert "neither student.json, adapter_config.json nor config.json" in said


def test_a_base_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = adapter_over(tmp_path / "base", tmp_path / "out")
    assert f"its base '{tmp_path}/base' is gone" in problem(f"student:{folder}")


def test_a_student_that_was_not_trained_to_its_end_says_so(tmp_path: Path) -> None:
    folder = adapter_over("owner/model", tmp_path / "out")
    (folder / "adapter/adapter_config.json").unlink()
    assert "neither an adapter/ nor a merged/ folder" in problem(f"student:{folder}")


def test_weights_that_could_hold_code_are_not_read(tmp_path: Path) -> None:
    folder = config_of(tmp_path / "base")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "no weights in the format safetensors" in problem(f"student:{folder}")
    adapted = adapter_over("owner/model", tmp_path / "out")
    weights = adapted / "adapter/adapter_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    assert "there is no adapter_model.safetensors" in problem(f"student:{adapted}")


def test_a_student_of_a_provider_is_asked_there(tmp_path: Path) -> None:
    said = '{"name": "small", "base": "gpt", "provider": "openai", "spec": "openai:ft:x"}'
    (tmp_path / "student.json").write_text(said)
    assert "ask it as 'openai:ft:x'" in problem(f"student:{tmp_path}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"top_p": 0.5}, "'top_p' is no option of a student"),
        ({"max_tokens": 0}, "max_tokens: input should be greater"),
        ({"base_url": "http://127.0.0.1/v1"}, "without a base_url"),
    ],
)
def test_an_option_that_is_wrong_is_named(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    folder = config_of(tmp_path / "base")
    assert said in problem({"model": f"student:{folder}", **options})


def test_a_damaged_config_is_named_when_the_student_is_made(tmp_path: Path) -> None:
    folder = config_of(tmp_path / "base", "[")
    with pytest.raises(ConfigError, match="cannot load 'base'"):
        Pool({"small": f"student:{folder}"}).chat_model("small").invoke("?")
