"""`import flambeau` stays light: nothing optional, nothing heavy, few milliseconds over NumPy."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# What importing must not bring. Some of it is NumPy's own doing on some versions: only what is added counts.
HEAVY = (
    "asyncio", "concurrent.futures", "ctypes", "cupy", "dataclasses", "email", "hashlib", "http", "importlib.metadata",
    "inspect", "json", "logging", "ml_dtypes", "mpi4py", "multiprocessing", "numpy.fft", "numpy.random", "onnx",
    "shutil", "socket", "sqlite3", "subprocess", "tempfile", "torch", "unittest", "urllib", "zipfile",
)  # fmt: skip

ADDED = """
import sys, numpy
before = set(sys.modules)
import {name}
print(*sorted(set(sys.modules) - before))
"""

TIME = """
import time, numpy
started = time.process_time()
import flambeau
print(time.process_time() - started)
"""


def run(code, **settings):
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | settings
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flambeau", "flambeau.nn"])
def test_nothing_heavy_is_imported(name):
    added = run(ADDED.format(name=name)).split()
    assert "flambeau" in added
    assert [module for module in added if module in HEAVY] == []


@pytest.mark.slow
def test_what_networks_need_waits_until_it_is_touched():
    added = run(ADDED.format(name="flambeau")).split()
    for later in ("nn", "optim", "utils", "onnx", "jit", "serialization", "distributed", "testing"):
        assert f"flambeau.{later}" not in added


@pytest.mark.slow
def test_importing_takes_at_most_50_ms_over_numpy(tmp_path):
    # Bytecode is read in any real second start: the first run here writes it, to a place of its own.
    settings = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    run(TIME, **settings)
    assert min(float(run(TIME, **settings)) for _ in range(5)) < 0.05
