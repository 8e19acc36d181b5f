"""What type checkers are told is what happens: the stubs are up to date, and calls give what they say."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

import flambeau
import flambeau.nn
from flambeau.runtime.operator import registry
from flambeau.runtime.tensor import Tensor
from flambeau.testing.samples import samples_of

PACKAGE = pathlib.Path(flambeau.__file__).parent
TOOL = pathlib.Path(__file__).parents[4] / "tools" / "stubs.py"


def stub(name):
    return ast.parse((PACKAGE / name).read_text())


def defined(body):
    """Every name of a stub's body."""
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


(ATTACHED,) = (
    node
    for node in stub("runtime/attached.pyi").body
    if isinstance(node, ast.ClassDef) and node.name == "Attached"
)
TOP = stub("__init__.pyi")
RESULTS = {
    node.name: {
        ast.unparse(n.returns)
        for n in TOP.body
        if isinstance(n, ast.FunctionDef) and n.name == node.name
    }
    for node in TOP.body
    if isinstance(node, ast.FunctionDef)
}


@pytest.mark.slow
def test_the_stubs_are_up_to_date():
    if not TOOL.exists():
        pytest.skip("tools/stubs.py is in the repository only")
    # In a process of its own: tests add operators and attributes to this one.
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_method_and_operator_is_in_a_stub():
    in_class = {name for name in vars(Tensor) if not name.startswith("_")}
    own = set(Tensor.__annotations__) | {
        "shape",
        "dtype",
        "device",
        "ndim",
        "requires_grad",
        "is_leaf",
        "grad_fn",
    }
    assert in_class - own - defined(ATTACHED.body) == set()
    assert set(flambeau.__all__) - defined(TOP.body) == set()


def fits(made, annotation):
    """Whether a result is of one of the annotated kinds."""
    if annotation == "Any":
        return True
    if annotation == "Tensor":
        return isinstance(made, Tensor)
    if annotation.startswith("tuple") or annotation.endswith("Result"):
        return isinstance(made, tuple) and all(
            fits(part, "tuple" if isinstance(part, tuple) else "Tensor") for part in made
        )
    return type(made).__name__ == annotation.lstrip("_")


PUBLIC = sorted(name for name in RESULTS if name in registry)


@pytest.mark.parametrize("name", PUBLIC)
def test_calls_give_what_the_stub_says(name):
    op = registry[name]
    try:
        samples = samples_of(op)[:3]
    except LookupError:
        pytest.skip("drawn by chance or checked in a test of its own: no samples")
    for sample in samples:
        made = op.public(*sample.args, **sample.kwargs)
        assert any(fits(made, annotation) for annotation in RESULTS[name]), (made, RESULTS[name])
