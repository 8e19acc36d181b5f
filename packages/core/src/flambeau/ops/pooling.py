"""Pooling as PyTorch has it: the largest value or the mean of each window, and windows as columns.

What is computed is in `sliding`; here are the options, their checks, and windows of different sizes (adaptive pooling).
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from .._base.checks import Shape, check, check_room
from ..runtime import state
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .convolution import expanded
from .creation import tensor
from .joining import stack
from .sliding import (
    columns_sum,
    max_pool,
    max_pool_places,
    window_columns,
    window_count,
    window_sum,
)


def _options(name, input, count, *given):
    """Kernel, stride, padding, dilation and number of windows, each for every dimension, checked."""
    if not state.active:
        try:
            return _known_options(name, input._meta, count, *given)
        except (TypeError, AttributeError):  # lists, or what is wrong
            pass
    return _checked_options(name, input, count, *given)


def _checked_options(name, input, count, kernel_size, stride, padding, dilation, ceil_mode):
    check(
        input.dtype.name != "bool" and not input.dtype.is_complex,
        lambda: f'"{name}" not implemented for {input.dtype.name}',
        NotImplementedError,
    )
    check(
        input.ndim in (count + 1, count + 2),
        lambda: f"{name}: Expected {count + 1}D or {count + 2}D input, but got {list(input.shape)}",
    )
    kernel = expanded(kernel_size, count, "kernel_size")
    step = (
        kernel
        if stride is None or stride == () or stride == []
        else expanded(stride, count, "stride")
    )
    pads = expanded(padding, count, "padding")
    dil = expanded(dilation, count, "dilation")
    check(all(s > 0 for s in step), lambda: f"{name}: stride should not be zero")
    check(
        all(k > 0 for k in kernel),
        lambda: f"{name}: kernel_size must be greater than zero, but got {list(kernel)}",
    )
    check(
        all(d > 0 for d in dil),
        lambda: f"{name}: dilation must be greater than zero, but got {list(dil)}",
    )
    check(
        all(input.shape[-count - 1 :]),
        lambda: (
            f"{name}: Expected {count + 1}D or {count + 2}D tensor with optional 0 dim batch size for "
            f"input, but got: {list(input.shape)}"
        ),
    )
    check(
        all(2 * p <= k for p, k in zip(pads, kernel)) and min(pads) >= 0,
        lambda: (
            f"{name}: pad should be at most half of effective kernel size, but got "
            f"padding={list(pads)} and kernel_size={list(kernel)}"
        ),
    )
    size = tuple(input.shape[-count:])
    out = window_count(size, kernel, step, pads, dil, ceil_mode)
    check(
        all(n > 0 for n in out),
        lambda: (
            f"Given input size: {tuple(input.shape)}. Calculated output size: {out}. "
            "Output size is too small"
        ),
    )
    return kernel, step, pads, dil, out


_known_options = lru_cache(maxsize=512, typed=True)(_checked_options)


def _max_pool(name, count, input, kernel_size, stride, padding, dilation, ceil_mode, indices):
    options = _options(name, input, count, kernel_size, stride, padding, dilation, ceil_mode)
    out = max_pool(input, *options)
    return (out, max_pool_places(input, *options)) if indices else out


def _avg_pool(name, count, input, kernel_size, stride, padding, ceil_mode, include, divisor):
    kernel, step, pads, _, out = _options(
        name, input, count, kernel_size, stride, padding, 1, ceil_mode
    )
    check(  # PyTorch asks this of three dimensions only, whatever the padding
        count < 3 or all(n >= k for n, k in zip(input.shape[-3:], kernel)),
        lambda: (
            "input image (T: {} H: {} W: {}) smaller than kernel size (kT: {} kH: {} kW: {})".format(
                *input.shape[-3:], *kernel
            )
        ),
    )
    total = window_sum(input, kernel, step, pads, out)
    if divisor is not None:
        check(divisor != 0, lambda: "divisor must be not zero")
        return _shared(total, divisor)
    size = input.shape[-count:]
    lines = [_covered(*args, include) for args in zip(size, kernel, step, pads, out)]
    if all(min(line) == max(line) for line in lines):
        return _shared(total, prod(line[0] for line in lines))
    counts = tensor(lines[0], dtype=input.dtype, device=input.device)
    for line in lines[1:]:
        counts = counts.unsqueeze(-1) * tensor(line, dtype=input.dtype, device=input.device)
    return _shared(total, counts)


def _shared(total: Tensor, count: Tensor | int) -> Tensor:
    """The mean of `count` numbers; of integers without its fraction, as PyTorch has it."""
    if total.dtype.is_floating_point or total.dtype.is_complex:
        return total / count
    return total.div(count, rounding_mode="trunc")


def _covered(n: int, k: int, s: int, p: int, out: int, include: bool) -> list[int]:
    """How many places of each window count: those inside, and with `include` the padding."""
    lo, hi = (-p, n + p) if include else (0, n)
    return [min(i * s - p + k, hi) - max(i * s - p, lo) for i in range(out)]


def _bins(n: int, out: int) -> list[tuple[int, int]]:
    """Begin and end of the windows of adaptive pooling: together they cover everything."""
    return [(i * n // out, -((-(i + 1) * n) // out)) for i in range(out)]


def _target(name: str, input: Tensor, output_size, count: int) -> Shape:
    """The output's sizes, each as asked for or the input's."""
    wanted = (
        (output_size,) * count
        if isinstance(output_size, int) or output_size is None
        else tuple(output_size)
    )
    check(
        input.ndim > len(wanted),
        lambda: f"{name}: Input dimension should be at least {len(wanted) + 1}",
        ValueError if count > 1 else RuntimeError,
    )
    check(
        len(wanted) == count,
        lambda: f"{name}: output_size must have {count} elements, but got {wanted}",
    )
    check(
        input.ndim in (count + 1, count + 2),
        lambda: (
            f"{name}: Expected {count + 1}D or {count + 2}D tensor, but got {list(input.shape)}"
        ),
    )
    check(
        input.dtype.is_floating_point,
        lambda: f'"{name}" not implemented for {input.dtype.name}',
        NotImplementedError,
    )
    sizes = tuple(n if w is None else w for w, n in zip(wanted, input.shape[-count:]))
    check_room(prod(sizes))
    check(
        all(n >= 0 for n in sizes),
        lambda: (
            f"{name}: elements of output_size must be greater than or equal to 0, but got {sizes}"
        ),
    )
    check(
        all(input.shape[-count:]) and (input.ndim == count + 1 or input.shape[1] > 0),
        lambda: (
            f"{name}: Expected input to have non-zero size for non-batch dimensions, but input has "
            f"sizes {list(input.shape)}"
        ),
    )
    return sizes


def _nothing(input: Tensor, target: Shape) -> Tensor:
    """A result without elements."""
    return input.flatten(-len(target))[..., :0].reshape(*input.shape[: -len(target)], *target)


def _adaptive_avg(name, count, input, output_size) -> Tensor:
    target = _target(name, input, output_size, count)
    if not all(target):
        return _nothing(input, target)
    for i, out in enumerate(target):
        dim = i - count
        n = input.shape[dim]
        if out == 1:
            input = input.mean(dim, keepdim=True)
        elif n % out == 0:
            input = input.unflatten(dim, (out, n // out)).mean(dim)
        elif n != out:
            parts = [input.narrow(dim, a, b - a).mean(dim) for a, b in _bins(n, out)]
            input = stack(parts, dim)
    return input


def _adaptive_max(name, count, input, output_size, indices):
    target = _target(name, input, output_size, count)
    if not all(target):
        values = _nothing(input, target)
        return (values, values.detach().long()) if indices else values
    size = input.shape[-count:]
    kernel = tuple(n // out for n, out in zip(size, target))
    even = all(n % out == 0 for n, out in zip(size, target))
    if even and not (indices and prod(kernel) > MANY):
        return _max_pool(name, count, input, kernel, kernel, 0, 1, False, indices)
    values, places = adaptive_max_windows(input, target)
    return (values, places) if indices else values


MANY = 64  # values of a window, beyond which they are looked through once for value and place


@composite(method=False, outputs=("values", "indices"))
def adaptive_max_windows(input: Tensor, size: tuple[int, ...]) -> Any:
    """The largest values of `size` windows of the last dimensions, as alike as can be, and their flat indices there.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 4.0, 2.0, 3.0, 0.0]])
    >>> values, indices = flambeau.ops.pooling.adaptive_max_windows(x, (2,))
    >>> values, indices
    (tensor([[4., 3.]]), tensor([[1, 3]]))
    """
    # All indices of each window, the last one repeated, looked up.
    count = len(size)
    target, size = size, input.shape[-count:]
    cells: list[tuple] = [()]
    for n, out in zip(size, target):
        cells = [(*cell, window) for cell in cells for window in _bins(n, out)]
    rows = [_cell_indices(cell, size) for cell in cells]
    longest = max(map(len, rows))
    table = tensor([row + row[-1:] * (longest - len(row)) for row in rows], device=input.device)
    flat = input.flatten(-count)
    values, where = flat[..., table].max(-1)
    places = (
        table.expand(*flat.shape[:-1], *table.shape).gather(-1, where.unsqueeze(-1)).squeeze(-1)
    )
    shape = (*input.shape[:-count], *target)
    return values.reshape(shape), places.reshape(shape)


def _cell_indices(cell: tuple[tuple[int, int], ...], size: Shape) -> list[int]:
    indices = [0]
    for (a, b), n in zip(cell, size):
        indices = [i * n + j for i in indices for j in range(a, b)]
    return indices


@composite(method=False)
def max_pool1d(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest value of each window of (N, C, L) or (C, L).

    `stride` is `kernel_size` unless given. With `return_indices` also where it was.

    >>> import flambeau
    >>> flambeau.ops.pooling.max_pool1d(flambeau.ones(1, 1, 4), 2).shape
    flambeau.Size([1, 1, 2])
    """
    return _max_pool(
        "max_pool1d",
        1,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
    )


@composite(method=False, opmath=True)
def avg_pool1d(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
):
    """The mean of each window of (N, C, L) or (C, L).

    >>> import flambeau
    >>> flambeau.ops.pooling.avg_pool1d(flambeau.ones(1, 1, 4), 2).shape
    flambeau.Size([1, 1, 2])
    """
    return _avg_pool(
        "avg_pool1d",
        1,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        None,
    )


@composite(method=False, opmath=True)
def adaptive_avg_pool1d(input: Tensor, output_size: int | tuple[int, ...]):
    """Means of windows chosen so that the output has the size asked for; None keeps a size.

    >>> import flambeau
    >>> flambeau.ops.pooling.adaptive_avg_pool1d(flambeau.ones(1, 1, 4), 3).shape
    flambeau.Size([1, 1, 3])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


@composite(method=False, truths=("return_indices",))
def adaptive_max_pool1d(
    input: Tensor, output_size: int | tuple[int, ...], return_indices: bool = False
):
    """Largest values of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.ops.pooling.adaptive_max_pool1d(flambeau.ones(1, 1, 4), 3).shape
    flambeau.Size([1, 1, 3])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


@composite(method=False)
def max_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest value of each window of (N, C, H, W) or (C, H, W).

    `stride` is `kernel_size` unless given. With `return_indices` also where it was.

    >>> import flambeau
    >>> flambeau.ops.pooling.max_pool2d(flambeau.ones(1, 1, 4, 4), 2).shape
    flambeau.Size([1, 1, 2, 2])
    """
    return _max_pool(
        "max_pool2d",
        2,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
    )


@composite(method=False, opmath=True)
def avg_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    >>> import flambeau
    >>> flambeau.ops.pooling.avg_pool2d(flambeau.ones(1, 1, 4, 4), 2).shape
    flambeau.Size([1, 1, 2, 2])
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@composite(method=False, opmath=True)
def adaptive_avg_pool2d(input: Tensor, output_size: int | tuple[int, ...]):
    """Means of windows chosen so that the output has the size asked for; None keeps a size.

    >>> import flambeau
    >>> flambeau.ops.pooling.adaptive_avg_pool2d(flambeau.ones(1, 1, 4, 4), 3).shape
    flambeau.Size([1, 1, 3, 3])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


@composite(method=False, truths=("return_indices",))
def adaptive_max_pool2d(
    input: Tensor, output_size: int | tuple[int, ...], return_indices: bool = False
):
    """Largest values of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.ops.pooling.adaptive_max_pool2d(flambeau.ones(1, 1, 4, 4), 3).shape
    flambeau.Size([1, 1, 3, 3])
    """
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


@composite(method=False)
def max_pool3d(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W).

    `stride` is `kernel_size` unless given. With `return_indices` also where it was.

    >>> import flambeau
    >>> flambeau.ops.pooling.max_pool3d(flambeau.ones(1, 1, 4, 4, 4), 2).shape
    flambeau.Size([1, 1, 2, 2, 2])
    """
    return _max_pool(
        "max_pool3d",
        3,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
    )


@composite(method=False, opmath=True)
def avg_pool3d(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W).

    >>> import flambeau
    >>> flambeau.ops.pooling.avg_pool3d(flambeau.ones(1, 1, 4, 4, 4), 2).shape
    flambeau.Size([1, 1, 2, 2, 2])
    """
    return _avg_pool(
        "avg_pool3d",
        3,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@composite(method=False, opmath=True)
def adaptive_avg_pool3d(input: Tensor, output_size: int | tuple[int, ...]):
    """Means of windows chosen so that the output has the size asked for; None keeps a size.

    >>> import flambeau
    >>> flambeau.ops.pooling.adaptive_avg_pool3d(flambeau.ones(1, 1, 4, 4, 4), 3).shape
    flambeau.Size([1, 1, 3, 3, 3])
    """
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


@composite(method=False, truths=("return_indices",))
def adaptive_max_pool3d(
    input: Tensor, output_size: int | tuple[int, ...], return_indices: bool = False
):
    """Largest values of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.ops.pooling.adaptive_max_pool3d(flambeau.ones(1, 1, 4, 4, 4), 3).shape
    flambeau.Size([1, 1, 3, 3, 3])
    """
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


@composite(method=False)
def unfold_windows(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
):
    """Every window of (N, C, H, W) as a column: `torch.nn.functional.unfold`.

    >>> import flambeau
    >>> flambeau.ops.pooling.unfold_windows(flambeau.ones(1, 3, 4, 4), 2).shape
    flambeau.Size([1, 12, 9])
    """
    check(
        input.ndim in (3, 4),
        lambda: f"unfold: expected 3D or 4D input, but got input of size {list(input.shape)}",
    )
    single = input.ndim == 3
    kernel, step = expanded(kernel_size, 2, "kernel_size"), expanded(stride, 2, "stride")
    apart = expanded(dilation, 2, "dilation")
    for what, given in (("kernel size", kernel), ("dilation", apart), ("stride", step)):
        check(
            min(given) > 0,
            lambda: f"unfold: {what} should be greater than zero, but got {list(given)}",
        )
    pads = expanded(padding, 2, "padding")
    out = window_columns(input.unsqueeze(0) if single else input, kernel, apart, pads, step)
    return out.squeeze(0) if single else out


@composite(method=False)
def fold(
    input: Tensor,
    output_size: int | tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
):
    """Columns (N, C * kernel, windows) added up where `unfold` took them from.

    >>> import flambeau
    >>> flambeau.ops.pooling.fold(flambeau.ones(1, 12, 9), (4, 4), 2).shape
    flambeau.Size([1, 3, 4, 4])
    """
    check(
        input.ndim in (2, 3),
        lambda: f"fold: expected 2D or 3D input, but got input of size {list(input.shape)}",
    )
    single = input.ndim == 2
    out = columns_sum(
        input.unsqueeze(0) if single else input,
        expanded(output_size, 2, "output_size"),
        expanded(kernel_size, 2, "kernel_size"),
        expanded(dilation, 2, "dilation"),
        expanded(padding, 2, "padding"),
        expanded(stride, 2, "stride"),
    )
    return out.squeeze(0) if single else out
