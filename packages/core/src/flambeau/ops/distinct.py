"""What occurs how often: unique_consecutive, mode; and a hash that tells tensors apart."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim, wrap_dims
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.reduce import reduced_shape
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import arange
from .joining import cat, stack
from .sorting import rows_of, sort
from .statistics import cummax


@primitive(method=False)
def run_parts(input: Meta):
    """Where runs of equal rows begin, the run each row is in, and their lengths."""
    raise RuntimeError(
        "unique_consecutive: the result's shape depends on values, so that it has no meta; run it on real data"
    )


@run_parts.kernel
def _(xp, x):
    n = x.shape[0]
    if not n:
        empty = xp.zeros((0,), dtype="int64")
        return empty, empty.copy(), empty.copy()
    new = (x[1:] != x[:-1]).reshape(n - 1, x.size // n).any(axis=1)
    starts = xp.concatenate([xp.zeros(1, dtype="int64"), xp.flatnonzero(new) + 1])
    inverse = xp.concatenate([xp.zeros(1, dtype="int64"), xp.cumsum(new, dtype="int64")])
    ends = xp.concatenate([starts[1:], xp.full(1, n, dtype="int64")])
    return starts, inverse, ends - starts


run_parts.no_vjp("integer output")
run_parts.refuse("vmap", "the result's shape depends on values")
run_parts.refuse("compile", "the result's shape depends on values")
run_parts.refuse("onnx", "the result's shape depends on values")


@composite(accepts="bool int float")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal elements (slices along `dim`); with the run of each element and lengths if asked.

    >>> import flambeau
    >>> flambeau.unique_consecutive(flambeau.tensor([1, 1, 2, 1]), return_counts=True)
    (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    if dim is None:
        flat = input.reshape(-1)
        starts, inverse, counts = run_parts(flat)
        values, inverse = flat.index_select(0, starts), inverse.reshape(input.shape)
    else:
        rows, d = rows_of("unique_consecutive", input, dim)
        starts, inverse, counts = run_parts(rows)
        values = input.index_select(d, starts)
    out = (values, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))
    return out if len(out) > 1 else values


@composite(outputs=("values", "indices"), accepts="bool int float")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False):
    """(values, indices) of what occurs most often along `dim`; the smallest of equals, at its last place.

    >>> import flambeau
    >>> flambeau.mode(flambeau.tensor([2, 1, 2, 3])).values
    tensor(2)
    """
    d = wrap_dim(dim, input.ndim)
    named = mode.op.tags["named"]
    if not input.ndim:
        return named(input.clone(), input.new_zeros((), dtype=dtypes.int64))
    n = input.shape[d]
    check(n, lambda: f"mode(): Expected reduction dim {d} to have non-zero size.", IndexError)
    values, places = sort(input, d, stable=True)
    changes = values.narrow(d, 1, n - 1) != values.narrow(d, 0, n - 1)
    end = changes.new_ones((*input.shape[:d], 1, *input.shape[d + 1 :]))
    at = arange(n, device=input.device).reshape([-1 if i == d else 1 for i in range(input.ndim)])
    starts = cummax(where(cat([end, changes], d), at, 0), d).values
    lengths = where(cat([changes, end], d), at - starts + 1, 0)
    best = lengths.argmax(d, True)
    parts = [values.gather(d, best), places.gather(d, best)]
    return named(*(parts if keepdim else [p.squeeze(d) for p in parts]))


@primitive
def hash_tensor(
    input: Meta, dim: int | tuple[int, ...] | None = (), *, keepdim: bool = False, mode: int = 0
):
    """A hash over `dim` (all dimensions if empty), as uint64: the exclusive or of the elements' bits.

    Elements are read as float64 or int64 first, so that equal numbers of any dtype of a kind hash alike.

    >>> import flambeau
    >>> flambeau.hash_tensor(flambeau.tensor([1, 2, 4]))
    tensor(7, dtype=flambeau.uint64)
    """
    if 0 in input.shape:
        check(
            dim is not None and dim != (),
            lambda: (
                "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            ),
        )
        for d in wrap_dims(dim, input.ndim):
            check(
                input.shape[d],
                lambda: f"hash_tensor: Expected reduction dim {d} to have non-zero size.",
                IndexError,
            )
    check(mode == 0, lambda: f"hash_tensor(): mode {mode} is not there; expected 0, exclusive or")
    check(
        not input.dtype.is_complex,
        lambda: "hash_tensor(): complex numbers have no hash; take that of view_as_real(input)",
    )
    return input.like(reduced_shape(input.shape, dim, keepdim), dtypes.uint64)


@hash_tensor.kernel
def _(xp, x, *, dim, keepdim, mode):
    hash_tensor.op.body(Meta(x.shape, dtypes.from_numpy(x.dtype)), dim, keepdim=keepdim, mode=mode)
    wide = "int64" if x.dtype.kind in "iub" else "float64"
    bits = xp.ascontiguousarray(x.astype(wide)).reshape(x.shape).view("uint64")
    if not x.ndim:
        return bits
    return xp.bitwise_xor.reduce(bits, axis=wrap_dims(dim, x.ndim), keepdims=keepdim)


hash_tensor.no_vjp("integer output")
hash_tensor.refuse("onnx", "ONNX has no bit casts")


@hash_tensor.batch
def _(size, batched, x, *, dim, keepdim, mode):
    if x.ndim == 1:
        return stack([hash_tensor(x.select(0, i)) for i in range(size)])
    return hash_tensor(x, tuple(d + 1 for d in wrap_dims(dim, x.ndim - 1)), keepdim=keepdim)
