"""NVRTC, NVIDIA's compiler of CUDA text, which needs neither a GPU nor a driver."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

import pytest


def nvrtc():
    """The library of the wheel, or of an installed toolkit; None without either."""
    wheels = importlib.util.find_spec("nvidia")  # a namespace that NVIDIA's wheels share
    folders = [Path(p) for p in wheels.submodule_search_locations] if wheels else []
    folders.append(Path("/usr/local/cuda/lib64"))
    found = [
        f
        for folder in folders
        for f in sorted(folder.rglob("libnvrtc.so.*"))
        if "alt" not in f.name
    ]
    return ctypes.CDLL(str(found[-1])) if found else None


@pytest.fixture(scope="module")
def compile_cubin():
    library = nvrtc()
    if library is None:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc, or nox -s cuda-text")

    def compiled(text, *options):
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        assert (
            library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"k.cu", 0, None, None)
            == 0
        )
        flags = [b"--gpu-architecture=sm_90", b"-std=c++17", *options]
        failed = library.nvrtcCompileProgram(
            program, len(flags), (ctypes.c_char_p * len(flags))(*flags)
        )
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        assert not failed, log.value.decode()
        assert library.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0
        cubin = ctypes.create_string_buffer(size.value)
        assert library.nvrtcGetCUBIN(program, cubin) == 0
        library.nvrtcDestroyProgram(ctypes.byref(program))
        return cubin.raw

    return compiled
