"""Exported folders are compiled by real compilers, and run as programs of their own."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau import Tensor
from flambeau._base import pytree
from flambeau.export import c99

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
CC = (
    shutil.which(os.environ["CC"])
    if os.environ.get("CC")
    else shutil.which("gcc") or shutil.which("cc")
)


@pytest.fixture
def cc() -> str:
    """The C compiler; without one the test is skipped."""
    if CC is None:
        pytest.skip("no C compiler on PATH")
    return CC


def compile_folder(folder: pathlib.Path, *flags: str, cc: str | None = CC) -> pathlib.Path:
    """The example program of an exported folder."""
    if cc is None:
        pytest.skip("no C compiler on PATH")
    sources = [str(f) for f in sorted(folder.glob("*.c"))]
    made = folder / "main"
    done = subprocess.run(
        [cc, *STRICT, *flags, "-o", str(made), *sources, "-lm"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return made


def run_program(command: list[str], inputs: tuple) -> np.ndarray:
    """What the example program prints for some inputs."""
    given = "\n".join(
        " ".join(str(+v) for v in x.numpy().reshape(-1).tolist())
        for x in inputs
        if isinstance(x, Tensor)
    )
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return np.array([float(w) for w in done.stdout.split()])


def eager(model: Any, inputs: tuple) -> np.ndarray:
    """All results of the model in eval mode, one after another."""
    if isinstance(model, flambeau.nn.Module):
        model.eval()
    with flambeau.no_grad():
        made = pytree.flatten(model(*inputs))[0]
    return np.concatenate([np.asarray(t.numpy(), np.float64).reshape(-1) for t in made])


@pytest.fixture
def same_in_c(tmp_path: pathlib.Path) -> Callable[..., Any]:
    """Exports, compiles and runs a model; its numbers must be eager's. Gives the export's description."""

    def check(
        model: Any,
        *inputs: Tensor,
        flags: tuple = (),
        cc: str | None = CC,
        before: tuple = (),
        atol: float = 2e-6,
        **options: Any,
    ) -> Any:
        made = c99(model, inputs, tmp_path, **options)
        program = compile_folder(tmp_path, *flags, cc=cc)
        found = run_program([*before, str(program)], inputs)
        np.testing.assert_allclose(found, eager(model, inputs), rtol=1e-5, atol=atol)
        return made

    return check


@pytest.fixture
def build() -> Callable[..., pathlib.Path]:
    return compile_folder


@pytest.fixture
def run() -> Callable[..., np.ndarray]:
    return run_program
