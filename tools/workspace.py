"""Text between two markers of a page: how a measurement gets into the documentation without anyone retyping it."""

from __future__ import annotations

import os
import pathlib
import platform
import re

ROOT = pathlib.Path(__file__).parents[1]


def write_between_markers(page: pathlib.Path, name: str, text: str) -> None:
    """Replaces what stands between ``<!-- name -->`` and ``<!-- /name -->``; a page without the markers is an error."""
    old = page.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    new, count = pattern.subn(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", old)
    if count != 1:
        raise SystemExit(f"{page} has {count} places marked <!-- {name} -->; expected one")
    page.write_text(new)


def markdown_table(header: list[str], rows: list[list[str]], figures: bool = True) -> str:
    """A table whose first column is text and whose others are figures, or text too."""
    alignment = ["---"] + ["---:" if figures else "---"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, alignment, *rows])


def machine() -> str:
    """The processor and Python that figures were taken on, in one line."""
    processor = platform.processor() or platform.machine()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        processor = found[1]
    load = os.getloadavg()[
        0
    ]  # figures taken beside other work are worth less: the reader should know
    return (
        f"{processor}, {os.cpu_count()} cores (load {load:.1f}), Python {platform.python_version()}"
    )
