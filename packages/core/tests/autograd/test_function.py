"""autograd.Function: both styles, what the context keeps, what is refused."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import tensor
from flambeau.autograd import Function, gradcheck, gradgradcheck


class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x**3 * scale

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2 * ctx.scale, None


class NewCube(Function):
    @staticmethod
    def forward(x, scale):
        return x**3 * scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.scale = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2 * ctx.scale, None


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class Both(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b, a + b

    @staticmethod
    def backward(ctx, g, h):
        a, b = ctx.saved_tensors
        return g * b + h, g * a + h


@pytest.mark.parametrize("cls", [Cube, NewCube])
def test_both_styles_to_second_order(cls):
    x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(lambda x: cls.apply(x, 2.0), (x,))
    assert gradgradcheck(lambda x: cls.apply(x, 2.0), (x,))


def test_saved_output_to_second_order():
    x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(Exp.apply, (x,)) and gradgradcheck(Exp.apply, (x,))


def test_several_outputs():
    a, b = (flambeau.rand(2, dtype=flambeau.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(Both.apply, (a, b)) and gradgradcheck(Both.apply, (a, b))


def test_one_output_unused_arrives_as_zeros():
    a, b = tensor([2.0], requires_grad=True), tensor([3.0], requires_grad=True)
    Both.apply(a, b)[1].sum().backward()
    assert (a.grad.item(), b.grad.item()) == (1, 1)


def test_nothing_is_recorded_without_need():
    assert Cube.apply(tensor([1.0]), 1.0).grad_fn is None
    with flambeau.no_grad():
        assert not Cube.apply(tensor([1.0], requires_grad=True), 1.0).requires_grad


def test_needs_input_grad():
    seen = []

    class Look(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, None

    Look.apply(tensor([1.0], requires_grad=True), tensor([1.0])).sum().backward()
    assert seen == [(True, False)]


def test_overwritten_saved_tensor_is_noticed():
    x = tensor([2.0], requires_grad=True)
    y = x * 1
    out = Cube.apply(y, 1.0)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_wrong_number_of_gradients():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 1\)"):
        Wrong.apply(tensor([1.0], requires_grad=True), tensor([1.0])).sum().backward()


def test_missing_methods():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty.apply(tensor([1.0]))


def test_mark_dirty_writes_in_place():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = tensor([3.0], requires_grad=True)
    y = x * 1
    z = Double.apply(y)
    assert y.item() == 6
    z.sum().backward()
    assert x.grad.item() == 2


def test_non_differentiable_outputs():
    class Order(Function):
        @staticmethod
        def forward(ctx, x):
            values, places = x.sort()
            ctx.mark_non_differentiable(places)
            ctx.save_for_backward(places)
            return values, places

        @staticmethod
        def backward(ctx, g, _):
            return flambeau.zeros(g.shape).scatter_add(0, ctx.saved_tensors[0], g)

    x = tensor([3.0, 1.0, 2.0], requires_grad=True)
    values, places = Order.apply(x)
    assert values.requires_grad and not places.requires_grad
    (values * tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100, 1, 10]


class StraightThrough(flambeau.autograd.Function):
    """Rounds; its gradient is that of doing nothing, which is not what `forward` is made of."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g


class Cubed(flambeau.autograd.Function):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return 3 * x * x * t


def test_forward_mode_never_looks_into_forward():
    x, one = flambeau.tensor(1.4), flambeau.tensor(1.0)
    assert flambeau.func.grad(StraightThrough.apply)(x) == 1
    with pytest.raises(
        NotImplementedError, match="StraightThrough: You must implement the jvp function"
    ):
        flambeau.func.jvp(StraightThrough.apply, (x,), (one,))
    with pytest.raises(NotImplementedError, match="You must implement the jvp function"):
        flambeau.func.hessian(StraightThrough.apply)(x)
    with pytest.raises(NotImplementedError, match="You must implement the jvp function"):
        flambeau.func.jvp(
            flambeau.func.vmap(StraightThrough.apply), (x.reshape(1),), (one.reshape(1),)
        )


def test_forward_mode_calls_jvp():
    x, t = flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 10.0])
    out, moved = flambeau.func.jvp(Cubed.apply, (x,), (t,))
    assert out.tolist() == [1.0, 8.0] and moved.tolist() == [3.0, 120.0]
    assert flambeau.func.jacfwd(Cubed.apply)(x).tolist() == [[3.0, 0.0], [0.0, 12.0]]
    twice = flambeau.func.jacfwd(flambeau.func.jacfwd(Cubed.apply))(x)
    assert twice.diagonal(0, 1, 2).sum(0).tolist() == [6.0, 12.0]  # the derivative of its jvp
