"""PyTorch's operators as TorchScript's code calls them: `torch.add(x, 1, alpha=2)` with the arguments of the C++ schema.

Most have the signature of flambeau's function of that name. Here are those that have another one, and the operators on
numbers, strings, lists and dicts. Dtypes, layouts and memory formats are numbers in such code.
"""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..._base import dtypes, formats
from ..._base.devices import device as Device
from ...ops import recurrent
from ...runtime.tensor import Tensor
from . import values
from .archived import ARCHIVED
from .language import ERRORS
from .marks import fork
from .names import BUILTINS, found
from .numbers import LIKE_C
from .plain import NUMBERS

_CODES = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64",
    8: "complex32", 9: "complex64", 10: "complex128", 11: "bool", 15: "bfloat16", 23: "float8_e5m2",
    24: "float8_e4m3fn", 25: "float8_e5m2fnuz", 26: "float8_e4m3fnuz", 27: "uint16", 28: "uint32", 29: "uint64",
}  # fmt: skip
_BY_NAME = {d.name: d for d in dtypes.ALL}
_CODE_OF = {name: code for code, name in _CODES.items()}
_FORMATS = dict(enumerate((
    formats.contiguous_format, formats.preserve_format, formats.channels_last, formats.channels_last_3d,
)))  # fmt: skip
_SPACES = ("flambeau", "flambeau.nn.functional")
_PREFIXED = {"linalg_": "flambeau.linalg", "special_": "flambeau.special", "fft_": "flambeau.fft"}
_LISTS = frozenset(
    [
        "chunk",
        "split",
        "split_with_sizes",
        "unbind",
        "tensor_split",
        "unsafe_chunk",
        "unsafe_split",
        "meshgrid",
        "broadcast_tensors",
    ]
)


def dtype_of(code: Any) -> Any:
    """The dtype of a number in the code; None stays None."""
    if code is None or isinstance(code, dtypes.dtype):
        return code
    if code not in _CODES:
        raise RuntimeError(f"dtype {code!r} of TorchScript is not known")
    return _BY_NAME[_CODES[code]]


def code_of(tensor: Tensor) -> int:
    """The number of a tensor's dtype."""
    return _CODE_OF[tensor.dtype.name]


@functools.cache
def find(name: str) -> Any:
    """What the code of an archive calls by this name; KeyError if it is not known."""
    for names in (_PLAIN, LIKE_C, BUILTINS):
        if name in names:
            return names[name]
    space, _, last = name.rpartition(".")
    if space == "torch":
        return _torch(last)
    if space == "ops.profiler":
        return lambda *_: 0
    if space in ("ops.prim", "ops.aten"):
        return _PRIM[last] if last in _PRIM else _torch(last)
    raise KeyError(name)


def _torch(name: str) -> Callable[..., Any]:
    """An operator: on tensors, or on numbers and containers where no tensor is among the arguments."""
    plain = NUMBERS.get(name)
    try:
        on_tensors: Any = _SPECIAL[name] if name in _SPECIAL else _ours(name)
    except KeyError:
        if plain is None:
            raise
        return plain
    if plain is None:
        return on_tensors

    def either(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, Tensor) for a in args):
            return on_tensors(*args, **kwargs)
        return plain(*args, **kwargs)

    return either


def _ours(name: str) -> Callable[..., Any]:
    """flambeau's function or method of that name, with the code's keyword arguments put right."""
    function: Any = None
    method = name in _METHODS or (name.endswith("_") and not name.endswith("__"))
    if not method:
        for prefix, space in _PREFIXED.items():
            if name.startswith(prefix):
                function = found(space, name.removeprefix(prefix))
        for space in _SPACES:
            if function is None:
                try:
                    function = found(space, name)
                except KeyError:
                    continue
    if function is None:
        if name.startswith("_") or name in values._NOT_OF_TENSORS:
            raise KeyError(name)
        function = getattr(Tensor, name, None)
        if not callable(function):
            if not name.endswith("_"):
                raise KeyError(name)
            return _written_back(find(f"torch.{name.removesuffix('_')}"))
    as_list = name in _LISTS

    def call(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **(_options(kwargs) if kwargs else kwargs))
        return list(made) if as_list else made

    return call


def _written_back(function: Callable[..., Any]) -> Callable[..., Any]:
    """An in-place operator that flambeau has no method for: computed, then written."""
    return lambda x, *args, **kwargs: x.copy_(function(x, *args, **kwargs))


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments: dtypes of their numbers, what says nothing left out."""
    made = {}
    for name, value in kwargs.items():
        if name in ("layout", "pin_memory", "generator") and not value:
            continue
        if name == "dtype":
            if value is None:
                continue
            value = dtype_of(value)
        elif name == "memory_format":
            if value is None:
                continue
            value = _FORMATS[value]
        elif name == "device" and value is None:
            continue
        made[name] = value
    return made


def _function(name: str) -> Callable[..., Any]:
    for space in _SPACES:
        try:
            return found(space, name)
        except KeyError:
            continue
    raise KeyError(name)


# -- operators with another signature --------------------------------------------------------------------------------------


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any,
    groups: int, *_flags: Any,
) -> Any:  # fmt: skip
    n = weight.dim() - 2
    if transposed:
        return _function(f"conv_transpose{n}d")(
            x, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _function(f"conv{n}d")(x, weight, bias, stride, padding, dilation, groups)


def _convolution_mode(
    x: Any, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> Any:
    """A convolution whose padding is a word: same, valid."""
    n = weight.dim() - 2
    return _function(f"conv{n}d")(x, weight, bias, stride, padding, dilation, groups)


def _to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Overloads: (dtype, ...), (device, dtype, ...), (other, ...), by keywords only."""
    first = args[0] if args else None
    target: dict[str, Any] = {}
    if isinstance(first, Tensor):
        target = {"dtype": first.dtype, "device": first.device}
        rest = args[1:]
    elif isinstance(first, int) and not isinstance(first, bool):
        target, rest = {"dtype": dtype_of(first)}, args[1:]
    elif args:
        target = {"device": first}
        if len(args) > 1 and not isinstance(args[1], bool):
            target["dtype"] = dtype_of(args[1])
        rest = args[2:]
    else:
        rest = ()
    copy = kwargs.get("copy", rest[1] if len(rest) > 1 else False)
    kwargs = _options({k: v for k, v in kwargs.items() if k in ("dtype", "device")})
    target.update(kwargs)
    return x.to(copy=bool(copy), **{k: v for k, v in target.items() if v is not None})


def _softmax(name: str) -> Callable[..., Any]:
    def call(x: Tensor, dim: int, dtype: Any = None) -> Tensor:
        kind = dtype_of(dtype) if not isinstance(dtype, bool) else None
        return _function(name)(x, dim, dtype=kind)

    return call


def _recurrent(mode: str) -> Callable[..., Any]:
    def call(x: Any, second: Any, third: Any, *rest: Any) -> Any:
        packed = isinstance(third, (list, tuple)) is False or (
            isinstance(second, Tensor) and mode == "LSTM"
        )
        if packed:  # data, batch sizes, state, weights
            state, weights, *rest = third, *rest  # type: ignore[assignment]
            batch_sizes, (biases, layers, dropout, train, both) = second, rest
            first = False
        else:
            batch_sizes, state, weights = None, second, third
            biases, layers, dropout, train, both, first = rest
        state = tuple(state) if isinstance(state, (list, tuple)) else (state,)
        out, made = recurrent.layers(
            mode, x, state, list(weights), batch_sizes=batch_sizes, has_biases=biases, num_layers=layers,
            dropout=dropout, train=train, bidirectional=both, batch_first=first,
        )  # fmt: skip
        return (out, *made)

    return call


def _cell(mode: str) -> Callable[..., Any]:
    """`lstm_cell(x, [h, c], w_ih, w_hh, b_ih, b_hh)` as one step of a sequence."""

    def call(x: Tensor, hx: Any, w: Tensor, u: Tensor, b: Any = None, c: Any = None) -> Any:
        state = tuple(s.unsqueeze(0) for s in (hx if isinstance(hx, (list, tuple)) else (hx,)))
        weights = [w, u] if b is None else [w, u, b, c]
        _, made = recurrent.layers(
            mode, x.unsqueeze(0), state, weights, batch_sizes=None, has_biases=b is not None, num_layers=1,
            dropout=0.0, train=False, bidirectional=False, batch_first=False,
        )  # fmt: skip
        made = tuple(m.squeeze(0) for m in made)
        return made if isinstance(hx, (list, tuple)) else made[0]

    return call


def _reduction(code: int) -> str:
    return ("none", "mean", "sum")[code]


def _loss(name: str, weighted: bool) -> Callable[..., Any]:
    """Losses have a number for their reduction."""

    def call(x: Any, target: Any, *rest: Any) -> Any:
        function = import_module("flambeau.nn.functional").__dict__[name]
        if weighted:
            weight = rest[0] if rest else None
            return function(
                x, target, weight=weight, reduction=_reduction(rest[1] if len(rest) > 1 else 1)
            )
        return function(x, target, reduction=_reduction(rest[0] if rest else 1))

    return call


def _class_loss(name: str) -> Callable[..., Any]:
    def call(x: Any, target: Any, weight: Any = None, reduction: int = 1, ignore_index: int = -100,
             smoothing: float = 0.0) -> Any:  # fmt: skip
        function = import_module("flambeau.nn.functional").__dict__[name]
        more = {"label_smoothing": smoothing} if name == "cross_entropy" else {}
        return function(
            x,
            target,
            weight=weight,
            reduction=_reduction(reduction),
            ignore_index=ignore_index,
            **more,
        )

    return call


def _filled(args: tuple, defaults: tuple) -> tuple:
    return args + defaults[len(args) :]


def _slice(x: Any, *args: Any) -> Any:
    if not isinstance(x, Tensor):
        start, end, step = _filled(args, (None, None, 1))
        return x[slice(start, end, step)]
    dim, start, end, step = _filled(args, (0, None, None, 1))
    key = [slice(None)] * (dim % x.dim()) + [slice(start, end, step)]
    return x[tuple(key)]


def _index(x: Any, indices: Any) -> Any:
    if isinstance(x, (list, str)):
        return x.index(indices)
    return x[tuple(slice(None) if i is None else i for i in indices)]


def _index_put(
    x: Tensor, indices: list, source: Tensor, accumulate: bool = False, *_: Any
) -> Tensor:
    key = tuple(slice(None) if i is None else i for i in indices)
    if not accumulate and any(i is None for i in indices):
        x[key] = source
        return x
    return x.index_put_(tuple(indices), source, accumulate)


def _upsample(mode: str, corners: bool) -> Callable[..., Any]:
    def call(x: Tensor, size: Any, *rest: Any) -> Tensor:
        align = bool(rest[0]) if corners else None
        factors = next((r for r in rest[int(corners) :] if isinstance(r, (list, tuple))), None)
        options = {"align_corners": align} if corners else {}
        if size is not None:
            return _function("interpolate")(x, size=list(size), mode=mode, **options)
        return _function("interpolate")(x, scale_factor=list(factors or ()), mode=mode, **options)

    return call


def _size(x: Tensor, dim: int | None = None) -> Any:
    return [int(n) for n in x.shape] if dim is None else int(x.shape[dim])


def _tensor(
    data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    made = _function("tensor")(data, **_options({"dtype": dtype, "device": device}))
    return made.requires_grad_() if requires_grad else made


def _raise(message: str, kind: str = "builtins.RuntimeError", *_: Any) -> None:
    named, _colon, text = message.partition(": ")
    if named in ERRORS and text:  # an assert
        kind, message = named, text
    raise ERRORS.get(kind.rpartition(".")[2], RuntimeError)(message)


def _warn(message: str, *_: Any) -> None:
    warnings.warn(message, stacklevel=2)


def _elu(x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    if scale == 1 and input_scale == 1:
        return _function("elu")(x, alpha)
    return scale * _function("where")(x > 0, x, alpha * (x * input_scale).expm1())


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    rest = [d for d in range(v.dim()) if d != dim]
    return v * (g / (v * v).sum(rest, keepdim=True).sqrt())


def _max_pool(n: int) -> Callable[..., Any]:
    def call(
        x: Tensor,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        dilation: Any = 1,
        ceil: bool = False,
    ) -> Any:
        return _function(f"max_pool{n}d")(x, kernel, stride or None, padding, dilation, ceil)

    return call


def _avg_pool(n: int) -> Callable[..., Any]:
    def call(x: Tensor, kernel: Any, stride: Any = (), *rest: Any) -> Any:
        return _function(f"avg_pool{n}d")(x, kernel, stride or None, *rest)

    return call


def _padded(mode: str) -> Callable[..., Any]:
    return lambda x, pad: _function("pad")(x, pad, mode)


def _arange(*args: Any, **kwargs: Any) -> Tensor:
    return _function("arange")(*args, **_options(kwargs))


def _clamp(x: Tensor, *bounds: Any, **named: Any) -> Tensor:
    return x.clamp(*bounds, **named)


_SPECIAL: dict[str, Callable[..., Any]] = {
    **ARCHIVED,
    "_convolution": _convolution, "convolution": _convolution,
    "_convolution_mode": _convolution_mode, "to": _to, "softmax": _softmax("softmax"),
    "_softmax": _softmax("softmax"), "log_softmax": _softmax("log_softmax"), "_log_softmax": _softmax("log_softmax"),
    "lstm": _recurrent("LSTM"), "gru": _recurrent("GRU"), "rnn_tanh": _recurrent("RNN_TANH"),
    "rnn_relu": _recurrent("RNN_RELU"), "lstm_cell": _cell("LSTM"), "gru_cell": _cell("GRU"),
    "rnn_tanh_cell": _cell("RNN_TANH"), "rnn_relu_cell": _cell("RNN_RELU"),
    "mse_loss": _loss("mse_loss", False), "l1_loss": _loss("l1_loss", False),
    "binary_cross_entropy": _loss("binary_cross_entropy", True), "cross_entropy_loss": _class_loss("cross_entropy"),
    "nll_loss": _class_loss("nll_loss"), "nll_loss_nd": _class_loss("nll_loss"),
    "slice": _slice, "index": _index, "index_put_": _index_put, "_index_put_impl_": _index_put,
    **{f"_upsample_nearest_exact{n}d": _upsample("nearest-exact", False) for n in (1, 2, 3)},
    "upsample_nearest1d": _upsample("nearest", False), "upsample_nearest2d": _upsample("nearest", False),
    "upsample_nearest3d": _upsample("nearest", False), "upsample_linear1d": _upsample("linear", True),
    "upsample_bilinear2d": _upsample("bilinear", True), "upsample_bicubic2d": _upsample("bicubic", True),
    "upsample_trilinear3d": _upsample("trilinear", True),
    "size": _size, "dim": lambda x: x.dim(), "tensor": _tensor, "elu": _elu, "_weight_norm": _weight_norm,
    "select": lambda x, dim, index: x.select(dim, index), "numel": lambda x: x.numel(),
    "len": lambda x: x.shape[0], "item": lambda x: x.item(), "type_as": lambda x, other: x.type_as(other),
    "max_pool1d": _max_pool(1), "max_pool2d": _max_pool(2), "max_pool3d": _max_pool(3),
    "avg_pool1d": _avg_pool(1), "avg_pool2d": _avg_pool(2), "avg_pool3d": _avg_pool(3),
    "reflection_pad1d": _padded("reflect"), "reflection_pad2d": _padded("reflect"),
    "reflection_pad3d": _padded("reflect"), "replication_pad1d": _padded("replicate"),
    "replication_pad2d": _padded("replicate"), "replication_pad3d": _padded("replicate"),
    "expand": lambda x, size, implicit=False: x.expand(size), "device": Device,
    "contiguous": lambda x, memory_format=0: x.contiguous(memory_format=_FORMATS[memory_format]),
    "clone": lambda x, memory_format=None: x.clone(), "lift_fresh": lambda x: x, "lift_fresh_copy": lambda x: x.clone(),
    "alias": lambda x: x.view(x.shape), "arange": _arange, "detach": lambda x: x.detach(),
    "copy_": lambda x, other, non_blocking=False: x.copy_(other), "__and__": operator.and_, "__or__": operator.or_,
    "__xor__": operator.xor, "__lshift__": operator.lshift, "__rshift__": operator.rshift,
    "__is__": operator.is_, "__isnot__": operator.is_not, "__contains__": lambda a, b: b in a,
    "Int": int, "Float": float, "Bool": bool, "IntImplicit": int, "FloatImplicit": float, "ScalarImplicit": lambda x: x.item(),
    "_shape_as_tensor": lambda x: _function("tensor")(list(x.shape)),
    "_unwrap_optional": lambda x: x, "warn": _warn, "wait": lambda future: future.wait(),
    "clamp": _clamp, "log_sigmoid": lambda x: _function("logsigmoid")(x),
    "im2col": lambda *args: found("flambeau.nn.functional", "unfold")(*args), "col2im": lambda *args: _function("fold")(*args),
    "is_autocast_enabled": lambda *_: False,
}  # fmt: skip
_METHODS = frozenset(["view", "reshape", "permute", "repeat", "expand_as", "view_as", "masked_fill", "index_select", "contiguous", "type", "cpu", "cuda", "new_zeros", "new_ones", "new_full", "new_empty", "is_floating_point", "is_complex", "item", "tolist", "unfold", "requires_grad_", "t", "mT", "flatten", "float", "double", "half", "long", "int", "bool"])  # fmt: skip


_PRIM: dict[str, Callable[..., Any]] = {
    "RaiseException": _raise, "NumToTensor": lambda x: x if isinstance(x, Tensor) else _function("tensor")(x),
    "device": lambda x: x.device, "dtype": code_of, "layout": lambda x: 0, "data": lambda x: x.data, "grad": lambda x: x.grad,
    "shape": _size, "requires_grad": lambda x: x.requires_grad, "is_cuda": lambda x: x.is_cuda, "T": lambda x: x.T,
    "mT": lambda x: x.mT, "is_sparse": lambda x: x.is_sparse, "is_mkldnn": lambda x: False, "is_quantized": lambda x: False,
    "is_meta": lambda x: x.is_meta, "is_mps": lambda x: False, "is_xpu": lambda x: False, "ndim": lambda x: x.dim(),
    "itemsize": lambda x: x.itemsize, "nbytes": lambda x: x.nbytes, "type": lambda x: x.type,
    "index": lambda x: x.index, "min": lambda *a: min(*a), "max": lambda *a: max(*a), "abs": abs,
    "unchecked_unwrap_optional": lambda x: x, "tolist": lambda x, *_: x.tolist(), "TupleIndex": operator.getitem,
    "TupleUnpack": lambda x: x, "rangelist": lambda n: list(range(n)), "Print": LIKE_C["print"],
    "Uninitialized": lambda: None, "name": lambda x: None,
    "AutogradAnyNonZero": lambda *xs: True, "is_nested": lambda x: False,
}  # fmt: skip
_PLAIN: dict[str, Any] = {
    "inf": math.inf, "nan": math.nan, "infj": complex(0, math.inf), "nanj": complex(0, math.nan),
    "unwrap_optional": lambda x: x, "torch.device": Device, "torch.inf": math.inf, "torch.nan": math.nan,
    "rangelist": lambda n: list(range(n)), "fork": fork,
}  # fmt: skip
