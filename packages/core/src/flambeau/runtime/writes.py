"""Writes in place as the tape sees them: which are refused, and whose history a tensor has afterwards.

A whole tensor that was written has the history of what was written into it. Through a view the write is a node of its own
(`WRITE`): the written part of the gradient goes to the new value, the rest to what was there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import state
from .operator import registry
from .tape import Node, short_name
from .tensor import Leaf, Tensor, history, new

local = state.local


def check_writable(target: Tensor, value: Any = None) -> None:
    """Refuses an in-place write (of `value`) into elements that share memory, and one that autograd cannot follow.

    An inference tensor's box refuses by itself, outside inference mode.
    """
    if target._box is not None:
        _ = target._box.written
    array = target.__dict__.get("_array")
    if array is not None and 0 in array.strides and overlaps(array):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    if not local.grad:
        return
    node = history(target)
    base = target._base
    if base is not None:
        above = history(base)
        if (
            node is not None
            or above is not None
            or (isinstance(value, Tensor) and history(value) is not None)
        ):
            check_view(target, node, above)
    if type(node) is Leaf:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    if node is not None and (node.parent or node).simple is False and owner_views(node):
        _refuse_view(
            node,
            getattr(node, "index", 0),
            "This view was created inside a custom Function (or because an input was returned as-is) and the autograd "
            "logic to handle view+inplace would override the custom backward associated with the custom Function, "
            "leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of "
            "the custom Function.",
        )


def owner_views(node: Any) -> bool:
    """Whether a custom function handed this result out as a view of an input."""
    return getattr(node, "index", 0) in (node.parent or node).__dict__.get("views", ())


def check_view(target: Tensor, node: Any, above: Any) -> None:
    """Refuses a write into a view that autograd cannot follow: one of several, of a leaf, or made under no_grad."""
    steps: Any = target._replay
    part = next((s for s in steps if type(s).several), None)
    if part is not None:
        _refuse_view(
            node,
            part.index or 0 if part is steps[-1] else 0,
            "This view is the output of a function that returns multiple views. Such functions do not allow the "
            "output views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
        )
    if node is None and above is not None:
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this "
            "use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the "
            "view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) "
            "or both outside (if you want the inplace to be tracked)."
        )
    if node is not None and (above is None or type(above) is Leaf):
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def _refuse_view(node: Any, number: int, why: str) -> None:
    named = (
        "A view was created in no_grad mode and is being modified inplace with grad mode enabled."
        if node is None
        else f"Output {number} of {short_name(node)} is a view and is being modified inplace."
    )
    raise RuntimeError(f"{named} {why}")


def overlaps(array: Any) -> bool:
    """Whether elements of an expanded array share memory: a dimension of several elements and no stride."""
    return (
        any(step == 0 and n > 1 for n, step in zip(array.shape, array.strides)) and array.size > 0
    )


def rebase(target: Tensor, value: Tensor) -> None:
    """After `value` was written into `target`: gives `target` the history of `value`, and tells its views.

    `value` has `target`'s shape and dtype. Called under grad mode only.
    """
    node = history(value)
    if target._base is None:
        if node is None and target._node is not None:
            node = dead_end(target)
        elif type(node) is Leaf:  # copied as it is: `target` must not become that leaf
            node = copied(node)
    rewrite(target, node)


def rewrite(target: Tensor, node: Any) -> None:
    """Gives a tensor whose memory was written the history `node`, and tells its views (its base, if it is one)."""
    base = target._base
    if base is None:
        if node is not target._node:
            target._node = node
            if target._box is not None:
                target._box.generation += 1
            if "_retains" in target.__dict__:
                retain_anew(target)
        return
    before = base._node
    if node is None and before is None:
        return
    made = new(Node)
    made.op = WRITE
    made.edges = (before, node)
    made.saved = target._replay
    base._node = made
    base._box.generation += 1  # type: ignore[union-attr]
    for t in (base, target):
        if "_retains" in t.__dict__:
            retain_anew(t)


def retain_anew(tensor: Tensor) -> None:
    """After a write `retain_grad` means the gradient of the new value."""
    tensor.__dict__.pop("_retains").remove()
    if history(tensor) is not None:
        tensor.retain_grad()


def dead_end(like: Tensor) -> Node:
    """The node of a tensor that was recorded and then written over with numbers."""
    node = new(Node)
    node.op = OVER
    return node


def copied(of: Any) -> Node:
    """The node of a tensor into which one with history `of` was copied."""
    node = new(Node)
    node.op, node.edges = COPY, (of,)
    return node


class _Write:
    """The rule of a write through a view: the written part of the gradient goes to the value, the rest to the base."""

    name = "copy_slices"

    @property
    def vjp_rule(self) -> _Write:
        return self

    def pullback(self, node: Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        if not node.edges:
            return ()
        to_base = to_value = None
        if needs[1]:
            to_value = g
            for step in node.saved:
                to_value = step(to_value)
            to_value = registry["clone"].public(to_value)
        if needs[0]:
            to_base = registry["clone"].public(registry["contiguous"].public(g))
            part = to_base
            for step in node.saved:
                part = step(part)
            strided = any(s.op.name == "strided_view" for s in node.saved)
            if strided and not part._level and part._base is None:
                raise RuntimeError(
                    "as_strided: no gradient for a write into a window of a tensor that is not laid out row by row"
                )
            from .dispatch import assign

            assign(part, registry["zeros_like"].public(part))
        return (to_base, to_value)

    fast = pullback


class _Copy:
    """The rule of a plain copy: the gradient goes through."""

    name = "copy_value"

    @property
    def vjp_rule(self) -> _Copy:
        return self

    def pullback(self, node: Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        return (g,)

    fast = pullback


class _Over(_Copy):
    """The rule of a tensor written over as a whole: nothing goes further."""

    name = "written_over"

    def pullback(self, node: Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        return ()

    fast = pullback


WRITE, COPY, OVER = _Write(), _Copy(), _Over()
