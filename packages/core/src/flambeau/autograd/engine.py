"""`autograd.backward` and `autograd.grad`: PyTorch's arguments, checked and handed to the tape's engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .._base import dtypes
from ..ops.creation import zeros_like
from ..runtime import tape
from ..runtime.tensor import Tensor, history


class GradientEdge(NamedTuple):
    """Where gradients pass: result number `output_nr` of `node`. Stands for a tensor in `grad` and `backward`."""

    node: Any
    output_nr: int
    ownership_token: Any = None

    def __repr__(self) -> str:
        name = self.node.name() if self.node is not None else "None"
        return f"GradientEdge(node={name}, output_nr={self.output_nr})"


def _listed(node: tape.Node) -> list[str]:
    from ..runtime.saving import listed  # here: for whoever looks at graphs

    return listed(node)


tape.Node.__dir__ = _listed  # type: ignore[method-assign, assignment]

Tensors = Tensor | Sequence[Tensor] | GradientEdge


def _several(x: Any) -> list:
    return [x] if isinstance(x, (Tensor, GradientEdge)) or x is None else list(x)


def _node(x: Any) -> Any:
    """The tape's node behind a tensor or an edge."""
    if isinstance(x, Tensor):
        return history(x)
    if x.node is not None and getattr(x.node, "outputs", None) is not None:
        return tape.Output(x.node, x.output_nr)
    return x.node


def _start(outputs: list[Any], grads: list, batched: bool = False) -> list[Tensor]:
    """The gradients to begin with: those given, or one for each scalar output."""
    if not grads or grads == [None]:
        grads = [None] * len(outputs)
    grads = grads[: len(outputs)]
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    begin = []
    for i, (out, g) in enumerate(zip(outputs, grads)):
        if g is None:
            if not isinstance(out, Tensor):
                raise RuntimeError(
                    "grad can be implicitly created only for scalar outputs, and the size behind a GradientEdge is "
                    "not known; pass its gradient"
                )
            if out.requires_grad:
                if out.numel() != 1:
                    raise RuntimeError("grad can be implicitly created only for scalar outputs")
                if out.dtype.category != dtypes.FLOAT:
                    raise RuntimeError(
                        f"grad can be implicitly created only for real scalar outputs but got {out.dtype}"
                    )
            g = tape.seed_of(out)
        elif not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
        elif isinstance(out, Tensor):
            _check_gradient(i, out, g)
        begin.append(g)
    return begin


def _check_gradient(i: int, out: Tensor, g: Tensor) -> None:
    if tuple(g.shape) != tuple(out.shape):
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {out.shape}."
        )
    if out.dtype.is_complex != g.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {out.dtype}."
        )


def _fitted(begin: list[Tensor], outputs: list[Any]) -> list[Tensor]:
    """The gradients in their outputs' dtypes."""
    return [
        g.to(out.dtype) if isinstance(out, Tensor) and g.dtype is not out.dtype else g
        for g, out in zip(begin, outputs)
    ]


def _roots(outputs: list[Any]) -> list[Any]:
    roots = []
    for i, out in enumerate(outputs):
        node = _node(out)
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
        grad_tensors is None
        and inputs is None
        and grad_variables is None
        and isinstance(tensors, Tensor)
    ):  # loss.backward(): nothing to sort out
        node = history(tensors)
        if node is not None and (not tensors.ndim or tensors.numel() == 1):
            if tensors.dtype.category == dtypes.FLOAT:
                tape.backward((node,), (tape.seed_of(tensors),), None, retain, create_graph)
                return
    if grad_variables is not None:
        import warnings

        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    outputs = _several(tensors)
    wanted = None if inputs is None else _several(inputs)
    if wanted is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    begin = _start(outputs, _several(grad_tensors))
    roots, begin = _roots(outputs), _fitted(begin, outputs)
    if wanted is None:
        tape.backward(roots, begin, None, retain, create_graph)
        return
    for t in wanted:
        if isinstance(t, Tensor):
            t.retain_grad()
        elif _node(t) is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    nodes = [_node(t) for t in wanted]
    tape.backward(roots, begin, nodes, retain, create_graph, fill_leaves=True)


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

    With `is_grads_batched` the first dimension of `grad_outputs` counts gradients, and of what is returned.

    >>> import flambeau
    >>> x = flambeau.tensor(3.0, requires_grad=True)
    >>> flambeau.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    outs, ins = _several(outputs), _several(inputs)
    if not ins:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    retain = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads or bool(allow_unused)
    if is_grads_batched:
        return _batched_grad(
            outs, ins, _several(grad_outputs), retain, create_graph, unused, materialize_grads
        )
    begin = _start(outs, _several(grad_outputs))
    return _grad(outs, ins, begin, retain, create_graph, unused, materialize_grads)


def _grad(
    outs: list, ins: list, begin: list, retain: bool, create: bool, unused: bool, fill: bool
) -> tuple[Tensor | None, ...]:
    roots = _roots(outs)
    nodes = []
    for t in ins:
        node = _node(t)
        if node is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        nodes.append(node)
    found = tape.backward(roots, _fitted(begin, outs), nodes, retain, create, fill_leaves=False)
    result: list[Tensor | None] = []
    for i, (t, g) in enumerate(zip(ins, found)):
        if g is None and fill and isinstance(t, Tensor):
            g = zeros_like(t)
        elif g is None and not unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
        result.append(g)
    return tuple(result)


def _batched_grad(
    outs: list, ins: list, grads: list, retain: bool, create: bool, unused: bool, fill: bool
) -> tuple[Tensor | None, ...]:
    """One walk for a batch of gradients; inputs that none reaches give None."""
    from ..func import vmap

    reached: list[bool] = []

    def vjp(*gs: Any) -> tuple:
        found = _grad(outs, ins, list(_start(outs, list(gs))), True, create, unused, fill)
        reached[:] = [f is not None for f in found]
        return tuple([f for f in found if f is not None])

    rows = iter(vmap(vjp)(*grads))
    made = tuple([next(rows) if r else None for r in reached])
    if not retain:  # the walk itself has to keep the graph: it may be cut into pieces
        for root in _roots(outs):
            _release(root)
    return made


def _release(root: Any) -> None:
    for node in tape.count_users([root]):
        if isinstance(node, tape.Node):
            tape.release(node, node.saved)
