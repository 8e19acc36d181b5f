"""TorchScript's front: programs of modules and functions that are saved and run without their Python.

language    the subset of Python, checked, as closures; `expressions` of it; `types`, `values`, `names`: what programs may do and name
frontend    `script`, modules; `functions`: from source to the language; `marks`: what code says to it
tracing     `trace`: from one run to a graph; `traced` runs it
archive     `save` and `load`; `data`: values as JSON
torchscript archives that PyTorch wrote; `aten`, `plain`: its operators; `reading`: zip files
freezing    `freeze`: constants and batch norm folded
"""
