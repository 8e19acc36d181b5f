"""NumPy's large arrays on memory that is kept and handed out again (`headers/fb_memory.c`).

Installed in the calling context when the first compiled kernel is wanted, through NumPy's own interface for it
(`PyDataMem_SetHandler`); never at import. Arrays remember the allocator that made them, so that both live side by side.
$FLAMBEAU_MEMORY=numpy leaves NumPy's allocator alone.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import numpy as np

from . import library

# Places in the table of NumPy's C interface; they are part of its stable binary interface since 1.22.
SET_HANDLER, GET_HANDLER = 304, 305
CAPSULE = b"mem_handler"

_lib: Any = None
_before: Any = None  # NumPy's handler, which small arrays stay with


def install() -> None:
    """Gives NumPy's large arrays, in this context, to our allocator. Costs nothing from the second time on."""
    global _before, _lib
    if _lib is not None or os.environ.get("FLAMBEAU_MEMORY", "").lower() == "numpy":
        return
    lib = library.load(library.header("fb_memory.c"))
    lib.fb_memory.restype, lib.fb_memory.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    _, get, set_handler = interface()
    _before = get()
    set_handler(capsule(lib.fb_memory(_pointer()(_before, CAPSULE))))
    _lib = lib
    # A kernel that finds no memory to work in asks for what is kept here before it gives up.
    spare = library.load(library.header("fb_pool.c")).fb_set_spare
    spare.restype, spare.argtypes = None, [ctypes.c_void_p]
    spare(ctypes.cast(lib.fb_memory_release, ctypes.c_void_p))


def _pointer() -> Any:
    take = ctypes.pythonapi.PyCapsule_GetPointer
    take.restype, take.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return take


def capsule(handler: int) -> Any:
    """A PyDataMem_Handler at an address, as NumPy takes it."""
    wrap = ctypes.pythonapi.PyCapsule_New
    wrap.restype = ctypes.py_object
    wrap.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return wrap(handler, CAPSULE, None)


@cache
def interface() -> tuple[Any, Any, Any]:
    """NumPy's table of C functions; the handler in force in this context; a function that sets it and returns the one before."""
    umath: Any = np._core._multiarray_umath  # type: ignore[attr-defined]
    table = ctypes.cast(_pointer()(umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    get = ctypes.PYFUNCTYPE(ctypes.py_object)(table[GET_HANDLER])
    put = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])
    return table, get, put


def numbers() -> dict[str, int]:
    """Bytes in use, the most there were, bytes kept, blocks asked for and blocks served from those kept."""
    found = (ctypes.c_int64 * 5)()
    if _lib is not None:
        _lib.fb_memory_numbers(found)
    return dict(zip(("in use", "most in use", "kept", "asked", "served"), found))


def slack(size: int) -> int:
    """How many bytes may be kept beyond the most that was in use, from now on (-1: as at first); how many might before."""
    if _lib is None:
        return -1
    _lib.fb_memory_slack.restype, _lib.fb_memory_slack.argtypes = ctypes.c_int64, [ctypes.c_int64]
    return _lib.fb_memory_slack(size)


def release() -> int:
    """Gives the memory that is kept back to the system; its bytes."""
    if _lib is None:
        return 0
    _lib.fb_memory_release.restype = ctypes.c_int64
    return _lib.fb_memory_release()
