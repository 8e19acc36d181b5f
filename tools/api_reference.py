"""Writes the API reference as Markdown pages, one a public module: ``python tools/api_reference.py docs/api``.

Docstrings are Markdown with ``>>>`` examples. A public function or class without one fails the build: it would be a
hole in the reference that nobody sees.
"""

from __future__ import annotations

import inspect
import pathlib
import shutil
import sys
from types import ModuleType

from public_api import public_members, public_modules, public_objects, signature_of


def fenced(docstring: str) -> str:
    """The docstring with its ``>>>`` examples in code fences."""
    lines: list[str] = []
    inside = False
    for line in inspect.cleandoc(docstring).splitlines():
        starts = line.lstrip().startswith(">>>")
        if starts and not inside:
            lines += ["", "```python"]
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line.strip() if starts else line)
    if inside:
        lines.append("```")
    return "\n".join(lines)


def entry(qualified: str, value: object, level: int) -> list[str]:
    """Heading, signature and docstring of one object."""
    kind = "class " if inspect.isclass(value) else ""
    heading = f"{'#' * level} `{qualified}`"
    signature = "" if isinstance(value, property) else signature_of(value)
    parts = [heading, f"```python\n{kind}{qualified}{signature}\n```"]
    parts.append(fenced(inspect.getdoc(value) or ""))
    return parts


def page(module: ModuleType) -> tuple[str, list[str]]:
    """The page of one module, and the names in it that nobody documented."""
    name = module.__name__
    parts = [f"# {name}", fenced(inspect.getdoc(module) or "")]
    missing: list[str] = []
    for short, value in public_objects(module):
        is_class = inspect.isclass(value)
        if not is_class and not callable(value):
            continue  # constants and dtypes: the module's own text tells of them
        if not inspect.getdoc(value):
            missing.append(f"{name}.{short}")
        parts += entry(f"{name}.{short}", value, 2)
        if is_class:
            for member, target in public_members(value):
                if inspect.getdoc(target):
                    parts += entry(f"{name}.{short}.{member}", target, 3)
    return "\n\n".join(parts) + "\n", missing


def main(target: str) -> int:
    """Writes all pages and their index; the exit code says whether every name is documented."""
    folder = pathlib.Path(target)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names: list[str] = []
    missing: list[str] = []
    for module in public_modules():
        text, without = page(module)
        (folder / f"{module.__name__}.md").write_text(text)
        names.append(module.__name__)
        missing += without
    listing = "\n".join(names)
    (folder / "index.md").write_text(
        "# API reference\n\nMade from the docstrings, which are run as tests.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listing}\n```\n"
    )
    for name in missing:
        print(f"no docstring: {name}", file=sys.stderr)
    print(f"{len(names)} modules in {folder}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
