"""The C of some thirty small programs stands in golden/*.c: a change of passes, fusion or loops shows in a diff.

    FLAMBEAU_GOLDEN=write python -m pytest packages/core/tests/jit/test_golden.py     writes the files anew

Read the diff before it is committed. A file begins with the steps after fusion; behind them stands the C of the fused groups,
forward first, then backward.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import pytest

import flambeau
from flambeau import Tensor
from flambeau.backends.cpu import available
from flambeau.nn import functional as F

FOLDER = pathlib.Path(__file__).parent / "golden"
WRITE = os.environ.get("FLAMBEAU_GOLDEN") == "write"
PROGRAMS: dict[str, tuple[Callable, tuple, bool]] = {}


def program(*shapes: tuple[int, ...], grad: bool = False, dtype: str = "float32") -> Callable:
    """Enters a function of tensors of these shapes; with `grad` its backward is shown too."""

    def enter(f: Callable) -> Callable:
        PROGRAMS[f.__name__] = (f, (shapes, dtype), grad)
        return f

    return enter


# -- elementwise -------------------------------------------------------------------------------------------------------


@program((4, 6), (4, 6))
def chain(x: Tensor, y: Tensor) -> Tensor:
    return (x * y + 1).tanh() - x / 3


@program((4, 6))
def two_results(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.exp()
    return y, y + 1


@program((4, 6), (6,), (4, 1))
def broadcast(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return (x + row) * column


@program((4, 6))
def numbers(x: Tensor) -> Tensor:
    return (2 - x) * 0.5 + x**2


@program((4, 6), dtype="float64")
def double(x: Tensor) -> Tensor:
    return (x.sin() * x.cos()).sqrt()


@program((4, 6), (4, 6))
def choice(x: Tensor, y: Tensor) -> Tensor:
    return flambeau.where(x > y, x - y, y * 2)


@program((4, 6))
def clamped(x: Tensor) -> Tensor:
    return x.clamp(-1, 1) * x.sign()


@program((4, 6))
def rounding(x: Tensor) -> Tensor:
    return x.floor() + x.ceil() - x.trunc() * x.round()


@program((6, 4), (4, 6))
def transposed(x: Tensor, y: Tensor) -> Tensor:
    return x.t() + y


@program((4, 8))
def sliced(x: Tensor) -> Tensor:
    return x[:, ::2] * x[:, 1::2]


@program((2, 3, 4), (3, 1))
def three_dimensions(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs() + y


@program((4, 6))
def gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh") + 1


@program((4, 6))
def silu(x: Tensor) -> Tensor:
    return F.silu(x) * 2


@program((4, 6))
def softplus(x: Tensor) -> Tensor:
    return F.softplus(x) - F.leaky_relu(x)


@program((4, 6), (4, 6), (4, 6))
def lerp(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return flambeau.lerp(x, y, w) + 1


@program((4, 6))
def common(x: Tensor) -> Tensor:
    return (x + 1).exp() + (x + 1).exp()


@program((4, 6))
def dead(x: Tensor) -> Tensor:
    x.exp().sum()
    return x + 1


# -- reductions --------------------------------------------------------------------------------------------------------


@program((4, 600))
def row_sums(x: Tensor) -> Tensor:
    return (x * x).sum(1)


@program((600, 4))
def column_sums(x: Tensor) -> Tensor:
    return (x * x).sum(0)


@program((40, 60))
def full_sum(x: Tensor) -> Tensor:
    return (x * 2).sum()


@program((4, 600))
def largest(x: Tensor) -> Tensor:
    return x.abs().amax(1)


@program((4, 600))
def variance(x: Tensor) -> Tensor:
    y = x - x.mean(1, keepdim=True)
    return (y * y).mean(1)


@program((4, 600), (4, 600))
def cosine(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(1) / ((x * x).sum(1) * (y * y).sum(1)).sqrt()


@program((2, 30, 4))
def middle(x: Tensor) -> Tensor:
    return x.exp().sum(1)


@program((4, 600))
def spread_back(x: Tensor) -> Tensor:
    e = (x - x.amax(1, keepdim=True)).exp()
    return e / e.sum(1, keepdim=True)


@program((4, 600))
def counted(x: Tensor) -> Tensor:
    return (x > 0).sum(1)


# -- with gradients ----------------------------------------------------------------------------------------------------


@program((4, 6), (4, 6), grad=True)
def chain_gradient(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).tanh().sum()


@program((4, 6), (6,), grad=True)
def broadcast_gradient(x: Tensor, b: Tensor) -> Tensor:
    return ((x + b).sigmoid() ** 2).sum()


@program((4, 60), grad=True)
def normalized_gradient(x: Tensor) -> Tensor:
    y = x - x.mean(1, keepdim=True)
    return (y / (y * y).mean(1, keepdim=True).sqrt()).square().sum()


@program((4, 6), (4, 6), grad=True)
def choice_gradient(x: Tensor, y: Tensor) -> Tensor:
    return flambeau.where(x > 0, x * y, y.exp()).sum()


@program((4, 6), (6, 5), (5,), grad=True)
def layer_gradient(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return F.softplus(x @ w + b).sum()


@program((5,), (5,), (5,))
def momentum_step(p: Tensor, g: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    m = m * 0.9 + g
    return p - 0.01 * m, m


# ----------------------------------------------------------------------------------------------------------------------


def text_of(name: str) -> str:
    function, (shapes, dtype), grad = PROGRAMS[name]
    compiled = flambeau.compile(function, fullgraph=True)
    kind = getattr(flambeau, dtype)
    compiled(*(flambeau.rand(*shape, dtype=kind, requires_grad=grad) for shape in shapes))
    [[plan]] = compiled._plans.values()
    forward, backward = plan.forward.programs, plan.backward.programs
    steps = "\n".join(p.fused_text() for p in (*forward, *backward))
    shown = "\n".join(f" * {line}".rstrip() for line in steps.splitlines())
    code = "\n".join(p.c_text().rstrip() for p in (*forward, *backward)).rstrip()
    return f"/* {name}\n{shown}\n */\n\n{code}\n"


@pytest.mark.skipif(not available(), reason="without a C compiler programs are not fused")
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_c_is_the_golden_one(name):
    file = FOLDER / f"{name}.c"
    made = text_of(name)
    if WRITE:
        file.write_text(made)
    assert file.exists(), "FLAMBEAU_GOLDEN=write makes the file of a new program"
    assert made == file.read_text(), f"{file} differs; FLAMBEAU_GOLDEN=write, and read the diff"


def test_no_file_is_left_over():
    assert {f.stem for f in FOLDER.glob("*.c")} == set(PROGRAMS)
