"""ONNX: models leave by `export` and come back by `load`. Needs `pip install flambeau[onnx]`.

A model is traced into the one graph; each operator's block says its ONNX form. Sizes named in `dynamic_axes` stay open:
the model is traced at two sizes, and what changed between the two programs is computed from the input's shape.
"""

from .exporter import export
from .importer import Model, load

__all__ = ["Model", "export", "load"]
