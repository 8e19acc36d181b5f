"""`torch._foreach_*`: one call for a list of tensors, which optimizers of other packages use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.modes import no_grad

_UNARY = [
    "abs",
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "frac",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "neg",
    "reciprocal",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]
_BINARY = {name: name for name in ("add", "sub", "mul", "div", "pow", "lerp")} | {
    "clamp_min": "clamp_min", "clamp_max": "clamp_max", "maximum": "clamp_min", "minimum": "clamp_max",
}  # fmt: skip
_TERNARY = ("addcmul", "addcdiv")


def _spread(value: Any, n: int, what: str) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        if len(value) != n:
            raise RuntimeError(
                f"{what}: Tensor lists must have the same number of tensors, got {n} and {len(value)}"
            )
        return value
    return [value] * n


def _make(name: str, method: str, arrays: int, inplace: bool) -> Callable[..., Any]:
    called = f"_foreach_{name}{'_' if inplace else ''}"

    def call(self: Sequence[Any], *others: Any, **options: Any) -> Any:
        if not self:
            raise RuntimeError(f"{called}: Tensor list must have at least one tensor.")
        # A scalar for all, a list of scalars or tensors with one for each.
        columns = [_spread(o, len(self), called) for o in others]
        columns += [
            _spread(options.pop(k), len(self), called)
            for k in ("other", "exponent", "weight")
            if k in options
        ]
        value = columns.pop() if arrays == 3 and len(columns) == 3 else None
        out = []
        for i, (x, *rest) in enumerate(zip(self, *columns, strict=True)):
            given = dict(options) if value is None else {**options, "value": value[i]}
            if "alpha" in given and not given["alpha"]:
                del given["alpha"]
            out.append(getattr(x, method + ("_" if inplace else ""))(*rest, **given))
        return None if inplace else tuple(out)

    call.__name__ = call.__qualname__ = called
    call.__doc__ = f"`{method}` of every tensor of a list."
    return call


functions: dict[str, Callable[..., Any]] = {}
for _inplace in (False, True):
    for _name in _UNARY:
        _made = _make(_name, _name, 1, _inplace)
        functions[_made.__name__] = _made
    for _name, _method in _BINARY.items():
        _made = _make(_name, _method, 2, _inplace)
        functions[_made.__name__] = _made
    for _name in _TERNARY:
        _made = _make(_name, _name, 3, _inplace)
        functions[_made.__name__] = _made


def _foreach_norm(self: Sequence[Any], ord: Any = 2, dtype: Any = None) -> tuple:
    """The norm of every tensor of a list."""
    from ..linalg import vector_norm

    return tuple(vector_norm(x, ord, dtype=dtype) for x in self)


def _foreach_max(self: Sequence[Any]) -> tuple:
    """The largest element of every tensor of a list."""
    return tuple(x.max() for x in self)


def _foreach_zero_(self: Sequence[Any]) -> None:
    """Sets every tensor of a list to zero."""
    for x in self:
        x.zero_()


def _foreach_copy_(self: Sequence[Any], src: Sequence[Any], non_blocking: bool = False) -> None:
    """Writes each tensor of `src` into its partner."""
    for x, y in zip(self, _spread(src, len(self), "_foreach_copy_"), strict=True):
        x.copy_(y, non_blocking)


functions |= {f.__name__: f for f in (_foreach_norm, _foreach_max, _foreach_zero_, _foreach_copy_)}


@no_grad()
def _group_tensors_by_device_and_dtype(
    tensorlistlist: Sequence[Sequence[Any]], with_indices: bool = False
) -> dict:
    """Lists of tensors side by side, sorted by the device and dtype of the first list's."""
    groups: dict[Any, tuple[list[list[Any]], list[int]]] = {}
    for i, first in enumerate(tensorlistlist[0]):
        lists, indices = groups.setdefault(
            (first.device, first.dtype), ([[] for _ in tensorlistlist], [])
        )
        for into, tensors in zip(lists, tensorlistlist, strict=True):
            if tensors:
                into.append(tensors[i])
        indices.append(i)
    return {k: (lists, indices if with_indices else []) for k, (lists, indices) in groups.items()}


def _get_foreach_kernels_supported_devices() -> list[str]:
    """Devices on which one kernel serves a whole list: the loops here are Python's, so none."""
    return []


_get_fused_kernels_supported_devices = _get_foreach_kernels_supported_devices
