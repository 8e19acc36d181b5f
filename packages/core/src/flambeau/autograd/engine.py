"""`autograd.backward` and `autograd.grad`: PyTorch's arguments, checked and handed to the tape's engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops.creation import zeros_like
from ..runtime import tape
from ..runtime.tensor import Tensor, history

Tensors = Tensor | Sequence[Tensor]


def _several(x: Any) -> list:
    return [x] if isinstance(x, Tensor) or x is None else list(x)


def _start(outputs: list[Tensor], grads: list) -> list[Tensor]:
    """The gradients to begin with: those given, or one for each scalar output."""
    if not grads or grads == [None]:
        grads = [None] * len(outputs)
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    begin = []
    for out, g in zip(outputs, grads):
        if g is None:
            if out.requires_grad and out.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            g = tape.seed_of(out)
        elif tuple(g.shape) != tuple(out.shape):
            raise RuntimeError(
                f"Mismatch in shape: grad_output[0] has a shape of {g.shape} and output[0] has a shape of {out.shape}."
            )
        begin.append(g)
    return begin


def _roots(outputs: list[Tensor]) -> list[Any]:
    roots = []
    for i, out in enumerate(outputs):
        node = history(out)
        if node is None:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn"
            )
        roots.append(node)
    return roots


def backward(
    tensors: Tensors,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds the gradients of `tensors` to the `.grad` of the leaves they were computed from (of `inputs`, if given).

    >>> import flambeau
    >>> x = flambeau.tensor(3.0, requires_grad=True)
    >>> flambeau.autograd.backward(x * x); x.grad
    tensor(6.)
    """
    retain = create_graph if retain_graph is None else retain_graph
    if (
        grad_tensors is None and inputs is None and isinstance(tensors, Tensor)
    ):  # loss.backward(): nothing to sort out
        node = history(tensors)
        if node is not None and (not tensors.ndim or tensors.numel() == 1):
            tape.backward((node,), (tape.seed_of(tensors),), None, retain, create_graph)
            return
    outputs = _several(tensors)
    begin = _start(outputs, _several(grad_tensors))
    wanted = None
    if inputs is not None:
        wanted = _several(inputs)
        if not wanted:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        nodes = _roots(wanted)
        found = tape.backward(_roots(outputs), begin, nodes, retain, create_graph, fill_leaves=True)
        for t, g in zip(wanted, found):
            if not t.is_leaf and g is not None:
                t.grad = g if t.grad is None else t.grad + g
        return
    tape.backward(_roots(outputs), begin, None, retain, create_graph)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, as a tuple; `.grad` is left alone.

    >>> import flambeau
    >>> x = flambeau.tensor(3.0, requires_grad=True)
    >>> flambeau.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    outs, ins = _several(outputs), _several(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        from ..func import vmap

        return vmap(lambda g: grad(outs, ins, g, True, create_graph, True, allow_unused))(
            grad_outputs
        )
    nodes = []
    for t in ins:
        node = history(t)
        if node is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        nodes.append(node)
    found = tape.backward(
        _roots(outs),
        _start(outs, _several(grad_outputs)),
        nodes,
        retain,
        create_graph,
        fill_leaves=False,
    )
    result: list[Tensor | None] = []
    for t, g in zip(ins, found):
        if g is None and materialize_grads:
            g = zeros_like(t)
        elif g is None and not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        result.append(g)
    return tuple(result)
