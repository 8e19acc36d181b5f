"""How sparse tensors print: their parts, size, number of entries, and what else is not the default."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base.devices import CPU
from flambeau.printing import tensor_repr
from flambeau.runtime.tensor import Leaf, Tensor, history


def _part(name: str, tensor: Tensor) -> str:
    """`name=tensor(...)`, broken where it stands: behind `tensor(name=tensor(`."""
    return f"{name}=" + _text(tensor, 2 * len("tensor(") + len(name) + 1)


def _text(tensor: Tensor, indent: int) -> str:
    """The numbers alone, for the whole shows the rest; the size where there are none."""
    text = tensor_repr(tensor, "tensor(".rjust(indent))[indent - len("tensor(") :]
    if "]" not in text:  # on the meta device there are no numbers
        return f"tensor(..., size={tuple(tensor.shape)})"
    text = text[: text.rindex("]") + 1]
    return text + (")" if tensor.numel() else f", size={tuple(tensor.shape)})")


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
