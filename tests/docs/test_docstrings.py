"""Every ``>>>`` example of every docstring, of internal modules too, runs and prints what it says.

doctest's own finder would miss what our decorators made: operators and other callables with a docstring.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pathlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

PACKAGES = ("flambeau", "flambeau_vision", "flambeau_text", "flambeau_audio", "flambeau_serve")
SCRIPTS = {"__main__"}  # importing one runs it
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> Iterator[ModuleType]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if found.name.rpartition(".")[2] not in SCRIPTS and has_what_it_needs(found.name):
                yield importlib.import_module(found.name)


def has_what_it_needs(name: str) -> bool:
    """Everything but the modules that only work beside CuPy, where there is none: `nox -s gpu` tests these."""
    return (
        not name.startswith("flambeau.backends.cuda.")
        or importlib.util.find_spec("cupy") is not None
    )


def belongs(member: object, module: ModuleType) -> bool:
    target = getattr(member, "__func__", member)
    target = getattr(target, "fget", None) or target
    return getattr(target, "__module__", None) == module.__name__


def docstrings(
    name: str, value: object, module: ModuleType, seen: set[int]
) -> Iterator[tuple[str, str]]:
    """The docstrings with examples of an object and of what is defined in it."""
    if id(value) in seen:
        return
    seen.add(id(value))
    text = getattr(value, "__doc__", None)
    if isinstance(text, str) and ">>>" in text:
        yield name, text
    if isinstance(value, (ModuleType, type)):
        for short, member in list(vars(value).items()):
            if not isinstance(member, ModuleType) and belongs(member, module):
                yield from docstrings(f"{name}.{short}", member, module, seen)


def examples() -> list[doctest.DocTest]:
    parser = doctest.DocTestParser()
    return [
        # The names of the module are there, as doctest has it.
        parser.get_doctest(text, dict(vars(module)), name, module.__file__, 0)
        for module in modules()
        for name, text in docstrings(module.__name__, module, module, set())
    ]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_docstring(
    example: doctest.DocTest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flambeau

    monkeypatch.chdir(tmp_path)
    flambeau.manual_seed(0)
    common = {"nn": flambeau.nn, "F": flambeau.nn.functional, "optim": flambeau.optim}
    # As at a prompt: a function written in an example is the user's, not the module's.
    example.globs |= {"flambeau": flambeau, "__name__": "__main__"} | common
    report: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=report.append)
    assert not report, "".join(report)
