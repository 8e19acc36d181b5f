"""PyTorch's old constructor, `Tensor(...)`, and how tensors of a subclass are made."""

from __future__ import annotations

from operator import index
from typing import Any

from .._base.dtypes import dtype, get_default_dtype
from ..runtime import overrides
from ..runtime import tensor as runtime_tensor
from ..runtime.tensor import Size, Tensor, alias, set_requires_grad
from .creation import empty, tensor


def construct(cls: type, args: tuple, kwargs: dict[str, Any], kind: dtype | None = None) -> Any:
    """`cls(2, 3)`: memory of that shape; `cls(data)`: a copy of numbers; `cls(tensor)`: the same memory.

    The dtype is `kind`, by default the default one; a tensor of another dtype is a TypeError, as is anything else.
    """
    device = kwargs.pop("device", None)
    if kwargs:
        raise TypeError(f"new() got an unexpected keyword argument '{next(iter(kwargs))}'")
    kind = kind or get_default_dtype()
    first = args[0] if args else None
    if not args:
        made = empty(0, dtype=kind, device=device)
    elif len(args) == 1 and isinstance(first, Tensor):
        if first.dtype is not kind:
            raise TypeError(
                f"expected {kind} (got {first.dtype}); use tensor.to(dtype) to convert a tensor"
            )
        made = alias(first)
    elif len(args) == 1 and (isinstance(first, (list, tuple)) or getattr(first, "shape", None)):
        shape = isinstance(first, Size)
        make: Any = empty if shape else tensor
        made = make(first, dtype=kind, device=device)
    elif all(hasattr(a, "__index__") and not isinstance(a, bool) for a in args):
        made = empty(tuple(map(index, args)), dtype=kind, device=device)
    else:
        given = ", ".join(type(a).__name__ for a in args)
        raise TypeError(
            f"new() received an invalid combination of arguments - got ({given}), but expected sizes as ints, "
            "a sequence of numbers, or a tensor"
        )
    return made if cls is Tensor else overrides.as_class(made, cls)


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """A tensor of `cls` over the memory of `data`, a leaf of its own."""
    made = overrides.as_class(alias(data), cls)
    if require_grad:
        set_requires_grad(made, True)
    return made


def as_subclass(self: Tensor, cls: type) -> Any:
    """This tensor's memory and history as a tensor of `cls`, a subclass of Tensor.

    >>> import flambeau
    >>> class Image(flambeau.Tensor): pass
    >>> flambeau.ones(2).as_subclass(Image)
    Image([1., 1.])
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass(): cls must be a subclass of Tensor, not {cls!r}")
    return overrides.as_class(self, cls)


runtime_tensor.constructor = construct
runtime_tensor.adopt = overrides.adopt
for _name, _method in (
    ("as_subclass", as_subclass),
    ("_make_subclass", staticmethod(_make_subclass)),
):
    setattr(Tensor, _name, _method)
