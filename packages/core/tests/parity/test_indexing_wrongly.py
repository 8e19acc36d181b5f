"""Keys and values of x[key] and x[key] = value, right and wrong, beside PyTorch: the same result or class of error."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
from agreement import outcome


@cache
def keys(lib):
    t = lib.tensor
    return {
        "int": 1,
        "neg": -1,
        "big": 5,
        "-big": -5,
        "2**40": 2**40,
        "2**63": 2**63,
        "-2**70": -(2**70),
        "float": 1.0,
        "float frac": 1.5,
        "nan": float("nan"),
        "complex": 1j,
        "str": "a",
        "bytes": b"a",
        "None": None,
        "True": True,
        "False": False,
        "...": ...,
        "() ": (),
        "(0,1)": (0, 1),
        "(0,1,2)": (0, 1, 2),
        "(0,9)": (0, 9),
        "(...,...)": (..., ...),
        "(...,0,...)": (..., 0, ...),
        "(None,0)": (None, 0),
        "(True,0)": (True, 0),
        "(0,1.5)": (0, 1.5),
        "(0,'a')": (0, "a"),
        "(0,None,...)": (0, None, ...),
        "slice": slice(1),
        "neg step": slice(None, None, -1),
        "step 0": slice(0, 2, 0),
        "float slice": slice(0.5, 2),
        "str slice": slice("a", None),
        "huge slice": slice(0, 2**70),
        "neg huge": slice(-(2**70), None),
        "tensor slice": slice(t(0), t(2)),
        "float tensor slice": slice(t(0.5), None),
        "1-el slice": slice(t([1]), None),
        "2-el slice": slice(t([1, 2]), None),
        "step big": slice(0, None, 100),
        "rev": slice(2, 1),
        "None slice": slice(None),
        "True slice": slice(True, None),
        "list": [0, 1],
        "list empty": [],
        "list float": [0.5],
        "list big": [0, 9],
        "list bool": [True, False],
        "list bool ok": [True, False, True],
        "list str": ["a"],
        "list None": [None, 0],
        "list slice": [slice(0, 1), 0],
        "nested list": [[0, 1], [1, 0]],
        "ragged": [[0], [0, 1]],
        "list tensor": [t(0), t(1)],
        "list tensors": [t([0, 1]), t([1, 0])],
        "tuple of lists": ([0, 1], [1, 0]),
        "tuple lists bc": ([0, 1], [[1], [0]]),
        "tuple lists bad": ([0, 1], [1, 0, 1]),
        "list range": range(2),
        "t0": t(1),
        "t0 neg": t(-1),
        "t0 big": t(9),
        "t1": t([0, 1]),
        "t1 neg": t([-1, -2]),
        "t1 big": t([0, 7]),
        "t1 -big": t([-7]),
        "t float": t([0.0, 1.0]),
        "t0 float": t(1.0),
        "t complex": t([1j]),
        "t int32": t([0, 1], dtype=lib.int32),
        "t int8": t([0, 1], dtype=lib.int8),
        "t int16": t([0, 1], dtype=lib.int16),
        "t uint8": t([0, 1, 1], dtype=lib.uint8),
        "t uint8 bad": t([0, 1], dtype=lib.uint8),
        "t0 uint8": t(1, dtype=lib.uint8),
        "t empty": t([]),
        "t empty int": lib.zeros(0, dtype=lib.int64),
        "t 2d": t([[0, 1], [1, 0]]),
        "mask": t([True, False, True]),
        "mask bad": t([True, False]),
        "mask 2d": lib.ones(3, 4, dtype=lib.bool),
        "mask 2d bad": lib.ones(3, 3, dtype=lib.bool),
        "mask 3d": lib.ones(3, 4, 1, dtype=lib.bool),
        "mask0": t(True),
        "mask0 F": t(False),
        "masks none": t([False] * 3),
        "mask + int": (t([True, False, True]), 0),
        "mask+idx": (t([True, False, True]), t([0, 1])),
        "mask+idx bad": (t([True, False, True]), t([0, 1, 2])),
        "mask mask": (t([True, False, True]), t([True, False, False, True])),
        "slice+mask": (slice(None), t([True, False, True, True])),
        "slice+mask bad": (slice(None), t([True, False, True])),
        "mask0+int": (t(True), 0),
        "mask0 + t": (t(True), t([0, 1])),
        "idx idx": (t([0, 1]), t([1, 2])),
        "idx idx bad": (t([0, 1]), t([1, 2, 3])),
        "idx None idx": (t([0, 1]), None, t([1, 2])),
        "idx slice": (t([0, 1]), slice(1, 3)),
        "slice idx": (slice(1, 3), t([0, 1])),
        "idx ...": (t([0, 1]), ...),
        "... idx": (..., t([0, 1])),
        "idx too many": (t([0]), t([0]), t([0])),
        "idx int": (t([0, 1]), 0),
        "int idx": (0, t([0, 1])),
        "idx + list": (t([0, 1]), [1, 2]),
        "idx negstep": (t([0]), slice(None, None, -1)),
        "idx str": (t([0]), "a"),
        "idx float": (t([0]), 1.5),
        "np int": np.int64(1),
        "np float": np.float64(1.0),
        "np arr": np.array([0, 1]),
        "np mask": np.array([True, False, True]),
        "np bool": np.bool_(True),
        "np arr float": np.array([0.5]),
        "np tuple": (np.array([0, 1]), np.array([1, 0])),
        "np int arr": np.array(1),
        "np str": np.array(["a"]),
        "np obj": np.array([None]),
        "object": object(),
        "dict": {},
        "set": {0},
        "type": int,
        "lambda": len,
        "dtype": lib.float32,
        "device": lib.device("cpu"),
        "nested tuple": ((0, 1),),
        "nested tuple2": ((0, 1), (1, 0)),
        "tuple tuple": (0, (1, 2)),
        "generator": (i for i in [0, 1]),
    }


def inputs(lib):
    return {
        "2d": lib.arange(12.0).reshape(3, 4),
        "1d": lib.arange(3.0),
        "0d": lib.tensor(2.0),
        "empty": lib.zeros(0, 4),
        "int": lib.arange(12).reshape(3, 4),
        "req": lib.arange(12.0).reshape(3, 4).requires_grad_(),
        "bool": lib.ones(3, 4) > 0,
    }


@cache
def values(lib):
    t = lib.tensor
    return {
        "num": 5,
        "float": 1.5,
        "complex": 1j,
        "bool": True,
        "nan": float("nan"),
        "inf": float("inf"),
        "2**70": 2**70,
        "None": None,
        "str": "a",
        "t0": t(7.0),
        "t0 int": t(7),
        "t0 complex": t(1j),
        "t1": t([1.0]),
        "t4": t([1.0, 2.0, 3.0, 4.0]),
        "t5": lib.arange(5.0),
        "t2": t([1.0, 2.0]),
        "t24": lib.ones(2, 4),
        "t34": lib.ones(3, 4),
        "t134": lib.ones(1, 3, 4),
        "t214": lib.ones(2, 1, 4),
        "int4": t([1, 2, 3, 4]),
        "double": lib.ones(4, dtype=lib.double),
        "complex4": lib.ones(4, dtype=lib.complex64),
        "empty": lib.zeros(0),
        "obj": object(),
        "t req": lib.ones(4, requires_grad=True),
        "np f": np.float64(2.0),
        "np i": np.int64(2),
        "np b": np.bool_(True),
        "dict": {},
    }


VALID = (
    "int", "None", "True", "False", "...", "slice", "list", "t0", "t1", "mask", "list bool ok", "np mask", "idx idx",
    "slice idx", "int idx",
)  # fmt: skip
# Masks of uint8 are written, with the warning that they are deprecated, where PyTorch refuses some.
KNOWN = ("t uint8",)
# A bool of NumPy is one here.
TAKEN = ("np b",)


def differences(cases):
    """What comes out otherwise in the two libraries, of cases (name, function of a library)."""
    found = {}
    for name, case in cases:
        (got, ours), (expected, theirs) = outcome(flambeau, case), outcome(torch, case)
        if got != expected:
            found[name] = (expected or "a value", got or "a value", ours)
        elif not got and not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fc"):
            found[name] = ("another value", theirs, ours)
    return found


@pytest.mark.parametrize("name", inputs(torch))
def test_reading_by_any_key(name):
    def case(key):
        return lambda lib: inputs(lib)[name][keys(lib)[key]]

    assert differences((key, case(key)) for key in keys(torch)) == {}


def written(name, key, value):
    def case(lib):
        x = inputs(lib)[name]
        x = x * 1 if x.requires_grad else x
        x[keys(lib)[key]] = values(lib)[value]
        return x

    return case


@pytest.mark.parametrize("name", inputs(torch))
@pytest.mark.parametrize("value", ["num", "t0"])
def test_writing_by_any_key(name, value):
    if value == "t0" and name in ("int", "bool"):
        pytest.skip("a value of another dtype is refused before or after the key")
    cases = ((key, written(name, key, value)) for key in keys(torch) if key not in KNOWN)
    assert differences(cases) == {}


@pytest.mark.parametrize("name", inputs(torch))
def test_writing_any_value(name):
    good = [
        k for k in VALID if not outcome(torch, lambda lib, k=k: inputs(lib)[name][keys(lib)[k]])[0]
    ]
    cases = (((k, v), written(name, k, v)) for k in good for v in values(torch) if v not in TAKEN)
    assert differences(cases) == {}
