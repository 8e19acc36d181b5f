"""Models that leave Python: as plain C99 (`c99`), or as a compiled library (`library`, `load_library`)."""

from .c99 import Folder, c99
from .library import Library, library, load_library

__all__ = ["Folder", "Library", "c99", "library", "load_library"]
