"""Rules of functions of single elements: what keeps zero at zero works on the values alone."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base import formats
from flambeau._base.checks import broadcast_shapes
from flambeau.runtime.operator import registry
from flambeau.runtime.tensor import Tensor
from flambeau.transforms.composed import link

from .patterns import counted, found
from .tensor import (
    CompressedTensor,
    CooTensor,
    SparseTensor,
    coalesce,
    compress,
    coo,
    dense_of,
    detached,
    sparse_rule,
    to_coo,
    values_of,
)

KEEP_ZERO = [
    "abs",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "conj_physical",
    "deg2rad",
    "erf",
    "erfinv",
    "expm1",
    "floor",
    "frac",
    "isnan",
    "isinf",
    "isneginf",
    "isposinf",
    "log1p",
    "neg",
    "positive",
    "rad2deg",
    "relu",
    "round",
    "sgn",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "nan_to_num",
    "angle",
    "real",
    "imag",
    "threshold_backward",
]
LINEAR = ("neg", "positive", "conj_physical", "real", "imag")


def _unary(name: str) -> Any:
    def rule(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, CooTensor) and name not in LINEAR:
            x = coalesce(x)
        return x.with_values(getattr(flambeau, name)(values_of(x), *args, **kwargs))

    return rule


for _name in KEEP_ZERO:
    if hasattr(flambeau, _name):
        sparse_rule(_name)(_unary(_name))


@sparse_rule("to_dtype")
def _(x: Any, dtype: Any) -> Any:
    return x.with_values(registry["to_dtype"].public(values_of(x), dtype))


@sparse_rule("to_device")
def _(x: Any, device: Any) -> Any:
    move = registry["to_device"].public
    made = x.with_values(move(values_of(x), device))
    for name in x.fields[:-1]:
        setattr(made, name, move(getattr(x, name), device))
    return made


@sparse_rule("clone")
def _(x: Any, *, memory_format: Any = None) -> Any:
    made = x.with_values(values_of(x).clone())
    for name in x.fields[:-1]:
        setattr(made, name, getattr(x, name).clone())
    return made


@sparse_rule("stop_gradient")
def _(x: Any) -> Any:
    return x.with_values(x._vals)


# -- sums ----------------------------------------------------------------------------------------------------------


def check_sizes(name: str, a: Tensor, b: Tensor) -> None:
    """RuntimeError unless both shapes are equal: sparse tensors do not broadcast."""
    if tuple(a.shape) != tuple(b.shape):
        raise RuntimeError(
            f"{name}: expected sizes of 'self' and 'other' to match, but {list(a.shape)} != {list(b.shape)}"
        )


@sparse_rule("add")
def add(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """Sparse + sparse is sparse, dense + sparse dense."""
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        check_sizes("add", a, b)
        if isinstance(a, CompressedTensor) and isinstance(b, CompressedTensor):
            return _add_compressed(a, b, alpha)
        return _add_coo(to_coo(a), to_coo(b), alpha)
    if isinstance(a, CooTensor):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if isinstance(a, CompressedTensor):
        if not isinstance(b, Tensor):
            raise RuntimeError(f"add(): a {a.layout} tensor and a number cannot be added")
        return flambeau.add(_strided(a), b, alpha=alpha)
    if not isinstance(a, Tensor):
        raise RuntimeError(f"add(): a number and a {b.layout} tensor cannot be added")
    return flambeau.add(a, _strided(b), alpha=alpha)


def _strided(x: Any) -> Tensor:
    """`x` made dense, to be added to a dense tensor: its gradient is strided, as PyTorch's."""
    return link(dense_of(x.detach()), "to_dense", [x], [lambda g: g])


def _add_coo(a: CooTensor, b: CooTensor, alpha: float) -> CooTensor:
    if a._idx.shape[0] != b._idx.shape[0]:
        raise RuntimeError(
            "add: expected 'self' and 'other' to have same number of sparse dimensions, but "
            f"{a._idx.shape[0]} != {b._idx.shape[0]}"
        )
    values = flambeau.cat([a._vals, b._vals if alpha == 1 else b._vals * alpha])
    made = coo(flambeau.cat([a._idx, b._idx], 1), values, a._sizes)
    if a._coalesced and b._coalesced:
        made = coalesce(made)
    return link(made, "add", [a, b], [lambda g: g, lambda g: g if alpha == 1 else g * alpha])


def _add_compressed(a: CompressedTensor, b: CompressedTensor, alpha: float) -> CompressedTensor:
    if a._comp is b._comp and a._plain is b._plain:
        return a.with_values(flambeau.add(values_of(a), values_of(b), alpha=alpha))
    _only("add", a, "sparse_csr", "sparse_csc")
    return compress(_add_coo(to_coo(a), to_coo(b), alpha), a.layout)


def _only(name: str, x: Any, *layouts: str) -> None:
    if x.layout.name not in layouts or (isinstance(x, CompressedTensor) and x.batch):
        raise RuntimeError(f"{name}: unsupported tensor layout: {x.layout}")


@sparse_rule("sub")
def _(a: Any, b: Any, *, alpha: float = 1) -> Any:
    return add(a, b, alpha=-alpha)


# -- products --------------------------------------------------------------------------------------------------------


def _is_scalar(x: Any) -> bool:
    return not isinstance(x, Tensor) or (not isinstance(x, SparseTensor) and x.ndim == 0)


@sparse_rule("mul")
def mul(a: Any, b: Any) -> Any:
    """The entries are those of the sparse factor, or of both."""
    if not isinstance(a, SparseTensor):
        a, b = b, a
    if _is_scalar(b):
        return a.with_values(values_of(a) * b)
    if isinstance(a, CooTensor):
        a = coalesce(a)
    if not isinstance(b, SparseTensor):
        shape = broadcast_shapes(tuple(a.shape), tuple(b.shape))
        if tuple(shape) != tuple(a.shape):
            raise RuntimeError(
                f"mul(sparse, dense): a dense factor of shape {list(b.shape)} does not broadcast to {list(a.shape)}"
            )
        return a.with_values(values_of(a) * a.values_at(b.expand(shape)))
    check_sizes("mul", a, b)
    if isinstance(a, CompressedTensor) and isinstance(b, CompressedTensor):
        if a._comp is b._comp and a._plain is b._plain:
            return a.with_values(values_of(a) * values_of(b))
        _only("mul", a, "sparse_csr", "sparse_csc")
        return compress(mul(to_coo(a), to_coo(b)), a.layout)
    return _mul_coo(coalesce(to_coo(a)), coalesce(to_coo(b)))


def _mul_coo(a: CooTensor, b: CooTensor) -> CooTensor:
    if a._idx.shape[0] != b._idx.shape[0]:
        raise RuntimeError(
            f"mul: expected as many sparse dimensions in both, but got {a._idx.shape[0]} and {b._idx.shape[0]}"
        )
    if a._idx is b._idx:
        return a.with_values(values_of(a) * values_of(b))
    sizes = a.sparse_sizes
    at, there = found(counted(b._idx, sizes), counted(a._idx, sizes))
    mine = there.nonzero(as_tuple=True)[0]
    theirs = at.index_select(0, mine)
    values = values_of(a).index_select(0, mine) * values_of(b).index_select(0, theirs)
    return coo(a._idx.index_select(1, mine), values, a._sizes, True)


def _divided(name: str) -> Any:
    def rule(a: Any, b: Any) -> Any:
        if not _is_scalar(b):
            raise RuntimeError(
                "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
                f"{list(b.shape)} for divisor)"
            )
        if isinstance(a, CooTensor) and name != "true_divide":
            a = coalesce(a)
        return a.with_values(getattr(flambeau, name)(values_of(a), b))

    return rule


for _name in ("true_divide", "floor_divide"):
    sparse_rule(_name)(_divided(_name))


@sparse_rule("div")
def _(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    divided = _divided("true_divide")(input, other)
    if rounding_mode is None:
        return divided
    if isinstance(input, CooTensor):
        input = coalesce(input)
    return input.with_values(flambeau.div(values_of(input), other, rounding_mode=rounding_mode))


@sparse_rule("pow")
def _(a: Any, exponent: Any) -> Any:
    if not isinstance(a, SparseTensor) or not _is_scalar(exponent):
        return NotImplemented
    if float(exponent) == 0:
        raise RuntimeError(
            "pow: cannot raise to zeroth power on sparse tensor; it would become dense"
        )
    if isinstance(a, CooTensor):
        a = coalesce(a)
    return a.with_values(values_of(a) ** exponent)


def _refuse(name: str) -> None:
    @sparse_rule(name)
    def _(input: Any, *args: Any, **kwargs: Any) -> Any:
        raise input.unsupported(name)


for _name in (
    "ones_like",
    "full_like",
    "eq",
    "ne",
    "equal",
    "std",
    "var",
    "mean",
    "argmax",
    "argmin",
):
    _refuse(_name)


@sparse_rule("empty_like")
def _(input: Any, **options: Any) -> Any:
    if isinstance(input, CompressedTensor) and options.get("layout") in (None, input.layout):
        dtype, device = options.get("dtype"), options.get("device")
        values = flambeau.empty_like(input._vals, dtype=dtype, device=device)
        made = detached(input).with_values(values)
        return made.requires_grad_(options.get("requires_grad", False))
    return flambeau.zeros_like(input, **options)


@sparse_rule("zeros_like")
def _(input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
      requires_grad: bool = False, memory_format: Any = None) -> Any:  # fmt: skip
    if layout is formats.strided:
        options = {"dtype": dtype or input.dtype, "device": device or input.device}
        return flambeau.zeros(input.shape, requires_grad=requires_grad, **options)
    from .create import empty_sparse

    return empty_sparse(
        input.shape,
        layout or input.layout,
        dtype or input.dtype,
        device or input.device,
        sparse_dim=input._idx.shape[0] if isinstance(input, CooTensor) else None,
        blocksize=input.blocksize if isinstance(input, CompressedTensor) else None,
    ).requires_grad_(requires_grad)
