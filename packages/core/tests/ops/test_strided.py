"""Windows given by strides: what they look at, how their gradients flow, what is refused."""

import numpy as np
import pytest

import flambeau
from flambeau import tensor
from flambeau.testing import assert_close


def test_the_offset_counts_from_the_storage_and_not_from_the_view():
    x = flambeau.arange(12.0).reshape(3, 4)
    view = x[1:, 1:]
    assert view.as_strided((2,), (1,)).tolist() == [5.0, 6.0]
    assert view.as_strided((2,), (1,), 0).tolist() == [0.0, 1.0]
    assert view.T.as_strided((2, 2), (4, 1), 3).tolist() == [[3.0, 4.0], [7.0, 8.0]]


def test_a_window_shares_memory_and_versions():
    x = flambeau.zeros(6)
    window = x[4:].as_strided((2,), (2,), 0)
    window.fill_(1)
    assert x.tolist() == [1, 0, 1, 0, 0, 0]
    assert window._version == x._version == 1
    assert window.data_ptr() == x.data_ptr()


def test_the_window_of_a_detached_or_data_view_keeps_the_storage():
    x = flambeau.arange(6.0)
    for part in (x[2:].detach(), x[2:].data):
        assert part.storage_offset() == 2
        assert part.as_strided((2,), (1,), 0).tolist() == [0.0, 1.0]


def test_an_overlapping_window_adds_its_gradients_up():
    x = flambeau.ones(4, requires_grad=True)
    x.as_strided((3, 2), (1, 1)).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 2.0, 1.0]


def test_the_gradient_of_a_part_of_the_storage_outside_the_input_is_dropped():
    base = flambeau.arange(6.0)
    view = base[:2].detach().requires_grad_()
    view.as_strided((4,), (1,)).sum().backward()
    assert view.grad.tolist() == [1.0, 1.0]


def test_an_expanded_input_shares_the_gradient_of_its_place():
    x = flambeau.ones(1, 2).expand(3, 2).detach().requires_grad_()
    x.as_strided((2,), (1,)).sum().backward()
    assert_close(x.grad, flambeau.full((3, 2), 1 / 3))


def test_writes_through_a_window_are_part_of_the_history():
    w = flambeau.ones(4, requires_grad=True)
    b = w * 2
    b.as_strided((2,), (2,), 1).mul_(3.0)
    b.sum().backward()
    assert w.grad.tolist() == [2.0, 6.0, 2.0, 6.0]


def test_a_write_whose_gradient_cannot_be_told_is_refused():
    w = flambeau.ones(2, 3, requires_grad=True)
    b = (w * 2).t().clone()  # lies column by column
    b.as_strided((2,), (1,)).mul_(3.0)
    with pytest.raises(RuntimeError, match="not laid out row by row"):
        b.sum().backward()


def test_second_derivatives_and_forward_mode():
    from flambeau.autograd import gradcheck, gradgradcheck

    x = flambeau.rand(5, dtype=flambeau.float64, requires_grad=True)

    def cubes(x):
        return x.as_strided((3, 2), (1, 2)) ** 3

    assert gradcheck(cubes, (x,), check_forward_ad=True)
    assert gradgradcheck(cubes, (x,))


def test_scatter_leaves_its_input_alone():
    x = flambeau.zeros(4)
    made = flambeau.as_strided_scatter(x, flambeau.ones(2), (2,), (2,), 1)
    assert made.tolist() == [0, 1, 0, 1] and x.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.as_strided((2, 2), (1,)), "mismatch in length of strides and shape"),
        (lambda x: x.as_strided((2,), (-1,)), "Negative strides are not supported"),
        (lambda x: x.as_strided((9,), (1,)), "out of bounds for storage of size 16"),
        (lambda x: x.as_strided((1,), (1,), 4), "out of bounds for storage"),
        (lambda x: x.as_strided((1,), (1,), -1), "offset must not be negative"),
        (lambda x: x.as_strided_scatter(x, (2,), (1,)), "expected src to have a size equal"),
        (lambda x: x.as_strided_scatter(x, (2, 2), (1, 1)), "expected src to have a size equal"),
        (lambda x: x.as_strided_scatter(x.reshape(2, 2), (2, 2), (1, 1)), "single memory location"),
        (lambda x: flambeau.empty_strided((2,), (1, 1)), "must match dimensionality of strides"),
        (lambda x: flambeau.empty_permuted((2, 3), (0, 0)), "Duplicate dim not allowed"),
        (lambda x: flambeau.empty_permuted((2, 3), (0, 2)), "Dimension out of range"),
    ],
)
def test_wrong_geometries_are_refused(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(flambeau.arange(4.0))


def test_empty_windows_of_empty_memory():
    assert flambeau.zeros(0).as_strided((0, 3), (1, 1)).shape == (0, 3)
    assert flambeau.zeros(3).as_strided((), (), 1).shape == ()


def test_meta_tensors_have_shapes_only():
    assert flambeau.zeros(4, device="meta").as_strided((2, 3), (1, 1)).shape == (2, 3)


@pytest.mark.parametrize("name", ["channels_last", "contiguous_format", "preserve_format"])
def test_memory_formats(name):
    form = getattr(flambeau, name)
    x = flambeau.rand(2, 3, 4, 5).permute(0, 2, 1, 3)
    y = x.clone(memory_format=form)
    assert y.tolist() == x.tolist()
    if name == "preserve_format":
        assert y.stride() == x.stride()
    else:
        assert y.is_contiguous(memory_format=form)
        assert flambeau.empty(2, 3, 4, 5, memory_format=form).is_contiguous(memory_format=form)
        assert flambeau.zeros_like(x, memory_format=form).is_contiguous(memory_format=form)


def test_formats_of_another_rank_are_refused():
    with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last"):
        flambeau.zeros(2, 3).contiguous(memory_format=flambeau.channels_last)
    with pytest.raises(TypeError, match="must be memory_format"):
        flambeau.zeros(2).is_contiguous(memory_format="channels_last")


def test_dim_order():
    x = flambeau.empty_permuted((2, 3, 4), (2, 0, 1))
    assert x.dim_order() == (2, 0, 1)
    assert x.dim_order(ambiguity_check=True) == (2, 0, 1)
    with pytest.raises(RuntimeError, match="does not have unique dim order"):
        flambeau.ones(1, 2).expand(3, 2).dim_order(ambiguity_check=True)


def test_view_as_a_dtype_of_another_size():
    x = flambeau.arange(4, dtype=flambeau.int32)
    assert x.view(flambeau.int16).shape == (8,)
    assert x.view(flambeau.int64).view(flambeau.int32).tolist() == [0, 1, 2, 3]
    for bad in (x[:3], x[1:3], flambeau.zeros(4, 3, dtype=flambeau.int32)[:, :2], x[::2], x[0]):
        with pytest.raises(RuntimeError, match="to view elements of 4 bytes as ones of 8"):
            bad.view(flambeau.int64)


def test_complex32_is_kept_cast_viewed_and_added_but_not_summed():
    x = tensor([1 + 2j, 3 - 1j]).chalf()
    assert x.dtype is flambeau.complex32 and x.element_size() == 4
    assert x.real.dtype is flambeau.float16 and flambeau.view_as_real(x).shape == (2, 2)
    assert x.conj().tolist() == [1 - 2j, 3 + 1j] and x[1].item() == 3 - 1j
    assert flambeau.cat([x, x]).cfloat().tolist() == [1 + 2j, 3 - 1j] * 2
    assert (x + x).dtype is flambeau.complex32 and (x + x).cfloat().tolist() == [2 + 4j, 6 - 2j]
    with pytest.raises(NotImplementedError, match='"sum" not implemented for complex32'):
        x.sum()
    with pytest.raises(TypeError, match="ComplexHalf"):
        x.numpy()


def test_fill_reaches_all_of_an_expanded_tensor():
    x = flambeau.zeros(1, 3)
    x.expand(2, 3).fill_(2)
    assert x.tolist() == [[2.0, 2.0, 2.0]]
    y = flambeau.ones(1, 3, requires_grad=True)
    z = y * 1
    z.expand(2, 3).zero_()
    z.sum().backward()
    assert y.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_other_writes_into_an_expanded_tensor_are_refused():
    with pytest.raises(RuntimeError, match="single memory location"):
        flambeau.zeros(1, 3).expand(2, 3).add_(1)


def test_results_of_indexing_lie_row_by_row():
    x = flambeau.from_numpy(np.arange(24.0).reshape(2, 3, 4))
    assert x[:, :, [0, 2]].view(-1).tolist() == x.numpy()[:, :, [0, 2]].ravel().tolist()
    assert flambeau.cat([x.mT, x.mT]).is_contiguous()
