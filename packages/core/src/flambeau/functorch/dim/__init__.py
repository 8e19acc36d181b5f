"""First-class dimensions: dimensions that are objects, and tensors whose dimensions are named by them.

    i, j, k = dims(3)
    product = (a[i, k] * b[k, j]).sum(k).order(i, j)

Indexing a tensor with dims binds them to its sizes and hides these dimensions: every function then sees one element for each
of their values, as under `vmap`, and tensors meet along the dims that they share. `order` makes dims positional again.
"""

from .dimensions import Dim, DimensionBindError, DimensionMismatchError, DimList, dimlists, dims
from .indexing import index
from .joining import cat, split, stack
from .tensor import Tensor, softmax

__all__ = [
    "Dim",
    "DimList",
    "DimensionBindError",
    "DimensionMismatchError",
    "Tensor",
    "cat",
    "dimlists",
    "dims",
    "index",
    "softmax",
    "split",
    "stack",
]
