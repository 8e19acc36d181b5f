"""What an imported node is made of: its attributes, and the table of functions by operator type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..runtime.tensor import Tensor


class Attributes(dict):
    """A node's attributes.

    `kind` is its operator type, for errors; `opset` the version of ONNX's operators in its file, some of which changed
    their meaning; `results` how many results are asked for.
    """

    def __init__(self, kind: str, values: dict[str, Any], opset: int, results: int) -> None:
        super().__init__(values)
        self.kind, self.opset, self.results = kind, opset, results

    def refuse(self, name: str, *usual: Any) -> None:
        """RuntimeError where an attribute has a value that we do not do."""
        if name in self and self[name] not in usual:
            raise RuntimeError(
                f"onnx.load: {self.kind} with {name}={self[name]!r} is not supported"
            )

    def unsupported(self, what: str) -> RuntimeError:
        """The error for a form of this operator that we do not do."""
        return RuntimeError(f"onnx.load: {self.kind} with {what} is not supported")


Function = Callable[..., Any]
OPERATORS: dict[str, Function] = {}  # `function(attributes, *inputs)` for each operator type


def operator(f: Function) -> Function:
    """Enters the function of the operator type that it is named after."""
    OPERATORS[f.__name__] = f
    return f


def plain(**functions: Function) -> None:
    """Enters functions that take a node's inputs as they are, and no attributes."""
    for kind, f in functions.items():
        OPERATORS[kind] = lambda a, *xs, f=f: f(*xs)


def ints(x: Tensor | None) -> list[int] | None:
    """The numbers in a tensor of sizes or dimensions."""
    return None if x is None else [int(v) for v in x.reshape(-1).tolist()]
