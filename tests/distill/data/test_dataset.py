import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage

from fusion_agents.distill.data.dataset import (
    Dataset,
    material_of,
    prompt_of,
    read_dataset,
    render,
    write_dataset,
)
from fusion_agents.distill.data.manifest import FileNote
from fusion_agents.distill.data.prompting import turns_of
from fusion_agents.distill.formats.catalogue import format_classes, make_formats
from fusion_agents.distill.nouns import TrainingData
from fusion_agents.errors import ConfigError, DataError, EmptyLogError, RowError
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Query
from tests.distill.data.training_data import data, data_of, example, pair

ALL = tuple(format_classes())


def without_truth(given: TrainingData) -> TrainingData:
    def bare(query: Query) -> dict[str, Any]:
        return {"query": query.model_copy(update={"ground_truth": None})}

    return given.model_copy(
        update={
            "examples": tuple(one.model_copy(update=bare(one.query)) for one in given.examples),
            "pairs": tuple(one.model_copy(update=bare(one.query)) for one in given.pairs),
        }
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = write_dataset(data(), tmp_path / "data", formats=ALL, base="org/model")
    found = read_dataset(tmp_path / "data")
    assert found == Dataset(without_truth(data()), manifest)
    assert (manifest.n_examples, manifest.n_pairs) == (12, 12)
    assert manifest.formats == ALL
    assert manifest.options == {"criterion": "hybrid", "k": 5}


@pytest.mark.parametrize("strategy", ["direct", "think"])
@pytest.mark.parametrize("name", ALL)
def test_every_format_holds_the_messages_that_the_pool_sends(
    tmp_path: Path, name: str, strategy: str
) -> None:
    write_dataset(data(), tmp_path / "data", formats=[name], strategy=strategy)
    files = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    found = make_formats([name])[0].read(files)
    sending = Pool({"student": FakeChatModel()}).strategy(strategy)
    asked = [
        sending.prompt([HumanMessage(one.query.text)], one.query).messages
        for one in data().examples
    ]
    prompts = [one.prompt for one in (*found.demonstrations, *found.preferences)]
    assert prompts == [turns_of(messages) for messages in asked]
    answers = [one.answer for one in found.demonstrations]
    answers += [one.chosen for one in found.preferences]
    assert answers == [one.answer for one in data().examples]


def test_ground_truth_is_in_no_file(tmp_path: Path) -> None:
    write_dataset(data(), tmp_path / "data", formats=ALL)
    for path in (tmp_path / "data").iterdir():
        assert "truth-" not in path.read_text()


def test_lineage_is_in_our_own_files_and_in_no_export(tmp_path: Path) -> None:
    one = example(0, entry_keys=("secret-key",), sources=("ann",), tenants=("acme",))
    write_dataset(data_of([one, *data().examples]), tmp_path / "data", formats=("trl", "alpaca"))
    assert read_dataset(tmp_path / "data").data.examples[0].entry_keys == ("secret-key",)
    for name in ("trl.jsonl", "alpaca.json", "dataset_info.json", "llamafactory.yaml"):
        text = (tmp_path / "data" / name).read_text()
        assert not any(word in text for word in ("secret-key", "ann", "acme"))


def test_the_same_data_give_the_same_bytes_wherever_they_are_written(tmp_path: Path) -> None:
    def written(folder: Path) -> dict[str, bytes]:
        write_dataset(data(), folder, formats=reversed(ALL))  # type: ignore[arg-type]
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert written(tmp_path / "a") == written(tmp_path / "deep" / "b")


def test_what_was_read_is_written_as_it_was(tmp_path: Path) -> None:
    first = write_dataset(data(), tmp_path / "data")
    assert write_dataset(read_dataset(tmp_path / "data").data, tmp_path / "data") == first


def test_formats_lineage_and_base_leave_the_fingerprint_alone(tmp_path: Path) -> None:
    plain = write_dataset(data(), tmp_path / "a").fingerprint
    moved = data_of([example(n, sources=("other",)) for n in range(12)], data().pairs)
    assert write_dataset(moved, tmp_path / "b", formats=ALL, base="x").fingerprint == plain


CHANGES: dict[str, Callable[[], TrainingData]] = {
    "an answer": lambda: data_of([example(0, answer="8"), *data().examples[1:]], data().pairs),
    "a question": lambda: data_of([*data(11).examples, example(99)], data().pairs),
    "an example fewer": lambda: data(11),
    "another order": lambda: data_of(reversed(data().examples), data().pairs),
    "a pair": lambda: data_of(data().examples, [pair(0, rejected="7"), *data().pairs[1:]]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_what_is_learned_changes_the_fingerprint(
    tmp_path: Path, what: str
) -> None:
    one = write_dataset(data(), tmp_path / "a")
    other = write_dataset(CHANGES[what](), tmp_path / "b")
    assert one.fingerprint != other.fingerprint


def test_another_strategy_is_another_fingerprint(tmp_path: Path) -> None:
    one = write_dataset(data(), tmp_path / "a")
    other = write_dataset(data(), tmp_path / "b", strategy="think")
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("strategy", ["thought", "few-shot"])
def test_a_strategy_that_needs_a_log_is_refused_before_anything_is_written(
    tmp_path: Path, strategy: str
) -> None:
    with pytest.raises(ConfigError, match=r"changes with the log; take direct or think"):
        write_dataset(data(), tmp_path / "data", strategy=strategy)
    assert not (tmp_path / "data").exists()


def test_unknown_names_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no strategy 'clever'; students learn with direct"):
        write_dataset(data(), tmp_path / "data", strategy="clever")
    with pytest.raises(ConfigError, match=r"no export format 'csv'; known are alpaca, dpo"):
        write_dataset(data(), tmp_path / "data", formats=["trl", "csv"])


def test_without_examples_nothing_is_written(tmp_path: Path) -> None:
    held = data_of([example(0, answer="Bearer 0123456789abcdef")])
    with pytest.raises(EmptyLogError, match=r"no example .* 'holds what looks like a key' \(1\)"):
        write_dataset(held, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["dpo", "openai-preference"])
def test_a_format_of_pairs_needs_pairs(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="select pairs too"):
        write_dataset(data(12, 0), tmp_path / "data", formats=[name])


def test_a_format_that_turns_the_data_down_leaves_what_was_there(tmp_path: Path) -> None:
    first = write_dataset(data(), tmp_path / "data", formats=["openai-chat"])
    with pytest.raises(DataError, match="no fewer than 10"):
        write_dataset(data(9), tmp_path / "data", formats=["openai-chat"])
    assert read_dataset(tmp_path / "data").manifest == first


def test_a_format_is_rendered_from_data_in_memory(tmp_path: Path) -> None:
    write_dataset(data(), tmp_path / "data", formats=["openai-chat", "alpaca"], base="b")
    found = read_dataset(tmp_path / "data")
    for name in ("openai-chat", "alpaca"):
        made = render(found, name, base="b")
        for file in made.keys() - {"dataset_info.json"}:
            assert made[file] == (tmp_path / "data" / file).read_bytes()


def test_examples_say_what_a_student_is_sent(tmp_path: Path) -> None:
    write_dataset(data(), tmp_path / "data", strategy="think")
    found = read_dataset(tmp_path / "data")
    one = found.data.examples[0]
    assert found.messages(one) == prompt_of(one.query, "think")
    assert found.messages(one)[0].text.startswith(one.query.text)


@pytest.mark.parametrize("name", ["examples.jsonl", "pairs.jsonl", "trl.jsonl"])
def test_a_changed_or_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    write_dataset(data(), tmp_path / "data")
    path = tmp_path / "data" / name
    path.write_bytes(path.read_bytes().replace(b"It is", b"It was", 1))
    with pytest.raises(DataError, match=f"{name} was changed since it was written"):
        read_dataset(tmp_path / "data")
    path.unlink()
    with pytest.raises(DataError, match=name):
        read_dataset(tmp_path / "data")


def test_a_folder_without_data_says_how_to_make_them(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="fusion-agents distill export"):
            read_dataset(folder)


def edit_manifest(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"version": 2}, "newer version of fusion-agents"),
        ({"version": "x"}, "damaged or of something else"),
        ({"surprise": 1}, "damaged or of something else"),
        ({"fingerprint": "0" * 64}, "belongs to other data"),
        ({"prompting": "0" * 64}, "'direct' puts questions otherwise"),
        ({"files": {"../x": {"sha256": "0", "n_bytes": 0}}}, "names a file elsewhere"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    write_dataset(data(), tmp_path / "data")
    edit_manifest(tmp_path / "data", **fields)
    with pytest.raises(DataError, match=reason):
        read_dataset(tmp_path / "data")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff"])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    write_dataset(data(), tmp_path / "data")
    (tmp_path / "data" / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        read_dataset(tmp_path / "data")


def test_a_row_of_another_shape_is_named(tmp_path: Path) -> None:
    write_dataset(data(), tmp_path / "data")
    path = tmp_path / "data" / "examples.jsonl"
    path.write_bytes(path.read_bytes() + b'{"query": 1}\n')
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text())
    note = FileNote.of(path.read_bytes()).model_dump()
    edit_manifest(tmp_path / "data", files=manifest["files"] | {"examples.jsonl": note})
    with pytest.raises(RowError) as caught:
        read_dataset(tmp_path / "data")
    assert caught.value.line == 13


visible = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@settings(max_examples=30)
@given(question=visible, answer=visible)
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, question: str, answer: str
) -> None:
    folder = tmp_path_factory.mktemp("any") / "data"
    one = example(0, query=Query(text=question), answer=answer)
    write_dataset(data_of([one, example(1)]), folder, formats=("trl", "alpaca", "sharegpt"))
    read = read_dataset(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for made in make_formats(("trl", "alpaca", "sharegpt")):
        assert made.read(files).demonstrations == material_of(read.data).demonstrations
    if len(read.data.examples) == 2:
        assert read.data.examples[0] == one


def test_a_message_that_is_no_text_is_refused() -> None:
    picture = HumanMessage([{"type": "image_url", "image_url": {"url": "data:x"}}])
    with pytest.raises(ConfigError, match="learns from texts alone"):
        turns_of([SystemMessage("Look."), picture])
