"""MaskedTensor: data with a mask that says which elements count.

Functions of single elements work on the data and keep the mask; two masked operands must have the same one. Reductions
are those of `flambeau.masked`. Views, copies and joins do the same to data and mask. All else is refused by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau.runtime.operator import Operator
from flambeau.runtime.tensor import Tensor, history, new
from flambeau.transforms.composed import Composed, bare, boxed, link

from . import normalizations, reductions

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}
COMPOSITES: dict[str, Rule] = {}
KINDS = ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64")


class MaskedTensor(Composed):
    """Data and a bool mask of its shape: True where an element counts.

    >>> import flambeau
    >>> x = flambeau.masked.masked_tensor(flambeau.tensor([1.0, 2.0, 3.0]), flambeau.tensor([True, False, True]))
    >>> x
    MaskedTensor(
      [  1.0000,       --,   3.0000]
    )
    >>> x.sum().item()
    4.0
    """

    fields = ("_mask", "_data")
    rules = RULES
    composites = COMPOSITES
    backend_name = "Masked"
    _mask: Tensor
    _data: Tensor

    def __new__(cls, data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
        _check(data, mask)
        if data.requires_grad:
            warnings.warn(
                "It is not recommended to create a MaskedTensor with a tensor that requires_grad. To avoid this, "
                "you can use data.detach().clone()",
                UserWarning,
                stacklevel=2,
            )
        made = composed(data.detach().clone(), mask.detach().clone())
        if requires_grad:
            made.requires_grad_()
        return made

    @property
    def layout(self) -> Any:
        return formats.strided

    @property
    def _sizes(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self._data.shape)

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        rule = self.rules.get(op.name)
        if rule is not None:
            return rule(list(arrays), **attrs) if op.variadic else rule(*arrays, **attrs)
        if op.family == "elementwise":
            mask = common_mask(arrays)
            return composed(op.public(*map(data_of, arrays), **attrs), mask)
        if (op.family == "view" and not op.variadic) or op.name in ALONG:
            rest = tuple(map(data_of, arrays[1:]))
            return composed(
                op.public(data_of(arrays[0]), *rest, **attrs),
                op.public(self._mask, *rest, **attrs),
            )
        raise self.unsupported(op.name)

    def unsupported(self, name: str) -> NotImplementedError:
        return Unsupported(
            f"{flambeau.dtype.prefix}{name} is not supported for MaskedTensor: there is no rule for it"
        )

    def get_data(self) -> Tensor:
        """All elements, those that do not count among them."""
        return data_of(self)

    def get_mask(self) -> Tensor:
        """The mask."""
        return self._mask

    def _data_part(self) -> Tensor:
        return data_of(self)

    def to_tensor(self, value: Any) -> Tensor:
        """A plain tensor with `value` at all elements that do not count."""
        return data_of(self).masked_fill(~self._mask, value)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return self._data.is_contiguous()

    def stride(self, dim: int | None = None) -> Any:
        return self._data.stride(dim)

    def numpy(self, *, force: bool = False) -> Any:
        raise RuntimeError(".numpy() is not supported for a MaskedTensor; use get_data().numpy()")

    def tolist(self) -> Any:
        raise RuntimeError("tolist() is not supported for a MaskedTensor; use get_data().tolist()")

    def item(self) -> Any:
        return self._data.item()

    def assign(self, target: Tensor, value: Tensor) -> None:
        if isinstance(target, MaskedTensor) and isinstance(value, MaskedTensor):
            same_mask(target._mask, value._mask)
        super().assign(target, value)

    def wrapper_repr(self) -> str:
        return shown(self)

    @staticmethod
    def take(target: Any, value: Any) -> None:
        target._data, target._mask = value._data, value._mask


class Unsupported(NotImplementedError, TypeError):
    """PyTorch raises a TypeError where a MaskedTensor has no rule."""


def composed(data: Tensor, mask: Tensor) -> MaskedTensor:
    """A masked tensor of parts that fit."""
    return link(_parted(data, mask), "masked_tensor", [data], [plain])


def _parted(data: Tensor, mask: Tensor) -> MaskedTensor:
    made = new(MaskedTensor)
    made.__dict__["_data"], made.__dict__["_mask"] = bare(data), mask
    return made


def plain(g: Any) -> Tensor:
    """A gradient as a plain tensor: zero at what does not count."""
    return g.to_tensor(0) if isinstance(g, MaskedTensor) else g


def data_of(x: Any) -> Any:
    """The data of a masked tensor with its history; anything else itself."""
    if not isinstance(x, MaskedTensor):
        return x
    if history(x) is None:
        return x._data
    mask = x._mask
    return link(boxed(x._data), "get_data", [x], [lambda g: composed(plain(g), mask)])


def same_mask(a: Tensor, b: Tensor) -> None:
    """ValueError unless two masks are equal."""
    if a is not b and (tuple(a.shape) != tuple(b.shape) or not bool((a == b).all())):
        raise ValueError(
            "Input masks must match: both operands say which of their elements count, and differently."
        )


def common_mask(operands: Sequence[Any]) -> Tensor:
    """The one mask of all masked operands."""
    masks = [x._mask for x in operands if isinstance(x, MaskedTensor)]
    for mask in masks[1:]:
        same_mask(masks[0], mask)
    shape = _broadcast([x for x in operands if isinstance(x, Tensor)])
    mask = masks[0]
    return mask if tuple(mask.shape) == shape else mask.expand(shape)


def _broadcast(tensors: list[Tensor]) -> tuple[int, ...]:
    from flambeau._base.checks import broadcast_shapes

    return tuple(broadcast_shapes(*(tuple(t.shape) for t in tensors)))


def _check(data: Any, mask: Any) -> None:
    for name, x in (("data", data), ("mask", mask)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} must be a Tensor")
    if data.layout is not formats.strided or mask.layout is not formats.strided:
        raise TypeError(
            f"data and mask must be strided, but got {data.layout} and {mask.layout}; use to_dense() first"
        )
    if mask.dtype is not flambeau.bool:
        raise TypeError("mask must have dtype bool.")
    if data.dtype.name not in KINDS:
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.ndim != mask.ndim:
        raise ValueError("data.dim() must equal mask.dim()")
    if tuple(data.shape) != tuple(mask.shape):
        raise ValueError("data.size() must equal mask.size()")


def masked_tensor(data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
    """A masked tensor of copies of `data` and `mask`: a leaf of its own.

    >>> import flambeau
    >>> flambeau.masked.masked_tensor(flambeau.tensor([1, 2]), flambeau.tensor([True, False])).to_tensor(0)
    tensor([1, 0])
    """
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Any, mask: Any) -> MaskedTensor:
    """A masked tensor over the memory of `data`, to which gradients flow (as masked tensors).

    >>> import flambeau
    >>> x = flambeau.ones(2, requires_grad=True)
    >>> flambeau.masked.as_masked_tensor(x, flambeau.tensor([True, False])).sum().backward()
    >>> x.grad.to_tensor(0)
    tensor([1., 0.])
    """
    _check(data, mask)
    return link(_parted(data, mask), "masked_tensor", [data], [lambda g: composed(plain(g), mask)])


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether `obj` is a MaskedTensor.

    >>> import flambeau
    >>> flambeau.masked.is_masked_tensor(flambeau.ones(2))
    False
    """
    return isinstance(obj, MaskedTensor)


# -- rules -----------------------------------------------------------------------------------------------------------

# Primitives that are no views but move or copy elements: done to data and mask alike.
ALONG = {"clone", "flip", "index_put_at", "gather", "to_device", "pad_constant"}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enters the rule of operators, as a primitive's or a composite's."""
    from flambeau.runtime.operator import registry

    def enter(f: Rule) -> Rule:
        for name in names:
            op = registry.get(name)
            (COMPOSITES if op is not None and op.family == "composite" else RULES)[name] = f
        return f

    return enter


@rule("to_dtype")
def _(x: Any, *, dtype: Any) -> Any:
    return composed(data_of(x).to(dtype), x._mask)


@rule("stop_gradient")
def _(x: Any) -> Any:
    return composed(x._data, x._mask)


@rule("cat")
def _(tensors: Sequence[Any], *, dim: int = 0) -> Any:
    masks = [
        t._mask if isinstance(t, MaskedTensor) else flambeau.ones_like(t, dtype=flambeau.bool)
        for t in tensors
    ]
    return composed(flambeau.cat([data_of(t) for t in tensors], dim), flambeau.cat(masks, dim))


@rule("index")
def _(tensors: Sequence[Any], **attrs: Any) -> Any:
    from flambeau.runtime.operator import registry

    pick = registry["index"].public
    x, *indices = tensors
    return composed(pick([data_of(x), *indices], **attrs), pick([x._mask, *indices], **attrs))


@rule("where")
def _(condition: Any, input: Any, other: Any) -> Any:
    mask = common_mask((input, other))
    return composed(flambeau.where(data_of(condition), data_of(input), data_of(other)), mask)


@rule("ones_like")
def _(input: Any, **options: Any) -> Any:
    return composed(flambeau.ones_like(input._data, **options), input._mask)


def _counted(x: MaskedTensor, dim: Any, keepdim: bool) -> Tensor:
    """Where a reduction had at least one element."""
    if dim is None or dim == ():
        return x._mask.any() if not keepdim else x._mask.any().reshape((1,) * x.ndim)
    from .fills import dims_of

    return x._mask.any(dims_of(dim, x.ndim), keepdim)


def _reduction(name: str) -> Rule:
    reduce = getattr(reductions, name)

    def apply(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        given = {} if dtype is None else {"dtype": dtype}
        made = reduce(data_of(input), dim, keepdim=keepdim, mask=input._mask, **given)
        return composed(made, _counted(input, dim, keepdim))

    return apply


for _name in ("sum", "mean", "prod", "amax", "amin", "argmax", "argmin"):
    rule(_name)(_reduction(_name))


def _spread(name: str) -> Rule:
    reduce = getattr(reductions, name)

    def apply(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        made = reduce(data_of(input), dim, unbiased, correction=correction, keepdim=keepdim, mask=input._mask)  # fmt: skip
        return composed(made, _counted(input, dim, keepdim))

    return apply


for _name in ("var", "std"):
    rule(_name)(_spread(_name))


@rule("norm")
def _(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:  # fmt: skip
    order = 2.0 if p in ("fro", None) else p
    made = reductions.norm(data_of(input), order, dim, keepdim=keepdim, dtype=dtype, mask=input._mask)  # fmt: skip
    return composed(made, _counted(input, dim, keepdim))


@rule("zeros_like", "empty_like", "full_like")
def _(input: Any, *args: Any, **options: Any) -> Any:
    raise input.unsupported("zeros_like, empty_like or full_like")


@rule("all")
def _(x: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    made = (x._data.to(flambeau.bool) | ~x._mask).all(dim, keepdim)
    return composed(made, _counted(x, dim, keepdim))


def _along(name: str) -> Rule:
    f = getattr(normalizations, name)

    def apply(x: Any, dim: int, *, dtype: Any = None) -> Any:
        return composed(f(data_of(x), dim, dtype=dtype, mask=x._mask), x._mask)

    return apply


for _name in ("softmax", "log_softmax"):
    rule(_name)(_along(_name))


# -- printing --------------------------------------------------------------------------------------------------------


def shown(x: MaskedTensor) -> str:
    """The elements, `--` where one does not count."""
    data, mask = x._data.detach(), x._mask
    if not x.ndim:
        text = _number(data.item()) if mask.item() else "--"
        return f"MaskedTensor({text}, {bool(mask.item())})"
    return f"MaskedTensor(\n{_indent(_rows(data.tolist(), mask.tolist(), x.ndim))}\n)"


def _number(value: Any) -> str:
    return f"{value:8.4f}" if isinstance(value, float) else str(value)


def _rows(data: Any, mask: Any, ndim: int) -> str:
    if ndim == 1:
        texts = [_number(v) for v in data]
        width = max([8, *(len(t) for t, m in zip(texts, mask) if m)])
        return "[" + ", ".join(t if m else "--".rjust(width) for t, m in zip(texts, mask)) + "]"
    inner = [_rows(d, m, ndim - 1) for d, m in zip(data, mask)]
    return "[\n" + ",\n".join(map(_indent, inner)) + "\n]"


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))
