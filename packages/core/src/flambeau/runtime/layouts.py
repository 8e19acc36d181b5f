"""Channels last: which results lie in memory as their operands do, and how they come to.

Elementwise operators keep the order of their operands by themselves, as NumPy does. The operators of `FOLLOWING` compute in
row-major order: where an operand has its channels last, their result is laid out so at the end, or its kernel makes it so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

# By operator: how many of its first operands say where the channels of the result lie. One that lies so is enough.
FOLLOWING = {
    "convolution": 2,
    "convolution_input": 2,
    **dict.fromkeys(("max_pool", "max_pool_places", "max_pool_spread"), 1),
    **dict.fromkeys(("window_sum", "window_spread", "interpolate", "group_norm"), 1),
    **dict.fromkeys(("normalize_channels", "rescale_channels"), 1),
    **{f"{kind}_pool{n}d": 1 for kind in ("avg", "adaptive_avg", "adaptive_max") for n in (2, 3)},
}
ORDERS = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
BACK = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}

Write = Callable[[Any, Any], None]


def is_last(x: Any) -> bool:
    """Whether a raw array (N, C, H, W) or (N, C, D, H, W) has its channels last: neighbours, within ever wider dimensions.

    Where dimensions of size 1 leave a choice, their strides decide, as they do in PyTorch.
    """
    strides = x.strides
    count = len(strides)
    if count < 4 or strides[1] > strides[-1]:  # most arrays: this is asked at every call
        return False
    if count > 5 or strides[1] != x.itemsize:
        return False
    shape = x.shape
    least = strides[1] * shape[1]
    for d in range(count - 1, 1, -1):
        if strides[d] < least:
            return False
        least = strides[d] * shape[d]
    return strides[0] >= least > 0 and (least > strides[1] or strides[0] > least)


def _write(target: Any, source: Any) -> None:
    target[...] = source


def _fill(target: Any, value: Any) -> None:
    target.fill(value)


compiled: list[Write] = [_write]  # what copies large NumPy arrays; the cpu backend puts its own in
filling: list[Write] = [_fill]  # the same of what writes one number everywhere
# Numbers at equal distances: (start, end, step, those counted from the start, all, dtype) -> array; None: NumPy makes them.
ranging: list[Callable[..., Any]] = [lambda *_: None]
LARGE = 1 << 17  # elements from which these are asked,
LARGE_RANGE = 1 << 11  # and the last one


def with_last(xp: Any, y: Any, write: Write) -> Any:
    """`y` with its channels last: itself, or a copy."""
    if is_last(y):
        return y
    laid = y.transpose(ORDERS[y.ndim])
    made = xp.empty(laid.shape, y.dtype)
    if y.size:
        write(made, laid)
    return made.transpose(BACK[y.ndim])


def first_with_last(xp: Any, made: Any, write: Write) -> Any:
    """The same of a result, or of the first of several."""
    if isinstance(made, tuple):
        return (with_last(xp, made[0], write), *made[1:])
    return with_last(xp, made, write)


def followed(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The reference kernel of an operator with its result laid out as `FOLLOWING` says."""
    count = FOLLOWING.get(name)
    if count is None:
        return kernel

    @wraps(kernel)
    def call(xp: Any, *arrays: Any, **attrs: Any) -> Any:
        made = kernel(xp, *arrays, **attrs)
        if any(map(is_last, arrays[:count])) and made.ndim == arrays[0].ndim:
            return with_last(xp, made, _write)
        return made

    return call


def claimed(
    name: str, xp: Any, forward: Callable[..., Any], backward: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The same for the two halves of a claim, whose first result and gradient lie as the first operand does."""
    if name not in FOLLOWING:
        return forward, backward

    def there(x: Any, *others: Any, **attrs: Any) -> Any:
        made, kept = forward(x, *others, **attrs)
        return (first_with_last(xp, made, compiled[0]) if is_last(x) else made), kept

    def back(g: Any, out: Any, kept: Any, needs: tuple, x: Any, *others: Any, **attrs: Any) -> Any:
        made = backward(g, out, kept, needs, x, *others, **attrs)
        if needs[0] and is_last(x):
            made = [with_last(xp, made[0], compiled[0]), *made[1:]]
        return made

    return there, back
