"""Models that leave Python: as plain C99 (`c99`), as a compiled library (`library`, `load_library`), as a page in a browser
(`web`), as a program of operators that is saved and loaded without the model's class (`export`, `save`, `load`).
"""

from .archives import load, save
from .c99 import Folder, c99
from .dims import Dim, dims
from .exported import ExportedProgram, export
from .library import Library, library, load_library
from .signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from .web import Site, web

__all__ = [
    "Dim",
    "ExportGraphSignature",
    "ExportedProgram",
    "Folder",
    "InputKind",
    "InputSpec",
    "Library",
    "OutputKind",
    "OutputSpec",
    "Site",
    "TensorArgument",
    "c99",
    "dims",
    "export",
    "library",
    "load",
    "load_library",
    "save",
    "web",
]
