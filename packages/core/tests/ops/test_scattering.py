"""Scattering, copying twins and counting: what samples do not say. Writing in place, `out=`, zeros in products, errors."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck

tensor = flambeau.tensor


def of(*values):
    return tensor(values, dtype=flambeau.float64, requires_grad=True)


def test_last_of_repeated_places_is_written():
    made = flambeau.zeros(3).scatter(0, tensor([1, 1, 1]), tensor([1.0, 2.0, 3.0]))
    assert made.tolist() == [0, 3, 0]


def test_in_place_forms_write_through_views():
    x = flambeau.zeros(3, 4)
    x[:, 1].scatter_reduce_(0, tensor([0, 0, 2]), flambeau.ones(3) * 3, "prod", include_self=False)
    x[1].index_reduce_(0, tensor([3, 3]), tensor([1.0, 7.0]), "amax")
    x.t()[0].scatter_(0, tensor([2]), 5.0)
    assert x.tolist() == [[0, 9, 0, 0], [0, 0, 0, 7], [5, 3, 0, 0]]


def test_gradient_reaches_both_the_written_and_the_rest():
    x, src = of(1, 2, 3), of(10, 20)
    y = x * 1
    y.scatter_(0, tensor([0, 2]), src)
    (y * tensor([1.0, 10, 100])).sum().backward()
    assert x.grad.tolist() == [0, 10, 0]
    assert src.grad.tolist() == [1, 100]


@pytest.mark.parametrize("zeros", [(), (0,), (1, 3), (0, 1, 2)])
def test_products_with_zeros_have_exact_first_and_second_derivatives(zeros):
    src = np.array([2.0, 3.0, 5.0, 7.0])
    src[list(zeros)] = 0
    inputs = of(1, 2), of(*src)
    index = tensor([0, 0, 0, 0])

    def product(x, s):
        return x.scatter_reduce(0, index, s, "prod")

    assert gradcheck(product, inputs)
    if len(zeros) < 3:  # beyond, all is zero to second order
        assert gradgradcheck(product, inputs)


def test_equal_extremes_share_the_gradient():
    x, src = of(2, 0), of(2, 2, 1)
    x.scatter_reduce(0, tensor([0, 0, 1]), src, "amax").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1 / 3, 0])
    np.testing.assert_allclose(src.grad.numpy(), [1 / 3, 1 / 3, 1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_small_terms_are_not_lost_in_sixteen_bits(dtype):
    kind = getattr(flambeau, dtype)
    ones, index = flambeau.ones(3000, dtype=kind), flambeau.zeros(3000, dtype=flambeau.int64)
    wanted = flambeau.tensor(3000.0).to(kind).item()
    assert flambeau.zeros(1, dtype=kind).scatter_add(0, index, ones).item() == wanted
    assert flambeau.zeros(1, dtype=kind).index_add(0, index, ones).item() == wanted
    x = flambeau.zeros(1, dtype=kind)
    x.index_put_((index,), ones, accumulate=True)
    assert x.item() == wanted


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: x.scatter(0, tensor([3]), 1.0), RuntimeError, "index 3 is out of bounds"),
        (lambda x: x.scatter(0, tensor([-1]), 1.0), RuntimeError, "index -1 is out of bounds"),
        (lambda x: x.scatter(0, tensor([0.0]), 1.0), RuntimeError, "dtype int32/int64 for index"),
        (lambda x: x.scatter(0, tensor([[0]]), 1.0), RuntimeError, "same number of dimensions"),
        (lambda x: x.scatter(0, tensor([0, 1]), flambeau.ones(1)), RuntimeError, "no larger than"),
        (lambda x: x.scatter(0, tensor([0]), tensor([1])), RuntimeError, "self.dtype to be equal"),
        (lambda x: x.scatter(0, tensor([0]), 1.0, reduce="max"), RuntimeError, "add or multiply"),
        (lambda x: x.scatter(0, tensor([0]), 1j), RuntimeError, "without overflow"),
        (lambda x: x.scatter(1, tensor([0]), 1.0), IndexError, "Dimension out of range"),
        (lambda x: x.scatter_reduce(0, tensor([0]), x, "max"), RuntimeError, "sum, prod, mean"),
        (lambda x: x.index_reduce(0, tensor([0]), x[:1], "sum"), RuntimeError, "prod, mean, amax"),
        (lambda x: x.index_reduce(0, tensor([0]), x, "amax"), RuntimeError, "Number of indices"),
        (lambda x: x.index_add(0, tensor([0]), x), RuntimeError, "Number of indices"),
        (lambda x: x.index_fill(0, tensor([0], dtype=flambeau.int32), 1), IndexError, "int64"),
        (lambda x: x.gather(0, tensor([[0]])), RuntimeError, "same number of dimensions"),
        (lambda x: x.take_along_dim(tensor([0], dtype=flambeau.int32), 0), RuntimeError, "int64"),
        (lambda x: x.index_put((tensor([0]),), tensor([1])), RuntimeError, "dtypes match"),
        (lambda x: x.index_put((), x), RuntimeError, "at least one"),
        (lambda x: x.index_put((tensor([0]),), 1.0), TypeError, "must be Tensor"),
        (lambda x: x.fill_diagonal_(1), RuntimeError, "dimensions"),
        (lambda x: x.histc(0), RuntimeError, "bins must be > 0"),
        (lambda x: x.mode(1), IndexError, "Dimension out of range"),
        (lambda x: x.hash_tensor(mode=1), RuntimeError, "mode 1"),
        (lambda x: flambeau.nonzero_static(x, size=-1), RuntimeError, "non-negative"),
        (lambda x: flambeau.segment_reduce(x, "sum"), RuntimeError, "lengths or offsets"),
        (lambda x: flambeau.segment_reduce(x, "sum", lengths=tensor([1])), RuntimeError, "sum to"),
        (lambda x: flambeau.gradient(x, edge_order=3), RuntimeError, "edge_order=1"),
        (lambda x: flambeau.gradient(x[:1]), RuntimeError, "at least edge_order"),
        (lambda x: flambeau.cat([x, None]), TypeError, "must be tuple of Tensors|expected Tensor"),
        (lambda x: flambeau.sort(x + 1j), NotImplementedError, "complex"),
        (lambda x: (x > 0).topk(1), NotImplementedError, "bool"),
    ],
)
def test_wrong_arguments_are_refused(call, kind, text):
    with pytest.raises(kind, match=text):
        call(flambeau.ones(3))


def test_an_index_without_elements_may_be_of_any_dtype():
    none = flambeau.zeros(0, dtype=flambeau.uint8)
    x = flambeau.ones(3)
    assert x.gather(0, none).shape == (0,)
    assert flambeau.equal(x.scatter(0, none, x), x)


def test_out_of_gather_is_of_its_dtype_and_apart_from_the_input():
    x = flambeau.arange(4.0)
    out = flambeau.empty(2)
    assert flambeau.gather(x, 0, tensor([3, 1]), out=out) is out
    assert out.tolist() == [3, 1]
    with pytest.raises(RuntimeError, match="dtype"):
        flambeau.gather(x, 0, tensor([3, 1]), out=out.double())
    with pytest.raises(RuntimeError, match="single memory location"):
        flambeau.gather(x, 0, tensor([3, 1]), out=x[:2])


COPIES = [
    ("t_copy", (), "t"), ("transpose_copy", (0, 1), "transpose"), ("permute_copy", ((1, 0),), "permute"),
    ("select_copy", (0, 1), "select"), ("narrow_copy", (1, 0, 2), "narrow"), ("view_copy", (6,), "view"),
    ("expand_copy", ((4, 2, 3),), "expand"), ("unsqueeze_copy", (0,), "unsqueeze"), ("squeeze_copy", (), "squeeze"),
    ("diagonal_copy", (), "diagonal"), ("unfold_copy", (1, 2, 1), "unfold"), ("detach_copy", (), "detach"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "view"), COPIES)
def test_copying_twins_own_dense_memory(name, args, view):
    x = flambeau.arange(6.0).reshape(2, 3)
    made = getattr(flambeau, name)(x, *args)
    assert made.tolist() == getattr(x, view)(*args).tolist()
    assert made.is_contiguous()
    assert not np.shares_memory(made.numpy(), x.numpy())
    out = flambeau.empty(0)
    assert getattr(flambeau, name)(x, *args, out=out) is out
    assert out.tolist() == made.tolist()


def test_copying_twins_of_several():
    x = flambeau.arange(6.0, requires_grad=True)
    for parts in (
        flambeau.split_copy(x, 2), flambeau.split_with_sizes_copy(x, [1, 5]), flambeau.unbind_copy(x),
        x.unsafe_split(4), x.unsafe_chunk(2),
    ):  # fmt: skip
        assert flambeau.equal(flambeau.cat([p.reshape(-1) for p in parts]), x)
        parts[0].mul_(2)  # no view: may be written to beside others
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    assert flambeau.slice_copy(x, 0, 1, None, 2).tolist() == [1, 3, 5]


def test_running_products_of_many_elements_need_no_table():
    x = flambeau.full((4000,), 1.001, dtype=flambeau.float64, requires_grad=True)
    x.cumprod(0)[-1].backward()
    np.testing.assert_allclose(x.grad.numpy(), 1.001**3999, rtol=1e-9)


def test_running_logarithms_of_many_elements():
    x = flambeau.linspace(-800, 800, 5000, dtype=flambeau.float64).requires_grad_()
    made = x.logcumsumexp(0)
    made[-1].backward()
    assert made.isfinite().all()
    np.testing.assert_allclose(x.grad.sum().item(), 1, rtol=1e-12)
    np.testing.assert_allclose(
        x.grad.numpy(), (x - made[-1]).exp().detach().numpy(), rtol=1e-9, atol=1e-300
    )


def test_nan_stands_for_the_whole_median():
    x = tensor([3.0, float("nan"), 1.0])
    assert x.median().isnan()
    assert x.median(0).indices == 1
    assert x.nanmedian() == 1
    x = of(3, 1, 2)
    x.median(0).values.backward()
    assert x.grad.tolist() == [0, 0, 1]


def test_uint8_is_its_own_truth_value():
    x = tensor([0, 2], dtype=flambeau.uint8)
    assert (x.any().dtype, x.all(0).dtype) == (flambeau.uint8, flambeau.uint8)
    assert (int(x.any()), int(x.all())) == (1, 0)
