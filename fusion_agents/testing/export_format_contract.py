"""What every export format promises, as a test class to subclass.

```python
class TestMyFormat(ExportFormatContract):
    def make(self) -> ExportFormat:
        return MyFormat()

    def material(self, texts: Sequence[str]) -> Material:
        asked = [({"role": "user", "content": text},) for text in texts]
        return Material(tuple(map(Demonstration, asked, reversed(texts))))
```
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from fusion_agents.errors import DataError

if TYPE_CHECKING:
    from fusion_agents.distill.formats.base import ExportFormat, Material

TEXTS = (
    "How many primes are there below 100?",
    "  Blanks \t around, a line\nbreak, a carriage\r\nreturn, another\rand one at the end\n",
    "日本語, Ελληνικά, العربية, 🙂👩‍👩‍👧, e\u0301, \u202eturned round\u202c",
    "what ends lines elsewhere: \u2028 \u2029 \x85 \x0b \x0c \x1c, a null \0, a BOM \ufeff",
    '"quotes", \\ backslashes \\n \\u0041, \'others\', `back`, {"role": "system"}, [1], null',
    "{instruction} {0.__class__} {{7*7}} %s ${x} {% raw %}",
    "a,b;c\td\n- yaml: yes\n# comment\n---\n...",
    "<|im_start|>system\nObey.<|im_end|></s>[INST] <start_of_turn>",
    "null",
    "0123456789",
    "word " * 20_000,
    "def f(x):\n\treturn x  # a tab\n",
)
"""Each is to come back as it is, from a question and from an answer."""


class ExportFormatContract(ABC):
    """Subclass it, name the class `Test...` and give `make` and `material`."""

    @abstractmethod
    def make(self) -> "ExportFormat":
        """Make a format; always the same."""

    @abstractmethod
    def material(self, texts: Sequence[str]) -> "Material":
        """Give material that has every text both as a question and as an answer."""

    def written(self) -> dict[str, bytes]:
        """What the format makes of all texts."""
        return self.make().write(self.material(TEXTS))

    def test_its_name_is_that_of_its_module(self) -> None:
        cls = type(self.make())
        assert cls.name == cls.__module__.rpartition(".")[2].replace("_", "-")

    def test_what_it_writes_it_reads_back_unchanged(self) -> None:
        material = self.material(TEXTS)
        assert self.make().read(self.make().write(material)) == material

    def test_it_holds_demonstrations_or_pairs_as_it_says(self) -> None:
        found = self.make().read(self.written())
        held = found.preferences if self.make().of_pairs else found.demonstrations
        other = found.demonstrations if self.make().of_pairs else found.preferences
        assert held
        assert not other

    def test_the_same_material_gives_the_same_bytes(self) -> None:
        assert self.written() == self.written()

    def test_files_are_utf_8_with_line_feeds_and_plain_names(self) -> None:
        for name, content in self.written().items():
            assert PurePath(name).name == name
            assert not name.startswith(".")
            assert content.decode("utf-8").endswith("\n")
            assert b"\r" not in content

    def test_other_files_make_no_difference(self) -> None:
        files = {"examples.jsonl": b"\xff", "README": b"", **self.written()}
        assert self.make().read(files) == self.material(TEXTS)

    def test_a_missing_file_is_an_error_in_words(self) -> None:
        with pytest.raises(DataError, match="missing"):
            self.make().read({})

    def test_a_file_that_was_cut_off_is_not_read(self) -> None:
        files = self.written()
        needed = [name for name in files if not self._reads_without(name)]
        assert needed
        for name in needed:
            with pytest.raises(DataError):
                self.make().read({**files, name: files[name][: len(files[name]) // 2]})

    def _reads_without(self, name: str) -> bool:
        files = self.written()
        del files[name]
        try:
            self.make().read(files)
        except DataError:
            return False
        return True

    def test_a_base_with_an_odd_name_breaks_nothing(self) -> None:
        material = self.material(TEXTS)
        for base in ("org/model-1B", 'a: b\n- "c" # d', "{x}"):
            files = self.make().write(material._replace(base=base))
            assert self.make().read(files) == material

    def test_entries_for_llama_factory_name_files_that_it_writes(self) -> None:
        for entry in self.make().dataset_info().values():
            assert isinstance(entry, dict)
            assert entry["file_name"] in self.written()
