"""Small data in the shape of the hub's: the same columns, and nothing of the real content.

Each training split repeats two test questions, one word for word and one with a word more, so
that a task that draws them is found out.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion_agents.tasks import Part

Rows = list[dict[str, Any]]
Make = Callable[[int, str], dict[str, Any]]

_TEXT = """
    amber anchor apple arrow autumn badge barrel basket beacon beaver bishop blanket bottle bridge
    bronze butter cabin candle canvas carrot castle cellar cherry chisel circus cloud cobalt
    copper cotton cradle crystal dagger desert dragon eagle ember engine falcon feather fiddle
    forest fossil garden ginger glacier goblet granite hammer harbor hazel helmet honey island
    ivory jacket jasmine jungle kettle ladder lagoon lantern lemon lizard magnet maple marble
    meadow mirror mustard needle nickel oyster paddle parrot pebble pepper pigeon pillow planet
    pocket quartz rabbit ribbon saddle saffron salmon sandal shovel silver spider spruce stable
    sunset temple thimble ticket timber tunnel turnip velvet violin walnut weasel willow window
"""
_WORDS = _TEXT.split()
N_TRAIN, N_TEST = 30, 14
_SIZES = {"train": N_TRAIN, "validation": N_TEST, "test": N_TEST, "dev": 5}


def words(key: str, n: int) -> str:
    """Say something that no other key says, but for case and a last word `again`."""
    key = key.lower().replace(" again", "")
    return " ".join(random.Random(key).choices(_WORDS, k=n))


def _gsm8k(i: int, text: str) -> dict[str, Any]:
    worked = f"There are <<{i}+1={i + 1}>>{i + 1} of them.\n#### {i + 1},000"
    return {"question": f"{text}?", "answer": worked}


def _math(i: int, text: str) -> dict[str, Any]:
    solution = rf"First $\boxed{{0}}$ is wrong; so it is $\boxed{{\frac{{{i + 1}}}{{7}}}}$."
    return {
        "problem": f"{text}.", "level": "Level 3", "type": "Algebra", "solution": solution,
    }  # fmt: skip


def _mbpp(i: int, text: str) -> dict[str, Any]:
    return {
        "task_id": i, "text": f"Write a function to {text}.",
        "code": f"def solve_{i}(n):\r\n    return n + {i}",
        "test_list": [f"assert solve_{i}({n}) == {n + i}" for n in range(3)],
        "test_setup_code": "import collections" if i % 2 else "",
        "challenge_test_list": [f"assert solve_{i}(77) == {77 + i}"],
    }  # fmt: skip


def _humaneval(i: int, text: str) -> dict[str, Any]:
    return {
        "task_id": f"HumanEval/{i}",
        "prompt": f'import math\n\n\ndef f{i}(n: int) -> int:\n    """ {text}\n    """\n',
        "canonical_solution": f"    return n + {i}\n",
        "test": f"\n\n\ndef check(candidate):\n    assert candidate(41) == {41 + i}\n",
        "entry_point": f"f{i}",
    }


def _options(text: str, labels: str) -> dict[str, list[str]]:
    return {"text": [words(f"{text}{one}", 2) for one in labels], "label": list(labels)}


def _commonsense(i: int, text: str) -> dict[str, Any]:
    return {
        "id": f"q{i}", "question": f"{text}?", "question_concept": "thing",
        "choices": _options(text, "ABCDE"), "answerKey": "ABCDE"[i % 5],
    }  # fmt: skip


def _arc(i: int, text: str) -> dict[str, Any]:
    labels = "1234" if i % 3 == 0 else "ABCD"
    return {
        "id": f"q{i}", "question": f"{text}?", "choices": _options(text, labels),
        "answerKey": labels[i % 4],
    }  # fmt: skip


def _openbook(i: int, text: str) -> dict[str, Any]:
    return {
        "id": f"q{i}", "question_stem": text, "choices": _options(text, "ABCD"),
        "answerKey": "ABCD"[i % 4],
    }  # fmt: skip


def _hellaswag(i: int, text: str) -> dict[str, Any]:
    return {
        "ind": i, "activity_label": "Cooking", "ctx_a": text, "ctx_b": "then",
        "ctx": f"[header] {text} [title] then", "source_id": f"s~{i}", "split": "train",
        "endings": [words(f"{text}{n}", 6) + " [step] ends." for n in range(4)],
        "split_type": "indomain", "label": str(i % 4),
    }  # fmt: skip


def _natural(i: int, text: str) -> dict[str, Any]:
    return {"question": text, "answer": [f"Number {i}", f"the {i}th", f"Number {i}"]}


def _trivia(i: int, text: str) -> dict[str, Any]:
    answer = {
        "aliases": [f"Saint-{words(text, 1)}", f"{words(text, 1)} (place)"],
        "normalized_aliases": [f"saint {words(text, 1)}"],
        "matched_wiki_entity_name": "", "normalized_matched_wiki_entity_name": "",
        "normalized_value": f"saint {words(text, 1)}", "type": "WikipediaEntity",
        "value": f"Saint {words(text, 1)}",
    }  # fmt: skip
    pages: dict[str, list[str]] = {"doc_source": [], "title": []}
    return {
        "question": f"{text}?", "question_id": f"tc_{i}", "question_source": "http://example.org/",
        "entity_pages": pages, "search_results": pages, "answer": answer,
    }  # fmt: skip


def _squad(i: int, text: str) -> dict[str, Any]:
    passage = words(f"{text} passage", 60)
    spans = [passage[:12], passage[:20], passage[:12]]
    return {
        "id": f"q{i}", "title": "T", "context": f"{passage}.", "question": f"{text}?",
        "answers": {"text": spans, "answer_start": [0, 0, 0]},
    }  # fmt: skip


def _boolq(i: int, text: str) -> dict[str, Any]:
    passage = words(f"{text} passage", 60)
    return {"question": text, "answer": i % 2 == 0, "passage": passage}


def _mmlu(i: int, text: str) -> dict[str, Any]:
    choices = _options(text, "ABCD")["text"]
    return {"question": f"{text}?", "subject": "anatomy", "choices": choices, "answer": i % 4}


def _gpqa(i: int, text: str) -> dict[str, Any]:
    wrong = {f"Incorrect Answer {n}": f"wrong {words(f'{text}{n}', 2)}\n" for n in (1, 2, 3)}
    return {
        "Question": f"{text}?\n", "Correct Answer": f"right {words(text, 2)}\n", **wrong,
        "Record ID": f"rec{i}", "Subdomain": "Physics", "Canary String": "",
    }  # fmt: skip


def _split(make: Make, dataset: str, config: str | None, split: str) -> Rows:
    name = f"{dataset} {config}"
    found = [make(i, words(f"{name} {split} {i}", 14)) for i in range(_SIZES[split])]
    if split == "train":  # the other splits' first questions again
        for at, other in enumerate(("validation", "test")):
            found[2 * at] = make(0, words(f"{name} {other} 0", 14))
            found[2 * at + 1] = make(1, words(f"{name} {other} 1", 14).upper() + " again")
    return found


def _all() -> dict[tuple[str, str | None], dict[str, Rows]]:
    areas = ("algebra", "counting_and_probability", "geometry", "intermediate_algebra")
    more_areas = ("number_theory", "prealgebra", "precalculus")
    both, three = ("train", "test"), ("train", "validation", "test")
    shapes: list[tuple[str, str | None, tuple[str, ...], Make]] = [
        ("openai/gsm8k", "main", both, _gsm8k),
        *(("EleutherAI/hendrycks_math", area, both, _math) for area in areas + more_areas),
        ("google-research-datasets/mbpp", "full", three, _mbpp),
        ("openai/openai_humaneval", "openai_humaneval", ("test",), _humaneval),
        ("tau/commonsense_qa", None, three, _commonsense),
        ("allenai/ai2_arc", "ARC-Challenge", three, _arc),
        ("Rowan/hellaswag", None, three, _hellaswag),
        ("allenai/openbookqa", "main", three, _openbook),
        ("google-research-datasets/nq_open", "nq_open", ("train", "validation"), _natural),
        ("mandarjoshi/trivia_qa", "rc.nocontext", three, _trivia),
        ("rajpurkar/squad", "plain_text", ("train", "validation"), _squad),
        ("google/boolq", None, ("train", "validation"), _boolq),
        ("cais/mmlu", "all", ("test", "validation", "dev"), _mmlu),
        ("Idavidrein/gpqa", "gpqa_main", ("train",), _gpqa),
    ]
    found = {
        (dataset, config): {split: _split(make, dataset, config, split) for split in splits}
        for dataset, config, splits, make in shapes
    }
    for dataset, split in (("tau/commonsense_qa", "test"), ("Rowan/hellaswag", "test")):
        for row in found[dataset, None][split]:
            row["answerKey" if "answerKey" in row else "label"] = ""
    mmlu = found["cais/mmlu", "all"]
    mmlu["validation"][:2] = mmlu["test"][:1] + mmlu["test"][1:2]
    mmlu["dev"][0] = mmlu["test"][2] | {"question": mmlu["test"][2]["question"].upper() + " again"}
    gpqa = found["Idavidrein/gpqa", "gpqa_main"]["train"]
    for i in range(10):  # among each other, since they are all that there is
        gpqa[i] = gpqa[-1 - i] | {"Question": gpqa[-1 - i]["Question"].upper() + " again"}
    humaneval = found["openai/openai_humaneval", "openai_humaneval"]["test"]
    for i in range(5):
        humaneval[i]["prompt"] = humaneval[-1 - i]["prompt"] + "    # again\n"
    trivia = found["mandarjoshi/trivia_qa", "rc.nocontext"]["validation"]
    trivia[5] = trivia[6]
    return found


ROWS = _all()


def in_memory(part: Part) -> Sequence[Mapping[str, Any]]:
    """Give the rows of a part as the hub would."""
    rows = ROWS[part.dataset, part.config][part.split]
    return [{name: row[name] for name in part.columns} for row in rows]
