import json
import os
import stat
import struct
from pathlib import Path

import pytest

from fusion_agents.distill.comparing.comparison import (
    Asked,
    Comparison,
    Contrast,
    Finding,
    Reference,
    Side,
)
from fusion_agents.distill.nouns import Student
from fusion_agents.distill.registering.cards import describe
from fusion_agents.distill.registering.registering import needs_price, register_student
from fusion_agents.distill.registering.serving import serving_command
from fusion_agents.errors import ConfigError
from fusion_agents.file_lock import locked
from fusion_agents.pool.models_file import read_models
from fusion_agents.pool.tables import Price

MINE = """# our models
[models.small]
model = "openai:gpt-5-mini"  # the cheap one
"""


def safetensors(path: Path, **shapes: list[int]) -> None:
    """A file of weights with its header, which is all that is read."""
    tensors = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


@pytest.fixture
def student(tmp_path: Path) -> Student:
    base, out = tmp_path / "llama-1b", tmp_path / "out"
    base.mkdir()
    (base / "config.json").write_text('{"max_position_embeddings": 2048}')
    safetensors(base / "model-1.safetensors", embedding=[1000, 1000])
    safetensors(base / "model-2.safetensors", layer=[500, 1000], bias=[1000])
    (out / "adapter").mkdir(parents=True)
    (out / "adapter/adapter_config.json").write_text('{"r": 8}')
    safetensors(out / "adapter/adapter_model.safetensors", lora=[8, 1000])
    made = Student(
        name="arithmetic",
        spec=f"student:{out}",
        base=str(base),
        base_spec=f"student:{base}",
        provider="local",
        strategy="think",
        data="0123456789abcdef",
        n_examples=1200,
        tasks=("gsm8k", "math"),
    )
    (out / "student.json").write_text(made.model_dump_json())
    return made


def tuned(**changes: object) -> Student:
    """A student of a provider."""
    said = {
        "name": "tuned", "spec": "openai:ft:gpt-4.1-mini:acme::x", "base": "gpt-4.1-mini",
        "base_spec": "openai:gpt-4.1-mini", "provider": "openai", "data": "feed", "n_examples": 9,
    }  # fmt: skip
    return Student.model_validate({**said, **changes})


def contrast(task: str, finding: Finding, base: float, student: float) -> Contrast:
    return Contrast(
        over="task", task=task, n_asked=50, n=50, n_groups=50, base=Side(performance=base),
        student=Side(performance=student), delta=student - base, finding=finding,
    )  # fmt: skip


def comparison(student: Student, **changes: object) -> Comparison:
    rows = (
        contrast("gsm8k", "helped", 0.2, 0.8),
        contrast("math", "hurt", 0.5, 0.25),
        contrast("mbpp", "no certain difference", 0.5, 0.5),
        contrast("arc", "too few", 0.5, 1.0),
    )
    made = Comparison(
        student=student.name, student_spec=student.spec, base="base", base_spec=student.base_spec,
        data=student.data, asked=Asked(strategy="think", decoding={}, checked=()), n_queries=200,
        n_groups=200, overall=contrast("", "helped", 0.4, 0.6), tasks=rows, seed=0, n_bootstrap=1,
        references=(
            Reference(arm="large@think", n=9, performance=0.9, base=0.4, student=0.6, teacher=True),
            Reference(arm="other@direct", n=9, performance=0.1, base=0.4, student=0.6),
        ),
    )  # fmt: skip
    return made.model_copy(update=changes)


def test_a_student_is_a_model_of_the_pool_with_a_card(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(MINE)
    made = register_student(student, file, comparison=comparison(student))
    assert file.read_text().startswith(MINE)
    assert made.spec == student.spec
    assert made.strategies == ("think",)
    assert (made.card.size, made.card.context_window) == (0.001501, 2048)
    assert (made.card.input_price, made.card.output_price) == (0.0, 0.0)
    assert list(read_models(file)) == ["small", "arithmetic"]


def test_the_card_says_what_it_was_made_of_and_where_it_helped(student: Student) -> None:
    assert describe(student, comparison(student)) == (
        "llama-1b, trained on 1,200 right answers by large on gsm8k, math; data 0123456789ab. "
        "On held-out questions: better than its base on gsm8k (20% to 80%); worse than its base on "
        "math (50% to 25%); no certain difference on mbpp; too few questions to tell on arc."
    )


def test_without_a_comparison_the_card_claims_nothing(student: Student) -> None:
    assert describe(student).endswith("on gsm8k, math; data 0123456789ab.")


def test_names_of_others_cannot_fill_the_card(student: Student) -> None:
    named = student.model_copy(update={"tasks": ("a\n[models.x]", "b" * 500, *"cdefgh")})
    said = describe(named)
    assert "\n" not in said
    assert "and 2 more" in said
    assert len(said) < 300


def test_a_comparison_of_another_training_is_refused(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    with pytest.raises(ConfigError, match=r"trained on data beef, and not .* 0123456789ab"):
        register_student(student, file, comparison=comparison(student, data="beef"))
    assert not file.exists()


def test_the_same_call_again_changes_nothing(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    register_student(student, file)
    before, when = file.read_bytes(), file.stat().st_mtime_ns
    register_student(student, file)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (before, when)


def test_what_the_user_added_stays(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    register_student(student, file)
    by_hand = file.read_text().replace("price = { input = 0.0, output = 0.0 }", "")
    by_hand += "price = { input = 0.1, output = 0.2 }  # our electricity\ndevice = 'cpu'\n"
    file.write_text(by_hand)
    made = register_student(student, file, comparison=comparison(student))
    assert made.card.output_price == 0.2
    assert made.options == {"device": "cpu"}
    assert "# our electricity" in file.read_text()
    assert "better than its base" in made.card.description
    assert register_student(student, file, price=Price(input=1, output=2)).card.output_price == 2


def test_a_name_of_another_model_is_refused(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(MINE)
    with pytest.raises(ConfigError, match="'small' is another model, 'openai:gpt-5-mini'"):
        register_student(student, file, name="small")
    with pytest.raises(ConfigError, match="differ only in case"):
        register_student(student, file, name="Small")
    assert file.read_text() == MINE


def test_one_student_has_one_name(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    register_student(student, file)
    with pytest.raises(ConfigError, match="are the same model"):
        register_student(student, file, name="twin")


def test_a_file_that_is_wrong_is_left_alone(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text("[models.small]\nmodle = 'openai:gpt-5'\n")
    with pytest.raises(ConfigError, match=r"models\.small"):
        register_student(student, file)
    assert file.read_text().startswith("[models.small]\nmodle")


def test_a_strategy_that_nobody_knows_is_refused(student: Student, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown strategy 'dance'"):
        register_student(student.model_copy(update={"strategy": "dance"}), tmp_path / "models.toml")
    assert not (tmp_path / "models.toml").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_new_file_is_the_users_alone_and_another_keeps_its_permissions(
    student: Student, tmp_path: Path
) -> None:
    new, old = tmp_path / "new.toml", tmp_path / "old.toml"
    old.write_text(MINE)
    old.chmod(0o644)
    for file in (new, old):
        register_student(student, file)
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert stat.S_IMODE(old.stat().st_mode) == 0o644


@pytest.mark.skipif(os.name != "posix", reason="links as POSIX has them")
def test_a_link_stays_one(student: Student, tmp_path: Path) -> None:
    there, link = tmp_path / "there.toml", tmp_path / "models.toml"
    there.write_text(MINE)
    link.symlink_to(there)
    register_student(student, link)
    assert link.is_symlink()
    assert "arithmetic" in there.read_text()


def test_two_processes_do_not_write_at_a_time(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    with locked(file), pytest.raises(ConfigError, match="another process is writing"):
        register_student(student, file)


def test_a_server_has_the_student_under_its_name_and_back(student: Student, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    register_student(student, file)
    url = "http://127.0.0.1:8000/v1"
    served = register_student(student, file, base_url=url, api_key_env="VLLM_KEY")
    assert (served.spec, served.base_url, served.api_key_env) == ("arithmetic", url, "VLLM_KEY")
    assert served.options == {"temperature": 0.0, "max_tokens": 1024}
    assert register_student(student, file, base_url=url).api_key_env == "VLLM_KEY"
    back = register_student(student, file)
    assert (back.spec, back.base_url, back.api_key_env) == (student.spec, None, None)


def test_a_served_model_of_that_name_that_is_no_student_is_refused(
    student: Student, tmp_path: Path
) -> None:
    file = tmp_path / "models.toml"
    text = '[models.arithmetic]\nmodel = "arithmetic"\nbase_url = "http://127.0.0.1:1/v1"\n'
    file.write_text(text)
    with pytest.raises(ConfigError, match="'arithmetic' is another model"):
        register_student(student, file, base_url="http://127.0.0.1:1/v1")


def test_a_student_of_a_provider_is_asked_there(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    student = tuned(settings={"server": "https://api.openai.com/v1/"})
    assert needs_price(student, file)
    made = register_student(student, file, price=Price(input=0.3, output=1.2))
    assert (made.spec, made.base_url, made.card.size) == (student.spec, None, None)
    assert made.card.output_price == 1.2
    assert not needs_price(student, file)


def test_a_student_of_another_server_is_asked_there(tmp_path: Path) -> None:
    student = tuned(settings={"server": "http://127.0.0.1:9/v1"})
    made = register_student(student, tmp_path / "models.toml", api_key_env="THEIR_KEY")
    assert (made.base_url, made.api_key_env) == ("http://127.0.0.1:9/v1", "THEIR_KEY")
    assert (made.spec, made.card.input_price) == (student.spec, None)


def test_the_command_serves_base_and_adapter(student: Student, tmp_path: Path) -> None:
    assert serving_command(student) == (
        f"vllm serve {tmp_path}/llama-1b --enable-lora --lora-modules "
        f"arithmetic={tmp_path}/out/adapter --max-lora-rank 8 --generation-config vllm"
    )


def test_the_command_is_quoted_and_its_rank_is_one_that_vllm_knows(
    student: Student, tmp_path: Path
) -> None:
    adapter = tmp_path / "out/adapter"
    (adapter / "adapter_config.json").write_text('{"r": 8, "rank_pattern": {"q_proj": 20}}')
    (adapter / "chat_template.jinja").write_text("")
    command = serving_command(student, "it's; rm -rf")
    assert f"--lora-modules 'it'\"'\"'s; rm -rf={adapter}' --max-lora-rank 32 " in command
    assert f"--chat-template {adapter}/chat_template.jinja" in command
    assert '\'{"name": "a=b", "path": ' in serving_command(student, "a=b")


def test_the_command_serves_merged_weights_alone(student: Student, tmp_path: Path) -> None:
    merged = tmp_path / "out/merged"
    merged.mkdir()
    (merged / "config.json").write_text("{}")
    safetensors(merged / "model.safetensors", layer=[2, 2])
    assert serving_command(student, "s") == (
        f"vllm serve {merged} --served-model-name s --generation-config vllm"
    )


def test_no_command_serves_what_a_provider_has() -> None:
    with pytest.raises(ConfigError, match="served by its provider"):
        serving_command(tuned())


def test_too_large_a_rank_is_to_be_merged(student: Student, tmp_path: Path) -> None:
    (tmp_path / "out/adapter/adapter_config.json").write_text('{"r": 1024}')
    with pytest.raises(ConfigError, match="up to rank 512, not 1024"):
        serving_command(student)
