"""Every operator of the registry as a method, with its in-place twin; those that live elsewhere are imported by their first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops  # fills the registry
from ..runtime.operator import registry
from ..runtime.tensor import Tensor
from .twins import inplace

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

        made = getattr(importlib.import_module(f"..{module}", __package__), name)
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
