"""Batching: tensors that stand for one element of a batch. The batch is always the first dimension of `value`.

Elementwise operators and reductions need no rule; others give one (`@op.batch`), are opened up (composites), or run in a
loop over the batch, which says so once and is listed in the coverage table.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .._base.checks import wrap_dims
from ..runtime import dispatch
from ..runtime.operator import Operator, registry
from ..runtime.tensor import Size, Tensor, alias, new
from .wrapper import Wrapper, each


class BatchedTensor(Wrapper):
    """One element of the batch `value`."""

    size_of_batch: int

    @property
    def shape(self) -> Size:
        return Size(tuple(self.value.shape)[1:])

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        level, size = self._level, self.size_of_batch
        flags = [isinstance(a, BatchedTensor) and a._level == level for a in arrays]
        values = [a.value if f else a for a, f in zip(arrays, flags)]
        made = batch_of(op, size, flags, values, attrs)
        if op.outputs and type(made) is tuple:  # rules need not know how results are named
            made = op.tags["named"](*made)
        return each(made, lambda m: batched(m, size, level))

    def __bool__(self) -> bool:
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support "
            "that yet: write it with functions that choose element by element, such as where()."
        )

    def detached(self) -> Tensor:
        made = batched(self.value.detach(), self.size_of_batch, self._level)
        made._box = alias(self)._box
        return made

    def assign(self, target: Tensor, value: Tensor) -> None:
        level = self._level
        if not (isinstance(target, BatchedTensor) and target._level == level):
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
                "extra_args that has more elements than `self`. Please rewrite it out of place."
            )
        own = isinstance(value, BatchedTensor) and value._level == level
        dispatch.assign(target.value, value.value if own else value)  # type: ignore[attr-defined]

    def batched_like(self, made: Tensor) -> Tensor:
        """`made`, which has this element's shape, as a batch with memory of its own."""
        size = self.size_of_batch
        grown = registry["clone"].public(made.unsqueeze(0).expand((size, *made.shape)))
        return batched(grown, size, self._level)

    def wrapper_repr(self) -> str:
        from ..printing import tensor_repr

        return f"BatchedTensor(lvl={self._level}, bdim=0, value=\n    {tensor_repr(self.value)}\n)"


def batched(value: Tensor, size: int, level: int) -> BatchedTensor:
    """A batch whose first dimension is the batch's."""
    b = new(BatchedTensor)
    b.value, b.size_of_batch, b._level = value, size, level
    return b


def batch_of(
    op: Operator, size: int, flags: Sequence[bool], values: Sequence[Any], attrs: dict[str, Any]
) -> Any:
    """One call on the whole batch."""
    if op.family == "elementwise":
        return dispatch.apply(op, align(flags, values), attrs)
    if op.family == "reduction":
        return _reduce(op, values[0], attrs)
    if op.batch_rule is not None:
        if flags[0] and values[0].ndim == 1 and _along_dims(op, values):
            return _of_numbers(op, size, flags, values, attrs)
        return op.batch_rule(size, flags, *values, **attrs)
    if "vmap" in op.refusals:
        raise RuntimeError(f"vmap: {op.name} has no batched form: {op.refusals['vmap']}")
    return _loop(op, size, flags, values, attrs)


def _along_dims(op: Operator, values: Sequence[Any]) -> bool:
    """Whether the operator works along dimensions of its one tensor."""
    named = "dim" in op.index or "dims" in op.index
    return named and op.family != "view" and not any(isinstance(v, Tensor) for v in values[1:])


def _of_numbers(
    op: Operator, size: int, flags: Sequence[bool], values: Sequence[Any], attrs: dict[str, Any]
) -> Any:
    """The rule for elements without dimensions: they are rows of one, as PyTorch sees a number along dimension 0."""
    made = op.batch_rule(size, flags, values[0].unsqueeze(1), *values[1:], **attrs)  # type: ignore[misc]
    return each(made, lambda m: m.squeeze(1) if m.ndim == 2 else m)


def align(flags: Sequence[bool], values: Sequence[Any]) -> tuple:
    """Batches with ones put in after the batch dimension, so that elements of lower rank broadcast as they should."""
    ranks = [v.ndim - f for v, f in zip(values, flags) if isinstance(v, Tensor)]
    rank = max(ranks, default=0)
    out = []
    for v, f in zip(values, flags):
        if f and v.ndim - 1 < rank:
            v = v.reshape((v.shape[0], *[1] * (rank - v.ndim + 1), *tuple(v.shape)[1:]))
        out.append(v)
    return tuple(out)


def _reduce(op: Operator, value: Tensor, attrs: dict[str, Any]) -> Tensor:
    rank = value.ndim - 1
    if rank == 0:  # the element is a number: reduce over a dimension of one
        return dispatch.apply(op, (value.unsqueeze(1),), {**attrs, "dim": (1,), "keepdim": False})
    dims = tuple(d + 1 for d in wrap_dims(attrs.get("dim"), rank))
    return dispatch.apply(op, (value,), {**attrs, "dim": dims})


def _loop(
    op: Operator, size: int, flags: Sequence[bool], values: Sequence[Any], attrs: dict[str, Any]
) -> Any:
    warnings.warn(
        f"There is a performance drop because we have not yet implemented the batching rule for {op.name}; "
        "it runs in a loop over the batch.",
        stacklevel=6,
    )
    stack = registry["stack"].public
    rows = [
        dispatch.apply(op, tuple(v.select(0, i) if f else v for v, f in zip(values, flags)), attrs)
        for i in range(size)
    ]
    if isinstance(rows[0], tuple):
        return tuple(stack([r[k] for r in rows]) for k in range(len(rows[0])))
    return stack(rows)
