"""How PyTorch's files name element types: by the class of the storage that holds them."""

from __future__ import annotations

from .._base import dtypes

# Storage classes are the only spelling that old PyTorch knows; newer dtypes come as bytes plus the name of a dtype.
_STORAGES = {
    "BoolStorage": dtypes.bool_,
    "ByteStorage": dtypes.uint8,
    "CharStorage": dtypes.int8,
    "ShortStorage": dtypes.int16,
    "IntStorage": dtypes.int32,
    "LongStorage": dtypes.int64,
    "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16,
    "FloatStorage": dtypes.float32,
    "DoubleStorage": dtypes.float64,
    "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
    "QUInt8Storage": dtypes.quint8,
    "QInt8Storage": dtypes.qint8,
    "QInt32Storage": dtypes.qint32,
}
UNTYPED = "UntypedStorage"

storage_of_dtype: dict[dtypes.dtype, str] = {d: name for name, d in _STORAGES.items()}
dtype_of_storage: dict[str, dtypes.dtype] = {**_STORAGES, UNTYPED: dtypes.uint8}
dtype_of_name: dict[str, dtypes.dtype] = {d.name: d for d in (*dtypes.ALL, *dtypes.QUANTIZED)}

# Files of ours that PyTorch has under another name, and the classes that it defines elsewhere.
_MOVED = {
    "nn.modules.lazy_conv": "nn.modules.conv",
    "nn.modules.attention": "nn.modules.activation",
    "nn.modules.syncbatchnorm": "nn.modules.batchnorm",
    "optim.adafactor": "optim",
    "optim.muon": "optim",
}
_SINGLE = {
    "nn.modules.pixelshuffle.ChannelShuffle": "nn.modules.channelshuffle",
    **{f"nn.modules.lazy_norm.LazyBatchNorm{n}d": "nn.modules.batchnorm" for n in (1, 2, 3)},
    **{f"nn.modules.lazy_norm.LazyInstanceNorm{n}d": "nn.modules.instancenorm" for n in (1, 2, 3)},
}
_RENAMED = {"nn.modules._state._ModuleHook": ("torch.nn.modules.module", "_WrappedHook")}
_SHARED = ("nn.modules.", "nn.functional", "optim.", "ops.")


def torch_name(module: str, name: str) -> tuple[str, str] | None:
    """Under which module and name PyTorch has a class or function of ours; None for what is ours alone.

    >>> torch_name("flambeau.nn.modules.lazy_conv", "LazyConv1d")
    ('torch.nn.modules.conv', 'LazyConv1d')
    """
    package, _, inner = module.partition(".")
    if package != "flambeau" or not f"{inner}.".startswith(_SHARED):
        return None
    if f"{inner}.{name}" in _RENAMED:
        return _RENAMED[f"{inner}.{name}"]
    if inner.startswith("ops."):
        return _where_operator(name), name
    if inner.startswith("optim.lr_scheduler"):
        return "torch.optim.lr_scheduler", name
    inner = _SINGLE.get(f"{inner}.{name}", _MOVED.get(inner, inner))
    return f"torch.{inner}", name


def _where_operator(name: str) -> str:
    """The module in which PyTorch keeps an operator: some are functions of networks, some have a prefix."""
    import flambeau
    from flambeau.nn import functional

    group = name.partition("_")[0]
    if group in ("fft", "linalg", "special"):
        return f"torch._C._{group}"
    ours = getattr(functional, name, None)
    return (
        "torch.nn.functional"
        if ours is not None and ours is getattr(flambeau, name, ours)
        else "torch"
    )
