"""Branches and loops as functions of functions: `cond` and `while_loop`, run as Python runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._base.pytree import flatten
from ..runtime.tensor import Tensor


def cond(
    pred: Tensor | bool,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    operands: Sequence[Any] = (),
) -> Any:
    """`true_fn(*operands)` if `pred` holds, else `false_fn(*operands)`; only that one runs, and is recorded.

    Args:
        pred: a bool, or a tensor of one bool.
        true_fn, false_fn: functions that return tensors, or tuples and dicts of them, of one structure.
        operands: what they are called with.

    Raises:
        RuntimeError: if `pred` is neither, or a branch is not callable.

    >>> import flambeau
    >>> x = flambeau.tensor([4.0])
    >>> flambeau.cond(x.sum() > 3, lambda x: x.sqrt(), lambda x: -x, (x,))
    tensor([2.])
    """
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("cond: expected both branches to be callable")
    if not isinstance(operands, (tuple, list)):
        raise RuntimeError(f"cond: expected operands to be a tuple, got {type(operands).__name__}")
    if isinstance(pred, Tensor):
        if pred.numel() != 1 or pred.dtype.name != "bool":
            raise RuntimeError(
                f"cond: expected pred to be bool or a tensor of one bool, got {pred.dtype} of shape {list(pred.shape)}"
            )
    elif not isinstance(pred, bool):
        raise RuntimeError(f"cond: expected pred to be bool or a tensor, got {type(pred).__name__}")
    return true_fn(*operands) if bool(pred) else false_fn(*operands)


def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Sequence[Any]
) -> Any:
    """`carried = body_fn(*carried)` for as long as `cond_fn(*carried)` holds; gives what is carried at the end.

    Args:
        cond_fn: returns a bool or a tensor of one bool.
        body_fn: returns as many values as it is given, tensors with the shapes and dtypes they had.
        carried_inputs: the values at the start.

    Raises:
        RuntimeError: if a function is not callable, or the body returns something of another structure, shape or dtype.

    >>> import flambeau
    >>> flambeau.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (flambeau.tensor(0), flambeau.ones(1)))
    (tensor(3), tensor([8.]))
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("while_loop: expected cond_fn and body_fn to be callable")
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeError(
            f"while_loop: expected carried_inputs to be a tuple, got {type(carried_inputs).__name__}"
        )
    carried = tuple(carried_inputs)
    while True:
        holds = cond_fn(*carried)
        if isinstance(holds, Tensor) and (holds.numel() != 1 or holds.dtype.name != "bool"):
            raise RuntimeError(
                f"while_loop: cond_fn must return a bool, got {holds.dtype} of shape {list(holds.shape)}"
            )
        if not bool(holds):
            return carried
        made = body_fn(*carried)
        made = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        _same_kind(carried, made)
        carried = made


def _same_kind(before: tuple, after: tuple) -> None:
    a, b = flatten(before)[0], flatten(after)[0]
    if len(a) != len(b):
        raise RuntimeError(
            f"while_loop: body_fn returned {len(b)} values, expected {len(a)} as it was given"
        )
    for i, (x, y) in enumerate(zip(a, b)):
        if isinstance(x, Tensor) and not (
            isinstance(y, Tensor) and x.shape == y.shape and x.dtype is y.dtype
        ):
            got = f"{y.dtype} {list(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            raise RuntimeError(
                f"while_loop: body_fn returned {got} for carried input {i}, expected {x.dtype} {list(x.shape)}"
            )
