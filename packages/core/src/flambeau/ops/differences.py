"""Differences along a dimension, and what they are made for: gradients and integrals of sampled functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim, wrap_dims
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .joining import cat
from .precision import in_float32


@composite
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
):
    """Differences of neighbours along `dim`, n times over.

    >>> import flambeau
    >>> flambeau.diff(flambeau.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    check(input.ndim, lambda: "diff expects input to be at least one-dimensional")
    check(n >= 0, lambda: f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    d = wrap_dim(dim, input.ndim)
    x = (
        cat([p for p in (prepend, input, append) if p is not None], d)
        if prepend is not None or append is not None
        else input
    )
    for _ in range(n):
        m = x.shape[d]
        if not m:
            break
        after, before = x.narrow(d, 1, m - 1), x.narrow(d, 0, m - 1)
        x = after ^ before if x.dtype.name == "bool" else after - before
    return x.clone() if x is input else x


@diff.small
def _(xp, x, prepend, append, *, n, dim):
    if prepend is not None or append is not None or n != 1 or x.dtype.char not in "fd":
        return NotImplemented
    if not -x.ndim <= dim < x.ndim:
        return NotImplemented
    before = (slice(None),) * (dim % x.ndim)
    return x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]


def _strips(name: str, y: Tensor, x: Tensor | None, dx: float | None, dim: int) -> Any:
    """Twice the area between neighbouring samples, along the dimension counted from the front; or the step alone."""
    check(
        y.dtype is not dtypes.bool_,
        lambda: f"{name}: received a bool input for `y`, but bool is not supported",
    )
    check(
        x is None or dx is None,
        lambda: f"{name}: expected `x` or `dx`, but got both",
        TypeError,
    )
    check(y.ndim, lambda: f"Dimension specified as {dim} but tensor has no dimensions", IndexError)
    check(
        not isinstance(dx, complex),
        lambda: f"{name}: Currently, we only support dx as a real number.",
    )
    d = wrap_dim(dim, y.ndim)
    n = y.shape[d]
    if x is None:
        return d, n, (1.0 if dx is None else dx)
    check(
        x.dtype is not dtypes.bool_,
        lambda: f"{name}: received a bool input for `x`, but bool is not supported",
    )
    if x.ndim == 1:
        check(x.shape[0] == n, lambda: f"{name}: There must be one `x` value for each sample point")
        step = diff(x).reshape([-1 if i == d else 1 for i in range(y.ndim)])
    else:
        step = diff(x, dim=d - y.ndim)
    return d, n, step


def _pairs(y: Tensor, d: int, n: int) -> Tensor:
    return y.narrow(d, 1, n - 1) + y.narrow(d, 0, n - 1)


@composite(method=False)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1):
    """The integral of y over x (or steps of dx) along `dim`, by trapezoids.

    >>> import flambeau
    >>> flambeau.trapezoid(flambeau.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    d, n, step = _strips("trapezoid", y, x, dx, dim)
    if not n:
        return y.new_zeros((*y.shape[:d], *y.shape[d + 1 :]))
    if isinstance(step, Tensor):
        areas = _pairs(y, d, n) * step
        return areas.sum(d - y.ndim) / 2
    return (y.sum(d) - (y.select(d, 0) + y.select(d, -1)) * 0.5) * step


@composite(method=False)
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
):
    """The running integral of y over x (or steps of dx) along `dim`, by trapezoids.

    >>> import flambeau
    >>> flambeau.cumulative_trapezoid(flambeau.tensor([1.0, 2.0, 3.0]))
    tensor([1.5000, 4.0000])
    """
    d, n, step = _strips("cumulative_trapezoid", y, x, dx, dim)
    if not n:
        return y * 1.0
    if isinstance(step, Tensor):
        areas = _pairs(y, d, n) * step
        return areas.cumsum(d - y.ndim) / 2
    return _pairs(y, d, n).cumsum(d) * (step / 2)


@composite(method=False)
def trapz(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1):
    """`trapezoid` under its older name.

    >>> import flambeau
    >>> flambeau.trapz(flambeau.tensor([1.0, 2.0, 3.0]), dx=2)
    tensor(8.)
    """
    if isinstance(dx, complex):
        raise TypeError("trapz(): argument 'dx' must be float, not complex")
    return trapezoid(y, x, dx=dx, dim=dim)


@composite(method=False)
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Slopes of a sampled function along each of `dim` (all dimensions unless given), by central differences.

    `spacing` is the distance of the samples, or one for each dimension, or their coordinates, a 1-d tensor for each.
    At the ends the difference is one-sided, of first or second order.

    >>> import flambeau
    >>> flambeau.gradient(flambeau.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    dims = wrap_dims(dim, input.ndim)
    spacing = 1 if spacing is None else spacing
    check(
        edge_order in (1, 2), lambda: "torch.gradient only supports edge_order=1 and edge_order=2."
    )
    check(input.dtype is not dtypes.uint8, lambda: "torch.gradient does not support uint8 input.")
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    check(
        len(steps) == len(dims),
        lambda: (
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the "
            f"same length, but got a spacing argument of length {len(steps)} and a dim argument of length {len(dims)}."
        ),
    )
    for d, step in zip(dims, steps):
        if not isinstance(step, (int, float, complex, Tensor)):
            raise TypeError(
                f"gradient(): argument 'spacing' must be a number, a list of numbers or a list of Tensors, not "
                f"{type(step).__name__}"
            )
        n = input.shape[d]
        check(
            n > edge_order,
            lambda: "torch.gradient expected each dimension size to be at least edge_order+1",
        )
        if isinstance(step, Tensor) and step.ndim:
            check(
                step.device == input.device,
                lambda: (
                    f"torch.gradient expected each tensor to be on the same device, but got devices {step.device} "
                    f"and {input.device}!"
                ),
            )
            check(
                tuple(step.shape) == (n,),
                lambda: (
                    f"torch.gradient expected the coordinates of dimension {d} to be a vector of {n} elements, but got "
                    f"shape {list(step.shape)}"
                ),
            )
    return tuple([in_float32(_slopes, input, d, step, edge_order) for d, step in zip(dims, steps)])


def _slopes(f: Tensor, d: int, spacing: Any, edge_order: int) -> Tensor:
    """Derivatives of the parabola through three neighbours, at the middle one and, at the ends, at the outer ones."""
    n = f.shape[d]
    if isinstance(spacing, Tensor) and spacing.ndim:
        gaps = diff(spacing).reshape([-1 if i == d else 1 for i in range(f.ndim)])
    else:
        gaps = spacing
    first, last = (_piece(f, d, i, 2) for i in (0, n - 2))
    left, right = _piece(gaps, d, 0, 1), _piece(gaps, d, n - 2, 1)
    ends = [_difference(first, d) / left, _difference(last, d) / right]
    parts = [ends[0], ends[1]]
    if n > 2:
        slopes = _difference(f, d) / gaps  # between neighbours
        near, far = _piece(slopes, d, 0, n - 2), _piece(slopes, d, 1, n - 2)
        before, after = _piece(gaps, d, 0, n - 2), _piece(gaps, d, 1, n - 2)
        if isinstance(before, Tensor) and before.ndim:
            # The slope at a sample: of the two beside it the nearer counts more.
            middle = (near * after + far * before) / (before + after)
        else:
            middle = (f.narrow(d, 2, n - 2) - f.narrow(d, 0, n - 2)) / before / 2
        parts.insert(1, middle)
        if edge_order == 2:
            parts[0] = _outer(slopes, gaps, d, 0, 1)
            parts[-1] = _outer(slopes, gaps, d, n - 2, n - 3)
    return cat(parts, d)


def _outer(slopes: Tensor, gaps: Any, d: int, i: int, j: int) -> Tensor:
    """The slope at the outer end of gap i, whose inner neighbour is gap j."""
    at, beside = _piece(slopes, d, i, 1), _piece(slopes, d, j, 1)
    wide, next_to = _piece(gaps, d, i, 1), _piece(gaps, d, j, 1)
    return at + (at - beside) * wide / (wide + next_to)


def _piece(x: Any, d: int, start: int, n: int) -> Any:
    """Part of a tensor along `d`; a number, or what has one element for all, as it is."""
    return x.narrow(d, start, n) if isinstance(x, Tensor) and x.ndim else x


def _difference(x: Tensor, d: int) -> Tensor:
    n = x.shape[d] - 1
    return x.narrow(d, 1, n) - x.narrow(d, 0, n)
