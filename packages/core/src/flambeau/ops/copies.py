"""Copying twins of views: `t_copy` is what `t` is, in memory of its own. And `unsafe_split`, whose parts are no views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base.checks import check, wrap_dim
from .._base.formats import contiguous_format
from ..runtime.signature import explained
from ..runtime.tensor import Tensor
from .arranging import split_with_sizes
from .casting import clone
from .complex import view_as_complex, view_as_real
from .indexing import basic_index
from .slices import chunk, diagonal, narrow, select, split, unbind, unfold
from .strided import as_strided
from .views import expand, permute, squeeze, t, transpose, unsqueeze, view


def _owned(made: Any) -> Any:
    if isinstance(made, tuple):
        return tuple([_owned(m) for m in made])
    return clone(made, memory_format=contiguous_format)


def _copying(of: Callable[..., Any], name: str, text: str = "") -> Callable[..., Any]:
    def call(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        made = _owned(of(input, *args, **kwargs))
        if out is None:
            return made
        if isinstance(made, tuple):
            for o, m in zip(out, made):
                o.resize_(m.shape).copy_(m)
            return None
        return out.resize_(made.shape).copy_(made)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = text or f"`{name.removesuffix('_copy')}` in memory of its own."
    made = explained(call)
    made.__wrapped__ = getattr(of, "__wrapped__", of)  # type: ignore[attr-defined]
    return made


def _alias(input: Tensor) -> Tensor:
    return input


def _detach(input: Tensor) -> Tensor:
    return input.detach()


def _slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    d = wrap_dim(dim, input.ndim, scalar=False)
    return basic_index(input, (*[slice(None)] * d, slice(start, end, step)))


def _narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    check(
        not input.ndim or dim < input.ndim,  # a RuntimeError here, in PyTorch too
        lambda: f"narrow_copy(): dim {dim} is out of range for a tensor of {input.ndim} dimensions",
    )
    return narrow(input, dim, start, length)


alias_copy = _copying(_alias, "alias_copy")
as_strided_copy = _copying(as_strided, "as_strided_copy")
detach_copy = _copying(_detach, "detach_copy")
diagonal_copy = _copying(diagonal, "diagonal_copy")
expand_copy = _copying(expand, "expand_copy")
narrow_copy = _copying(_narrow, "narrow_copy")
permute_copy = _copying(permute, "permute_copy")
select_copy = _copying(select, "select_copy")
slice_copy = _copying(
    _slice, "slice_copy", "Part start:end:step along `dim`, in memory of its own."
)
split_copy = _copying(split, "split_copy")
split_with_sizes_copy = _copying(split_with_sizes, "split_with_sizes_copy")
squeeze_copy = _copying(squeeze, "squeeze_copy")
t_copy = _copying(t, "t_copy")
transpose_copy = _copying(transpose, "transpose_copy")
unbind_copy = _copying(unbind, "unbind_copy")
unfold_copy = _copying(unfold, "unfold_copy")
unsqueeze_copy = _copying(unsqueeze, "unsqueeze_copy")
view_as_complex_copy = _copying(view_as_complex, "view_as_complex_copy")
view_as_real_copy = _copying(view_as_real, "view_as_real_copy")
view_copy = _copying(view, "view_copy")


def _apart(of: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return tuple([part.clone() for part in of(input, *args, **kwargs)])

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{name.removeprefix('unsafe_')}` whose parts may be written to on their own."
    call.__wrapped__ = of.__wrapped__  # type: ignore[attr-defined]
    return call


unsafe_chunk = _apart(chunk, "unsafe_chunk")
unsafe_split = _apart(split, "unsafe_split")
unsafe_split_with_sizes = _apart(split_with_sizes, "unsafe_split_with_sizes")
