"""Rows from the Hugging Face hub, or from copies of its repositories on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from fusion_agents.errors import DataError, MissingExtraError
from fusion_agents.tasks.part import Part


@dataclass(kw_only=True, frozen=True)
class HubLoader:
    """Loads the rows of a part with Hugging Face `datasets` (extra `tasks`).

    What was downloaded once is kept in the library's own cache; rows stay on disk and are read
    as they are asked for. Who may read a gated dataset is decided by the library's own login.

    Args:
        folder: A folder with copies of the repositories, each under its id (`openai/gsm8k/...`),
            as `hf download --repo-type dataset ID --local-dir FOLDER/ID` makes them; nothing is
            downloaded then.
        revisions: Commit, tag or branch by dataset id, to pin them; `main` for the others.
        cache: Where the library keeps what it prepared; its own choice for none.
    """

    folder: Path | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None

    def __call__(self, part: Part) -> Sequence[Mapping[str, Any]]:
        """Load one part.

        Raises:
            MissingExtraError: If `datasets` is not installed.
            DataError: If the data cannot be had, or lacks a column.
        """
        datasets = _library()
        failures = (datasets.exceptions.DatasetsError, OSError, ValueError)
        try:
            rows = datasets.load_dataset(
                self._path(part), part.config, split=part.split,
                revision=None if self.folder else self.revisions.get(part.dataset),
                cache_dir=None if self.cache is None else str(self.cache),
            )  # fmt: skip
        except failures as error:
            raise DataError(f"{part} cannot be loaded: {error}{_advice(part, error)}") from error
        missing = sorted(set(part.columns) - set(rows.column_names))
        if missing:
            there = ", ".join(map(repr, rows.column_names))
            raise DataError(f"{part} has no column {', '.join(map(repr, missing))}, only {there}")
        return cast("Sequence[Mapping[str, Any]]", rows.select_columns(list(part.columns)))

    def _path(self, part: Part) -> str:
        if self.folder is None:
            return part.dataset
        path = self.folder / part.dataset
        if not path.is_dir():
            raise DataError(f"{path}: there is no copy of the dataset {part.dataset} here")
        return str(path)


def _library() -> ModuleType:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise MissingExtraError("loading the data of a task", "tasks") from error


def _advice(part: Part, error: Exception) -> str:
    if "gated" in str(error).lower():
        page = f"https://huggingface.co/datasets/{part.dataset}"
        return f"; accept its terms at {page}, then run: hf auth login"
    return ""
