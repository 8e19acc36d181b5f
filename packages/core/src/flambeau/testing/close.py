"""`testing.assert_close`: PyTorch's tolerances, dtype by dtype, and a message that says how far apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ops.creation import as_tensor
from ..runtime.tensor import Tensor

TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip


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
    msg: Any = None,
) -> None:
    """AssertionError unless both are close: |actual - expected| <= atol + rtol * |expected|, with equal shape and dtype.

    Tensors, numbers, and sequences and mappings of them.

    >>> import flambeau
    >>> flambeau.testing.assert_close(flambeau.tensor(1.0), flambeau.tensor(1.0 + 1e-7))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or unspecified, but got rtol={rtol}, atol={atol}"
        )
    options: dict[str, Any] = {
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_dtype": check_dtype,
    }
    options |= {"check_device": check_device, "check_stride": check_stride}
    if isinstance(expected, Mapping):
        if set(actual) != set(expected):
            raise AssertionError(
                f"The keys of the mappings do not match: {sorted(actual)} != {sorted(expected)}"
            )
        for k in expected:
            _named(f"item {k!r}", actual[k], expected[k], options, msg)
    elif isinstance(expected, Sequence) and not isinstance(expected, str):
        if len(actual) != len(expected):
            raise AssertionError(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            )
        for i, (a, e) in enumerate(zip(actual, expected)):
            _named(f"item {i}", a, e, options, msg)
    else:
        numbers = not isinstance(actual, Tensor) and not isinstance(expected, Tensor)
        problem = _difference(
            as_tensor(actual),
            as_tensor(expected),
            **{**options, "check_dtype": check_dtype and not numbers},
        )
        if problem:
            raise AssertionError(msg(problem) if callable(msg) else msg or problem)


def _named(where: str, actual: Any, expected: Any, options: dict[str, Any], msg: Any) -> None:
    try:
        assert_close(actual, expected, **options, msg=msg)
    except AssertionError as error:
        raise AssertionError(f"{error}\n\nThe failure occurred for {where}") from None


def _difference(
    actual: Tensor, expected: Tensor, rtol: float | None, atol: float | None, equal_nan: bool, check_dtype: bool,
    check_device: bool, check_stride: bool,
) -> str:  # fmt: skip
    if tuple(actual.shape) != tuple(expected.shape):
        return f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}."
    if check_device and actual.device != expected.device:
        return (
            f"The values for attribute 'device' do not match: {actual.device} != {expected.device}."
        )
    if check_dtype and actual.dtype is not expected.dtype:
        return f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}."
    if check_stride and actual.stride() != expected.stride():
        return f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}."
    if rtol is None or atol is None:
        pairs = [TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    import numpy as np

    a, e = _wide(actual), _wide(expected)
    with np.errstate(all="ignore"):
        apart = np.abs(a - e)
        close = (a == e) | (apart <= atol + rtol * np.abs(e))
        if equal_nan:
            close |= np.isnan(a) & np.isnan(e)
        if close.all():
            return ""
        bad = int((~close).sum())
        relative = apart / np.abs(e)
        where = (
            tuple(
                int(i)
                for i in np.unravel_index(
                    int(np.argmax(np.where(close, -1, np.where(np.isnan(apart), np.inf, apart)))),
                    a.shape,
                )
            )
            if a.ndim
            else ()
        )
        return (
            f"{'Scalars' if not a.ndim else 'Tensor-likes'} are not close!\n\n"
            f"Mismatched elements: {bad} / {a.size} ({100 * bad / a.size:.1f}%)\n"
            f"Greatest absolute difference: {np.max(np.where(close, 0, apart))} at index {where} (up to {atol} allowed)\n"
            f"Greatest relative difference: {np.max(np.where(close, 0, relative))} (up to {rtol} allowed)"
        )


def _wide(t: Tensor) -> Any:
    array = t.detach().cpu()._array
    return array.astype("complex128" if array.dtype.kind == "c" else "float64")
