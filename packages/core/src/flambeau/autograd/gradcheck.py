"""Gradients against finite differences, to first and second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..runtime.tensor import Tensor
from .engine import grad
from .modes import enable_grad, no_grad


class GradcheckError(RuntimeError):
    """An analytical gradient differs from the numerical one."""


def _outputs(x: Any) -> list[Tensor]:
    xs = [x] if isinstance(x, Tensor) else list(x)
    return [
        o for o in xs if isinstance(o, Tensor) and (o.dtype.is_floating_point or o.dtype.is_complex)
    ]


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
    **_: Any,
) -> bool:
    """Whether the gradients of `func` at `inputs` (float64) equal central differences.

    >>> import flambeau
    >>> x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    >>> flambeau.autograd.gradcheck(lambda x: x.sin(), (x,))
    True
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    moved = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
    if not moved:
        raise ValueError("gradcheck expects at least one input tensor to require gradient")
    with enable_grad():
        outs = _outputs(func(*args))
    try:
        for number, out in enumerate(outs):
            if not out.requires_grad:
                continue
            for which, x in enumerate(moved):
                _compare(func, args, outs, number, x, which, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    func: Any,
    args: tuple,
    outs: list[Tensor],
    number: int,
    x: Tensor,
    which: int,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    import numpy as np

    out = outs[number]
    analytical = np.zeros((_parts(x).size, _parts(out).size))
    for j in range(analytical.shape[1]):
        g = out.new_tensor(_seed(out, j)).reshape(out.shape)
        got = grad(out, x, g, retain_graph=True, allow_unused=True)[0]
        if got is not None:
            analytical[:, j] = _parts(got)
    numerical = np.zeros_like(analytical)
    array, wide = x._array, 2 if x.dtype.is_complex else 1
    with no_grad():
        for i in range(len(numerical)):
            where = np.unravel_index(i // wide, array.shape)
            step = eps * 1j if i % wide else eps
            old = array[where].copy()
            array[where] = old + step
            up = _parts(_outputs(func(*args))[number])
            array[where] = old - step
            down = _parts(_outputs(func(*args))[number])
            array[where] = old
            numerical[i] = (up - down) / (2 * eps)
    if not np.allclose(analytical, numerical, rtol, atol, equal_nan=True):
        raise GradcheckError(
            f"Jacobian mismatch for output {number} with respect to input {which},\n"
            f"numerical:{numerical}\nanalytical:{analytical}\n"
        )


def _parts(t: Tensor) -> Any:
    """All numbers of a tensor in a row, complex ones as two: a gradient is then one more real number each."""
    import numpy as np

    flat = np.ascontiguousarray(t.detach()._array).reshape(-1)
    return flat.view(flat.real.dtype).astype("float64")


def _seed(out: Tensor, j: int) -> Any:
    """The cotangent that picks the j-th of `_parts(out)`."""
    import numpy as np

    seed = np.zeros(out.numel(), dtype=out._array.dtype)
    wide = 2 if out.dtype.is_complex else 1
    seed[j // wide] = 1j if j % wide else 1
    return seed


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **options: Any,
) -> bool:
    """Whether the second derivatives of `func` at `inputs` (float64) equal central differences of the first."""
    from ..ops.random import randn_like

    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outs = [o for o in _outputs(func(*args)) if o.requires_grad]
    given = (
        list(grad_outputs)
        if grad_outputs is not None
        else [randn_like(o).requires_grad_() for o in outs]
    )
    count = len(args)

    def first(*both: Any) -> tuple:
        xs, gs = both[:count], both[count:]
        with enable_grad():
            made = [o for o in _outputs(func(*xs)) if o.requires_grad]
            moved = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
            found = grad(made, moved, gs, create_graph=True, allow_unused=True)
        return tuple(f for f in found if f is not None)

    return gradcheck(
        first, (*args, *given), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )
