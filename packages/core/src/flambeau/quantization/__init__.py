"""Dynamic quantization: a trained model's Linear layers in int8, a quarter of the memory; see docs/quantization.md."""

from .convert import QConfig, default_dynamic_qconfig, per_channel_dynamic_qconfig, quantize_dynamic
from .linear import DynamicLinear
from .numbers import qint8

__all__ = [
    "DynamicLinear",
    "QConfig",
    "default_dynamic_qconfig",
    "per_channel_dynamic_qconfig",
    "qint8",
    "quantize_dynamic",
]
