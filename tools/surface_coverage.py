"""How much of what third-party packages touch is there: names of a table, weighted by how many packages use each.

    python tools/surface_coverage.py ../shared/measure/surface.tsv [--missing 60]

The table has a row a name: name, packages that touch it at import, packages that touch it at all, some of them.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import pathlib
import types
import warnings

from flambeau import compat
from flambeau.compat import Missing


def is_there(name: str) -> bool:
    """Whether `name`, such as torch.nn.Module.register_buffer, leads to something of flambeau's."""
    found, path = importlib.import_module("torch"), "torch"
    for part in name.split(".")[1:]:
        path = f"{path}.{part}"
        inside = getattr(found, part, None)
        if inside is None and isinstance(found, types.ModuleType):
            with contextlib.suppress(ImportError):
                inside = importlib.import_module(path)
        if inside is None or isinstance(inside, Missing):
            # Modules and classes have members that are None; only of these does that mean something.
            return inside is None and part in dir(found)
        found = inside
    # A module that stands for nothing has no module of flambeau's inside.
    return getattr(found, "_inner", found) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--missing", type=int, default=60, help="how many missing names to list")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    compat.install()
    with arguments.table.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    lacking = [row for row in rows if not is_there(row["name"])]
    uses = sum(int(row["at all"]) for row in rows)
    lost = sum(int(row["at all"]) for row in lacking)
    for row in sorted(lacking, key=lambda row: -int(row["at all"]))[: arguments.missing]:
        print(f"{row['at import']:>4} {row['at all']:>4}  {row['name']:50} {row['packages']}")
    print(
        f"{len(rows) - len(lacking)} of {len(rows)} names, {100 * (1 - lost / uses):.1f} % by use"
    )


if __name__ == "__main__":
    main()
