"""TorchScript's front: programs of modules and functions that are saved and run without their Python.

language    the subset of Python, checked, as closures; `types`, `values`, `names`: what programs may do and name
frontend    `script`: from source to the language
tracing     `trace`: from one run to a graph; `traced` runs it
archive     `save` and `load`; `data`: values as JSON
torchscript archives that PyTorch wrote; `aten`: its operators
"""
