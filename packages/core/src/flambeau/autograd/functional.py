"""Whole derivatives of functions: Jacobians, Hessians, and their products with vectors. `func` has the same as transforms.

`inputs` is a tensor or a tuple of tensors, so is what `func` returns; results are nested accordingly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..runtime import state
from ..runtime.tensor import Tensor
from .engine import grad
from .modes import enable_grad

Tensors = Tensor | tuple[Tensor, ...]


# -- arguments and results --------------------------------------------------------------------------------------------


def _as_tuple(given: Any, arg_name: str, fn_name: str) -> tuple[bool, tuple]:
    """(whether it was a tuple, the tensors)."""
    several = isinstance(given, tuple)
    tensors = given if several else (given,)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            if several:
                raise TypeError(
                    f"The {arg_name} given to {fn_name} must be either a Tensor or a tuple of Tensors but the value at "
                    f"index {i} has type {type(t)}."
                )
            raise TypeError(
                f"The {arg_name} given to {fn_name} must be either a Tensor or a tuple of Tensors but the given "
                f"{arg_name} has type {type(t)}."
            )
    return several, tensors


def _prepared(inputs: tuple, create_graph: bool, need_graph: bool = True) -> tuple:
    """Inputs with a history that begins here, or, under `create_graph`, one that goes on."""
    return tuple(
        [
            t.view_as(t)
            if create_graph and t.requires_grad
            else t.detach().requires_grad_(need_graph and t.dtype.category >= 2)
            for t in inputs
        ]
    )


def _finished(tensors: Any, create_graph: bool) -> Any:
    """Results without history, unless it was asked for."""
    if isinstance(tensors, tuple):
        return tuple([_finished(t, create_graph) for t in tensors])
    return tensors if create_graph or tensors is None else tensors.detach()


def _unpacked(several: bool, tensors: tuple) -> Any:
    return tensors if several else tensors[0]


def _check_vector(v: Any, other: tuple, several: bool) -> None:
    if len(other) != len(v):
        if several:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(other)} but got {len(v)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, other)):
        if a.shape != b.shape:
            entry = f"Entry {i} in " if several else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {b.shape} but got {a.shape}.")


def _vector(
    v: Any, like: tuple, several: bool, fn_name: str, create_graph: bool, what: str
) -> tuple:
    """The vector of a product; left out, it is one where there is a single number."""
    if v is not None:
        given = _as_tuple(v, "v", fn_name)[1]
        given = _prepared(given, create_graph, need_graph=False)
        _check_vector(given, like, several)
        return given
    if len(like) != 1 or like[0].numel() != 1:
        raise RuntimeError(what)
    return (like[0].new_ones(like[0].shape),)


def _check_outputs(outs: tuple, strict: bool) -> None:
    if strict:
        for i, o in enumerate(outs):
            if not o.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The outputs must be "
                    "computed in a differentiable manner from the input when running in strict mode."
                )


def _check_scalar(outs: tuple, several: bool, fn_name: str) -> None:
    if several or not isinstance(outs[0], Tensor):
        raise RuntimeError(f"The function given to {fn_name} should return a single Tensor")
    if outs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {fn_name} should contain a single element"
        )


_TWICE = (
    " is independent of the input. This is not allowed in strict mode. You should ensure that your function is "
    "{} differentiable and that the {} depends on the inputs{}."
)
_LINEAR = " (this would be violated by a linear function for example)"


def _check_found(found: tuple, strict: bool, kind: str) -> None:
    """In strict mode every result must depend on its input."""
    if not strict:
        return
    for i, g in enumerate(found):
        if g is None:
            if kind == "grad_inputs":
                raise RuntimeError(
                    f"The gradient with respect to input {i} is None. This is not allowed in strict mode."
                )
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}. This is not allowed in "
                "strict mode."
            )
        if g.requires_grad:
            continue
        if kind == "jacobian":
            raise RuntimeError(
                "While computing the hessian, found that the jacobian of the user-provided function with respect to "
                f"input {i}" + _TWICE.format("twice", "jacobian", _LINEAR)
            )
        if kind == "hessian":
            raise RuntimeError(
                f"The hessian of the user-provided function with respect to input {i}"
                + _TWICE.format("thrice", "hessian", "")
            )
        if kind == "grad_inputs":
            raise RuntimeError(
                f"The gradient with respect to input {i} is independent of the inputs of the user-provided function. "
                "This is not allowed in strict mode."
            )


def _grad(outs: tuple, ins: tuple, grads: Any = None, create_graph: bool = False) -> tuple:
    """`grad` of those outputs that have a history; None where nothing arrives."""
    grads = (None,) * len(outs) if grads is None else grads
    pairs = [(o, g) for o, g in zip(outs, grads) if o is not None and o.requires_grad]
    if not pairs:
        return (None,) * len(ins)
    wanted = [t for t in ins if t.requires_grad]
    found = iter(
        grad(
            [o for o, _ in pairs], wanted, [g for _, g in pairs],
            retain_graph=True, create_graph=create_graph, allow_unused=True,
        )
        if wanted
        else ()
    )  # fmt: skip
    return tuple([next(found) if t.requires_grad else None for t in ins])


def _filled(found: tuple, ins: tuple, create_graph: bool, strict: bool, kind: str) -> tuple:
    """Zeros where an input has no part in the outputs; in strict mode an error."""
    _check_found(found, strict and create_graph, kind) if create_graph else _check_used(
        found, strict
    )
    return tuple([t.new_zeros(t.shape) if g is None else g for g, t in zip(found, ins)])


def _check_used(found: tuple, strict: bool) -> None:
    for i, g in enumerate(found if strict else ()):
        if g is None:
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}. This is not allowed in "
                "strict mode."
            )


# -- the public functions ---------------------------------------------------------------------------------------------


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """(func(inputs), v times the Jacobian of `func`).

    >>> import flambeau
    >>> flambeau.autograd.functional.vjp(flambeau.exp, flambeau.zeros(2), flambeau.tensor([1.0, 3.0]))
    (tensor([1., 1.]), tensor([1., 3.]))
    """
    with enable_grad():
        several, ins = _as_tuple(inputs, "inputs", "vjp")
        ins = _prepared(ins, create_graph)
        many, outs = _as_tuple(func(*ins), "outputs of the user-provided function", "vjp")
        _check_outputs(outs, strict)
        vector = _vector(
            v, outs, many, "vjp", create_graph,
            "The vector v can only be None if the user-provided function returns a single Tensor with a single "
            "element.",
        )  # fmt: skip
    with _recording(create_graph):
        found = _grad(outs, ins, vector, create_graph)
        result = _filled(found, ins, create_graph, strict, "back")
    return _unpacked(many, _finished(outs, create_graph)), _unpacked(
        several, _finished(result, create_graph)
    )


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """(func(inputs), the Jacobian of `func` times v), by reverse mode twice; `func.jvp` needs one pass forward.

    >>> import flambeau
    >>> flambeau.autograd.functional.jvp(flambeau.exp, flambeau.zeros(2), flambeau.tensor([1.0, 3.0]))
    (tensor([1., 1.]), tensor([1., 3.]))
    """
    with enable_grad():
        several, ins = _as_tuple(inputs, "inputs", "jvp")
        ins = _prepared(ins, create_graph)
        vector = _vector(
            v, ins, several, "jvp", create_graph,
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a "
            "single element.",
        )  # fmt: skip
        many, outs = _as_tuple(func(*ins), "outputs of the user-provided function", "jvp")
        _check_outputs(outs, strict)
        free = tuple([o.new_zeros(o.shape).requires_grad_() for o in outs])
        pulled = _grad(outs, ins, free, create_graph=True)
        _check_used(pulled, strict)
    with _recording(create_graph):
        found = _grad(pulled, free, vector, create_graph)
        result = _filled(found, outs, create_graph, strict, "back_trick")
    return _unpacked(many, _finished(outs, create_graph)), _unpacked(
        many, _finished(result, create_graph)
    )


class _recording(enable_grad):
    """`enable_grad`, or nothing: whether what follows is to have a history."""

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.wanted = on or state.local.grad


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output and input a tensor of shape (*output's, *input's).

    With `vectorize` all rows (or, with strategy "forward-mode", all columns) are computed in one pass.

    >>> import flambeau
    >>> flambeau.autograd.functional.jacobian(flambeau.square, flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                "torch.autograd.functional.jacobian: `create_graph=True` and `strategy='forward-mode'` are not "
                "supported together (yet). Please either set `create_graph=False` or use `strategy='reverse-mode'`."
            )
        return _forward_jacobian(func, inputs, strict, vectorize)
    if vectorize and strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
            "Please either set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        several, ins = _as_tuple(inputs, "inputs", "jacobian")
        ins = _prepared(ins, create_graph)
        many, outs = _as_tuple(func(*ins), "outputs of the user-provided function", "jacobian")
        _check_outputs(outs, strict)
        rows = tuple(
            [_rows(i, o, ins, create_graph, strict, vectorize) for i, o in enumerate(outs)]
        )
    rows = _finished(rows, create_graph)
    return _nested(rows, many, several)


def _nested(rows: tuple, many: bool, several: bool) -> Any:
    """Rows per output, blocks per input; without the tuples that the caller did not have."""
    blocks = tuple([r if several else r[0] for r in rows])
    return blocks if many else blocks[0]


def _rows(
    number: int, out: Tensor, ins: tuple, create: bool, strict: bool, vectorize: bool
) -> tuple:
    """The blocks of one output: for each input (*out's shape, *input's shape)."""
    if not out.requires_grad:
        return tuple([t.new_zeros((*out.shape, *t.shape)) for t in ins])
    if vectorize:
        from ..func import vmap

        n = out.numel()
        basis = out.new_zeros((n, n)).fill_diagonal_(1).reshape((n, *out.shape))
        zero = [t.new_zeros(t.shape) for t in ins]

        def pull(g: Tensor) -> tuple:
            found = _grad((out,), ins, (g,), create)
            return tuple([z if f is None else f for f, z in zip(found, zero)])

        found = vmap(pull)(basis)
        return tuple([f.reshape((*out.shape, *t.shape)) for f, t in zip(found, ins)])
    from ..ops.joining import stack

    parts: list[list] = [[] for _ in ins]
    for element in out.reshape(-1):
        found = _grad((element,), ins, None, create)
        for i, (g, t) in enumerate(zip(found, ins)):
            if strict and g is None:
                raise RuntimeError(
                    f"Output {number} of the user-provided function is independent of input {i}. This is not allowed "
                    "in strict mode."
                )
            if strict and create and not g.requires_grad:
                raise RuntimeError(
                    "The jacobian of the user-provided function is independent of input "
                    f"{i}. This is not allowed in strict mode when create_graph=True."
                )
            parts[i].append(t.new_zeros(t.shape) if g is None else g)
    return tuple(
        [
            stack(p).reshape((*out.shape, *t.shape)) if p else t.new_zeros((*out.shape, *t.shape))
            for p, t in zip(parts, ins)
        ]
    )


def _forward_jacobian(
    func: Callable[..., Any], inputs: Tensors, strict: bool, vectorize: bool
) -> Any:
    if strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `strategy='forward-mode'` are not supported "
            "together (yet). Please either set `strict=False` or `strategy='reverse-mode'`."
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )
    from ..func import jacfwd

    several, ins = _as_tuple(inputs, "inputs", "jacobian")
    made = jacfwd(func, tuple(range(len(ins))))(*[t.detach() for t in ins])
    rows = made if isinstance(made[0], tuple) else None
    # jacfwd nests the inputs inside the outputs already
    many = rows is not None
    return _nested(tuple(made) if many else (tuple(made),), many, several)


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a scalar function: for each pair of inputs a tensor of shape (*first's, *second's).

    >>> import flambeau
    >>> flambeau.autograd.functional.hessian(lambda x: (x ** 3).sum(), flambeau.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, ins = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def value(*args: Any) -> Tensor:
        many, outs = _as_tuple(func(*args), "outputs of the user-provided function", "hessian")
        _check_scalar(outs, many, "hessian")
        return outs[0].reshape(())

    def first(*args: Any) -> tuple:
        if outer_jacobian_strategy == "forward-mode":
            from ..func import grad as gradient

            return gradient(value, tuple(range(len(args))))(*args)
        found: Any = jacobian(value, args, create_graph=True)
        _check_found(found, strict, "jacobian")
        return found

    made = jacobian(first, ins, create_graph, strict, vectorize, outer_jacobian_strategy)
    return made if several else made[0][0]


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """(func(inputs), v times the Hessian of the scalar function `func`).

    >>> import flambeau
    >>> cubes = lambda x: (x ** 3).sum()
    >>> flambeau.autograd.functional.vhp(cubes, flambeau.tensor([1.0, 2.0]), flambeau.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    several, ins, out, first, vector = _gradient_of(func, inputs, v, create_graph, strict, "vhp")
    with _recording(create_graph):
        found = _grad(first, ins, vector, create_graph)
        result = _filled(found, ins, create_graph, strict, "hessian")
    return _finished(out, create_graph), _unpacked(several, _finished(result, create_graph))


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """(func(inputs), the Hessian of the scalar function `func` times v). `vhp` gives the same with one walk less.

    >>> import flambeau
    >>> cubes = lambda x: (x ** 3).sum()
    >>> flambeau.autograd.functional.hvp(cubes, flambeau.tensor([1.0, 2.0]), flambeau.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    several, ins, out, first, vector = _gradient_of(func, inputs, v, create_graph, strict, "hvp")
    with enable_grad():
        free = tuple([t.new_zeros(t.shape).requires_grad_() for t in ins])
        pulled = _grad(first, ins, free, create_graph=True)
        _check_used(pulled, strict)
    with _recording(create_graph):
        found = _grad(pulled, free, vector, create_graph)
        result = _filled(found, ins, create_graph, strict, "hessian")
    return _finished(out, create_graph), _unpacked(several, _finished(result, create_graph))


def _gradient_of(
    func: Callable[..., Any], inputs: Tensors, v: Any, create_graph: bool, strict: bool, name: str
) -> tuple:
    """(several inputs?, inputs, output, gradient with history, vector): what both Hessian products begin with."""
    with enable_grad():
        several, ins = _as_tuple(inputs, "inputs", name)
        ins = _prepared(ins, create_graph)
        vector = _vector(
            v, ins, several, name, create_graph,
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a "
            "single element.",
        )  # fmt: skip
        many, outs = _as_tuple(func(*ins), "outputs of the user-provided function", name)
        _check_outputs(outs, strict)
        _check_scalar(outs, many, name)
        first = _grad(outs, ins, None, create_graph=True)
        _check_found(first, strict, "jacobian")
    return several, ins, outs[0], first, vector


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
