"""Which elementwise operators run compiled in eager mode, and from how many elements on.

NumPy's exp is as vectorised as ours; a compiled kernel wins by its threads, and for chains such as GELU by making one
pass where NumPy makes six. The thresholds were measured (`benchmarks/elementwise.py --thresholds`, on two cores with
AVX-512): a call of a compiled kernel costs 2 us where a ufunc costs 1, and waking a thread 15. Operators that a single
memory-bound ufunc serves (add, mul, maximum) are worth it for their threads, tanh only where NumPy has no vector loop for it.

Registering costs microseconds and compiles nothing. A kernel is compiled when an operator first meets a large array; if
there is no compiler, the reference serves, and `flambeau.show_config()` says why.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from ..._base.forks import lock_over_forks
from ...runtime.operator import MISSING, Operator, registry, watchers
from . import elementwise, gradients

PASSES = (
    1 << 16
)  # from here on for one pass of NumPy's over memory: only threads win, and memory that was used before
CHAINS = 1 << 12  # for what NumPy does in several passes: 2 us where it takes 5 to 10
SERIES = 1  # for the error function, which NumPy lacks: its reference takes twenty passes, 40 us of an 8 x 8 array (here 2)
SPECIAL = 1  # for special functions, which take it a hundred: 60 to 160 us even of 100 elements
UFUNCS = 1 << 15  # for one ufunc that NumPy vectorises as well
QUICK = 1 << 20
SCALAR = 1 << 14  # for one ufunc that NumPy vectorises with AVX-512 alone, where there is none

GRADIENTS = 1 << 14  # for gradients, which are chains

PASS_OPERATORS = (
    "add", "sub", "mul", "neg", "abs", "square", "pow", "maximum", "minimum",
    "clamp_low", "clamp_high", "eq", "ne", "lt", "le", "gt", "ge", "isnan", "logical_and", "logical_or", "logical_xor",
    "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "floor", "ceil", "trunc", "round",
    "addcmul", "addcdiv", "deg2rad", "rad2deg", "signbit", "bitwise_left_shift", "bitwise_right_shift",
)  # fmt: skip
CHAIN_OPERATORS = (
    "sigmoid", "silu", "softplus", "elu", "logsigmoid", "sign", "clamp_number", "clamp_between", "lerp",
    "leaky_relu", "hardtanh", "relu6", "celu", "selu", "mish", "hardsigmoid", "hardswish", "hardshrink",
    "softshrink", "tanhshrink", "threshold", "leaky_slopes", "gated", "isinf", "isfinite", "where", "rsqrt", "logit",
    "finite_numbers", "frac", "copysign", "xlogy", "special_entr", "special_xlog1py", "angle_of_real", "logaddexp", "logaddexp2",
    "quotient_to_zero", "integer_quotient", "relu",
)  # fmt: skip
SERIES_OPERATORS = ("erf", "erfc", "gelu")
UFUNC_OPERATORS = ("exp", "log", "exp2", "expm1", "true_divide", "reciprocal", "sqrt")
QUICK_OPERATORS = ("tanh",)  # those that NumPy computes in half the time
# Those that C computes one by one, and `ir/wide.py` sixteen at a time.
WIDE_OPERATORS = ("remainder", "fmod", "floor_divide", "quotient_down", "hypot", "fmax", "fmin")
SCALAR_OPERATORS = ("sinh", "cosh", "log1p", "log2", "log10")


def numpy_has_avx512() -> bool:
    """Whether NumPy runs its AVX-512 loops, which cover tanh and its like; elsewhere these are scalar in NumPy."""
    loops: Any = np._core._multiarray_umath  # type: ignore[attr-defined]
    return bool(getattr(loops, "__cpu_features__", {}).get("AVX512_SKX"))


def table() -> dict[str, int]:
    """Operators and the number of elements from which they run compiled."""
    found = dict.fromkeys(CHAIN_OPERATORS, CHAINS) | dict.fromkeys(SERIES_OPERATORS, SERIES)
    found |= dict.fromkeys(UFUNC_OPERATORS, UFUNCS) | dict.fromkeys(PASS_OPERATORS, PASSES)
    if numpy_has_avx512():
        return found | dict.fromkeys(QUICK_OPERATORS, QUICK) | dict.fromkeys(WIDE_OPERATORS, CHAINS)
    return found | dict.fromkeys((*QUICK_OPERATORS, *SCALAR_OPERATORS), SCALAR)


OPERATORS = table()
# Functions that NumPy vectorises, whose loops run on all cores: where there are no vectors for them, C is quicker.
SHARED = [
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh"),
    *(() if SCALAR_OPERATORS[0] in OPERATORS else SCALAR_OPERATORS),
]

# Operators with kernels written by hand: the module that offers them, and the elements from which it is asked.
# The module is imported by the first call that is large enough.
BY_HAND: dict[str, dict[str, int]] = {
    "sorting": dict.fromkeys(("sort", "unique_parts"), 1 << 7)
    | {"topk": 1}
    | dict.fromkeys(
        ("cumsum", "cumprod", "logcumsumexp", "extreme_places", "nonzero_table"), 1 << 12
    )
    | {"places_in": 1 << 10},
    "products": dict.fromkeys(("matmul", "matmul_tn", "linear"), 2048),
    "reductions": dict.fromkeys(
        (
            "sum",
            "sum_to_size",
            "mean",
            "prod_dims",
            "amax",
            "amin",
            "any",
            "all",
            "norm2",
            "argmax_dim",
            "argmin_dim",
            "var",
            "count_nonzero",
            "nansum",
        ),
        1 << 13,
    ),
    "attention": {"scaled_dot_product_attention": 0},
    "recurrent": dict.fromkeys(("lstm_layer", "gru_layer", "tanh_layer", "relu_layer"), 0),
    "copies": dict.fromkeys(
        ("clone", "reshape", "cat", "flip", "pad_constant", "tril", "triu"), 1 << 15
    )
    | {"to_dtype": 1 << 16, "copy_into": 1 << 19},
    "softmax": {"softmax": 0, "log_softmax": 0},
    "rownorm": {"layer_norm": 0, "rms_norm": 0},
    "channelnorm": {"normalize_channels": 0, "rescale_channels": 0, "group_norm": 0},
    "crossentropy": {"cross_entropy": 0},
    "gelu": {"gelu": SERIES},
    "ufuncs": dict.fromkeys(SHARED, UFUNCS),
    "draws": {"draw": 0},
    "logsumexp": {"logsumexp": 0},
    "losses": dict.fromkeys(
        ("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits"),
        0,
    ),
    "resizing": {"interpolate": 0},
    "borders": {"pad": 1 << 10},
    "complexes": {"complex": 1 << 15},
    "bags": {"embedding_bag": 0},
    "neighbours": {"nextafter": 1 << 11},
    "distances": {"cdist": 1 << 7, "pdist": 1 << 7},
    "counts": {"bincount": 1 << 12, "counts_in_bins": 1 << 12},
    "fourier": dict.fromkeys(("_fft_c2c", "_fft_r2c", "_fft_c2r"), 1 << 9),
    "sampling": {"grid_sampler": 0},
    "indexed": dict.fromkeys(
        (
            *("index", "index_grad", "index_put_at", "gather"),
            *("scatter_add", "scatter_src", "scatter_prod", "scatter_extreme"),
        ),
        1 << 10,
    ),
    "pools": dict.fromkeys(
        (
            *(
                "max_pool",
                "max_pool_places",
                "max_pool_spread",
                "max_pool_pick",
                "window_sum",
                "window_spread",
            ),
            *("avg_pool1d", "avg_pool2d", "avg_pool3d"),
        ),
        0,
    ),
    "placedpools": {"adaptive_max_windows": 0, "fractional_max_pool": 0},
    "adaptivepools": dict.fromkeys(
        [f"adaptive_{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)], 0
    ),
    "convolutions": dict.fromkeys(("convolution", "convolution_input", "convolution_weight"), 0),
}


class _Loading(list):
    """Providers that are still being entered: other threads wait until they are a list."""


_lock = lock_over_forks()


def load(op: Operator) -> list[Any]:
    """The providers of an operator of `BY_HAND`, by importing its module."""
    with _lock:
        module = op.providers["cpu"]
        if type(module) is not str:  # another thread has loaded it, or this one is at it
            return module
        names = [n for n in BY_HAND[module] if n in registry]  # others: `_offer_late`
        for name in names:
            registry[name].providers["cpu"] = _Loading()
        importlib.import_module(f"{__package__}.{module}").register()
        for name in names:
            registry[name].providers["cpu"] = list(registry[name].providers["cpu"])
        return op.providers["cpu"]


def register() -> None:
    """Enters a provider per operator of the table; called when the CPU backend loads."""
    for module, operators in BY_HAND.items():
        for name, least in operators.items():
            if name in registry:
                _await(registry[name], module, least)
    for name, least in OPERATORS.items():
        op = registry.get(name)
        if op is not None and "cpu" not in op.providers:
            _offer_compiled(op, least)
    for op in list(registry.values()):
        _offer_series(op)
    watchers.append(_offer_late)


def _await(op: Operator, module: str, least: int) -> None:
    op.providers["cpu"], op.least["cpu"] = module, least


def _offer_late(op: Operator) -> None:
    """The offers for an operator that is defined after the backend was loaded."""
    for module, operators in BY_HAND.items():
        if op.name in operators:
            _await(op, module, operators[op.name])
    if op.name in OPERATORS and "cpu" not in op.providers:
        _offer_compiled(op, OPERATORS[op.name])
    _offer_series(op)


def _offer_compiled(op: Operator, least: int) -> None:
    """A kernel compiled from the operator's expression, and for a unary one its gradient."""
    op.provide("cpu", _accepts, least)(elementwise.Compiled(op))
    if "vjp" not in op.refusals:
        op.vjp_rule.large = gradients.gradient_of(op)
        op.vjp_rule.large_from = min(least, GRADIENTS) if least == SERIES else GRADIENTS


def _offer_series(op: Operator) -> None:
    """The same for a special function (`ops/doubles.py`)."""
    if op.tags.get("series") and "cpu" not in op.providers:
        op.provide("cpu", _accepts, SPECIAL)(elementwise.Compiled(op))


def _accepts(metas: list, attrs: dict) -> bool:
    from . import library  # here: import flambeau must not pay for hashlib and ctypes

    _accepts.by_kind = library.available  # type: ignore[attr-defined]  # see `straight.picker`
    return library.available()


def special() -> list[str]:
    """The special functions, which compute in double precision only."""
    from ...ops import load_all

    load_all()
    return [name for name, op in registry.items() if op.tags.get("series")]


def sources() -> list[tuple[str, str, tuple[str, ...]]]:
    """(name, C text, flags) of all that eager mode uses: what is built ahead of time."""
    from . import library, native
    from .kernel import source_of

    made = [(name, library.header(name)) for name in ("fb_pool.c", "fb_memory.c", "fb_arena.c")]
    wanted = dict.fromkeys(OPERATORS, ("float32", "float64")) | dict.fromkeys(
        special(), ("float64",)
    )
    for name, kinds in wanted.items():
        op = registry[name]
        attrs = {p: 0.0 if op.defaults[i] is MISSING else op.defaults[i] for i, p in op.attrs}
        kinds = kinds if op.takes("float") else ("int64", "bool")
        for dtype in kinds:
            given = (("bool",) if name == "where" else (dtype,)) + (dtype,) * (len(op.arrays) - 1)
            kernel, _ = elementwise.Compiled(op).kernel(given, attrs)
            made.append((f"{name} {dtype}", source_of(kernel.nest([np.empty(8, d) for d in given]))))  # fmt: skip
    made += ((f"{name} of few", text) for name, text in _few())
    plain = [(name, text, ()) for name, text in made]
    return plain + [(name, text, native.FLAGS) for name, text in native.sources()]


def _few() -> Iterator[tuple[str, str]]:
    """(name, C text) of the ufuncs that serve small arrays (`expressions`), for the usual static arguments."""
    from ...ir.text import NoText
    from .expressions import source

    for name, op in registry.items():
        if op.family != "elementwise" or op.tags.get("series") or not op.takes("float"):
            continue
        attrs = {p: 0.0 if op.defaults[i] is MISSING else op.defaults[i] for i, p in op.attrs}
        program = op.vjp_rule.program(attrs)
        if program.wants_ufunc:
            with suppress(NoText):
                yield name, source(program)
