"""`testing.assert_close`: PyTorch's tolerances, dtype by dtype, and messages that say how far apart and where."""

from __future__ import annotations

import cmath
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops.creation import as_tensor
from ..runtime.operator import registry
from ..runtime.tensor import Tensor

# dtype -> (rtol, atol)
TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
_OF_OLD = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}
_PYTHON = {int: "int64", float: "float64", complex: "complex128"}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """AssertionError unless both are close: abs(actual - expected) <= atol + rtol * abs(expected), of equal shape and dtype.

    - Tensors and arrays, numbers, booleans, None, and sequences and mappings of them; tensors may be held against numbers
      and arrays too, which PyTorch refuses. TypeError for anything else.
    - `rtol` and `atol`, both or none; without them what the dtype can hold: 1.3e-6 and 1e-5 for float32, 1e-7
      both for float64, 1e-3 and 1e-5 for float16, 1.6e-2 and 1e-5 for bfloat16, 0 for integers. Of two
      dtypes the wider tolerance.
    - `check_device`, `check_dtype`, `check_layout`, `check_stride`: what has to agree beside the values.
      Without `allow_subclasses` both have to be of one class.
    - `msg` replaces the message, or makes one of it.

    >>> import flambeau
    >>> flambeau.testing.assert_close(flambeau.tensor(1.0), flambeau.tensor(1.0 + 1e-7))
    """
    if (rtol is None) != (atol is None):
        lacking = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {lacking}."
        )
    close = _Close(
        rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride, allow_subclasses
    )  # fmt: skip
    try:
        close.compare(actual, expected, ())
    except _Apart as apart:
        where, problem = apart.where, apart.problem
    else:
        return
    if where:
        place = "".join(f"[{step!r}]" for step in where)
        problem = f"{problem}\n\nThe failure occurred for item {place}"
    raise AssertionError(msg(problem) if callable(msg) else msg or problem)


class _Apart(Exception):
    """Two things differ: how, and where in containers."""

    def __init__(self, problem: str, where: tuple[Any, ...]) -> None:
        super().__init__(problem)
        self.problem, self.where = problem, where


class _Close:
    """One comparison, with its options."""

    def __init__(
        self, rtol: float | None, atol: float | None, equal_nan: bool, device: bool, dtype: bool, layout: bool,
        stride: bool, subclasses: bool,
    ) -> None:  # fmt: skip
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self.device, self.dtype, self.layout, self.stride = device, dtype, layout, stride
        self.subclasses = subclasses

    def compare(self, actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
        """_Apart unless both are close."""
        if _is(Sequence, actual, expected):
            self._sequences(actual, expected, where)
        elif _is(Mapping, actual, expected):
            self._mappings(actual, expected, where)
        elif actual is None or expected is None:
            if actual is not expected:
                raise _Apart(f"None mismatch: {actual} is not {expected}", where)
        elif _is((bool, np.bool_), actual, expected):
            if bool(actual) != bool(expected):
                raise _Apart(f"Booleans mismatch: {bool(actual)} is not {bool(expected)}", where)
        elif _is(_NUMBERS, actual, expected):
            self._numbers(actual, expected, where)
        elif _is((*_NUMBERS, np.ndarray, Tensor), actual, expected):
            self._tensors(actual, expected, where)
        else:
            raise _unfit(actual, expected)

    def _sequences(self, actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
        if len(actual) != len(expected):
            raise _Apart(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where
            )
        for i, (a, e) in enumerate(zip(actual, expected)):
            self.compare(a, e, (*where, i))

    def _mappings(self, actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
        missing = sorted(set(expected) - set(actual), key=str)
        additional = sorted(set(actual) - set(expected), key=str)
        if missing or additional:
            raise _Apart(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {missing}\n"
                f"Additional keys in the actual mapping: {additional}",
                where,
            )
        for key in sorted(expected, key=str):
            self.compare(actual[key], expected[key], (*where, key))

    # -- numbers

    def _numbers(self, actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
        a, e = (v.item() if isinstance(v, np.generic) else v for v in (actual, expected))
        if self.dtype and type(a) is not type(e):
            raise _Apart(f"The (d)types do not match: {type(a)} != {type(e)}.", where)
        rtol, atol = self._tolerances(_PYTHON.get(type(a), "int64"), _PYTHON.get(type(e), "int64"))
        self._scalars(a, e, rtol, atol, where)

    def _scalars(self, a: Any, e: Any, rtol: float, atol: float, where: tuple[Any, ...]) -> None:
        if a == e or (self.equal_nan and a != a and e != e):
            return
        apart = abs(a - e)
        # An infinite expected value has only itself for company.
        if cmath.isfinite(e) and apart <= atol + rtol * abs(e):
            return
        exact = not rtol and not atol
        relative = float("inf") if e == 0 else apart / abs(e)
        lines = [
            f"Scalars are not {'equal' if exact else 'close'}!\n",
            f"Expected {e} but got {a}.",
            f"Absolute difference: {apart}" + ("" if exact else f" (up to {atol} allowed)"),
            f"Relative difference: {relative}" + ("" if exact else f" (up to {rtol} allowed)"),
        ]
        raise _Apart("\n".join(lines), where)

    def _tolerances(self, *names: str) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [TOLERANCES.get(name, (0.0, 0.0)) for name in names]
        return max(p[0] for p in pairs), max(p[1] for p in pairs)

    # -- tensors

    def _tensors(self, actual: Any, expected: Any, where: tuple[Any, ...]) -> None:
        if not self.subclasses and type(actual) is not type(expected):
            raise _unfit(actual, expected)
        typed = not _some_number(actual, expected)
        a, e = as_tensor(actual).detach(), as_tensor(expected).detach()
        self._attributes(a, e, typed, where)
        rtol, atol = self._tolerances(a.dtype.name, e.dtype.name)
        a, e = _alike(a, e)
        close = registry["isclose"].public(a, e, rtol=rtol, atol=atol, equal_nan=self.equal_nan)
        if bool(close.all()):
            return
        if not a.ndim:
            self._scalars(a.item(), e.item(), rtol, atol, where)
        raise _Apart(_described(a, e, close, rtol, atol), where)

    def _attributes(self, a: Tensor, e: Tensor, typed: bool, where: tuple[Any, ...]) -> None:
        found: list[tuple[str, Any, Any]] = [("shape", a.shape, e.shape)]
        if self.layout:
            found.append(("layout", a.layout, e.layout))
        if self.device:
            found.append(("device", a.device, e.device))
        if self.dtype and typed:
            found.append(("dtype", a.dtype, e.dtype))
        if self.stride:
            found.append(("stride()", a.stride(), e.stride()))
        for name, x, y in found:
            if x != y:
                raise _Apart(f"The values for attribute '{name}' do not match: {x} != {y}.", where)


_NUMBERS = (int, float, complex, np.number)


def _is(kinds: Any, *values: Any) -> bool:
    return all(isinstance(v, kinds) and not isinstance(v, str) for v in values)


def _some_number(*values: Any) -> bool:
    return any(isinstance(v, _NUMBERS) for v in values)


def _unfit(actual: Any, expected: Any) -> TypeError:
    return TypeError(
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
    )


def _alike(a: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """Both dense, on the CPU, of one dtype."""
    made = []
    for t in (a, e):
        if t._level:
            t = t.to_dense()
        made.append(t.cpu())
    a, e = made
    if a.dtype is not e.dtype:
        promoted = registry["add"].public(a.new_empty(0), e.new_empty(0)).dtype
        a, e = a.to(promoted), e.to(promoted)
    return a, e


def _described(a: Tensor, e: Tensor, close: Tensor, rtol: float, atol: float) -> str:
    """How many elements are apart, and how far the farthest are."""
    if not (a.dtype.is_floating_point or a.dtype.is_complex):
        a, e = a.long(), e.long()
    exact = not rtol and not atol
    bad, total = int((~close).sum()), close.numel()
    apart = (a - e).abs()
    relative = apart / e.abs()
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {bad} / {total} ({bad / total:.1%})",
    ]
    for name, difference, limit in (("absolute", apart, atol), ("relative", relative, rtol)):
        flat = difference.masked_fill(close, 0).flatten()
        at = int(flat.argmax())
        index = tuple(int(i) for i in np.unravel_index(at, tuple(a.shape)))
        allowed = "" if exact else f" (up to {limit} allowed)"
        lines.append(f"Greatest {name} difference: {flat[at].item()} at index {index}{allowed}")
    return "\n".join(lines)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """`assert_close` of old: wider tolerances, NaN equal, dtypes may differ. Deprecated, as in PyTorch."""
    warnings.warn(
        "`flambeau.testing.assert_allclose()` is deprecated. Please use `flambeau.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    a = actual if isinstance(actual, Tensor) else as_tensor(actual)
    e = expected if isinstance(expected, Tensor) else as_tensor(expected, dtype=a.dtype)
    if rtol is None and atol is None:
        pairs = [_OF_OLD.get(t.dtype.name, (0.0, 0.0)) for t in (a, e)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    assert_close(
        a, e, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, check_stride=False, msg=msg or None
    )  # fmt: skip
