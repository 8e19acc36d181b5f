"""flambeau: deep learning with PyTorch's API on NumPy and CuPy.

Submodules (`flambeau.nn`, `flambeau.optim`, ...) are imported when first touched, so that `import flambeau` costs little
more than `import numpy`.
"""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import Any

from . import backends as _backends
from . import methods as _methods
from . import ops as _ops
from ._base.devices import device
from ._base.dtypes import (
    ALIASES as _ALIASES,
)
from ._base.dtypes import ALL as _DTYPES
from ._base.dtypes import QUANTIZED as _QUANTIZED
from ._base.dtypes import (
    can_cast,
    dtype,
    get_default_dtype,
    promote_types,
    set_default_dtype,
)
from ._base.formats import FORMATS as _FORMATS
from ._base.formats import LAYOUTS as _LAYOUTS
from ._base.formats import layout, memory_format
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .ops.complex import complex, conj_physical, imag, real, view_as_complex, view_as_real
from .ops.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    get_default_device,
    linspace,
    ones,
    ones_like,
    set_default_device,
    tensor,
    zeros,
    zeros_like,
)
from .ops.joining import broadcast_tensors, cat, hstack, meshgrid, stack, vstack
from .ops.random import (
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .printing import set_printoptions
from .runtime.operator import registry as _registry
from .runtime.overrides import overridable as _overridable
from .runtime.promotion import result_type
from .runtime.tensor import Size, Tensor

__version__ = "0.1.0"

for _d in _DTYPES:
    globals()[_d.name] = _d
globals().update(_ALIASES)
globals().update({_d.name: _d for _d in _QUANTIZED})
for _name, _op in _registry.items():
    if _op.method:
        globals().setdefault(_name, _op.public)
for _name, _target in _methods.NAMES.items():
    globals().setdefault(
        _name, _registry[_target].public if _target in _registry else globals()[_target]
    )

newaxis = None
_where = _registry["where"].public
concat = concatenate = cat
row_stack = vstack
median = _registry["median"].public

for _constant in (*_LAYOUTS, *_FORMATS):
    globals()[_constant.name] = _constant

_SUBMODULES = frozenset({
    "amp", "autograd", "backends", "compat", "compiler", "cpu", "cuda", "distributed", "distributions", "export", "fft", "func", "futures", "graph",
    "hub", "ir", "jit", "library", "linalg", "masked", "multiprocessing", "nested", "nn", "onnx", "ops", "optim", "package", "profiler",
    "quantization", "random",
    "runtime", "serialization", "signal", "sparse", "storage", "special", "testing", "train", "utils",
})  # fmt: skip

# Names that live in submodules and are reached from the top: imported when first touched.
_ELSEWHERE = {
    "OutOfMemoryError": "_base.errors", "finfo": "_base.limits", "iinfo": "_base.limits",
    "is_anomaly_enabled": "autograd",
    "is_anomaly_check_nan_enabled": "autograd", "save": "serialization", "load": "serialization", "Generator": "runtime.generator", "compile": "jit",
    "manual_seed": "random", "seed": "random", "initial_seed": "random", "get_rng_state": "random",
    "set_rng_state": "random", "default_generator": "random", "vmap": "func", "show_config": "config",
    "use_deterministic_algorithms": "config", "are_deterministic_algorithms_enabled": "config",
    "set_float32_matmul_precision": "config", "get_float32_matmul_precision": "config",
    "get_num_threads": "config", "set_num_threads": "config", "autocast": "amp", "is_autocast_enabled": "amp",
    "get_autocast_dtype": "amp", "set_autocast_dtype": "amp", "set_autocast_enabled": "amp", "stft": "ops.spectral",
    "istft": "ops.spectral", "cond": "ops.control", "while_loop": "ops.control",
}  # fmt: skip
_ELSEWHERE |= dict.fromkeys((
    "sparse_coo_tensor", "sparse_compressed_tensor", "sparse_csr_tensor", "sparse_csc_tensor", "sparse_bsr_tensor",
    "sparse_bsc_tensor",
), "sparse.create") | dict.fromkeys((
    "smm", "sspaddmm", "hspmm", "indices_copy", "values_copy", "crow_indices_copy",
    "col_indices_copy", "ccol_indices_copy", "row_indices_copy",
), "sparse.functions")  # fmt: skip
# Functions of networks that PyTorch has at the top too.
_ELSEWHERE |= dict.fromkeys((
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "max_pool1d",
    "max_pool2d", "max_pool3d", "avg_pool1d", "adaptive_avg_pool1d", "dropout", "alpha_dropout", "layer_norm",
    "group_norm", "rms_norm", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "pairwise_distance",
    "cosine_similarity", "celu", "selu", "prelu", "rrelu", "bilinear", "hardshrink",
), "nn.functional")  # fmt: skip

_HERE = {
    "storage": """
        UntypedStorage TypedStorage DoubleStorage FloatStorage HalfStorage BFloat16Storage LongStorage IntStorage
        ShortStorage CharStorage ByteStorage BoolStorage ComplexDoubleStorage ComplexFloatStorage is_storage
    """,
    "tensor_types": """
        FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor ByteTensor
        BoolTensor set_default_tensor_type
    """,
    "interchange": "frombuffer from_file asarray from_dlpack to_dlpack",
    "switches": """
        get_num_interop_threads set_num_interop_threads set_deterministic_debug_mode get_deterministic_debug_mode
        is_deterministic_algorithms_warn_only_enabled set_warn_always is_warn_always_enabled set_flush_denormal
        compiled_with_cxx11_abi get_device_module Tag
    """,
    "streams": "Stream Event", "amp": """
        GradScaler autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache get_autocast_cpu_dtype
        get_autocast_gpu_dtype is_autocast_cache_enabled is_autocast_cpu_enabled set_autocast_cache_enabled
        set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_gpu_dtype""", "_base.errors": "AcceleratorError",
    "random": "thread_safe_generator",
    # Methods that are functions too.
    "functions": """
        abs_ acos_ acosh_ addmv_ alpha_dropout_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_
        atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_ dropout_ erf_ erfc_
        exp2_ exp_ expm1_ feature_alpha_dropout_ feature_dropout_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_
        ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ relu_ resize_as_ round_
        rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_
        get_device is_conj is_inference is_neg is_nonzero is_signed
    """,
}  # fmt: skip
for _file, _text in _HERE.items():
    _ELSEWHERE |= dict.fromkeys(_text.split(), _file)
_ELSEWHERE |= dict.fromkeys(("celu_", "rrelu_", "selu_", "threshold_"), "nn.functional")
# Quantized tensors.
_ELSEWHERE |= dict.fromkeys((
    "qscheme", "per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric",
    "per_channel_affine_float_qparams", "quantize_per_tensor", "quantize_per_channel", "quantize_per_tensor_dynamic",
    "dequantize", "int_repr", "q_scale", "q_zero_point", "q_per_channel_scales", "q_per_channel_zero_points",
    "q_per_channel_axis", "quantized_max_pool1d", "quantized_max_pool2d", "quantized_batch_norm",
), "quantization.affine")  # fmt: skip
# Functions of networks whose arguments differ from those in nn.functional.
_ELSEWHERE |= dict.fromkeys((
    "batch_norm", "instance_norm", "layer_norm", "group_norm", "adaptive_max_pool1d", "max_pool1d_with_indices",
    "threshold", "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "embedding", "embedding_bag",
    "binary_cross_entropy_with_logits", "cosine_embedding_loss", "ctc_loss", "hinge_embedding_loss", "kl_div",
    "margin_ranking_loss", "poisson_nll_loss", "triplet_margin_loss",
), "nn._functional.toplevel")  # fmt: skip

for _table in (_ops.LATE_METHODS, _ops.LATE_FUNCTIONS):
    for _file, _text in _table.items():
        _ELSEWHERE |= dict.fromkeys(_text.split(), f"ops.{_file}")


def __getattr__(name: str) -> Any:
    import importlib

    if name in _SUBMODULES:
        full = f"{__name__}.{name}"
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if (
                error.name != full
            ):  # what the module imports is missing: that is the caller's business
                raise
    if name in _ELSEWHERE:
        found = getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_ELSEWHERE})


def where(condition: Tensor, *choices: Any, **named: Any) -> Any:
    """`where(condition, input, other)`: see `ops.comparison.where`; `where(condition)` alone: where it holds.

    >>> import flambeau
    >>> flambeau.where(flambeau.tensor([[0, 1], [1, 0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    if not choices and not named:
        return _registry["nonzero"].public(condition, as_tuple=True)
    return _where(condition, *choices, **named)


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return input.dtype.is_complex


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    return input.allclose(other, rtol, atol, equal_nan)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and equal elements."""
    return input.equal(other)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`expand` to a shape."""
    return input.expand(size)


def detach(input: Tensor) -> Tensor:
    """The same memory without history."""
    return input.detach()


# What is no operator, and can be taken over by `__torch_function__` as operators can.
for _name in [
    "allclose",
    "arange",
    "as_tensor",
    "broadcast_tensors",
    "broadcast_to",
    "detach",
    "empty",
    "equal",
    "eye",
    "from_numpy",
    "full",
    "hstack",
    "is_complex",
    "is_floating_point",
    "linspace",
    "meshgrid",
    "normal",
    "numel",
    "ones",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "vstack",
    "where",
    "zeros",
]:
    globals()[_name] = _overridable(globals()[_name])
    globals()[_name].__module__ = "flambeau"  # where pickle finds it

# Not the modules that this file happens to import: submodules are reached by their own names.
_Module = type(_methods)
__all__ = [
    n
    for n, v in globals().items()
    if not n.startswith("_") and n not in ("annotations", "Any") and not isinstance(v, _Module)
]
