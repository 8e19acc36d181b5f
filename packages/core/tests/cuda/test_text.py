"""The CUDA text of every elementwise operator: it compiles for sm_90 without a driver, and computes the right thing.

Two checks, neither of which needs a GPU. NVRTC, NVIDIA's own compiler, from the wheel nvidia-cuda-nvrtc (dependency group
`gpu-text`, session `nox -s cuda-text`), turns the text into a cubin. And a C++ compiler turns the same text into code for
this machine (`emulation`), whose results equal NumPy's.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import flambeau.testing  # noqa: F401  (fills the registry)
from flambeau import bfloat16, ir
from flambeau._base.checks import contiguous_strides
from flambeau.ir import cuda
from flambeau.ir.loops import Array, Result
from flambeau.runtime.backend import of_device
from flambeau.runtime.operator import MISSING, registry

sys.path.insert(0, str(Path(__file__).parent))
import emulation
from nvrtc import compile_cubin  # noqa: F401  (a fixture)

ON_INTEGERS = {name for name, op in registry.items() if not op.takes("float")}
ON_BOOLS = {"logical_and", "logical_or", "logical_xor", "logical_not"}
ELEMENTWISE = sorted(n for n, op in registry.items() if op.family == "elementwise")
DTYPES = ["float32", "float64"]
HALVES = {"float16": np.float16, "bfloat16": bfloat16.numpy}
x, y, b = ir.var("x"), ir.var("y"), ir.var("b")


def attrs_of(op):
    given = {"clamp_number": {"min": -0.5, "max": 1.0}}
    return given.get(op.name) or {
        p: 0.5 if op.defaults[i] is MISSING else op.defaults[i] for i, p in op.attrs
    }


def input_types(op, dtype):
    if op.name in ON_INTEGERS:
        return ["int64"] * len(op.arrays)
    if op.name in ON_BOOLS:
        return ["bool"] * len(op.arrays)
    return ["bool" if op.name == "where" and k == 0 else dtype for k in range(len(op.arrays))]


def kernel(name, dtype, shape=(1000,)):
    """The text of an operator's kernel on dense arrays, called `name`, and its parameters."""
    op = registry[name]
    program = op.vjp_rule.program(attrs_of(op))
    types = input_types(op, dtype)
    strides = contiguous_strides(shape)
    inputs = [Array(n, t, shape, strides) for n, t in zip(program.arrays, types)]
    result = Result("out", program.expr, "bool" if op.result == "bool" else types[-1], strides)
    return cuda.elementwise_kernel(f"k_{name}", inputs, [result], program.params), program.params


def chains():
    """Fused chains over broadcast and transposed arrays, several results, parameters, integers."""
    dense, row, moved = (
        (32, 100),
        Array("b", "float32", (100,), (1,)),
        Array("x", "float32", (32, 100), (1, 32)),
    )
    plain = Array("x", "float32", dense, (100, 1))
    v = x + b
    yield (
        "gelu_bias",
        [plain, row],
        [Result("out", v * 0.5 * (1 + ir.erf(v * 0.5**0.5)), "float32", (100, 1))],
        [],
    )
    yield (
        "silu_moved",
        [moved, row],
        [Result("out", v * ir.sigmoid(v) * ir.param("s"), "float32", (100, 1))],
        ["s"],
    )
    two = [
        Result("a", ir.exp(x), "float64", (100, 1)),
        Result("c", ir.abs(x) > 1, "bool", (100, 1)),
    ]
    yield "two_results", [plain], two, []
    n = ir.var("n")
    counted = [Result("out", ir.remainder(n, 3) + ir.cast(ir.eq(n, 0), "int64"), "int64", (1,))]
    yield "integers", [Array("n", "int64", (7,), (1,))], counted, []
    adam = x - ir.param("lr") * y / (ir.sqrt(b) + 1e-8)
    yield (
        "adam",
        [Array(k, "float32", (50,), (1,)) for k in "xyb"],
        [Result("out", adam, "float32", (1,))],
        ["lr"],
    )


@cache
def everything(dtype):
    """One program with a kernel for each operator and chain."""
    texts = [kernel(name, dtype)[0] for name in ELEMENTWISE]
    texts += [cuda.elementwise_kernel(f"k_{n}", *rest) for n, *rest in chains()]
    return cuda.PRELUDE + "".join(texts)


# -- NVRTC ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operator_compiles_for_sm_90(compile_cubin, dtype):  # noqa: F811
    cubin = compile_cubin(everything(dtype))
    assert cubin[:4] == b"\x7fELF"
    for name in [*ELEMENTWISE, *(n for n, *_ in chains())]:
        assert f".text.k_{name}\0".encode() in cubin, name


def test_nvrtc_refuses_what_is_wrong(compile_cubin):  # noqa: F811
    with pytest.raises(AssertionError, match='identifier "nonsense" is undefined'):
        compile_cubin('extern "C" __global__ void k(float *a) { a[0] = nonsense; }')


# -- the same text on this machine ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_this_machine():
    if emulation.COMPILER is None:
        pytest.skip("no C++ compiler on this machine")
    return everything


def run(text, name, arrays, outs, params=()):
    """Runs a kernel with fewer threads than there are elements."""
    numbers = [*map(np.float64, params), np.int64(outs[0].size)]
    emulation.Compiled(text, f"k_{name}")((3,), (64,), (*arrays, *outs, *numbers))


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, -0.5, 100.0, -100.0]


def values(op, dtype):
    """1000 random numbers, with every pair of special ones in front."""
    rng = np.random.default_rng(5)
    made = [rng.normal(size=1000) * 3 for _ in op.arrays]
    if op.name not in (
        "lerp",
        "addcdiv",
        "addcmul",
    ):  # what NaN meets first differs there, all is NaN
        n = len(SPECIAL)
        for k, row in enumerate(made):
            row[: n * n] = np.repeat(SPECIAL, n) if k == 0 else np.tile(SPECIAL, n)
    types = input_types(op, dtype)
    return [
        np.nan_to_num(m, posinf=9, neginf=-9).astype(t)
        if t == "int64"
        else (m > 0)
        if t == "bool"
        else m.astype(t)
        for m, t in zip(made, types)
    ]


@pytest.mark.slow  # the first compiles 90 kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_text_computes_what_numpy_computes(on_this_machine, name, dtype):
    op = registry[name]
    arrays, attrs = values(op, dtype), attrs_of(op)
    with np.errstate(all="ignore"):
        want = np.asarray(op.kernels[None](of_device("cpu").xp, *arrays, **attrs))
    out = np.empty(1000, want.dtype)
    params = op.vjp_rule.program(attrs).params
    run(on_this_machine(dtype), name, arrays, [out], [attrs[p] for p in params])
    if want.dtype.kind == "f":
        eps = np.finfo(want.dtype).eps
        # sigmoid and tanh by the textbook lose a few digits near 0 that NumPy's keep; 1 + erf cancels.
        np.testing.assert_allclose(out, want, rtol=64 * eps, atol=8 * eps)
    else:
        np.testing.assert_array_equal(out, want)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    "name",
    ["gelu", "silu", "softplus", "mish", "lerp", "addcmul", "hardswish", "logit", "where", "gt"],
)
def test_halves_are_computed_in_float32_and_rounded_once(name, dtype):
    """As the reference does for operators of several steps; where one step is all, rounding once is rounding each."""
    op, attrs = registry[name], attrs_of(registry[name])
    arrays = [a.astype(HALVES[dtype]) if a.dtype != bool else a for a in values(op, "float32")]
    with np.errstate(all="ignore"):
        want = np.asarray(op.kernels[None](of_device("cpu").xp, *arrays, **attrs))
    text, params = kernel(name, dtype)
    out = np.empty(1000, want.dtype)
    stored = [a.view("uint16") if a.dtype.itemsize == 2 else a for a in arrays]
    result = out.view("uint16") if out.dtype.itemsize == 2 else out
    run(cuda.PRELUDE + text, name, stored, [result], [attrs[p] for p in params])
    if want.dtype == bool:
        np.testing.assert_array_equal(out, want)
    else:  # the last bit is that of float32's functions
        eps = 2.0**-10 if dtype == "float16" else 2.0**-7
        np.testing.assert_allclose(
            out.astype("float64"), want.astype("float64"), rtol=eps, atol=eps / 64
        )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", HALVES)
def test_every_operator_on_halves_compiles_for_sm_90(compile_cubin, dtype):  # noqa: F811
    cubin = compile_cubin(cuda.PRELUDE + "".join(kernel(name, dtype)[0] for name in ELEMENTWISE))
    for name in ELEMENTWISE:
        assert f".text.k_{name}\0".encode() in cubin, name


def test_chains_compute_what_numpy_computes(on_this_machine):
    library, rng = on_this_machine("float32"), np.random.default_rng(1)
    a, row = rng.normal(size=(32, 100)).astype("float32"), rng.normal(size=100).astype("float32")
    out = np.empty((32, 100), "float32")
    run(library, "gelu_bias", [a, row], [out])
    v = (a + row).astype("float64")
    erf = of_device("cpu").xp.erf
    np.testing.assert_allclose(out, v * 0.5 * (1 + erf(v * 0.5**0.5)), rtol=1e-4, atol=1e-6)

    moved = np.asfortranarray(a)
    run(library, "silu_moved", [moved, row], [out], [2.0])
    np.testing.assert_allclose(out, v / (1 + np.exp(-v)) * 2, rtol=1e-5, atol=1e-6)

    wide, big = np.empty((32, 100)), np.empty((32, 100), bool)
    run(library, "two_results", [a], [wide, big])
    np.testing.assert_allclose(wide, np.exp(a), rtol=1e-6)
    np.testing.assert_array_equal(big, np.abs(a) > 1)

    n = np.array([0, 1, -1, 5, -5, 2**40, 3])
    counted = np.empty(7, "int64")
    run(library, "integers", [n], [counted])
    np.testing.assert_array_equal(counted, n % 3 + (n == 0))
