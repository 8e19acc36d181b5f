"""The history as a table."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from flambeau.train import ranks

__all__ = ["CSVLogger"]


class CSVLogger:
    """Writes one row for each epoch to `path`.

    The whole table is written anew each time, from the trainer's history, so that a resumed run has no row twice.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, trainer: Any) -> None:
        """Replaces the file by one with the new row."""
        if ranks.mine() != 0:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        columns = list(dict.fromkeys(name for row in trainer.history for name in row))
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, columns)
            table.writeheader()
            table.writerows(trainer.history)
        new.replace(self.path)
