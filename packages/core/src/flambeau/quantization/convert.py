"""`quantize_dynamic`: a model with the layers asked for replaced. What cannot be quantized is refused, not skipped."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

from .._base import dtypes
from ..nn import Linear, Module
from .linear import DynamicLinear, unsupported
from .numbers import qint8


class QConfig:
    """How a layer's weights are quantized: with one scale, or with one for each output channel."""

    __slots__ = ("per_channel",)

    def __init__(self, per_channel: bool = False) -> None:
        self.per_channel = per_channel

    def __repr__(self) -> str:
        return f"QConfig(per_channel={self.per_channel})"


default_dynamic_qconfig = QConfig()
per_channel_dynamic_qconfig = QConfig(per_channel=True)


def quantize_dynamic(
    model: Module, qconfig_spec: Any = None, dtype: dtypes.dtype = qint8, mapping: Any = None, inplace: bool = False
) -> Module:  # fmt: skip
    """`model` with its Linear layers in int8, as `torch.ao.quantization.quantize_dynamic`; a copy unless `inplace`.

    `qconfig_spec` says which layers: a set of types and of submodules' names, or a mapping from these to
    `default_dynamic_qconfig` or `per_channel_dynamic_qconfig`; None is every `nn.Linear`. The output map of attention,
    which is a subclass of Linear, stays as it is, as in PyTorch. Differs from PyTorch: there None means recurrent layers
    too, which have no int8 form here.

    >>> import flambeau
    >>> from flambeau import nn
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    >>> flambeau.quantization.quantize_dynamic(model, {nn.Linear}, dtype=flambeau.qint8)
    Sequential(
      (0): DynamicQuantizedLinear(in_features=8, out_features=4, dtype=flambeau.qint8, qscheme=flambeau.per_tensor_affine)
      (1): ReLU()
    )
    """
    if dtype is not qint8:
        raise ValueError(
            f"quantize_dynamic: dtype must be {qint8!r}, the only one there is, but got {dtype!r}"
        )
    if mapping is not None:
        raise ValueError(
            "quantize_dynamic: mapping is not supported: nn.Linear becomes quantization.DynamicLinear"
        )
    wanted = _wanted(model, qconfig_spec)
    if "" in wanted:
        if inplace:
            raise ValueError(
                "quantize_dynamic: the model is itself a Linear, which cannot be replaced in place"
            )
        return DynamicLinear.from_float(cast(Linear, model), wanted[""].per_channel)
    out = model if inplace else copy.deepcopy(model)
    for name, config in wanted.items():
        parent, _, last = name.rpartition(".")
        owner = out.get_submodule(parent)
        layer = cast(Linear, out.get_submodule(name))
        setattr(owner, last, DynamicLinear.from_float(layer, config.per_channel))
    return out


def _wanted(model: Module, spec: Any) -> dict[str, QConfig]:
    """Names of the layers to replace, with how."""
    if spec is None:
        spec = {Linear}
    configs: dict[Any, QConfig] = (
        dict(spec) if isinstance(spec, Mapping) else dict.fromkeys(spec, default_dynamic_qconfig)
    )
    modules = dict(model.named_modules())
    for key, config in configs.items():
        if not isinstance(config, QConfig):
            raise TypeError(
                f"quantize_dynamic: the configuration of {key!r} must be default_dynamic_qconfig or "
                f"per_channel_dynamic_qconfig, but got {type(config).__name__}"
            )
        if isinstance(key, str):
            if key not in modules:
                raise ValueError(f"quantize_dynamic: the model has no submodule '{key}'")
        elif key is not Linear:
            raise ValueError(unsupported(key))
    found = {}
    for name, module in modules.items():
        chosen = configs.get(name, configs.get(type(module)))
        if chosen is None:
            continue
        if type(module) is not Linear:
            raise ValueError(unsupported(type(module)))
        found[name] = chosen
    return found
