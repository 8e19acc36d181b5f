"""The straight way of operators: the same results, histories, views and errors as the general way, at every edge of it."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import tensor
from flambeau.runtime import dispatch, straight
from flambeau.runtime.operator import OFTEN, registry


def often(call):
    """The result of a call after it has been made so often that it takes the straight way."""
    for _ in range(OFTEN + 2):
        made = call()
    return made


def general(name, *args, **kwargs):
    return dispatch.call(registry[name], args, dict(kwargs))


CALLS = [
    ("reshape", (flambeau.arange(6.0), (2, -1)), {}),
    ("permute", (flambeau.ones(2, 3), (1, 0)), {}),
    ("squeeze", (flambeau.ones(1, 3, 1), 0), {}),
    ("unsqueeze", (flambeau.ones(3), -1), {}),
    ("expand", (flambeau.ones(1, 3), (2, -1)), {}),
    ("select", (flambeau.arange(6).reshape(2, 3), 1, -1), {}),
    ("relu", (tensor([-1.0, 2.0]),), {}),
    ("relu", (tensor([-1, 2]),), {}),
    ("relu", (tensor(-1.0),), {}),
    ("sigmoid", (tensor([1, 2]),), {}),
    ("where", (tensor([True, False]), tensor([1.0, 2.0]), tensor(3.0)), {}),
    ("where", (tensor([True, False]), tensor([1.0, 2.0]), tensor([1, 2])), {}),
    ("leaky_relu", (tensor([-1.0, 2.0]), 0.5), {}),
    ("clamp_number", (tensor([-1.0, 2.0]),), {"min": 0.0, "max": 1.5}),
    ("clamp_number", (tensor([-1, 2]),), {"min": 0.5, "max": None}),
    ("addcmul", (tensor([1.0]), tensor([2.0, 3.0]), tensor([[4.0], [5.0]])), {"value": 0.5}),
    ("add", (tensor([1.0]), tensor([2.0])), {"alpha": 3}),
    ("sum", (tensor([[1.0, 2.0]]), 1), {"keepdim": True}),
    ("sum", (tensor([True, True]),), {}),
    ("sum", (tensor([1.0, 2.0]),), {"dtype": flambeau.float64}),
    ("amax", (tensor([[1.0, float("nan")], [2.0, 1.0]]), -1), {}),
    ("any", (tensor([[0.0, 1.0], [0.0, 0.0]]), 1), {}),
    ("all", (tensor([0, 1], dtype=flambeau.uint8),), {}),
    ("cumsum", (tensor([1.0, 2.0]), 0), {}),
    ("cat", ([tensor([1.0]), tensor([2.0, 3.0])],), {}),
    ("cat", ([tensor([1.0]), tensor([2, 3])],), {}),
    ("clone", (flambeau.ones(3, 2).t(),), {}),
]


@pytest.mark.parametrize("name, args, kwargs", CALLS)
def test_results_are_those_of_the_general_way(name, args, kwargs):
    want = general(name, *args, **kwargs)
    got = often(lambda: registry[name].public(*args, **kwargs))
    assert got.dtype is want.dtype and got.stride() == want.stride()
    assert got.shape == want.shape and flambeau.equal(got.nan_to_num(7.0), want.nan_to_num(7.0))
    assert (got._base is None) == (want._base is None)


@pytest.mark.parametrize(
    "name, args, kwargs", [c for c in CALLS if c[0] not in ("any", "all", "select")]
)
def test_histories_are_those_of_the_general_way(name, args, kwargs):
    def grads(call):
        leaves = []

        def leaf(x):
            if isinstance(x, list):
                return [leaf(y) for y in x]
            if not isinstance(x, flambeau.Tensor) or not x.is_floating_point():
                return x
            leaves.append(x.detach().clone().requires_grad_())
            return leaves[-1]

        out = call(*map(leaf, args), **kwargs)
        if not leaves:
            return None, []
        return out.grad_fn.name(), flambeau.autograd.grad((out * out).sum(), leaves)

    want_name, want = grads(lambda *a, **k: general(name, *a, **k))
    got_name, got = often(lambda: grads(registry[name].public))
    assert got_name == want_name and len(got) == len(want)
    for g, w in zip(got, want):
        assert g.shape == w.shape and flambeau.equal(g.nan_to_num(7.0), w.nan_to_num(7.0))


def test_what_a_rule_keeps_is_known_by_its_version():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = often(lambda: flambeau.where(tensor([True, False]), y, y).sigmoid())
    z.add_(1)  # the rule of sigmoid reads its result
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    kept = tensor([1.0, 2.0])
    z = often(lambda: flambeau.addcmul(x, kept, x * 2))
    kept.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_views_share_versions_and_follow_their_base():
    x = flambeau.zeros(2, 3)
    v = often(lambda: x.reshape(3, 2).unsqueeze(0).squeeze(0))
    assert v._base is x and v._version == x._version
    v[0] = 5.0
    assert x._version == v._version == 1 and x[0].tolist() == [5.0, 5.0, 0.0]
    leaf = tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = leaf * 1
    v = often(lambda: y.reshape(2, 2))
    y.mul_(3)  # the view's history is remade
    v.sum().backward()
    assert leaf.grad.tolist() == [3.0] * 4


def test_promotions_that_read_an_argument_are_asked_each_time():
    x = tensor([1.0, 2.0])
    assert often(lambda: x.sum()).dtype is flambeau.float32
    assert x.sum(dtype=flambeau.float64).dtype is flambeau.float64
    often(lambda: x.clamp(0.0, 1.0))
    with pytest.raises(RuntimeError, match="overflow"):
        x.clamp(0.0, 1e300)
    often(lambda: flambeau.nn.functional.softshrink(x, 0.5))
    with pytest.raises(RuntimeError, match="must not be negative"):
        flambeau.nn.functional.softshrink(x, -0.5)
    ints = tensor([4, 6])
    often(lambda: ints.div(tensor([2, 3]), rounding_mode="floor"))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        ints.div(tensor([2, 0]), rounding_mode="floor")


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda x: x.reshape(4), RuntimeError),
        (lambda x: x.permute(0, 1), RuntimeError),
        (lambda x: x.squeeze(3), IndexError),
        (lambda x: x.sum(5), IndexError),
        (lambda x: x.sum(0, keepdim="yes"), TypeError),
        (lambda x: flambeau.relu(), TypeError),
        (lambda x: flambeau.relu("x"), TypeError),
        (lambda x: flambeau.cat([x, 3]), TypeError),
        (lambda x: flambeau.cat([]), (ValueError, RuntimeError)),
    ],
)
def test_errors_are_those_of_the_general_way(call, error):
    x = tensor([1.0, 2.0, 3.0])
    often(lambda: (x.reshape(3, 1), x.permute(0), x.squeeze(0), x.sum(0), flambeau.relu(x)))
    often(lambda: flambeau.cat([x, x]))
    with pytest.raises(error):
        call(x)


def test_modes_and_overriding_classes_still_see_the_calls():
    seen = []

    class Mine(flambeau.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, kwargs or {}))
            return super().__torch_function__(func, types, args, kwargs or {})

    x = tensor([1.0, -2.0])
    often(lambda: x.relu())
    often(lambda: x.sum(0, keepdim=True))
    m = x.as_subclass(Mine)
    assert type(m.relu()) is Mine
    m.sum(0, keepdim=True)
    assert [name for name, _ in seen] == ["relu", "sum"] and seen[1][1] == {"keepdim": True}
    traced = flambeau.compile(lambda x: x.relu().reshape(1, 2))
    assert traced(x).tolist() == [[1.0, 0.0]]


def test_every_operator_that_it_serves_has_a_text_of_it():
    flambeau.ops.load_all()
    for op in registry.values():
        if op.family != "composite" and straight.serves(op):
            compile(straight.source(op), op.name, "exec")


MIDDLING = flambeau.arange(70_000.0).reshape(350, 200) / 7


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + x,
        lambda x: flambeau.add(x, x[0]),
        lambda x: x + 1.5,
        lambda x: 2 - x,
        lambda x: flambeau.mul(x, 3),
        lambda x: x / x[:, :1],
    ],
)
def test_what_is_too_large_for_the_hot_path_goes_straight(call, monkeypatch):
    want = call(MIDDLING.double())
    often(lambda: call(MIDDLING))
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "apply", None)  # the general way
        got = call(MIDDLING)
    assert got.dtype is flambeau.float32
    assert flambeau.allclose(got.double(), want, rtol=1e-6, equal_nan=True)


def test_errors_and_other_dtypes_of_large_calls_are_the_general_ways():
    with pytest.raises(RuntimeError, match="size of tensor a"):
        often(lambda: MIDDLING + flambeau.ones(7))
    assert often(lambda: MIDDLING + MIDDLING.double()).dtype is flambeau.float64
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        often(lambda: flambeau.maximum(MIDDLING, 3))
    with pytest.raises(TypeError):
        MIDDLING + "a"


def test_an_offer_that_is_remembered_is_asked_for_again_when_there_are_others():
    op = registry["mul"]
    want = often(lambda: MIDDLING * MIDDLING)
    before = list(op.providers["cpu"])
    seen = []

    def kernel(xp, a, b):
        seen.append(1)
        return a * b

    op.providers["cpu"].insert(0, (lambda metas, attrs: True, kernel))
    try:
        assert flambeau.equal(MIDDLING * MIDDLING, want) and seen
    finally:
        op.providers["cpu"][:] = before
    assert flambeau.equal(MIDDLING * MIDDLING, want) and len(seen) == 1
