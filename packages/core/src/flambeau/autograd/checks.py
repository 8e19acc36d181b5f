"""Gradients against finite differences, to first and second order, in both modes.

Complex numbers count as two real ones: a function of complex tensors is checked as the function of their parts that it
is, so that what is no function of a complex variable alone (`abs`, `conj`) is checked as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import writes
from ..runtime.tensor import Tensor, wrap
from .engine import grad
from .modes import enable_grad, no_grad


class GradcheckError(RuntimeError):
    """An analytical gradient differs from the numerical one."""


class _Setup(NamedTuple):
    """What a check works with."""

    func: Callable[..., Any]
    args: tuple
    moved: list[Tensor]  # the inputs that require grad
    outs: list[Tensor]  # the floating outputs
    eps: float
    atol: float
    rtol: float
    nondet: float


def _outputs(made: Any) -> list[Tensor]:
    parts = [made] if isinstance(made, Tensor) else list(made)
    return [o for o in parts if isinstance(o, Tensor) and o.dtype.category >= 2]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of `func` at `inputs` (float64) equal central differences.

    Args:
        eps: the step of the differences.
        atol, rtol: what may be between the two.
        raise_exception: False gives False for a difference instead of a GradcheckError.
        nondet_tol: what may be between two walks backward.
        check_undefined_grad: of several outputs also those whose gradient is absent are tried.
        check_grad_dtypes: gradients must have their inputs' dtypes.
        check_batched_grad, check_batched_forward_grad: also under vmap.
        check_forward_ad, check_backward_ad: which modes.
        fast_mode: one random direction instead of every element.
        masked: gradients of sparse inputs; of no effect on dense ones.

    >>> import flambeau
    >>> x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    >>> flambeau.autograd.gradcheck(lambda x: x.sin(), (x,))
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    moved = _checked_inputs(args)
    with enable_grad():
        outs = _outputs(func(*args))
    s = _Setup(func, args, moved, outs, eps, atol, rtol, nondet_tol)
    try:
        _check(
            s, fast_mode, check_undefined_grad, check_grad_dtypes, check_batched_grad,
            check_batched_forward_grad, check_forward_ad, check_backward_ad,
        )  # fmt: skip
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _checked_inputs(args: tuple) -> list[Tensor]:
    moved = []
    for i, a in enumerate(args):
        if not (isinstance(a, Tensor) and a.requires_grad):
            continue
        if a.dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        array = a.__dict__.get("_array")
        if array is not None and writes.overlaps(array):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous "
                "on the input before passing it to gradcheck."
            )
        moved.append(a)
    if not moved:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )
    return moved


def _check(
    s: _Setup, fast: bool, undefined: bool, dtypes: bool, batched: bool, batched_forward: bool,
    forward: bool, backward: bool,
) -> None:  # fmt: skip
    if not any(o.requires_grad for o in s.outs):
        _check_flat(s)
        return
    compare = _compare_fast if fast else _compare_full
    if forward:
        for number in range(len(s.outs)):
            for which in range(len(s.moved)):
                compare(s, number, which, True)
        if batched_forward:
            _check_batched_forward(s)
    if not backward:
        return
    for number, out in enumerate(s.outs):
        if out.requires_grad:
            for which in range(len(s.moved)):
                compare(s, number, which, False)
                _check_repeat(s, number, which)
            if dtypes:
                _check_dtypes(s, out)
            if batched:
                _check_batched(s, out)
    if undefined:
        _check_undefined(s)


def _check_flat(s: _Setup) -> None:
    """Outputs without a history must not depend on the inputs."""
    for number, out in enumerate(s.outs):
        for which in range(len(s.moved)):
            if np.any(np.abs(_numerical(s, number, which)) > s.atol):
                raise GradcheckError("Numerical gradient for function expected to be zero")
        del out


# -- Jacobians, inputs down and outputs across, in real numbers -----------------------------------------------------------


def _parts(t: Tensor) -> Any:
    """All numbers of a tensor in a row, complex ones as two: a gradient is then one more real number each."""
    flat = np.ascontiguousarray(t.detach().cpu()._array).reshape(-1)
    if flat.dtype.kind not in "fc":
        flat = flat.astype("float64")
    return flat.view(flat.real.dtype).astype("float64")


def _unit(like: Tensor, j: int) -> Tensor:
    """The tensor whose `_parts` are all 0 but the j-th."""
    flat = np.zeros(like.numel(), dtype=like._array.dtype)
    wide = 2 if like.dtype.is_complex else 1
    flat[j // wide] = 1j if j % wide else 1
    return wrap(flat.reshape(tuple(like.shape)))


def _moved_by(s: _Setup, which: int, direction: Any, number: int) -> Any:
    """The numerical derivative of one output when one input moves in a direction (a raw array of its shape)."""
    array = s.moved[which]._array
    old = array.copy()
    with no_grad():
        array[...] = old + s.eps * direction
        up = _parts(_outputs(s.func(*s.args))[number])
        array[...] = old - s.eps * direction
        down = _parts(_outputs(s.func(*s.args))[number])
        array[...] = old
    return (up - down) / (2 * s.eps)


def _numerical(s: _Setup, number: int, which: int) -> Any:
    x = s.moved[which]
    rows = _parts(x).size
    made = np.zeros((rows, _parts(s.outs[number]).size))
    for i in range(rows):
        made[i] = _moved_by(s, which, _unit(x, i)._array, number)
    return made


def _pulled(s: _Setup, number: int, which: int, g: Tensor) -> Any:
    got = grad(s.outs[number], s.moved[which], g, retain_graph=True, allow_unused=True)[0]
    return None if got is None else _parts(got)


def _pushed(s: _Setup, number: int, which: int, t: Tensor) -> Any:
    """Forward mode: how one output moves when one input moves by the tangent `t`."""
    made = _jvp(s, {id(s.moved[which]): t})[number]
    return np.zeros(_parts(s.outs[number]).size) if made is None else _parts(made)


def _jvp(s: _Setup, tangents: dict[int, Tensor]) -> list[Any]:
    """The tangents of all outputs; the other inputs do not move."""
    from ..transforms.forward import DualTensor, dual_of
    from ..transforms.wrapper import new_level

    level = new_level()
    with no_grad():
        args = [
            dual_of(a.detach(), tangents[id(a)], level) if id(a) in tangents else a for a in s.args
        ]
        outs = _outputs(s.func(*args))
    return [o.tangent if isinstance(o, DualTensor) and o._level == level else None for o in outs]


def _compare_full(s: _Setup, number: int, which: int, forward: bool) -> None:
    out, x = s.outs[number], s.moved[which]
    analytical = np.zeros((_parts(x).size, _parts(out).size))
    if forward:
        for i in range(analytical.shape[0]):
            analytical[i] = _pushed(s, number, which, _unit(x, i))
    else:
        for j in range(analytical.shape[1]):
            got = _pulled(s, number, which, _unit(out, j))
            if got is not None:
                analytical[:, j] = got
    numerical = _numerical(s, number, which)
    if not np.allclose(analytical, numerical, s.rtol, s.atol, equal_nan=True):
        raise GradcheckError(_mismatch(number, which, numerical, analytical, forward))


def _compare_fast(s: _Setup, number: int, which: int, forward: bool) -> None:
    """The Jacobian in one random direction on either side: u J v as two numbers."""
    out, x = s.outs[number], s.moved[which]
    v, u = _random(x), _random(out)
    numerical = _moved_by(s, which, v._array, number) @ _parts(u)
    if forward:
        analytical = _pushed(s, number, which, v) @ _parts(u)
    else:
        got = _pulled(s, number, which, u)
        analytical = 0.0 if got is None else got @ _parts(v)
    if not np.allclose(analytical, numerical, s.rtol, s.atol, equal_nan=True):
        raise GradcheckError(
            _mismatch(number, which, numerical, analytical, forward)
            + "The above quantities relating the numerical and analytical jacobians are computed in fast mode; run "
            "gradcheck with fast_mode=False to see the whole Jacobians.\n"
        )


def _random(like: Tensor) -> Tensor:
    """A direction of length 1, always the same for a shape."""
    flat = np.random.default_rng(like.numel()).random(_parts(like).size) + 0.1
    flat /= np.sqrt((flat * flat).sum()) or 1.0
    array = like._array
    return wrap(flat.astype(array.real.dtype).view(array.dtype).reshape(array.shape))


def _shown(jacobian: Any) -> Any:
    return wrap(jacobian) if isinstance(jacobian, np.ndarray) else jacobian


def _mismatch(number: int, which: int, numerical: Any, analytical: Any, forward: bool) -> str:
    kind = " (forward mode)" if forward else ""
    return (
        f"Jacobian mismatch{kind} for output {number} with respect to input {which},\n"
        f"numerical:{_shown(numerical)}\nanalytical:{_shown(analytical)}\n"
    )


# -- the further checks -----------------------------------------------------------------------------------------------


def _check_repeat(s: _Setup, number: int, which: int) -> None:
    u = _random(s.outs[number])
    first, second = _pulled(s, number, which, u), _pulled(s, number, which, u)
    if first is not None and np.any(np.abs(first - second) > s.nondet):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
            "different values, although analytical gradient matches numerical gradient. The tolerance for "
            f"nondeterminism was {s.nondet}."
        )


def _found(s: _Setup, out: Tensor, g: Tensor) -> tuple:
    return grad(out, s.moved, g, retain_graph=True, allow_unused=True)


def _check_dtypes(s: _Setup, out: Tensor) -> None:
    for x, g in zip(s.moved, _found(s, out, _random(out))):
        if g is not None and g.dtype is not x.dtype:
            raise GradcheckError(f"grad is incorrect type: {g.dtype} for an input of {x.dtype}")


def _check_batched(s: _Setup, out: Tensor) -> None:
    from ..ops.joining import stack

    rows = [_random(out), _unit(out, 0)] if out.numel() else []
    if not rows:
        return
    loop = [_found(s, out, g) for g in rows]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            together = grad(
                out,
                s.moved,
                stack(rows),
                retain_graph=True,
                allow_unused=True,
                is_grads_batched=True,
            )
    except RuntimeError as error:
        raise GradcheckError(
            "While computing batched gradients, got: " + str(error) + _BATCHED
        ) from error
    for which, one in enumerate(together):
        expected = [g[which] for g in loop]
        if one is None or expected[0] is None:
            continue
        if not np.allclose(
            one._array, np.stack([e._array for e in expected]), s.rtol, s.atol, equal_nan=True
        ):
            raise GradcheckError(
                f"For output and input {which}: the batched gradient differs from one by one"
                + _BATCHED
            )


_BATCHED = (
    "\n\ngradcheck or gradgradcheck failed while testing batched gradient computation: the function does not work "
    "under vmap, or its backward does not."
)


def _check_batched_forward(s: _Setup) -> None:
    from ..func import vmap
    from ..ops.joining import stack

    for x in s.moved:
        if not x.numel():
            continue
        rows = [_random(x), _unit(x, 0)]

        def push(t: Tensor, x: Tensor = x) -> tuple:
            return tuple([m for m in _jvp(s, {id(x): t}) if m is not None])

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                together = vmap(push)(stack(rows))
        except RuntimeError as error:
            raise GradcheckError(
                "While computing batched gradients, got: " + str(error) + _BATCHED
            ) from error
        loop = [push(t) for t in rows]
        for k, one in enumerate(together):
            expected = np.stack([row[k]._array for row in loop])
            if not np.allclose(one._array, expected, s.rtol, s.atol, equal_nan=True):
                raise GradcheckError(
                    "the batched forward gradient differs from one by one" + _BATCHED
                )


def _check_undefined(s: _Setup) -> None:
    """Of several outputs: a gradient that is absent must count as zeros."""
    outs = [o for o in s.outs if o.requires_grad]
    if len(outs) < 2:
        return
    for i, out in enumerate(outs):
        u = _random(out)
        zeros = [u if j == i else wrap(np.zeros_like(o._array)) for j, o in enumerate(outs)]
        absent = _found(s, out, u)
        given = grad(outs, s.moved, zeros, retain_graph=True, allow_unused=True)
        for which, (a, b) in enumerate(zip(absent, given)):
            left = 0.0 if a is None else a._array
            right = 0.0 if b is None else b._array
            if not np.allclose(left, right, s.rtol, s.atol, equal_nan=True):
                raise GradcheckError(
                    "Expected backward function to handle undefined output grads. Please look at 'Notes about "
                    "undefined output gradients' in 'tools/autograd/derivatives.yaml'. "
                    f"(input {which}, output {i})"
                )


# -- second derivatives -----------------------------------------------------------------------------------------------


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the second derivatives of `func` at `inputs` (float64) equal central differences of the first.

    `grad_outputs` are the cotangents of the first derivative, random ones unless given; with
    `gen_non_contig_grad_outputs` such with gaps in memory. The other arguments are `gradcheck`'s.

    >>> import flambeau
    >>> x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    >>> flambeau.autograd.gradgradcheck(lambda x: x.sin(), (x,))
    True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    with enable_grad():
        outs = [o for o in _outputs(func(*args)) if o.requires_grad]
    if grad_outputs is None:
        given = list(_cotangents(outs, gen_non_contig_grad_outputs))
    else:
        given = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(args)
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]

    def first(*both: Any) -> tuple:
        xs, gs = list(both[:count]), both[count:]
        with enable_grad():
            for i in (
                places
            ):  # under forward mode inputs come as tensors with tangents, without a history
                if not xs[i].requires_grad:
                    xs[i] = _with_history(xs[i])
            made = [o for o in _outputs(func(*xs)) if o.requires_grad]
            found = grad(made, [xs[i] for i in places], gs, create_graph=True, allow_unused=True)
        return tuple([f for f in found if f is not None])

    return gradcheck(
        first, (*args, *given), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip


def _with_history(x: Tensor) -> Tensor:
    from ..runtime.tensor import Leaf, alias

    made = alias(x)
    made._node = Leaf(made)
    return made


def _cotangents(outs: Sequence[Tensor], gaps: bool) -> Iterator[Tensor]:
    from ..ops.random import randn

    for o in outs:
        shape = (*o.shape, 2) if gaps else tuple(o.shape)
        made = randn(shape, dtype=o.dtype)
        made = made[..., 0] if gaps else made
        yield made.detach().requires_grad_()


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
