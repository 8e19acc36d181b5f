"""Selective checkpointing: a policy says which operators' results are kept after all, and not computed again.

A policy is asked for every operator of the first run; for a composite (`mm`, `softmax`), whose inner operators are all
kept if it says so, and for those inside otherwise. The second run finds results by the number of their call.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from flambeau.runtime import state
from flambeau.runtime.inference import writes
from flambeau.runtime.operator import Operator, registry
from flambeau.runtime.tensor import Tensor, alias


class CheckpointPolicy(enum.Enum):
    """What a policy says of one call.

    With PREFER a compiler might decide otherwise; there is none here, so that it does the same as MUST.
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


class SelectiveCheckpointContext:
    """What a policy is told beside the operator and its arguments: `op_output`, and `is_recompute`, always False."""

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


# Operators that no policy is asked for.
SAC_IGNORED_OPS = {registry["stop_gradient"], registry["copy_into"]}
_KEPT = (
    CheckpointPolicy.MUST_SAVE,
    CheckpointPolicy.PREFER_SAVE,
    CheckpointPolicy.MUST_CPU_OFFLOAD,
    CheckpointPolicy.PREFER_CPU_OFFLOAD,
)
_OFFLOADED = _KEPT[2:]


class _Mode:
    """What both runs have in common: every operator on plain tensors comes through `run`, and is counted."""

    def __init__(self, kept: dict[int, Any]) -> None:
        self.kept, self.count = kept, 0

    def wants(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> bool:
        return False

    def leaves(self, tensor: Any, how: str) -> None:
        pass

    def constant(self, tensor: Any) -> None:
        pass

    def __enter__(self) -> Any:
        self.count = 0
        state.push_mode(self)
        return self

    def __exit__(self, *_: object) -> None:
        state.pop_mode(self)


class _Keep(_Mode):
    """The first run: keeps what the policy says."""

    def __init__(self, kept: dict[int, Any], policy: Callable[..., Any]) -> None:
        super().__init__(kept)
        self.policy, self.whole = policy, 0

    def asked(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], made: Any = None
    ) -> CheckpointPolicy:
        context = SelectiveCheckpointContext(is_recompute=False, op_output=made)
        said = self.policy(context, overload(op), *arrays, **attrs)
        if isinstance(said, bool):
            return CheckpointPolicy.MUST_SAVE if said else CheckpointPolicy.PREFER_RECOMPUTE
        return said

    def wants(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> bool:
        return not self.whole and self.asked(op, arrays, attrs) in _KEPT

    def run(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        if op.family == "composite":  # one that `wants` said yes to
            self.whole += 1
            try:
                return op.call_body(arrays, attrs)
            finally:
                self.whole -= 1
        place = self.count
        self.count += 1
        made = proceed()
        if op in SAC_IGNORED_OPS or op.family == "view":
            return made
        said = CheckpointPolicy.MUST_SAVE if self.whole else self.asked(op, arrays, attrs, made)
        if said in _KEPT:
            outs = made if isinstance(made, tuple) else (made,)
            self.kept[place] = (
                [_Cached(o, said in _OFFLOADED) for o in outs],
                type(made) if isinstance(made, tuple) else None,
            )
        return made


class _Cached:
    """One kept result, and the version it had; `offloaded` ones wait in the host's memory."""

    def __init__(self, tensor: Tensor, offloaded: bool) -> None:
        self.device = tensor.device
        self.tensor = tensor.cpu().detach() if offloaded else alias(tensor)
        self.version = writes(self.tensor)

    def again(self, mutable: bool) -> Tensor:
        if writes(self.tensor) != self.version and not mutable:
            raise RuntimeError(
                "Tensor cached during selective activation checkpoint has been mutated"
            )
        return alias(self.tensor.to(self.device))


class _Reuse(_Mode):
    """The second run: gives what was kept in the place of computing it."""

    def __init__(self, kept: dict[int, Any], mutable: bool) -> None:
        super().__init__(kept)
        self.mutable, self.runs = mutable, 0

    def __enter__(self) -> Any:
        self.runs += 1
        if self.runs > 1:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region computed under "
                "selective activation checkpoint."
            )
        return super().__enter__()

    def run(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        place = self.count
        self.count += 1
        found = self.kept.pop(place, None)
        if found is None:
            return proceed()
        parts, kind = found
        outs = [p.again(self.mutable) for p in parts]
        if kind is None:
            return outs[0]
        return kind(*outs) if hasattr(kind, "_fields") else tuple(outs)


def overload(op: Operator) -> Any:
    """The operator as code names it, `ops.aten.sin.default`."""
    from flambeau.library.namespace import Overload

    name = op.name.replace("::", ".") if "::" in op.name else f"aten.{op.name}"
    return Overload(op.public, f"{name}.default")


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[_Keep, _Reuse]:
    """The contexts for `checkpoint(..., context_fn=...)` that keep what a policy says.

    Args:
        policy_fn_or_list: `policy(ctx, op, *args, **kwargs)` giving a CheckpointPolicy, or a list of the operators to
            keep: functions such as `flambeau.matmul`, or `flambeau.ops.aten.mm.default`.
        allow_cache_entry_mutation: do not look whether a kept result was written since.

    >>> import functools, flambeau
    >>> x = flambeau.ones(2, 2, requires_grad=True)
    >>> keep = functools.partial(create_selective_checkpoint_contexts, [flambeau.matmul])
    >>> checkpoint = flambeau.utils.checkpoint.checkpoint
    >>> checkpoint(lambda x: (x @ x).sin().sum(), x, use_reentrant=False, context_fn=keep).backward()
    >>> x.grad.shape
    flambeau.Size([2, 2])
    """
    if isinstance(policy_fn_or_list, list):
        wanted = set(map(_operator, policy_fn_or_list))

        def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
            found = _operator(op) in wanted
            return CheckpointPolicy.MUST_SAVE if found else CheckpointPolicy.PREFER_RECOMPUTE
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    kept: dict[int, Any] = {}
    return _Keep(kept, policy), _Reuse(kept, allow_cache_entry_mutation)


def _operator(given: Any) -> Operator:
    """The Operator of a public function, of `ops.aten.<name>`, or itself."""
    public = given.__dict__.get("_public", given) if hasattr(given, "__dict__") else given
    op = public if isinstance(public, Operator) else getattr(public, "op", None)
    if not isinstance(op, Operator):
        raise ValueError(
            f"Expected op in `op_list` to be an OpOverload but got: {given} of type {type(given)}. "
        )
    return op
