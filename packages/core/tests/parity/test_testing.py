"""`flambeau.testing` beside PyTorch's: what is close, what the message says, and what random tensors lie within."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.testing

import flambeau
import flambeau.testing

NAN, INF = float("nan"), float("inf")
CASES = {
    "close": lambda t, L: (t([1.0]), t([1.0 + 1e-6])),
    "apart": lambda t, L: (t([1.0, 2, 3]), t([1.0, 2, 4])),
    "two dimensions": lambda t, L: (t([[1.0, 2], [3, 4]]), t([[1.5, 2], [3, 5]])),
    "0-d": lambda t, L: (t(1.0), t(2.0)),
    "shape": lambda t, L: (t([1.0, 2]), t([1.0])),
    "empty": lambda t, L: (t([]), t([])),
    "dtype": lambda t, L: (t([1.0]), t([1.0], dtype=L.float64)),
    "mixed": lambda t, L: (t([1, 2]), t([1.0, 2.5])),
    "integers": lambda t, L: (t([1, 2]), t([1, 3])),
    "large integers": lambda t, L: (t([2**62]), t([2**62 + 1])),
    "bytes": lambda t, L: (t([1], dtype=L.uint8), t([255], dtype=L.uint8)),
    "booleans": lambda t, L: (t([True]), t([False])),
    "halves": lambda t, L: (t([1.0], dtype=L.float16), t([1.1], dtype=L.float16)),
    "complex": lambda t, L: (t([1 + 1j]), t([1 + 2j])),
    "nan": lambda t, L: (t([NAN, 1.0]), t([NAN, 2.0])),
    "inf": lambda t, L: (t([INF, -INF]), t([INF, -INF])),
    "inf and finite": lambda t, L: (t([INF]), t([1.0])),
    "finite and inf": lambda t, L: (t(1.0), t(INF)),
    "expected zero": lambda t, L: (t([1e-3]), t([0.0])),
    "device": lambda t, L: (t([1.0]), L.empty(1, device="meta")),
    "stride": lambda t, L: (t([[1.0, 2], [3, 4]]), t([[1.0, 3], [2, 4]]).t()),
    "numbers": lambda t, L: (1.0, 2.0),
    "near numbers": lambda t, L: (1.0, 1.0 + 1e-6),
    "whole numbers": lambda t, L: (1, 2),
    "kinds of numbers": lambda t, L: (1, 2.0),
    "complex numbers": lambda t, L: (1j, 2j),
    "nan numbers": lambda t, L: (NAN, NAN),
    "truths": lambda t, L: (True, False),
    "arrays": lambda t, L: (np.array([1.0]), np.array([2.0])),
    "dtypes of arrays": lambda t, L: (np.array([1.0]), np.array([1.0], np.float32)),
    "lists": lambda t, L: ([t(1.0), t(2.0)], [t(1.0), t(3.0)]),
    "lengths": lambda t, L: ([t(1.0)], [t(1.0), t(2.0)]),
    "mappings": lambda t, L: ({"a": t(1.0)}, {"a": t(2.0)}),
    "keys": lambda t, L: ({"a": t(1.0), "c": 1}, {"b": t(2.0), "c": 1}),
    "nested": lambda t, L: ({"a": [t(1.0), (2.0,)]}, {"a": [t(1.0), (3.0,)]}),
    "list and mapping": lambda t, L: ([1], {"a": 1}),
    "texts": lambda t, L: ("x", "y"),
    "none": lambda t, L: (None, t(1.0)),
    "nones": lambda t, L: (None, None),
}
OPTIONS = {
    "plain": {},
    "any dtype": {"check_dtype": False},
    "tolerant": {"rtol": 0, "atol": 0.5},
    "nan": {"equal_nan": True},
    "stride": {"check_stride": True},
}


def outcome(lib, case, options, function="assert_close"):
    try:
        getattr(lib.testing, function)(*case(lib.tensor, lib), **options)
    except Exception as error:
        return type(error).__name__, str(error).replace("torch.", "").replace("flambeau.", "")
    return "close"


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("case", CASES)
def test_assert_close(case, options):
    theirs, ours = (outcome(lib, CASES[case], OPTIONS[options]) for lib in (torch, flambeau))
    assert ours == theirs


def test_messages_of_ones_own():
    for msg in ("mine", lambda text: f"before\n{text}\nafter"):
        theirs, ours = (outcome(lib, CASES["apart"], {"msg": msg}) for lib in (torch, flambeau))
        assert ours == theirs


def test_one_tolerance_alone():
    for option in ({"rtol": 1e-3}, {"atol": 1e-3}):
        theirs, ours = (outcome(lib, CASES["apart"], option) for lib in (torch, flambeau))
        assert ours == theirs and ours[0] == "ValueError"


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "case", ["close", "apart", "dtype", "mixed", "nan", "numbers", "integers", "halves"]
)
def test_assert_allclose(case):
    theirs, ours = (outcome(lib, CASES[case], {}, "assert_allclose") for lib in (torch, flambeau))
    assert ours == theirs
    with pytest.warns(FutureWarning, match="deprecated"):
        flambeau.testing.assert_allclose(1.0, 1.0)


DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "bounds", [(None, None), (0, 1), (-3, 2), (1e40, 1e41), (-1e5, 1e5), (0.5, 3.2)]
)
def test_make_tensor_stays_within_the_same_bounds(dtype, bounds):
    found = []
    for lib in (torch, flambeau):
        kind = getattr(lib, dtype)
        try:
            made = lib.testing.make_tensor(
                (60, 50), dtype=kind, device="cpu", low=bounds[0], high=bounds[1]
            )
        except ValueError as error:
            found.append(str(error).replace("torch.", "").replace("flambeau.", ""))
            continue
        flat = lib.view_as_real(made) if made.dtype.is_complex else made
        values = flat.double().flatten()
        found.append((values.min().item(), values.max().item(), values.mean().item()))
    theirs, ours = found
    if isinstance(theirs, str):
        assert isinstance(ours, str) and ours.split("[")[0] == theirs.split("[")[0]
        return
    span = theirs[1] - theirs[0]
    for a, b in zip(theirs, ours):
        assert abs(a - b) <= 0.06 * span, found
    if dtype in ("bool", "uint8", "int8", "int16") and bounds != (-1e5, 1e5):
        assert ours[:2] == theirs[:2]


@pytest.mark.parametrize("options", [
    {"low": NAN}, {"low": 3, "high": 2}, {"requires_grad": True, "dtype": "int64"},
    {"noncontiguous": True, "memory_format": "channels_last"},
])  # fmt: skip
def test_make_tensor_refuses(options):
    found = []
    for lib in (torch, flambeau):
        given = {"dtype": "float32", "device": "cpu", **options}
        for name in ("dtype", "memory_format"):
            if name in given:
                given[name] = getattr(lib, given[name])
        with pytest.raises(ValueError, match="low|requires_grad|noncontiguous") as error:
            lib.testing.make_tensor(2, 2, 2, 2, **given)
        found.append(str(error.value).replace("torch.", "").replace("flambeau.", ""))
    assert found[0] == found[1]


def test_make_tensor_layouts():
    for lib in (torch, flambeau):
        make = lib.testing.make_tensor
        made = make((2, 3, 4, 5), dtype=lib.float32, device="cpu", memory_format=lib.channels_last)
        assert made.stride() == (60, 1, 15, 3)
        made = make(3, 4, dtype=lib.float32, device="cpu", noncontiguous=True, requires_grad=True)
        assert made.stride() == (8, 2) and made.requires_grad and made.is_leaf
        assert make(1, dtype=lib.float32, device="cpu", noncontiguous=True).is_contiguous()
        made = make(500, dtype=lib.int64, device="cpu", low=-1, high=2, exclude_zero=True)
        assert set(made.tolist()) == {-1, 1}
        with pytest.warns(FutureWarning, match="low==high"):
            assert make(3, dtype=lib.float32, device="cpu", low=2, high=2).tolist() == [2.0] * 3
