"""Operators beside PyTorch 2.13: the registry's samples by name, printing, promotion, indexing, errors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import flambeau
from flambeau.runtime.operator import registry
from flambeau.testing import samples_of

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from strategies import FULL_SHAPES, keys, numbered

# Our name -> PyTorch's, where they differ.
NAMES = {
    "conj_physical": "conj_physical",
    "fft_fft": "fft.fft",
    "fft_ifft": "fft.ifft",
    "fft_rfft": "fft.rfft",
    "fft_irfft": "fft.irfft",
}
# Operators whose PyTorch namesake is called otherwise or is something else, and those with random or arbitrary results.
APART = {
    "window", "index", "convolution", "unfold_windows", "standardize", "embedding_bag", "qr", "bernoulli", "multinomial", "poisson", "dropout",
    "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "empty_like", "draw", "stft", "istft", "median", "nonzero_table",
    # rounded once from double precision, PyTorch's are not: tested in test_special.py
    "blackman_window", "hamming_window", "kaiser_window",
    # as functions of nn.functional they take more arguments in between: tested in test_nn.py
    "kl_div", "binary_cross_entropy_with_logits", "nll_loss", "cross_entropy",
    "lobpcg", "pca_lowrank", "svd_lowrank",  # random
}  # fmt: skip
UNDERIVED = {
    "scatter_add": "PyTorch has no gradient for a source larger than the index", "scatter": "the same",
    "vander": "PyTorch's own fails in double precision",
    "floor_divide": "PyTorch has none", "native_channel_shuffle": "the same",
    "as_strided_scatter": "PyTorch's own for `input` fails its own gradcheck: it is that of the elements written over",
}  # fmt: skip
VIEWS = {
    "reshape", "view", "permute", "transpose", "t", "movedim", "unsqueeze", "squeeze", "expand", "flatten", "unflatten", "select",
    "narrow", "split", "chunk", "unbind", "diagonal", "unfold", "real", "imag", "view_as_real", "view_as_complex", "contiguous",
}  # fmt: skip


def theirs_of(name):
    """PyTorch's function or method of a name; None where it has none."""
    places = (
        (torch.Tensor,)
        if name in VIEWS or name == "flip"
        else (torch.nn.functional, torch, torch.Tensor)
    )
    name = NAMES.get(name, name)
    for place in places:
        found = place
        for part in name.split("."):
            found = getattr(found, part, None)
            if found is None:
                break
        if callable(found) and not isinstance(found, type):
            return found
    return None


PAIRS = [
    (op, theirs_of(name))
    for name, op in sorted(registry.items())
    if name not in APART and theirs_of(name) and not name.startswith("_")
]


def convert(x, made):
    """One of our arguments as PyTorch's, with equal strides; `made` collects (ours, theirs)."""
    if isinstance(x, flambeau.Tensor):
        array = x.detach().numpy()
        plain = torch.from_numpy(array.copy(order="K"))
        y = plain.requires_grad_() if x.requires_grad else plain
        made.append((x, y))
        return y
    if isinstance(x, flambeau.dtype):
        return getattr(torch, x.name)
    return type(x)(convert(i, made) for i in x) if type(x) in (list, tuple) else x


def tensors(x, kind):
    return [x] if isinstance(x, kind) else [i for i in x if isinstance(i, kind)]


def value(t):
    return (
        t.detach().resolve_conj().resolve_neg().numpy()
        if isinstance(t, torch.Tensor)
        else t.detach().numpy()
    )


def close(ours, theirs):
    np.testing.assert_allclose(value(ours), value(theirs), rtol=1e-7, atol=1e-9)


def call(theirs, args, kwargs):
    """PyTorch's answer; where it takes no number for a tensor (maximum, atan2), with the number as a tensor."""
    try:
        return theirs(*args, **kwargs)
    except TypeError as error:
        if "must be Tensor, not float" not in str(error):
            raise
        return theirs(*(torch.tensor(a) if isinstance(a, float) else a for a in args), **kwargs)


@pytest.mark.filterwarnings("ignore")  # PyTorch's advice about its own arguments
@pytest.mark.parametrize(("op", "theirs"), PAIRS, ids=[op.name for op, _ in PAIRS])
def test_samples(op, theirs):
    for sample in samples_of(op):
        made = []
        args = [convert(a, made) for a in sample.args]
        kwargs = {k: convert(v, made) for k, v in sample.kwargs.items()}
        got = op.public(*sample.args, **sample.kwargs)
        expected = call(theirs, args, kwargs)
        ours_out, theirs_out = tensors(got, flambeau.Tensor), tensors(expected, torch.Tensor)
        assert len(ours_out) == len(theirs_out)
        for o, e in zip(ours_out, theirs_out):
            assert (o.dtype.name, tuple(o.shape)) == (
                str(e.dtype).removeprefix("torch."),
                tuple(e.shape),
            ), sample
            close(o, e)
            if op.name in VIEWS and o.numel():  # NumPy has no strides to speak of for nothing
                assert o.stride() == e.stride(), sample
                assert np.shares_memory(value(o), made[0][0].detach().numpy()) == (
                    e.data_ptr() == made[0][1].data_ptr() or e._is_view()
                )
        pairs = [
            (o, e)
            for o, e in zip(ours_out, theirs_out)
            if o.requires_grad and e.requires_grad and (e.is_floating_point() or e.is_complex())
        ]
        leaves = [(o, e) for o, e in made if o.requires_grad]
        if not pairs or not leaves or not sample.grad or op.name in UNDERIVED:
            continue
        weights = [
            flambeau.from_numpy(np.cos(np.arange(o.numel(), dtype=np.float64)).reshape(o.shape))
            for o, _ in pairs
        ]
        ours_loss = sum(
            ((o * w).real if o.is_complex() else o * w).sum() for (o, _), w in zip(pairs, weights)
        )
        theirs_loss = sum(
            (e * torch.from_numpy(w.numpy())).real.sum() for (_, e), w in zip(pairs, weights)
        )
        ours_grads = flambeau.autograd.grad(
            ours_loss, [o for o, _ in leaves], allow_unused=True, materialize_grads=True
        )
        theirs_grads = torch.autograd.grad(
            theirs_loss, [e for _, e in leaves], allow_unused=True, materialize_grads=True
        )
        for g, h in zip(ours_grads, theirs_grads):
            np.testing.assert_allclose(
                value(g), value(h), rtol=1e-6, atol=1e-8, err_msg=repr(sample)
            )


# -- printing ---------------------------------------------------------------------------------------------------------------

inf, nan = float("inf"), float("nan")
PRINTED = [
    "tensor(1)", "tensor(1.5)", "tensor(-0.0)", "tensor(True)", "tensor(1e20)", "tensor(nan)", "tensor([])", "zeros(0, 3)",
    "zeros(3, 0)", "zeros(2, 0, 3)", "tensor([1, 2, 3])", "tensor([-1, 20, 300])", "tensor([1., 2.])", "tensor([1.5, -2.25])",
    "tensor([0.1, 0.22, 0.333])", "tensor([1e-5, 1.])", "tensor([1e-3, 1.])", "tensor([1e5, 1.5])", "tensor([1e8, 1.])",
    "tensor([123456789., 1.])", "tensor([1e-10, 1e10])", "tensor([0.00001234])", "tensor([99999.9999])", "tensor([1., inf])",
    "tensor([1.5, nan, -inf])", "tensor([inf, inf])", "tensor([nan, nan])", "tensor([True, False])", "tensor([[True], [False]])",
    "tensor([1, 2], dtype=lib.int8)", "tensor([1, 2], dtype=lib.uint8)", "tensor([1., 2.], dtype=lib.float64)",
    "tensor([1.5, 2.], dtype=lib.float16)", "tensor([1.5, 2.], dtype=lib.bfloat16)", "tensor([1+2j])", "tensor([1.5-2.25j, 3+0j])",
    "tensor([1+2j], dtype=lib.complex128)", "tensor([complex(nan, inf)])", "tensor([[1, 2], [3, 4]])", "tensor([[1.5], [-2.]])",
    "arange(24).reshape(2, 3, 4)", "arange(24.).reshape(2, 3, 4)", "arange(16.).reshape(2, 2, 2, 2)", "arange(30)", "arange(30.) * 1.25",
    "arange(1001)", "arange(2000.)", "arange(10000.).reshape(100, 100)", "arange(4000).reshape(20, 10, 20)", "zeros(1100, 1)", "ones(1, 2000)",
    "tensor([1.], requires_grad=True)", "tensor([1.], requires_grad=True) * 2",
    "tensor([1., 2.], requires_grad=True).sum()", "tensor([1., 2.], requires_grad=True).exp()", "zeros(3, dtype=lib.int64)",
    "tensor([1000000, 1])", "tensor([1., 1000.])", "tensor([1.5, 1000.])", "tensor([1.5, 1001.])", "tensor([0., 1e-4])", "eye(3)",
    "linspace(0, 1, 7)", "tensor(3+4j)", "tensor([-1.5e-7, 2.])", "full((2, 2), inf)",
]  # fmt: skip


@pytest.mark.parametrize("text", PRINTED)
def test_printing(text):
    def show(lib):
        scope = {
            n: getattr(lib, n)
            for n in ("tensor", "zeros", "ones", "arange", "eye", "linspace", "full")
        }
        return repr(eval(text, scope | {"lib": lib, "inf": inf, "nan": nan, "complex": complex}))

    assert show(flambeau).replace("flambeau.", "torch.") == show(torch)


# -- promotion --------------------------------------------------------------------------------------------------------------

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
SCALARS = [True, 2, 2.5, 1j]


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", DTYPES)
def test_promotion_of_pairs(left, right):
    if "float16" in (left, right) and ("complex" in left + right):
        pytest.skip("PyTorch gives complex32, its experimental dtype; we give complex64")

    def found(lib):
        a, b = getattr(lib, left), getattr(lib, right)
        one, zero = lib.ones(2, dtype=a), lib.ones((), dtype=b)
        return [
            str(d).split(".")[1]
            for d in (
                lib.promote_types(a, b), lib.result_type(one, zero), lib.result_type(zero, one), (one * lib.ones(2, dtype=b)).dtype,
                (one + zero).dtype, (lib.ones((), dtype=a) + zero).dtype, lib.cat([one, lib.ones(1, dtype=b)]).dtype,
                lib.where(lib.tensor([True, False]), one, lib.ones(2, dtype=b)).dtype,
            )
        ] + [lib.can_cast(a, b)]  # fmt: skip

    assert found(flambeau) == found(torch)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("number", SCALARS, ids=str)
def test_promotion_of_numbers(name, number):
    if name == "float16" and isinstance(number, complex):
        pytest.skip("PyTorch gives complex32, its experimental dtype; we give complex64")

    def found(lib):
        x = lib.ones(2, dtype=getattr(lib, name))
        calls = [
            lambda: x * number,
            lambda: number + x,
            lambda: x / number,
            lambda: x**number,
            lambda: x == number,
        ]
        out = []
        for call in calls:
            try:
                made = call()
                out.append(str(made.dtype).split(".")[1])
            except (RuntimeError, TypeError) as error:
                out.append(type(error).__name__)
        return out

    assert found(flambeau) == found(torch)


UNARY = [
    "sum",
    "prod",
    "cumsum",
    "exp",
    "sqrt",
    "abs",
    "neg",
    "sign",
    "floor",
    "sigmoid",
    "sin",
    "reciprocal",
    "square",
    "isnan",
    "logical_not",
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_dtypes_of_results(name, dtype):
    def found(lib):
        x = lib.ones(2, dtype=getattr(lib, dtype))
        args = (0,) if name == "cumsum" else ()
        try:
            return str(getattr(lib, name)(x, *args).dtype).split(".")[1]
        except (RuntimeError, NotImplementedError) as error:
            return RuntimeError.__name__ if isinstance(error, RuntimeError) else str(error)

    assert found(flambeau) == found(torch)


# -- indexing ---------------------------------------------------------------------------------------------------------------


@given(st.data())
def test_indexing(data):
    shape = data.draw(FULL_SHAPES)
    key = data.draw(keys(shape, fancy=True))
    array = numbered(shape)

    def read(lib):
        try:
            return lib.from_numpy(array)[
                tuple(lib.from_numpy(k.copy()) if isinstance(k, np.ndarray) else k for k in key)
            ].numpy()
        except (IndexError, RuntimeError):
            return None

    got, expected = read(flambeau), read(torch)
    assert (got is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(got, expected)


# -- errors -----------------------------------------------------------------------------------------------------------------

WRONG = [
    "ones(2, 3) + ones(2, 4)", "ones(2, 3) @ ones(2, 3)", "tensor(1.0) @ ones(2)", "lib.mm(ones(2), ones(2))", "ones(6).view(4)",
    "ones(6).reshape(-1, 4)", "ones(6).reshape(-1, -1)", "ones(2, 3).expand(3, 3)", "ones(2, 3).permute(0)", "ones(2, 3).permute(0, 0)",
    "ones(2).split([1, 2])", "ones(2).chunk(0)", "ones(3).narrow(0, 1, 3)", "lib.cat([ones(2, 2), ones(3, 3)])", "lib.stack([ones(2), ones(3)])",
    "ones(2, 2).unfold(0, 3, 1)", "lib.einsum('ij->k', ones(2, 3))", "ones(2, 3).sum(2)", "ones(2, 3).softmax(-3)",
    "ones(2, 3).transpose(0, 2)", "ones(2).squeeze(1)", "ones(2).unsqueeze(3)", "ones(2, 3).sum((0, 0))", "ones(2).select(0, 2)",
    "zeros(0).max()", "zeros(0).argmax()", "zeros(2, 0).max(1)", "ones(3).topk(4)", "ones(3).diagonal()", "ones(3).gather(0, tensor([3]))",
    "ones(3).gather(0, tensor([0.5]))", "ones(3).index_select(0, tensor([3]))", "tensor([1, 2]).mean()", "ones(2).masked_fill(ones(2), 0)",
    "lib.tensor([1], requires_grad=True)", "ones(2).imag", "ones(2).item()", "bool(ones(2))", "bool(zeros(0))", "len(tensor(1))",
    "list(tensor(1))", "lib.sin()", "lib.sin('a')", "lib.sin(ones(1), speed=1)", "lib.cat(ones(2))", "ones(2).no_such_method()",
    "lib.no_such_function", "zeros(-1)", "lib.arange(0, 1, 0)", "tensor([[1, 2], [3]])", "ones(2).backward()",
    "ones(2, requires_grad=True).mul(2).backward()", "ones(2, requires_grad=True).numpy()", "ones(2, requires_grad=True).add_(1)",
    "(ones(1, requires_grad=True) * 2).requires_grad_(False)", "tensor([1]).add_(1.5)", "tensor([True]) - tensor([True])", "-tensor([True])",
    "ones(1, 3).add_(ones(2, 3))", "ones(3)[3]", "ones(3)[0, 0]", "tensor(1)[0]", "ones(3)[::-1]", "ones(3)['a']", "ones(2).t_().t()[5]",
    "lib.nn.functional.embedding(tensor([5]), ones(3, 2))", "lib.nn.functional.cross_entropy(ones(2, 3), tensor([0, 3]))",
    "lib.nn.functional.conv2d(ones(1, 3, 4, 4), ones(2, 2, 3, 3))", "lib.nn.functional.linear(ones(2, 3), ones(4, 2))",
    "ones(2).to('nowhere')", "lib.device('x')", "zeros(3).scatter_add(0, tensor([0]), tensor([1]))", "lib.broadcast_tensors(ones(2), ones(3))",
    "lib.zeros(2, dtype='float32')", "lib.tensor('a')", "lib.eye(-1)", "lib.linspace(0, 1, -1)", "lib.randperm(-1)",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_errors_have_pytorchs_class(text):
    def raised(lib):
        scope = {"lib": lib, "ones": lib.ones, "zeros": lib.zeros, "tensor": lib.tensor}
        try:
            eval(text, scope)
        except Exception as error:  # the class is what is compared
            return type(error)
        return None

    ours, theirs = raised(flambeau), raised(torch)
    assert theirs is not None
    assert ours is not None and issubclass(ours, theirs), (ours, theirs)
