"""In-place operators on tensors with history: the call written over its first input, and recorded."""

from __future__ import annotations

from typing import Any

from . import tape
from .meta import Meta
from .operator import Operator
from .straight import meta
from .tape import Node
from .tensor import Tensor, history, new


class Rewriting:
    """The record of `y.op_(x)` for a binary operator whose gradients read neither the old value nor the new one.

    `y` has history and is no view. `possible` is asked before the write, the call made after it.
    """

    def __init__(self, op: Operator) -> None:
        self.op, self.rule = op, op.vjp_rule
        self.reads: dict[
            tuple[bool, bool], Any
        ] = {}  # by need: whether `x` is read; None where more is

    def _reads_other(self, needs: tuple[bool, bool]) -> Any:
        first, second = self.rule.names
        read = self.rule.program({}).reads_where(needs)
        found = None if first in read or "out" in read else second in read
        self.reads[needs] = found
        return found

    def possible(self, target: Tensor, other: Any) -> bool:
        """Whether the write can be recorded here; else the general way clones, refuses or says why not."""
        node: Any = target._node
        if type(node) is not Node or not node.simple or target._base is not None or tape.anomaly:
            return False
        if "_retains" in target.__dict__ or other is target:
            return False
        kept = isinstance(other, Tensor) and history(other) is not None
        needs = (True, kept)
        found = self.reads[needs] if needs in self.reads else self._reads_other(needs)
        if found is None:
            return False
        # What is kept must not lie in the memory that is written.
        return (
            not found
            or not isinstance(other, Tensor)
            or other._box is None
            or other._box is not target._box
        )

    def __call__(self, target: Tensor, other: Any) -> None:
        """Gives `target`, which was written, its new node."""
        node = new(Node)
        node.op = self.op
        box: Any = target._box
        if isinstance(other, Tensor):
            after = history(other)
            node.edges = (target._node, after)
            a, b = target._array, other._array
            same = a.shape == b.shape
            if not same:
                node.same = False
            kept: Any = None if same else meta(b)
            if self.reads[True, after is not None]:
                kept = other
                if other._box is not None:
                    node.versions = (0, other._box.version)
            first: Meta | None = None if same else meta(a)
            node.saved = (first, kept)
        else:
            node.edges, node.saved = (target._node, None), (None, other)
        target._node = node
        box.generation += 1


__all__ = ["Rewriting"]
