"""First-class dimensions without PyTorch: what they are for, and every refusal."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

import flambeau
from flambeau.functorch.dim import (
    Dim,
    DimensionBindError,
    DimList,
    cat,
    dimlists,
    dims,
    split,
    stack,
)


def values(*sizes):
    return flambeau.arange(flambeau.Size(sizes).numel(), dtype=flambeau.float64).reshape(sizes)


def test_attention_by_dims_is_attention():
    q, k, v = (flambeau.randn(2, 3, 5, 4, dtype=flambeau.float64) for _ in range(3))
    batch, heads, to, of, channel = dims(5)
    scores = (q[batch, heads, to, channel] * k[batch, heads, of, channel]).sum(channel) / 2
    made = (scores.softmax(dim=of) * v[batch, heads, of, channel]).sum(of)
    wanted = flambeau.nn.functional.scaled_dot_product_attention(q, k, v)
    assert flambeau.allclose(made.order(batch, heads, to, channel), wanted)
    assert made.order(batch, to, (heads, channel)).shape == (2, 5, 12)


def test_a_sum_of_a_product_is_one_contraction():
    a, b = flambeau.ones(200, 300), flambeau.ones(300, 400)
    i, j, k = dims(3)
    product = a[i, k] * b[k, j]
    assert product._parts is None and product.dims == (i, k, j)
    assert product.sum(k).order(i, j)[0, 0] == 300 and product._parts is None
    assert product.ndim == 0 and product.order(i, k, j).shape == (200, 300, 400)


def test_a_product_knows_that_its_factors_were_written():
    x, i = values(3), Dim("i")
    product, used = x[i] * x[i], x[i] * x[i]
    assert used.order(i).tolist() == [0, 1, 4]
    x.zero_()
    assert used.sum(i) == 5
    for use in (lambda: product.sum(i), lambda: product.order(i)):
        with pytest.raises(RuntimeError, match="was written in place before"):
            use()


def test_gradients_and_writes_go_through():
    x, y = values(3, 4).requires_grad_(), values(4, 2).requires_grad_()
    i, j, k = dims(3)
    (x[i, k] * y[k, j]).sum(k).order(i, j).sum().backward()
    (gx,) = flambeau.autograd.grad((x @ y).sum(), x)
    assert flambeau.equal(x.grad, gx)
    with flambeau.no_grad():
        x[i, k] += 1
    assert x[0, 0] == 1


def test_names_come_from_the_assignment():
    batch, height = dims()
    only = dims(1)
    both = dims(2)
    lists = dimlists(2)
    assert [repr(d) for d in (batch, height, only)] == ["batch", "height", "only"]
    assert [repr(d) for d in both] == ["d0", "d1"] and [repr(d) for d in lists] == ["*d0", "*d1"]


def test_a_dim_is_a_tensor_of_its_indices():
    i, j = dims(sizes=[3, 3])
    assert flambeau.where(i <= j, 1, 0).order(i, j).tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]
    assert i.order(i).tolist() == [0, 1, 2] and len({i, j, i}) == 2
    x = Dim("x", 4)
    assert values(6)[i + x].order(x, i).tolist() == values(6).unfold(0, 3, 1).tolist()


REFUSED = {
    "a size twice": (
        lambda i, j: (setattr(i, "size", 4), values(3)[i]),
        DimensionBindError,
        "previously bound",
    ),
    "unbound": (lambda i, j: i.size, ValueError, "dimension i is unbound"),
    "unbound arithmetic": (lambda i, j: i + j, ValueError, "dimension i is unbound"),
    "two to infer": (lambda i, j: values(6)[(i, j),], DimensionBindError, "two dimensions at once"),
    "too many": (lambda i, j: values(3)[i, j], ValueError, "at least 2 indices"),
    "two dots": (lambda i, j: values(3, 3)[..., i, ...], DimensionBindError, "at most one"),
    "not there": (lambda i, j: values(3)[i].sum(j), ValueError, "does not contain j"),
    "twice": (lambda i, j: values(3)[i].order(i, i), ValueError, "specified twice"),
    "a number too far": (lambda i, j: values(3, 3)[i].order(5), ValueError, "5 specified"),
    "no dim": (lambda i, j: values(3)[i].order("i"), ValueError, "expected a Dim"),
    "keepdim": (lambda i, j: values(3)[i].sum(i, keepdim=True), ValueError, "keepdim"),
    "index of none": (lambda i, j: values(3)[i].index(j, 0), TypeError, "dimension j not in"),
    "lengths": (lambda i, j: values(3, 3).index((0, 1), (i,)), TypeError, "same length"),
    "index twice": (lambda i, j: values(3, 3).index((0, 0), (i, j)), TypeError, "given twice"),
    "rhs": (
        lambda i, j: values(3).__setitem__(i, values(4)[j]),
        DimensionBindError,
        "contains dimension j",
    ),
    "expand": (lambda i, j: values(3)[i].expand(i), DimensionBindError, "already exists"),
    "stack of nothing": (lambda i, j: stack([], i), ValueError, "non-empty"),
    "a mix": (lambda i, j: split(values(3), [i, 1]), TypeError, "a mix"),
    "split by a dim": (
        lambda i, j: split(values(3)[i], 2, i),
        TypeError,
        "must also be dimensions",
    ),
    "another size": (lambda i, j: values(4)[i].chunk(2, i), ValueError, "another size"),
    "a number": (lambda i, j: values(3)[i].item(), RuntimeError, "item"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    call, kind, text = REFUSED[name]
    with pytest.raises(kind, match=text):
        call(Dim("i"), Dim("j"))


def test_sizes_of_splits_are_shared():
    i, j, k = dims(3)
    k.size = 1
    pieces = values(6).split([i, k, j])
    assert [d.size for d in (i, k, j)] == [3, 1, 2]
    assert [p.order(d).tolist() for p, d in zip(pieces, (i, k, j))] == [[0, 1, 2], [3], [4, 5]]
    for given, text in (([2, 2], "do not match"), ([7, None], "add up to more")):
        with pytest.raises(TypeError, match=text):
            values(6).split([Dim("x", given[0]), Dim("y", given[1] or -1)])


def test_joining_pieces_of_different_sizes():
    i, j, k = dims(3)
    (whole,) = [cat([values(2, 3)[i], values(2, 1)[i]], 0, k)]
    assert whole.dims == (k, i) and k.size == 4
    assert whole.order(i, k).tolist() == [[0, 1, 2, 0], [3, 4, 5, 1]]


def test_lists_of_dims():
    rest = DimList(name="rest")
    i = Dim("i")
    x = values(2, 3, 4)[i, rest]
    assert len(rest) == 2 and repr(rest) == "(rest0, rest1)"
    assert flambeau.equal(x.order(i, *rest), values(2, 3, 4))
    assert flambeau.equal(x.order(rest, i), values(2, 3, 4).permute(1, 2, 0))
    with pytest.raises(DimensionBindError, match="being bound to size 3"):
        rest.bind_len(3)
    with pytest.raises(DimensionBindError, match="not bound"):
        len(DimList())
    with pytest.raises(IndexError):
        rest[2]
    with pytest.raises(ValueError, match="int or a slice"):
        rest["a"]
    with pytest.raises(ValueError, match="sequence"):
        rest.bind(3)


def test_plain_tensors_take_dims_in_their_methods():
    i, j = dims(sizes=[2, 3])
    assert values(4).expand(i, j).order(j, i).shape == (3, 2, 4)
    x, y = dims(2)
    assert flambeau.equal(values(2, 3).index((1, 0), (x, y)).order(x, y), values(2, 3).T)
    assert values(3, 4).index(0, 1).tolist() == [4.0, 5.0, 6.0, 7.0]
    with pytest.raises(SyntaxError, match="must be assigned"):
        dims()
    with pytest.raises(ValueError, match="expected 2 sizes"):
        dims(2, sizes=[1])


def test_randomness_differs_along_dims():
    i = Dim("i")
    noise = flambeau.rand_like(values(1000)[i]).order(i)
    assert len(set(noise.tolist())) > 900


def test_nothing_is_kept_alive():
    i = Dim("i")
    x = values(3)
    seen = weakref.ref(x)
    made = (x[i] * 2).sum(i)
    del x
    gc.collect()
    assert made == 6 and seen() is None


def test_under_the_name_of_pytorch():
    code = (
        "import flambeau.compat; flambeau.compat.install()\n"
        "import functorch, torch; from functorch.dim import dims\n"
        "i, j = dims(); print(functorch.vmap is torch.vmap, torch.ones(2, 3)[i, j].sum(i).order(j).tolist())"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "True [2.0, 2.0, 2.0]\n"
