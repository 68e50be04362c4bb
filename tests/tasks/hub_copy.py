"""Writes the small data as repositories of the hub hold theirs: parquet files and a card."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.tasks.rows import ROWS, Rows


def write_hub_copy(folder: Path) -> None:
    cards = defaultdict[str, list[str]](list)
    for (dataset, config), splits in ROWS.items():
        card = cards[dataset]
        card.append(f"- config_name: {config or 'default'}\n  data_files:\n")
        for split, rows in splits.items():
            path = _write(folder / dataset, config, split, rows)
            card.append(f"  - split: {split}\n    path: {path}\n")
    for dataset, card in cards.items():
        text = f"---\nlicense: mit\nconfigs:\n{''.join(card)}---\n# A card\n"
        (folder / dataset / "README.md").write_text(text)


def _write(folder: Path, config: str | None, split: str, rows: Rows) -> str:
    """Write one split as its source keeps it; gives the pattern that the card names."""
    if folder.name == "gpqa":
        return _write_csv(folder, config, rows)
    if folder.name == "hendrycks_math":  # any container that the library knows will do
        path = folder / f"{config}/{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return f"{config}/{split}.jsonl"
    path = folder / (config or "data") / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return f"{config or 'data'}/{split}-*"


def _write_csv(folder: Path, config: str | None, rows: Rows) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{config}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return f"{config}.csv"
