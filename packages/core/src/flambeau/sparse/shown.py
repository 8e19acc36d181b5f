"""How sparse tensors print: their parts, size, number of entries, and what else is not the default."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base.devices import CPU
from flambeau.printing import tensor_repr
from flambeau.runtime.tensor import Leaf, Tensor, history


def _part(name: str, tensor: Tensor) -> str:
    """`name=tensor(...)`, lines after the first indented below the opening bracket."""
    text = _text(tensor)
    prefix = f"{name}="
    indent = " " * (len(prefix) + len("tensor("))
    return prefix + "\n".join(
        indent + line if i and line else line for i, line in enumerate(text.split("\n"))
    )


def _text(tensor: Tensor) -> str:
    """The tensor without a dtype, which the whole shows, and with its size where it is empty."""
    text = tensor_repr(tensor)
    for mark in (f", dtype={tensor.dtype}", f",\n       dtype={tensor.dtype}"):
        text = text.replace(mark, "")
    if not tensor.numel() and ", size=" not in text:
        text = f"{text[:-1]}, size={tuple(tensor.shape)})"
    return text


def shown(x: Any) -> str:
    """The text of a sparse tensor."""
    coordinates = x.layout.name == "sparse_coo"
    if coordinates:
        names: tuple[str, ...] = ("indices", "values")
    else:
        names = (
            ("crow_indices", "col_indices", "values")
            if x.by_rows
            else ("ccol_indices", "row_indices", "values")
        )
    parts = [_part(n, getattr(x, f)) for n, f in zip(names, x.fields)]
    lines = ",\n       ".join(parts)
    size = f"size={tuple(x.shape)}, nnz={x._nnz()}"
    suffixes = []
    if x.device != CPU:
        suffixes.append(f"device='{x.device}'")
    suffixes.append(size)
    default = flambeau.get_default_dtype()
    if x.dtype not in (default, default.to_complex(), flambeau.int64, flambeau.bool):
        suffixes.append(f"dtype={x.dtype}")
    suffixes.append(f"layout={x.layout}")
    node = history(x)
    if node is not None:
        suffixes.append("requires_grad=True" if type(node) is Leaf else f"grad_fn=<{node.name()}>")
    text = "tensor(" + lines
    width = len(text) - text.rfind("\n") - 1
    for i, s in enumerate(suffixes):
        if (coordinates and i == 0) or width + len(s) + 2 > 80:
            text += ",\n       " + s
            width = 7 + len(s)
        else:
            text += ", " + s
            width += 2 + len(s)
    return text + ")"
