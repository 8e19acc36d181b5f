"""Sample calls of every operator: what the registry-driven tests run on.

One file per file of `ops`, one generator per operator, of the operator's name:

    def softmax(make):
        yield Sample(make(2, 3), dim=-1)

`make(*shape, low=, high=)` gives float64 numbers that require grad (seeded); `make.ints(*shape, below=)` integers.
Elementwise operators and reductions have samples without asking (`generic.py`), with their domains in a table.
Inputs cover 0-d, empty, broadcast and transposed tensors; numbers stay away from kinks, where no gradient is defined.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from ...ops import random as draws
from ...runtime.generator import Generator
from ...runtime.operator import Operator
from ...runtime.tensor import Tensor


class Sample:
    """One call: `op(*args, **kwargs)`. `grad=False` where finite differences do not apply (kinks, integer inputs),
    `batch=False` where the call is not mapped, `onnx=False` where it has no ONNX form."""

    def __init__(
        self, *args: Any, grad: bool = True, batch: bool = True, onnx: bool = True, **kwargs: Any
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self.grad, self.batch, self.onnx = grad, batch, onnx

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, those in sequences included."""
        found = []
        for a in (*self.args, *self.kwargs.values()):
            if isinstance(a, Tensor):
                found.append(a)
            elif isinstance(a, (list, tuple)):
                found.extend(x for x in a if isinstance(x, Tensor))
        return found

    def __repr__(self) -> str:
        def shown(x: Any) -> str:
            if isinstance(x, Tensor):
                return f"{x.dtype.name}{list(x.shape)}"
            return f"[{', '.join(map(shown, x))}]" if isinstance(x, (list, tuple)) else repr(x)

        return ", ".join(
            [*map(shown, self.args), *(f"{k}={shown(v)}" for k, v in self.kwargs.items())]
        )


class Make:
    """Makes inputs from a generator of its own, so that samples are the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = Generator().manual_seed(seed)

    def __call__(
        self, *shape: int, low: float = -2.0, high: float = 2.0, grad: bool = True
    ) -> Tensor:
        from ..._base.dtypes import float64

        made = draws.rand(shape, dtype=float64, generator=self._generator) * (high - low) + low
        return made.requires_grad_(grad)

    def transposed(self, *shape: int, **options: Any) -> Tensor:
        """A tensor that is not contiguous."""
        return (
            self(*shape[::-1], **options)
            .detach()
            .permute(tuple(range(len(shape)))[::-1])
            .requires_grad_()
        )

    def complex(self, *shape: int, grad: bool = True) -> Tensor:
        """Complex numbers in a ring around zero, on whose axes no absolute value has a kink."""
        from ...ops.complex import complex as joined

        made = joined(
            self(*shape, low=0.2, grad=False), self(*shape, low=-2, high=-0.2, grad=False)
        )
        return made.requires_grad_(grad)

    def order(self, n: int) -> Tensor:
        """0 to n - 1 in an order by chance: indices no two of which are equal."""
        return draws.randperm(n, generator=self._generator)

    def ints(self, *shape: int, below: int = 5, above: int = 0) -> Tensor:
        """Integers in [above, below)."""
        return draws.randint(above, below, shape, generator=self._generator)

    def bools(self, *shape: int) -> Tensor:
        """Truth values."""
        return self.ints(*shape, below=2) > 0

    def distinct(self, *shape: int) -> Tensor:
        """Numbers no two of which are near, for operators that choose."""
        n = 1
        for s in shape:
            n *= s
        from ..._base.dtypes import float64

        order = draws.randperm(n, generator=self._generator).to(float64)
        return (order * 0.37 - n * 0.18).reshape(shape).requires_grad_()


def samples_of(op: Operator) -> list[Sample]:
    """All samples of an operator; LookupError where nobody wrote any."""
    module = op.body.__module__.rpartition(".")[2]
    try:
        own = getattr(importlib.import_module(f"{__name__}.{module}"), op.name, None)
    except ModuleNotFoundError:
        own = None
    if own is None:
        from . import generic

        own = generic.FAMILIES.get(op.family)
        if own is None:
            raise LookupError(
                f"{op.name}: no samples; add a generator `{op.name}` to testing/samples/{module}.py"
            )
        return list(own(op, Make()))
    return list(own(Make()))


def iterate(op: Operator) -> Iterator[Sample]:
    """As `samples_of`, one at a time."""
    yield from samples_of(op)
