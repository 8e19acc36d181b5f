"""Short ways of small calls: each gives what the long way gives, and leaves to it what it does not take."""

import numpy as np
import pytest

import flambeau
from flambeau.ops import contraction, creation
from flambeau.runtime import dispatch

OFTEN = 12  # calls after which a function is its text


def often(f):
    for _ in range(OFTEN):
        made = f()
    return made


@pytest.mark.parametrize("kind", [flambeau.int64, flambeau.bool, flambeau.int32, flambeau.float64])
def test_two_dtypes_meet_as_ever(kind):
    a = flambeau.tensor([[1.5], [2.5]])
    b = flambeau.tensor([1, 0, 1]).to(kind)
    for f in (flambeau.add, flambeau.mul, flambeau.div, flambeau.maximum, flambeau.lt):
        made, other = often(lambda: f(a, b)), f(b, a)
        expected = f(*[x.to(flambeau.result_type(a, b)) for x in (a, b)])
        assert made.dtype is expected.dtype and flambeau.equal(made, expected)
        assert other.dtype is expected.dtype and made.shape == (2, 3)


def test_two_dtypes_of_which_one_has_no_dimension():
    a = flambeau.tensor([1, 2])
    assert often(lambda: a * flambeau.tensor(2.5)).dtype is flambeau.float32
    x = flambeau.tensor([1.0, 2.0])
    made = often(lambda: x * flambeau.tensor(2.5, dtype=flambeau.float64))
    assert made.dtype is flambeau.float32 and made.tolist() == [2.5, 5.0]
    assert (flambeau.ones(2, dtype=flambeau.float64) * x).dtype is flambeau.float64


def test_two_dtypes_are_recorded():
    a = flambeau.tensor([1.0, 2.0], requires_grad=True)
    i = flambeau.tensor([3, 4])
    made = often(lambda: a * i)
    made.sum().backward()
    assert a.grad.tolist() == [3, 4]


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("ii->", [(3, 3)]),
        ("ij->ji", [(3, 4)]),
        ("i,j,k->kij", [(2,), (3,), (4,)]),
    ],
)
def test_einsum_of_few_terms(equation, shapes, monkeypatch):
    operands = [flambeau.randn(*s, dtype=flambeau.float64) for s in shapes]
    made = flambeau.einsum(equation, *operands)
    monkeypatch.setattr(contraction, "_few", lambda *_: None)
    expected = flambeau.einsum(equation, *operands)
    assert made.shape == expected.shape
    np.testing.assert_allclose(made.numpy(), expected.numpy(), rtol=1e-12)


def test_einsum_of_one_is_a_view_and_wrong_ones_are_refused_as_ever():
    x = flambeau.zeros(3, 4)
    version = x._version
    flambeau.einsum("ij->ji", x).add_(1)
    assert x.all() and x._version > version
    for equation, operands in (
        ("ij,jk->ik", [flambeau.ones(2, 3), flambeau.ones(4, 5)]),
        ("ij->ii", [flambeau.ones(2, 2)]),
        ("ij,jk->ik", [flambeau.ones(2, 2)]),
        ("ij->k", [flambeau.ones(2, 2)]),
    ):
        with pytest.raises(RuntimeError):
            flambeau.einsum(equation, *operands)


def test_einsum_is_recorded():
    a, b = (flambeau.randn(3, 3, requires_grad=True) for _ in range(2))
    flambeau.einsum("ij,jk->ik", a, b).sum().backward()
    assert flambeau.allclose(a.grad, b.detach().sum(1).expand(3, 3))


@pytest.mark.parametrize("ends", [(0, 1), (-3.5, 2), (1, 0), (5, 5), (0.1, 1e20)])
@pytest.mark.parametrize("steps", [2, 3, 10, 101])
def test_few_numbers_at_equal_distances(ends, steps, monkeypatch):
    made = flambeau.linspace(*ends, steps)
    monkeypatch.setattr(creation, "_few", lambda *_: None)
    expected = flambeau.linspace(*ends, steps)
    assert made.dtype is expected.dtype and flambeau.equal(made, expected)
    assert made.data_ptr() != flambeau.linspace(*ends, steps).data_ptr()


def test_sums_over_several_dimensions():
    x = flambeau.arange(24.0).reshape(2, 3, 4)
    assert flambeau.equal(often(lambda: x.sum((0, 2))), x.sum(2).sum(0))
    assert flambeau.equal(x.sum((0, -1), keepdim=True), x.sum(2, True).sum(0, True))
    assert x.sum(()).item() == x.sum().item()
    for wrong in ((0, 0), (0, -3), (0, 3)):
        with pytest.raises((RuntimeError, IndexError)):
            x.sum(wrong)


@pytest.mark.parametrize("diagonal", [-5, -1, 0, 2, 7])
def test_triangles_of_small_matrices(diagonal):
    for x in (flambeau.randn(2, 3, 4), flambeau.arange(12).reshape(3, 4), flambeau.ones(2, 2) > 0):
        assert np.array_equal(flambeau.tril(x, diagonal).numpy(), np.tril(x.numpy(), diagonal))
        assert np.array_equal(flambeau.triu(x, diagonal).numpy(), np.triu(x.numpy(), diagonal))
    x = flambeau.tensor([[flambeau.nan, flambeau.inf], [1.0, 2.0]])
    assert flambeau.triu(x, 1)[1].tolist() == [0, 0] and flambeau.tril(x, -1)[0].tolist() == [0, 0]


def test_few_rows_of_a_table():
    table = flambeau.arange(12.0).reshape(4, 3)
    look = flambeau.nn.functional.embedding
    for index in (
        flambeau.tensor([[1, 3], [0, 0]]),
        flambeau.tensor(2),
        flambeau.zeros(0, dtype=flambeau.int64),
    ):
        assert flambeau.equal(look(index, table), table[index])
    for wrong in ([-1], [4]):
        with pytest.raises(IndexError):
            look(flambeau.tensor(wrong), table)
    table.requires_grad_()
    look(flambeau.tensor([1, 1]), table).sum().backward()
    assert table.grad[:, 0].tolist() == [0, 2, 0, 0]


@pytest.mark.parametrize("f", [flambeau.cat, flambeau.stack])
def test_joined_tensors_are_recorded(f):
    a, b = (flambeau.randn(2, 3, requires_grad=True) for _ in range(2))
    c = flambeau.randn(2, 3)
    made = often(lambda: f([a, c, b * 2], 1))
    (made * made).sum().backward()
    assert flambeau.allclose(a.grad, 2 * a) and flambeau.allclose(b.grad, 8 * b)
    assert not f([c, c]).requires_grad
    with flambeau.no_grad():
        assert not f([a, b]).requires_grad


def test_writes_over_small_tensors():
    x = flambeau.tensor([-1.0, 2.0])
    version = x._version
    assert x.relu_() is x and x.tolist() == [0, 2] and x._version == version + 1
    x.sigmoid_().copy_(flambeau.tensor([3.0, 4.0])).add_(flambeau.ones(2), alpha=2)
    assert x.tolist() == [5, 6] and x._version == version + 4
    x.copy_(flambeau.tensor([1, 2])).copy_(x.flip(0))
    assert x.tolist() == [2, 1]
    part = x.expand(2, 2)
    with pytest.raises(RuntimeError):
        part.relu_()
    with pytest.raises(RuntimeError):
        part.copy_(flambeau.ones(2, 2))
    leaf = flambeau.ones(2, requires_grad=True)
    for write in (lambda: leaf.relu_(), lambda: leaf.copy_(x), lambda: leaf.add_(x, alpha=2)):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    y = leaf * 1
    y.copy_(flambeau.zeros(2)).add_(leaf, alpha=3).sum().backward()
    assert leaf.grad.tolist() == [3, 3]


def test_a_value_kept_for_backward_is_known_to_be_overwritten():
    a = flambeau.tensor([1.0, 2.0], requires_grad=True)
    for name in ("sigmoid", "softmax"):
        made = often(lambda: a.sigmoid() if name == "sigmoid" else a.softmax(0))
        made.detach().zero_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            made.sum().backward()


def test_largest_of_few():
    x = flambeau.tensor([[3.0, flambeau.nan, 1.0, 3.0], [0.0, -0.0, 5.0, 5.0]])
    values, places = often(lambda: x.topk(3))
    assert places.tolist() == [[1, 0, 3], [2, 3, 0]] and values[1].tolist() == [5, 5, 0]
    assert x.topk(4, largest=False).indices.tolist() == [[2, 0, 3, 1], [0, 1, 2, 3]]
    assert x.topk(0).values.shape == (2, 0) and x.t().topk(1, 0).indices.tolist() == [[1, 2]]
    with pytest.raises(RuntimeError):
        x.topk(5)


def test_whole_numbers_meet_floats_in_the_default_dtype_of_the_moment():
    i = flambeau.tensor([1, 2, 3])
    assert often(lambda: i / 2).dtype is often(lambda: i / i).dtype is flambeau.float32
    flambeau.set_default_dtype(flambeau.float64)
    try:
        assert (i / 2).dtype is (i / i).dtype is (i * 0.5).dtype is flambeau.float64
    finally:
        flambeau.set_default_dtype(flambeau.float32)
    assert (i / 2).dtype is (i / i).dtype is flambeau.float32


def test_what_has_history_is_recorded_beside_whole_numbers():
    x = flambeau.tensor([[1.0], [2.0]], requires_grad=True)
    i, m = flambeau.tensor([3, 4]), flambeau.tensor([True, False])
    for _ in range(3):
        x.grad = None
        (x * i + i / x - m * x).sum().backward()
        expected = 7 - 7 / x.detach() ** 2 - 1
        np.testing.assert_allclose(x.grad.numpy(), expected.numpy(), rtol=1e-6)
    half = x.detach().half().requires_grad_()
    (often(lambda: half * x.detach())).sum().backward()
    assert half.grad.dtype is flambeau.float16 and half.grad.tolist() == [[1], [2]]


WRITES = {
    "lerp": [(B := "other", 0.3), (B, B), (B, "row")],
    "addcmul": [(B, B), (B, "row"), (B, B, {"value": 0.5}), (B, B, {"value": -3})],
    "addcdiv": [(B, "row"), (B, B, {"value": 0.5})],
    "clamp": [(-0.5, 0.5), (None, 0.1), {"min": 0}, {"max": 0.2}, (B, "row"), (1, -1)],
    "clamp_min": [(0.1,), (B,)],
    "clamp_max": [(0.1,), ("row",)],
    "hypot": [(B,), ("row",)],
    "xlogy": [(B,), (2.5,)],
    "nan_to_num": [()],
    "masked_fill": [("mask", 2.5), ("mask", -1)],
    "abs": [()], "neg": [()], "floor": [()], "round": [()], "tanh": [()], "sigmoid": [()],
    "add": [("row",), (2,), (B, {"alpha": 0.5})],
    "pow": [(3,), (2,), (0.5,)],
    "cumsum": [(0,)],
    "triu": [(1,)],
    "scatter": [(1, "index", B), (1, "index", 2.5)],
    "scatter_add": [(1, "index", B)],
    "index_add": [(0, "rows", B), (0, "rows", B, {"alpha": 2}), (1, "rows", B)],
    "index_copy": [(0, "rows", B), (-1, "rows", B)],
    "index_fill": [(0, "rows", 0.5), (1, "rows", 2)],
    "logical_and": [(B,)], "lt": [(B,)],
}  # fmt: skip


def given_of(spelled, made):
    args = spelled if type(spelled) is tuple else (spelled,)
    words = args[-1] if args and type(args[-1]) is dict else {}
    return [made.get(a, a) if type(a) is str else a for a in args if type(a) is not dict], words


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("kind", [flambeau.float32, flambeau.float64, flambeau.int64])
def test_writes_give_what_new_tensors_have(name, kind):
    for spelled in WRITES[name]:
        for _ in range(OFTEN):
            made = {k: flambeau.randn(4, 4).mul(3).to(kind) for k in ("other", "row")}
            made |= {"row": made["row"][:1], "mask": flambeau.randn(4, 4) > 0}
            made |= {"index": flambeau.randint(0, 4, (4, 4)), "rows": flambeau.tensor([3, 1, 1, 0])}
            args, words = given_of(spelled, made)
            x = flambeau.randn(4, 4).mul(3).to(kind)
            try:
                expected = getattr(flambeau, name)(x, *args, **words)
            except (RuntimeError, TypeError):
                continue
            if expected.dtype.is_floating_point and not kind.is_floating_point:
                continue
            expected, version = expected.to(kind), x._version
            part = flambeau.zeros(4, 6, dtype=kind)[:, 1:5]
            part.copy_(x)
            assert getattr(x, name + "_")(*args, **words) is x and x._version == version + 1
            getattr(part, name + "_")(*args, **words)
            assert x.numpy().tobytes() == expected.numpy().tobytes(), (spelled, args)
            assert part.contiguous().numpy().tobytes() == x.numpy().tobytes()


@pytest.mark.parametrize(
    "write, new",
    [
        (lambda t: t.lerp_(t[0], 0.5), lambda t: t.lerp(t[0], 0.5)),
        (lambda t: t.addcmul_(t.t(), t[1]), lambda t: t.addcmul(t.t(), t[1])),
        (lambda t: t.copy_(t[0]), lambda t: t[0].expand(5, 5)),
        (lambda t: t.masked_fill_(t > 0, 1.0), lambda t: t.masked_fill(t > 0, 1.0)),
        (
            lambda t: t.index_add_(0, flambeau.tensor([1, 0]), t[:2]),
            lambda t: t.index_add(0, flambeau.tensor([1, 0]), t[:2]),
        ),
        (
            lambda t: t.scatter_(1, flambeau.tensor([[4, 0]] * 5), t[:, :2]),
            lambda t: t.scatter(1, flambeau.tensor([[4, 0]] * 5), t[:, :2]),
        ),
    ],
)
def test_writes_over_what_they_read(write, new):
    for _ in range(OFTEN):
        x = flambeau.randn(5, 5)
        expected = new(x.clone()).clone()
        assert flambeau.equal(write(x), expected)


def test_writes_that_do_not_fit_or_are_recorded():
    x, wide = flambeau.ones(2, 3), flambeau.ones(4, 2, 3)
    leaf = flambeau.ones(2, 3, requires_grad=True)
    still = x.expand(5, 2, 3)
    for _ in range(OFTEN):
        for write in (
            lambda: x.lerp_(wide, 0.5),
            lambda: x.addcmul_(x, wide),
            lambda: x.copy_(wide),
            lambda: x.clamp_(None, None),
            lambda: leaf.clamp_(0, 1),
            lambda: leaf.lerp_(x, 0.5),
            lambda: leaf.masked_fill_(x > 0, 0),
            lambda: leaf.abs_(),
            lambda: still.clamp_(0, 1),
            lambda: leaf[0].clamp_(0, 1),
        ):
            with pytest.raises(RuntimeError):
                write()
        assert x._version == 0 and leaf._version == 0
        leaf.grad = None
        y = leaf * 2
        y.lerp_(x, 0.25).clamp_(0, 9).addcmul_(x, leaf).abs_()
        assert y.grad_fn is not None
        y.sum().backward()
        assert leaf.grad.tolist() == [[2.5] * 3] * 2
        z = flambeau.zeros(2, 3)
        z.addcmul_(x, leaf)
        assert z.requires_grad


def test_float64_beside_a_number_goes_straight(monkeypatch):
    """NumPy's float64 equals None, by which a number was told from a dtype."""
    for size in (10, 70_000):
        x = flambeau.ones(size, dtype=flambeau.float64)
        for _ in range(100):
            x * 3
        monkeypatch.setattr(dispatch, "execute", None)
        assert (x * 3).sum().item() == 3 * size
        monkeypatch.undo()


def test_classes_have_weights_with_gradients():
    x, i = (
        flambeau.randn(5, 4, dtype=flambeau.float64, requires_grad=True),
        flambeau.tensor([0, 1, 3, 3, 0]),
    )
    w = flambeau.rand(4, dtype=flambeau.float64, requires_grad=True)
    for kind in ("mean", "sum", "none"):
        loss = lambda x, w: flambeau.nn.functional.nll_loss(x, i, weight=w, reduction=kind)  # noqa: E731
        assert flambeau.autograd.gradgradcheck(loss, (x, w))


def test_numbers_drawn_into_a_tensor_are_those_of_a_new_one():
    for fill, new in (
        (lambda t: t.uniform_(), lambda: flambeau.rand(4, 5)),
        (lambda t: t.normal_(), lambda: flambeau.randn(4, 5)),
        (lambda t: t.normal_(1, 0.5), lambda: flambeau.normal(1.0, 0.5, (4, 5))),
    ):
        x, version = flambeau.zeros(4, 5), 0
        for seed in range(3):
            flambeau.manual_seed(seed)
            assert fill(x) is x
            flambeau.manual_seed(seed)
            assert flambeau.equal(x, new()) and x._version == version + seed + 1
    with pytest.raises(RuntimeError, match="a leaf Variable"):
        flambeau.zeros(3, requires_grad=True).normal_()
    assert flambeau.zeros(2, 3).t().uniform_().shape == (3, 2)
    x = flambeau.zeros(3, requires_grad=True) * 1
    assert x.normal_().requires_grad is (x.grad_fn is not None)
