"""Layer 1: the tensor-level program. What tracing makes and what compile, export and quantization read."""

from .graph import Call, Graph, Value

__all__ = ["Call", "Graph", "Value"]
