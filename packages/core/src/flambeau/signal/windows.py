"""`flambeau.signal.windows`: windows for spectra. Unlike `flambeau.hann_window` they are symmetric unless `sym=False`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .._base import dtypes
from .._base.checks import as_size
from ..ops.creation import zeros
from ..ops.windows import cosines, kaiser_shape, steps, triangle
from ..runtime.tensor import Tensor

_NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _window(
    name: str,
    M: int,
    shape: Callable[[int, Any], Tensor],
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """The window of a shape, after the checks that all have in common."""
    (length,) = as_size((M,), "M")
    kind = dtype or dtypes.get_default_dtype()
    if length < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={length}")
    if layout is not None and str(layout).rpartition(".")[2] != "strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if kind not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    made = shape(length, device) if length else zeros(0, dtype=dtypes.float64, device=device)
    return made.to(kind).requires_grad_(requires_grad)


def bartlett(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A triangle: `1 - |2 n / (M - 1) - 1|`.

    >>> import flambeau
    >>> flambeau.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _window("bartlett", M, lambda n, where: triangle(n, sym, where), dtype, layout, device, requires_grad)  # fmt: skip


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None,
                   device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A sum of cosines: `a[0] - a[1] cos(2 pi n / (M - 1)) + a[2] cos(4 pi n / (M - 1)) - ...`.

    >>> import flambeau
    >>> flambeau.signal.windows.general_cosine(5, a=[0.5, 0.5])
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    weights = tuple(a)
    if not weights:
        raise ValueError("Coefficients cannot be empty")
    return _window(
        "general_cosine", M, lambda n, where: cosines(n, weights, sym, where), dtype, layout, device, requires_grad
    )  # fmt: skip


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None,
                    device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A raised cosine: `alpha - (1 - alpha) cos(2 pi n / (M - 1))`.

    >>> import flambeau
    >>> flambeau.signal.windows.general_hamming(3, alpha=0.75)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return general_cosine(M, a=(alpha, 1 - alpha), sym=sym, dtype=dtype, layout=layout, device=device,
                          requires_grad=requires_grad)  # fmt: skip


def hamming(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A raised cosine that ends at 0.08.

    >>> import flambeau
    >>> flambeau.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_hamming(
        M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def hann(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A raised cosine that ends at 0.

    >>> import flambeau
    >>> flambeau.signal.windows.hann(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return general_hamming(M, alpha=0.5, sym=sym, dtype=dtype, layout=layout, device=device,
                           requires_grad=requires_grad)  # fmt: skip


def blackman(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Blackman's three cosines, weights 0.42, 0.5 and 0.08.

    >>> import flambeau
    >>> flambeau.signal.windows.blackman(5)[1:4]
    tensor([0.3400, 1.0000, 0.3400])
    """
    return general_cosine(M, a=(0.42, 0.5, 0.08), sym=sym, dtype=dtype, layout=layout, device=device,
                          requires_grad=requires_grad)  # fmt: skip


def nuttall(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Nuttall's four cosines with the lowest side lobes.

    >>> import flambeau
    >>> flambeau.signal.windows.nuttall(5)[1:4]
    tensor([0.2270, 1.0000, 0.2270])
    """
    return general_cosine(M, a=_NUTTALL, sym=sym, dtype=dtype, layout=layout, device=device,
                          requires_grad=requires_grad)  # fmt: skip


def cosine(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Half a wave: `sin(pi (n + 1/2) / M)`.

    >>> import flambeau
    >>> flambeau.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """

    def shape(length: int, where: Any) -> Tensor:
        n, period = steps(length, sym, where)
        return ((n + 0.5) * (math.pi / (period + 1))).sin()

    return _window("cosine", M, shape, dtype, layout, device, requires_grad)


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None,
                layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`exp(-|n - center| / tau)`; a symmetric one has its centre in the middle.

    >>> import flambeau
    >>> flambeau.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def shape(length: int, where: Any) -> Tensor:
        n, period = steps(length, sym, where)
        middle = period / 2 if center is None else center
        return (-(n - middle).abs() / tau).exp()

    return _window("exponential", M, shape, dtype, layout, device, requires_grad)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
             device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`exp(-(n - middle)^2 / (2 std^2))`.

    >>> import flambeau
    >>> flambeau.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")

    def shape(length: int, where: Any) -> Tensor:
        n, period = steps(length, sym, where)
        return (-(((n - period / 2) / std) ** 2) / 2).exp()

    return _window("gaussian", M, shape, dtype, layout, device, requires_grad)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None,
           device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`i0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / i0(beta)`.

    >>> import flambeau
    >>> flambeau.signal.windows.kaiser(3, beta=2.0)
    tensor([0.4387, 1.0000, 0.4387])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _window(
        "kaiser", M, lambda n, where: kaiser_shape(n, float(beta), sym, where), dtype, layout, device, requires_grad
    )  # fmt: skip


__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip
