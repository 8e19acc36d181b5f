"""Tensor's methods: the registry's operators, their in-place twins, Python's operators, and what has no operator.

Nothing is defined here that an operator block could define. An in-place twin computes the operator and writes the
result into the tensor (`dispatch.assign`), which keeps history and versions right.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex

import numpy as np

from . import ops  # fills the registry
from ._base import dtypes, formats
from ._base.checks import check, contiguous_strides, wrap_dim
from ._base.devices import CPU
from ._base.devices import device as Device
from .ops import casting, creation, indexing
from .ops import random as random_ops
from .printing import tensor_repr
from .runtime import layouts, memory, older, state, tape
from .runtime.backend import of_array
from .runtime.dispatch import assign
from .runtime.elementwise import INTO, into
from .runtime.hot import CHAINS, free
from .runtime.inference import check_written, of_kind
from .runtime.inplace import Rewriting
from .runtime.numbers import number_array
from .runtime.operator import Operator, registry
from .runtime.overrides import handle, overrides, stranger_in
from .runtime.signature import explained
from .runtime.tensor import Box, Leaf, Size, Tensor, alias, history, set_requires_grad, wrap

NUMBERS = (int, float, complex, bool, np.generic)


def method(f: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
    """Makes `f` a Tensor method."""
    setattr(Tensor, name or f.__name__, f)
    return f


def attribute(
    f: Callable[[Tensor], Any], write: Callable[[Tensor, Any], None] | None = None
) -> property:
    """Makes `f` a Tensor property, to be read only unless there is `write`."""
    made = property(f, write)
    setattr(Tensor, f.__name__, made)
    return made


def inplace(op: Operator) -> Callable[..., Tensor]:
    """The in-place twin of an operator."""
    public = op.public
    usual = registry["true_divide"] if op.name == "div" else op  # without a rounding mode
    plain = _plain_inplace(usual)
    alone = _alone_inplace(usual)
    large = _large_inplace(usual) if usual.family == "elementwise" else None
    keeps_input = None
    scaled = plain is not None and op.name in ("add", "sub")  # by alpha
    small = op.family == "elementwise" or op.name in ("clamp", "masked_fill")
    had_others = op.name in older.NAMES  # orders of arguments

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        nonlocal keeps_input
        if plain is not None and not kwargs and len(args) == 1:
            if plain(self, args[0]):
                return self
        if alone is not None and not args and not kwargs and alone(self):
            return self
        if scaled and plain is not None and len(kwargs) == len(args) == 1 and "alpha" in kwargs:
            if plain(self, args[0], kwargs["alpha"]):
                return self
        if (
            small
            and (not had_others or len(args) < 2)
            and _small_inplace(public, self, args, kwargs)
        ):
            return self
        if had_others and len(args) > 1:
            found = older.rearranged(op.name, (self, *args), kwargs)
            if found is not None:
                (_, *args), kwargs = found  # type: ignore[assignment]
        array = self.__dict__.get("_array")
        tracked = state.local.grad and (
            self._node is not None or self._base is not None or _some_history(args)
        )
        if tracked or array is None or 0 in array.strides:
            tape.check_writable(self)
        if large is not None and array is not None and array.size >= INTO:
            if large(self, args, kwargs):
                return self
        source = self
        if tracked and (history(self) is not None or _some_history(args)):
            if keeps_input is None:
                keeps_input = _keeps_input(op)
            if keeps_input:
                source = casting.clone(
                    self
                )  # the rule needs the values that are about to be overwritten
        made = public(source, *args, **kwargs)
        b = made.__dict__.get("_array")
        alike = array is not None and b is not None and array.shape == b.shape
        if not alike and tuple(made.shape) != tuple(self.shape):
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(made.shape)}"
            )
        if exact and made.dtype is not self.dtype:
            raise RuntimeError(
                f"{op.name}_(): the result has dtype {made.dtype.name}, which a {self.dtype.name} tensor cannot become "
                "in place"
            )
        return assign(self, made)

    # Also of `abs`, whose results are real: PyTorch has no complex numbers in their place.
    exact = op.tags.get("exact_out") or callable(op.result)
    call.__name__ = op.name + "_"
    call.__doc__ = f"In-place version of `{op.name}`."
    return call


def _small_inplace(
    public: Callable[..., Any], self: Tensor, args: tuple, kwargs: dict[str, Any]
) -> bool:
    """The operator's result copied over a small array without history, whose dtype and shape it has; whether that was so."""
    array: Any = self.__dict__.get("_array")
    if type(array) is not np.ndarray or array.size >= INTO or state.active:
        return False
    if (
        self._base is not None
        or (self._node is not None and state.local.grad)
        or 0 in array.strides
    ):
        return False
    made = public(self, *args, **kwargs)
    b: Any = getattr(made, "_array", None)
    if type(b) is not np.ndarray or b.shape != array.shape or b.dtype is not array.dtype:
        return False
    if made._node is not None:
        return False
    self._bump()
    np.copyto(array, b)
    return True


def _some_history(args: tuple) -> bool:
    """Whether some tensor among `args` has history."""
    for x in args:  # noqa: SIM110 -- a generator costs more than the loop
        if isinstance(x, Tensor) and history(x) is not None:
            return True
    return False


def _keeps_input(op: Operator) -> bool:
    rule = op.vjp_rule
    if op.family == "elementwise":
        first = op.params[op.arrays[0]]
        return (not op.attrs and first in rule.program({}).reads) or bool(op.attrs)
    return op.family == "composite" or (rule is not None and "tensor" in rule.keeps[:1])


def _plain_inplace(op: Operator) -> Callable[..., bool] | None:
    """The short way for small plain arrays without history: the ufunc with `out=`."""
    from . import ir

    if op.family != "elementwise" or len(op.arrays) != 2 or op.result == "bool":
        return None
    if not op.takes("float"):
        return None
    numbers = op.arrays[1] not in op.strict
    usual = {p: op.defaults[i] for i, p in op.attrs}
    expr = op.body(*(ir.var(op.params[i]) for i in op.arrays))
    ufunc = getattr(np, ir.scalars[expr.op].numpy, None) if expr.op in ir.scalars else None
    if not isinstance(ufunc, np.ufunc) or any(a.op != "var" for a in expr.args):
        return None
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    record: Any = None if "vjp" in op.refusals else Rewriting(op)
    set_, reset, quiet = state.error_state.set, state.error_state.reset, state.quiet
    local, ndarray = state.local, np.ndarray

    def call(self: Tensor, other: Any, alpha: Any = None) -> bool:
        try:
            a = self._array
        except AttributeError:
            return False
        d = a.dtype
        if (
            0 in a.strides
            or state.active
            or (d is not f32 and d is not f64)
            or type(a) is not ndarray
        ):
            return False
        if isinstance(other, Tensor):
            b: Any = getattr(other, "_array", None)
            if type(b) is not ndarray or b.dtype is not d or b.ndim > a.ndim:
                return False
            if other._node is not None and local.grad and self._node is None:
                return False
        elif numbers and (
            type(other) is float or (type(other) is int and -(1 << 63) <= other < 1 << 64)
        ):
            b = other
        else:
            return False
        if alpha is not None:  # of floats, which hold it, and nothing recorded
            if (type(alpha) is not float and type(alpha) is not int) or not -6e4 < alpha < 6e4:
                return False
            if (
                type(b) is not ndarray
                or not free(other)
                or self._node is not None
                or b.size >= INTO
            ):
                return False
            b = np.multiply(b, number_array(alpha, d))
        recorded = False
        if local.grad:
            base = self._base
            if self._node is not None or (isinstance(other, Tensor) and other._base is not None):
                recorded = record is not None and record.possible(self, other)
                if not recorded:
                    return False
            elif base is not None and (history(self) is not None or history(base) is not None):
                return False
        box = self._box
        if box is None:
            box = self._box = Box()
        box.written += 1
        token = set_(quiet)
        try:
            if a.size < INTO or not into(op, a, a, b, **usual):
                ufunc(a, b, out=a)
        except ValueError:
            box.written -= 1
            return False
        finally:
            reset(token)
        if recorded:
            record(self, other)
        return True

    return call


def _alone_inplace(op: Operator) -> Callable[[Tensor], bool] | None:
    """The same for an operator of one array: what its expression is on small ones."""
    if op.family != "elementwise" or len(op.params) != 1 or op.result == "bool":
        return None
    if callable(op.result) or not op.takes("float") or op.tags.get("series"):
        return None
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    set_, reset, quiet = state.error_state.set, state.error_state.reset, state.quiet
    local, ndarray, ufunc = state.local, np.ndarray, np.ufunc
    small: Any = None

    def call(self: Tensor) -> bool:
        nonlocal small
        try:
            a = self._array
        except AttributeError:
            return False
        d = a.dtype
        if (
            state.active
            or (d is not f32 and d is not f64)
            or type(a) is not ndarray
            or a.size >= CHAINS
            or (local.grad and (self._node is not None or self._base is not None))
            or 0 in a.strides
        ):
            return False
        if small is None:
            small = op.vjp_rule.program({}).small
        box = self._box
        if box is None:
            box = self._box = Box()
        box.written += 1
        token = set_(quiet)
        try:
            if type(small) is ufunc:
                small(a, out=a)
            else:
                np.copyto(a, small(a))
        finally:
            reset(token)
        return True

    return call


def _large_inplace(op: Operator) -> Callable[[Tensor, tuple, dict], bool] | None:
    """The same for a large one: a compiled kernel that writes where it reads, in one pass instead of two."""
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    local, ndarray = state.local, np.ndarray

    def call(self: Tensor, args: tuple, kwargs: dict[str, Any]) -> bool:
        a: Any = getattr(self, "_array", None)
        if type(a) is not ndarray or a.size < INTO or state.active or a.dtype not in (f32, f64):
            return False
        try:
            arrays, attrs = op.bind((self, *args), kwargs)
        except (TypeError, RuntimeError):
            return False  # said by the usual way
        raw = []
        x: Any
        for x in arrays:
            if isinstance(x, Tensor):
                if local.grad and history(x) is not None:
                    return False
                x = getattr(x, "_array", None)
                if type(x) is not ndarray or x.dtype is not a.dtype:
                    return False
            elif type(x) is int and not -(1 << 63) <= x < 1 << 64:
                return False  # refused by the usual way
            elif type(x) not in (int, float):
                return False
            raw.append(x)
        if any(v is not None and type(v) not in (bool, int, float, str) for v in attrs.values()):
            return False
        if local.grad and self._base is not None and history(self) is not None:
            return False
        check_written(self)
        if not into(op, a, *raw, **attrs):
            return False
        self._bump()
        return True

    return call


# -- every operator as a method, with its in-place twin --------------------------------------------------------------------

_INPLACE_TOO = (
    "clamp", "masked_fill", "div", "index_put", "scatter", "scatter_add", "cumsum", "cumprod", "tril", "triu",
    "nan_to_num", "addmm", "baddbmm", "sgn",
)  # fmt: skip

for _op in list(registry.values()):
    if _op.method and _op.params:
        setattr(Tensor, _op.name, _op.public)
        if _op.inplace or _op.name in _INPLACE_TOO:
            setattr(Tensor, _op.name + "_", inplace(_op))


def _late(name: str, file: str) -> Callable[..., Any]:
    """A method whose operator is imported by its first call, and takes this one's place then. With `_`, its twin."""

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        import importlib

        public = getattr(importlib.import_module(f"{ops.__name__}.{file}"), name.removesuffix("_"))
        made = inplace(public.op) if name.endswith("_") else public
        setattr(Tensor, name, made)
        return made(self, *args, **kwargs)

    call.__name__ = name
    call.__doc__ = f"The operator of `flambeau.ops.{file}`, on this tensor."
    return call


_LATE_INPLACE = frozenset(
    [
        "clamp_min",
        "clamp_max",
        "copysign",
        "deg2rad",
        "rad2deg",
        "frac",
        "hypot",
        "ldexp",
        "heaviside",
        "float_power",
        "bitwise_left_shift",
        "bitwise_right_shift",
        "sinc",
        "addmv",
        "addbmm",
        "addr",
        "renorm",
        "index_add",
        "index_copy",
        "index_fill",
        "masked_scatter",
        "put",
        "scatter_reduce",
        "index_reduce",
        *[
            "lgamma",
            "digamma",
            "mvlgamma",
            "erfinv",
            "i0",
            "igamma",
            "igammac",
            "gcd",
            "lcm",
            "nextafter",
        ],
    ]
)
for _file, _text in ops.LATE_METHODS.items():
    for _name in _text.split():
        setattr(Tensor, _name, _late(_name, _file))
        if _name in _LATE_INPLACE:
            setattr(Tensor, _name + "_", _late(_name + "_", _file))


def _later(name: str, module: str) -> Callable[..., Any]:
    """A method that lives in another module, which its first call imports."""

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        import importlib

        made = getattr(importlib.import_module(f".{module}", __package__), name)
        setattr(Tensor, name, made)
        return made(self, *args, **kwargs)

    call.__name__ = name
    call.__doc__ = f"See `flambeau.{module}.{name}`."
    return call


for _module, _text in {
    "storage": "untyped_storage storage set_ resize_ resize_as_",
    "ops.strided": "new_empty_strided",
    "ops.copies": "narrow_copy unsafe_chunk unsafe_split unsafe_split_with_sizes",
    "ops.arranging": "fill_diagonal_",
    "tensor_types": "new",
    "functorch.dim": "index",
    "seldom": "apply_ map_ fill_diagonal_ as_strided_ module_load record_stream to_padded_tensor __setstate__",
    "ops.spectral": "stft istft",
    "nn.functional": "hardshrink prelu",
    "sparse.methods": """
        to_dense to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc coalesce is_coalesced
        _coalesced_ indices values _indices _values _nnz sparse_dim dense_dim _dimI _dimV crow_indices col_indices
        ccol_indices row_indices sparse_mask sparse_resize_ sparse_resize_and_clear_ smm sspaddmm
    """,
}.items():
    for _name in _text.split():
        setattr(Tensor, _name, _later(_name, _module))

NAMES = {
    "subtract": "sub", "multiply": "mul", "divide": "div", "absolute": "abs", "negative": "neg", "clip": "clamp",
    "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne", "fix": "trunc",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "arctan2": "atan2", "swapaxes": "transpose", "ger": "outer", "swapdims": "transpose", "moveaxis": "movedim",
}  # fmt: skip
for _alias, _name in NAMES.items():
    setattr(Tensor, _alias, getattr(Tensor, _name))
    if hasattr(Tensor, _name + "_"):
        setattr(Tensor, _alias + "_", getattr(Tensor, _name + "_"))


# -- Python's operators ----------------------------------------------------------------------------------------------------


ORDINARY = frozenset((Tensor, int, float))  # classes of operands that nobody need look at


def _operand(x: Any) -> Any:
    """NumPy operands as tensors; NotImplemented for what is none of ours."""
    if isinstance(x, (Tensor, *NUMBERS)):
        return x.item() if isinstance(x, np.generic) else x
    if isinstance(x, np.ndarray):
        return creation.from_numpy(x)
    return x if overrides(x.__class__) else NotImplemented


def _dunder(name: str, public: Callable[..., Any]) -> None:
    gave_way = getattr(public, "gave_way", public)  # the hot path need not be asked twice

    def general(self: Any, other: Any) -> Any:
        if other.__class__ in ORDINARY and isinstance(self, Tensor):
            return gave_way(self, other)
        if not isinstance(self, Tensor):
            self = _operand(self)
        other = _operand(other)
        return (
            NotImplemented
            if other is NotImplemented or self is NotImplemented
            else public(self, other)
        )

    forward = public.behind(general) if hasattr(public, "behind") else general

    def reflected(self: Tensor, other: Any) -> Any:
        if not isinstance(self, Tensor):
            raise TypeError(
                f"descriptor '__r{name}__' of Tensor does not apply to a '{self.__class__.__name__}' object"
            )
        other = _operand(other)
        return NotImplemented if other is NotImplemented else public(other, self)

    def augmented(self: Tensor, other: Any) -> Any:
        if other.__class__ not in ORDINARY:
            other = _operand(other)
        return NotImplemented if other is NotImplemented else twin(self, other)

    setattr(Tensor, f"__{name}__", forward)
    setattr(Tensor, f"__r{name}__", reflected)
    twin: Any = getattr(Tensor, public.__name__ + "_", None)
    if twin is not None:
        setattr(Tensor, f"__i{name}__", augmented)


_publics = {name: op.public for name, op in registry.items()}
for _dunder_name, _op_name in {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}.items():  # fmt: skip
    _dunder(_dunder_name, _publics[_op_name])


@method
def __rdiv__(self: Tensor, other: Any) -> Any:
    return self.reciprocal() * other


@method
def __itruediv__(self: Tensor, other: Any) -> Any:
    return self.div_(other)


for _new_name, _old_name in (("__div__", "__truediv__"), ("__idiv__", "__itruediv__")):
    setattr(Tensor, _new_name, getattr(Tensor, _old_name))


def _shift(name: str, word: str) -> None:
    """The operator of bits moved; imported when first used, as the operator behind it is."""

    def forward(self: Tensor, other: Any) -> Any:
        other = _operand(other)
        return NotImplemented if other is NotImplemented else getattr(self, word)(other)

    def reflected(self: Tensor, other: Any) -> Any:
        return getattr(ops.elementary, word)(other, self)

    def augmented(self: Tensor, other: Any) -> Any:
        other = _operand(other)
        return NotImplemented if other is NotImplemented else getattr(self, word + "_")(other)

    setattr(Tensor, f"__{name}__", forward)
    setattr(Tensor, f"__r{name}__", reflected)
    setattr(Tensor, f"__i{name}__", augmented)


_shift("lshift", "bitwise_left_shift")
_shift("rshift", "bitwise_right_shift")


def _comparison(name: str, public: Callable[..., Any]) -> None:
    def compare(self: Tensor, other: Any) -> Any:
        if other.__class__ in ORDINARY:
            return public(self, other)
        other = _operand(other)
        return NotImplemented if other is NotImplemented else public(self, other)

    setattr(Tensor, f"__{name}__", compare)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name, _publics[_name])
for _name, _op_name in {"neg": "neg", "abs": "abs", "invert": "bitwise_not"}.items():
    setattr(Tensor, f"__{_name}__", _publics[_op_name])
method(indexing.getitem, "__getitem__")
method(indexing.setitem, "__setitem__")


@method
def __repr__(self: Tensor, *, tensor_contents: str | None = None) -> str:
    return tensor_repr(self, None, tensor_contents)


@method
def __hash__(self: Tensor) -> int:
    return id(self)


@method
def __pos__(self: Tensor) -> Tensor:
    return self


for _f in random_ops.INPLACE.values():
    method(explained(_f))


# -- shape and memory ------------------------------------------------------------------------------------------------------


@method
def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension."""
    if dim.__class__ is int:
        shape = self.shape
        if -len(shape) <= dim < len(shape):
            return tuple.__getitem__(shape, dim)
    return self.shape if dim is None else self.shape[wrap_dim(dim, self.ndim, scalar=False)]


@method
def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return self.ndim


@method
def numel(self: Tensor) -> int:
    """The number of elements."""
    array = self.__dict__.get("_array")
    return self.shape.numel() if array.__class__ is not np.ndarray else array.size


def _with_ones(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in which an inserted dimension, to which NumPy gives 0, steps over all that is inside it."""
    out = list(strides)
    for d in reversed(range(len(shape))):
        if shape[d] == 1 and out[d] == 0:
            out[d] = shape[d + 1] * out[d + 1] if d + 1 < len(shape) else 1
    return tuple(out)


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Distances in memory between neighbours along each dimension, in elements."""
    if self._level:
        strides = contiguous_strides(self.shape)
        return strides if dim is None else strides[wrap_dim(dim, self.ndim)]
    array = self._array
    strides = tuple(s // array.itemsize for s in array.strides)
    if 0 in array.shape:  # NumPy leaves these strides open; PyTorch's are those of a dense array
        strides = contiguous_strides(array.shape)
    elif 1 in array.shape and 0 in strides:
        strides = _with_ones(array.shape, strides)
    return strides if dim is None else strides[wrap_dim(dim, self.ndim)]


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether memory is in row-major order, or in that of `memory_format`, without gaps."""
    if memory_format is not None and memory_format is not formats.contiguous_format:
        if not isinstance(memory_format, formats.memory_format):
            raise TypeError(
                "is_contiguous(): argument 'memory_format' must be memory_format, "
                f"not {memory_format.__class__.__name__}"
            )
        check(
            memory_format is not formats.preserve_format,
            lambda: "preserve memory format is unsupported by the contiguous operator",
        )
        return formats.follows(tuple(self.shape), tuple(self.stride()), memory_format)
    return self._level != 0 or bool(self._array.flags.c_contiguous)


@method
def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions in the order in which they lie in memory, the widest stride first.

    With `ambiguity_check` (True, or a list of memory formats to choose from) RuntimeError where more than one order fits.
    """
    shape, strides = tuple(self.shape), tuple(self.stride())
    order = tuple(sorted(range(self.ndim), key=lambda d: (-strides[d], d)))
    if ambiguity_check is False:
        return order
    if isinstance(ambiguity_check, list):
        fitting = [f for f in ambiguity_check if self.is_contiguous(memory_format=f)]
        clear = len(fitting) == 1
    else:
        check(
            ambiguity_check is True,
            lambda: (
                f"The ambiguity_check argument must be a bool or a list of memory formats, got {ambiguity_check!r}"
            ),
            TypeError,
        )
        clear = 1 not in shape and 0 not in strides and len(set(strides)) == len(strides)
    check(
        clear,
        lambda: (
            "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
        ),
    )
    return order


@method
def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return self.dtype.itemsize


@method
def data_ptr(self: Tensor) -> int:
    """Address of the first element."""
    if self._level:
        raise NotImplementedError(
            "data_ptr: a tensor inside vmap or forward mode has no memory of its own"
        )
    if state.active:
        state.leaves(self, "data_ptr()")
    array = self._array
    return memory.address(array) if array.size and self.device.type != "meta" else 0


Tensor.const_data_ptr = Tensor.data_ptr


@method
def storage_offset(self: Tensor) -> int:
    """Elements between the start of the memory and this view's first element."""
    array = self.__dict__.get("_array")
    return 0 if array is None else memory.offset(array) // array.itemsize


@method
def is_floating_point(self: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return self.dtype.is_floating_point


@method
def is_complex(self: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return self.dtype.is_complex


@method
def is_signed(self: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return self.dtype.is_signed


@method
def where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor's elements where `condition` holds, those of `other` elsewhere."""
    return registry["where"].public(condition, self, other)


@method
@explained
def broadcast_to(self: Tensor, size: Any) -> Tensor:
    """`expand` to a shape."""
    return self.expand(size)


@method
@explained
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of `other`."""
    return self.view(other.shape)


@method
@explained
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of `other`."""
    return self.reshape(other.shape)


@method
@explained
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`."""
    return self.expand(other.shape)


@method
@explained
def polygamma(self: Tensor, n: int) -> Tensor:
    """See `flambeau.polygamma`, whose first argument is `n`."""
    from .ops.zeta import _polygamma

    return _polygamma(self, n)


@method
@explained
def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place `polygamma`."""
    from .ops.zeta import _polygamma

    return inplace(_polygamma.op)(self, n)


@method
@explained
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In-place `unsqueeze`."""
    return _become(self, self.unsqueeze(dim))


@method
@explained
def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """In-place `squeeze`."""
    return _become(self, self.squeeze(dim))


@method
def t_(self: Tensor) -> Tensor:
    """In-place `t`."""
    return _become(self, self.t())


@method
@explained
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In-place `transpose`."""
    return _become(self, self.transpose(dim0, dim1))


for _new_name in ("swapaxes_", "swapdims_"):
    setattr(Tensor, _new_name, Tensor.transpose_)


@method
def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_size` along `dim`, the last one shorter; or of the sizes in a list."""
    if type(split_size) is not int and (other := stranger_in(split_size)) is not None:
        return handle(Tensor.split, [other], (self, split_size, dim), {})
    return registry["split"].public(self, split_size, dim)


def _become(self: Tensor, made: Tensor) -> Tensor:
    if type(history(self)) is Leaf and state.local.grad:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    self._bump()
    self._array = made._array
    self._node = made._node
    if self._base is not None:
        self._replay = made._replay
    return self


@attribute
def mT(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return self.permute((*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))


@attribute
def T(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    return self.permute(
        _REVERSED[self.ndim] if self.ndim < len(_REVERSED) else range(self.ndim)[::-1]
    )


_REVERSED = tuple([tuple(range(n))[::-1] for n in range(9)])


@attribute
def mH(self: Tensor) -> Tensor:
    """The last two dimensions swapped, and conjugated."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mH is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return self.mT.conj() if self.is_complex() else self.mT


@attribute
def H(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    if self.ndim not in (0, 2):
        hint = " For batches of matrices, consider using tensor.mH" if self.ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.{hint}"
        )
    made = self.mT if self.ndim else self
    return made.conj() if self.is_complex() else made


@attribute
def is_cuda(self: Tensor) -> bool:
    """Whether the memory is a GPU's."""
    return self.device.type == "cuda"


@attribute
def is_cpu(self: Tensor) -> bool:
    """Whether the memory is the host's."""
    return self.device.type == "cpu"


@attribute
def is_meta(self: Tensor) -> bool:
    """Whether there is a shape and a dtype, and no memory."""
    return self.device.type == "meta"


@attribute
def itemsize(self: Tensor) -> int:
    """Bytes of one element."""
    return self.dtype.itemsize


@attribute
def nbytes(self: Tensor) -> int:
    """Bytes of all elements."""
    return self.numel() * self.dtype.itemsize


@attribute
def output_nr(self: Tensor) -> int:
    """Which output of the operator that made it this tensor is."""
    return getattr(self._node, "index", 0)


@attribute
def names(self: Tensor) -> tuple[None, ...]:
    """The names of the dimensions: they have none."""
    return (None,) * self.ndim


# Devices that there are none of.
Tensor.is_mps = Tensor.is_xpu = Tensor.is_xla = Tensor.is_mtia = Tensor.is_vulkan = False
Tensor.is_ipu = Tensor.is_maia = False
Tensor.is_sparse = Tensor.is_sparse_csr = Tensor.is_quantized = Tensor.is_nested = (
    Tensor.is_mkldnn
) = False


@method
def dequantize(self: Tensor) -> Tensor:
    """The real numbers of a quantized tensor; of any other, its numbers in float32."""
    return self.float()


def _of_quantized(name: str) -> Callable[..., Any]:
    def refused(self: Tensor) -> Any:
        raise NotImplementedError(f"{name}: expected a quantized tensor, got {self.dtype}")

    refused.__doc__ = "Of quantized tensors only; see `flambeau.quantize_per_tensor`."
    return method(refused, name)


for _name in (
    "int_repr", "q_scale", "q_zero_point", "q_per_channel_scales", "q_per_channel_zero_points",
    "q_per_channel_axis", "qscheme",
):  # fmt: skip
    _of_quantized(_name)
Tensor.ndimension, Tensor.nelement = Tensor.dim, Tensor.numel
Tensor.layout = formats.strided
Tensor.name = None


# -- other dtypes and devices ----------------------------------------------------------------------------------------------


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`: self where nothing changes, unless copy=True."""
    if not kwargs and len(args) == 1:
        wanted, array = args[0], self.__dict__.get("_array")
        if wanted.__class__ is dtypes.dtype:
            return self if self.dtype is wanted else casting.to_dtype(self, wanted)
        if (
            wanted is CPU or (wanted.__class__ is str and wanted == "cpu")
        ) and array.__class__ is np.ndarray:
            return self
    device, dtype, copy = parse_to(args, kwargs)
    return casting.convert(self, dtype, device, copy, kwargs.get("memory_format"))


def parse_to(
    args: tuple, kwargs: dict[str, Any]
) -> tuple[Device | None, dtypes.dtype | None, bool]:
    """(device, dtype, copy) of the arguments of `to`."""
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    copy = kwargs.get("copy", False)
    rest: list[Any] = []
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, dtypes.dtype) or a in (float, bool):
            dtype = creation.as_dtype(a)
        elif isinstance(a, (str, Device)) or type(a) is int:
            device = a
        else:
            rest.append(a)
    flags = [r for r in rest if isinstance(r, bool)]
    if len(flags) > 1:
        copy = flags[1]
    if device is not None:
        device = device if isinstance(device, Device) else Device(device)
    return device, None if dtype is None else creation.as_dtype(dtype), bool(copy)


def _caster(target: dtypes.dtype) -> Callable[[Tensor], Tensor]:
    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        return casting.convert(self, target, None, memory_format=memory_format)

    cast.__doc__ = f"The tensor in dtype {target.name}; self if it has it already."
    return cast


for _alias, _d in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "chalf": dtypes.complex32, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    setattr(Tensor, _alias, _caster(_d))


@method
@explained
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype and on the device of `other`."""
    return casting.convert(self, other.dtype, other.device)


@method
def type(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The type's name, such as "torch.FloatTensor"; with `dtype` (a dtype, such a name or type) the tensor in it."""
    from .tensor_types import named_type, type_name

    if dtype is None:
        return type_name(self.dtype, self.device.type)
    if isinstance(dtype, str):
        dtype = named_type(dtype)
    dtype = dtype if isinstance(dtype, dtypes.dtype) else getattr(dtype, "dtype", None)
    check(
        isinstance(dtype, dtypes.dtype),
        lambda: (
            "type(): argument 'dtype' must be a dtype, a type such as FloatTensor, or the name of one"
        ),
        TypeError,
    )
    return casting.convert(self, dtype, None)


del type  # Python's own is needed below; the method stays


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU."""
    return casting.convert(self, None, CPU, memory_format=memory_format)


@method
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor on a CUDA device (the current one unless given)."""
    return casting.convert(
        self, None, Device("cuda") if device is None else creation.as_device(device)
    )


# -- to Python and NumPy ---------------------------------------------------------------------------------------------------


@method
def item(self: Tensor) -> Any:
    """The one element as a Python number."""
    array = self.__dict__.get("_array")
    if array.__class__ is np.ndarray and array.size == 1 and not state.active:
        if array.dtype.kind in "fiub":
            return array.item()
    value = _element(self)
    return state.number(self, "item", value) if state.active and not self._level else value


def _element(self: Tensor) -> Any:
    """The one element as a Python number, without a word to tracers."""
    if self._level:
        return self.single()  # type: ignore[attr-defined]
    array = of_array(self._array).to_numpy(self._array)
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value = array.item()
    if array.dtype.names:  # complex32
        return complex(*value)
    return value if isinstance(value, NUMBERS) else float(value)


@method
def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers."""
    array: Any = self.__dict__.get("_array")
    usual = type(array) is np.ndarray and array.dtype.kind in "fiub"
    value = array.tolist() if usual else _elements(self)
    return state.number(self, "tolist", value) if state.active else value


def _elements(self: Tensor) -> Any:
    array = self.cpu().detach()._array
    if self.dtype is dtypes.complex32:
        return _elements(self.detach().to(dtypes.complex64))
    if array.dtype.kind == "V" or self.dtype.name == "bfloat16":
        array = array.astype("float32")
    return array.tolist()


@method
def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The NumPy array over the same memory; `force` detaches and copies to the CPU where needed."""
    if force:
        return self.detach().cpu().numpy()
    if history(self) is not None and state.local.grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.device.type != "cpu":
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )
    if state.active:
        state.leaves(self, "numpy()")
    if self.dtype.name in ("bfloat16", "complex32"):
        name = "BFloat16" if self.dtype.name == "bfloat16" else "ComplexHalf"
        raise TypeError(f"Got unsupported ScalarType {name}")
    self._expose()
    return self._array


@method
def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    array = self.numpy()
    if dtype is not None and np.dtype(dtype) != array.dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method
def __array_wrap__(
    self: Tensor, array: Any, context: Any = None, return_scalar: bool = False
) -> Tensor:
    return wrap(np.asarray(array))


@method
def __array_ufunc__(self: Tensor, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's functions on tensors give tensors; ndarray's own operators give way to ours."""
    if how == "__call__" and not kwargs and len(inputs) == 2:
        first = inputs[0]
        if isinstance(first, (np.ndarray, np.generic)):
            reflected = _REFLECTED.get(ufunc.__name__)
            if reflected is not None:
                return getattr(self, reflected)(
                    first.item() if isinstance(first, np.generic) else first
                )
    arrays = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
    out = kwargs.get("out")
    if out is not None:
        kwargs["out"] = tuple(o.numpy() if isinstance(o, Tensor) else o for o in out)
    made = getattr(ufunc, how)(*arrays, **kwargs)
    if out is not None and len(out) == 1:
        return out[0]
    if how == "outer" or not isinstance(made, (np.ndarray, np.generic)):
        return made
    return wrap(np.asarray(made))


_REFLECTED = {
    "add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__", "true_divide": "__rtruediv__",
    "divide": "__rtruediv__", "floor_divide": "__rfloordiv__", "power": "__rpow__", "matmul": "__rmatmul__",
    "remainder": "__rmod__", "equal": "__eq__", "not_equal": "__ne__", "less": "__gt__", "greater": "__lt__",
    "less_equal": "__ge__", "greater_equal": "__le__",
}  # fmt: skip


@method
def __dlpack__(
    self: Tensor,
    *,
    stream: Any = -1,
    max_version: Any = None,
    dl_device: Any = None,
    copy: Any = None,
) -> Any:
    from .interchange import dlpack_of

    return dlpack_of(self, None if stream == -1 else stream, max_version, dl_device, copy)


@method
def __dlpack_device__(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


@method
def __len__(self: Tensor) -> int:
    array = self.__dict__.get("_array")
    if array.__class__ is np.ndarray and array.ndim:
        return len(array)
    if not self.ndim:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


@method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if not self.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@method
def __contains__(self: Tensor, element: Any) -> bool:
    return bool((self == element).any())


@method
def __bool__(self: Tensor) -> bool:
    array = self.__dict__.get("_array")
    if array.__class__ is np.ndarray and array.size == 1 and not state.active:
        return bool(array.item())
    n = self.numel()
    if n != 1:
        what = "more than one value" if n > 1 else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    value = bool(_element(self))
    return state.number(self, "bool", value) if state.active and not self._level else value


@method
def is_nonzero(self: Tensor) -> bool:
    """Whether the one element is not zero."""
    return self.__bool__()


def _number(name: str, kind: Callable[[Any], Any]) -> None:
    def convert(self: Tensor) -> Any:
        array = self.__dict__.get("_array")
        if array.__class__ is np.ndarray and array.size == 1 and not state.active:
            if array.dtype.kind in "fiub":
                return kind(array.item())
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value = kind(_element(self))
        told = state.active and not self._level
        return state.number(self, kind.__name__, value) if told else value

    convert.__annotations__["return"] = (
        kind.__name__
    )  # what a type checker is told (tools/stubs.py)
    setattr(Tensor, name, convert)


_number("__float__", float)
_number("__int__", int)
_number("__complex__", complex)


@method
def __index__(self: Tensor) -> int:
    if self.dtype.category > dtypes.INT or self.numel() != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return python.index(int(self.item()))


@method
def __format__(self: Tensor, spec: str) -> str:
    if self.ndim == 0 and not self._level and self.device.type != "meta":
        return format(self.item(), spec)
    return object.__format__(self, spec)


@method
def __reversed__(self: Tensor) -> Tensor:
    return self.flip(tuple(range(self.ndim))) if self.ndim else self


@method
def __deepcopy__(self: Tensor, memo: dict[Any, Any]) -> Tensor:
    from .seldom import deep_copy

    return deep_copy(self, memo)


@method
def __reduce_ex__(self: Tensor, protocol: SupportsIndex) -> tuple:
    from .seldom import reduced

    return reduced(self)


# -- new tensors of the same kind ------------------------------------------------------------------------------------------


def _new(factory: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def make(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **_: Any,
    ) -> Tensor:
        return factory(
            *size,
            dtype=dtype or self.dtype,
            device=device or self.device,
            requires_grad=requires_grad,
        )

    return make


for _name in ("zeros", "ones", "empty", "tensor"):
    method(explained(_new(getattr(creation, _name))), f"new_{_name}")


@method
@explained
def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor full of one number, of this dtype and device."""
    return creation.full(
        size,
        fill_value,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
    )


# -- writing ---------------------------------------------------------------------------------------------------------------


@method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The elements of `src`, broadcast and cast, written into this tensor."""
    if not state.active and _copy_plain(self, src):
        return self
    tape.check_writable(self)
    src = src if isinstance(src, Tensor) else creation.tensor(src)
    return assign(
        self, casting.convert(src, self.dtype, None if src.device == self.device else self.device)
    )


def _copy_plain(self: Tensor, src: Any) -> bool:
    """`copy_` of a small array of the same dtype and shape where nothing has history; whether it was that."""
    a: Any = getattr(self, "_array", None)
    b: Any = getattr(src, "_array", None)
    if type(a) is not np.ndarray or type(b) is not np.ndarray or a.dtype is not b.dtype:
        return False
    if a.shape != b.shape or a.size >= layouts.LARGE or 0 in a.strides or not a.flags.writeable:
        return False
    if not (isinstance(src, Tensor) and free(self) and free(src)):
        return False
    self._bump()
    np.copyto(a, b)
    return True


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """One number written everywhere."""
    if not state.active and _fill_plain(self, value):
        return self
    if not isinstance(value, (int, float, complex, Tensor, np.generic)):
        raise TypeError(f"fill_(): argument 'value' must be Number or Tensor, not {value.__class__.__name__}")  # fmt: skip
    if isinstance(value, Tensor):
        check(
            value.ndim == 0,
            lambda: (
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            ),
        )
    array = self.__dict__.get("_array")
    if array is not None and array.size and 0 in array.strides:
        part = self  # elements that share memory may all be given one value
        for d, (n, step) in enumerate(zip(array.shape, array.strides)):
            part = part.narrow(d, 0, 1) if n > 1 and step == 0 else part
        if part is not self:
            part.fill_(value)
            return self
    tape.check_writable(self)
    if isinstance(value, Tensor):
        value = casting.convert(value, self.dtype, None)
    if state.local.grad and history(self) is not None:  # its gradient is zeros, not none
        every = creation.ones_like(self, dtype=dtypes.bool_)
        return assign(self, registry["masked_fill"].public(casting.clone(self), every, value))
    if isinstance(value, Tensor):
        return assign(self, value)
    return assign(self, creation.full((), value, dtype=self.dtype, device=self.device))


def _fill_plain(self: Tensor, value: Any) -> bool:
    """`fill_` of a NumPy array that nothing differentiates with a number its dtype surely holds; whether it was done."""
    array = self.__dict__.get("_array")
    if array.__class__ is not np.ndarray or 0 in array.strides or not free(self):
        return False
    kind, number = array.dtype.kind, value.__class__
    if kind == "f":
        if (number is not float and number is not int) or not -6e4 < value < 6e4:
            return False
    elif kind not in "iu" or number is not int or not 0 <= value < 128:
        return False
    box = self._box
    if box is None:
        box = self._box = Box()
    box.written += 1
    try:
        if array.size < layouts.LARGE:
            array.fill(value)
        else:
            layouts.filling[0](array, value)
    except ValueError:  # memory that must not be written
        box.written -= 1
        return False
    return True


@method
def zero_(self: Tensor) -> Tensor:
    """Zeros written everywhere."""
    if not state.active and _fill_plain(self, 0):
        return self
    return self.fill_(0)


# -- history ---------------------------------------------------------------------------------------------------------------


@method
def detach(self: Tensor) -> Tensor:
    """The same memory without history."""
    if state.active and state.local.modes:
        made = registry["stop_gradient"].public(self)
        made._box = alias(self)._box
        return made
    return self.detached() if self._level >= 1 else alias(self)  # type: ignore[attr-defined]


@method
def detach_(self: Tensor) -> Tensor:
    """Drops this tensor's history."""
    if self._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node = None
    return self


@method
def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Says whether gradients are to be kept for this leaf."""
    set_requires_grad(self, requires_grad)
    return self


_backward: Any = None  # autograd.engine.backward, once it is needed


@method
def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds the gradient of this tensor to the `.grad` of the leaves it was computed from."""
    global _backward
    if _backward is None:
        from .autograd.engine import backward as _backward
    _backward(self, gradient, retain_graph, create_graph, inputs=inputs)


@method
def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> tape.Handle:
    """`hook(grad)` whenever a gradient for this tensor is computed; may return another gradient."""
    node = history(self)
    if node is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node.hooks = node.hooks or {}
    return tape.Handle(node.hooks, hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> tape.Handle:
    """`hook(tensor)` after a gradient was added to this leaf's `.grad`."""
    node = history(self)
    if not isinstance(node, Leaf):
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    node.post_hooks = node.post_hooks or {}
    return tape.Handle(node.post_hooks, hook)


@method
def retain_grad(self: Tensor) -> None:
    """Keeps `.grad` of this tensor although it is no leaf."""
    node = history(self)
    if node is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if isinstance(node, Leaf) or self.__dict__.get("_retains"):
        return
    import weakref

    target = weakref.ref(self)

    def keep(g: Tensor) -> None:
        tensor = target()
        if tensor is not None:
            tensor._grad = g if tensor._grad is None else tensor._grad + g

    self.__dict__["_retains"] = self.register_hook(keep)


@method
def _is_view(self: Tensor) -> bool:
    """Whether this looks at another tensor's memory."""
    return self._base is not None


@attribute
def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called on a tensor that is no leaf."""
    return bool(self.__dict__.get("_retains"))


def data(self: Tensor) -> Tensor:
    if state.active or self._level:
        return self.detach()
    self._expose()
    return of_kind(wrap(self._array), self)


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {value.__class__.__name__}")
    self._array = value._array
    if value._box is not None and not value._box.tracked:
        self._box = value._box
    if state.active:
        state.leaves(self, ".data = ")


attribute(data, _set_data)


def grad_dtype(self: Tensor) -> Any:
    from .seldom import grad_dtype

    return grad_dtype(self)


def _set_grad_dtype(self: Tensor, dtype: Any) -> None:
    from .seldom import set_grad_dtype

    set_grad_dtype(self, dtype)


attribute(grad_dtype, _set_grad_dtype)


@attribute
def imag(self: Tensor) -> Tensor:
    """The imaginary parts of a complex tensor, as a view."""
    return registry["imag"].public(self)


@attribute
def real(self: Tensor) -> Tensor:
    """The real parts of a complex tensor, as a view; a real tensor itself."""
    return registry["real"].public(self) if self.dtype.is_complex else self


@method
@explained
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same window of the same memory."""
    return (
        self.data_ptr() == tensor.data_ptr()
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
    )


@method
@explained
def allclose(
    self: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(registry["isclose"].public(self, other, rtol, atol, equal_nan).all())


@method
@explained
def equal(self: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and equal elements."""
    return tuple(self.shape) == tuple(other.shape) and bool((self == other).all())


@method
def share_memory_(self: Tensor) -> Tensor:
    """Moves the data to memory that processes share: those forked from now on, and those it is sent to; in place.

    RuntimeError for a view, whose base would stay behind.
    """
    if self.device.type != "cpu" or self.__dict__.get("_shared"):
        return self
    if self._base is not None:
        raise RuntimeError("share_memory_: the tensor is a view; share its base, or clone it first")
    from importlib import import_module

    sharing = import_module("flambeau.utils.sharing")  # of a layer above
    old = self._array
    self._array = sharing.shared_bytes(old.nbytes).view(old.dtype).reshape(old.shape)
    self._array[...] = old
    self.__dict__["_shared"] = True
    return self


@method
def pin_memory(self: Tensor) -> Tensor:
    """Page-locked memory for fast copies to a GPU; on a machine without one, the tensor itself."""
    return self


@method
def is_shared(self: Tensor) -> bool:
    """Whether other processes can see the memory."""
    return bool(self.__dict__.get("_shared"))


@method
def is_pinned(self: Tensor) -> bool:
    """Whether the memory is page-locked."""
    return False


@method
def is_inference(self: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    inner: Any = self
    while inner._level:
        inner = inner.value if inner._level >= 1 else inner.main
    return inner._box is not None and not inner._box.tracked


@method
def is_neg(self: Tensor) -> bool:
    """Whether a negation is pending: never, it is computed at once."""
    return False


@method
def is_conj(self: Tensor) -> bool:
    """Whether a conjugation is pending: never, it is computed at once."""
    return False


@method
def get_device(self: Tensor) -> int:
    """The number of the GPU; -1 on the CPU."""
    return -1 if self.device.type == "cpu" else self.device.index or 0


# Who takes calls over (`__torch_function__`) reads their names; these functions are made or used under others.
for _name, _function in list(Tensor.__dict__.items()):
    if _name.startswith("__") and getattr(_function, "__name__", "") in (
        "call", "general", "reflected", "augmented", "compare", "forward", "getitem", "setitem",
    ):  # fmt: skip
        _function.__name__ = _name

__all__ = ["Size", "inplace", "method", "parse_to"]
