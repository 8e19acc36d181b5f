"""func: grad, vjp, jvp, vmap, jacobians and hessians, nested in each other every way."""

from __future__ import annotations

import pytest

import flambeau
from flambeau.func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp, vmap
from flambeau.testing import assert_close

X = flambeau.linspace(0.3, 1.1, 3, dtype=flambeau.float64)
ROWS = flambeau.linspace(-1, 1, 12, dtype=flambeau.float64).reshape(4, 3)
W = flambeau.linspace(-0.7, 0.9, 9, dtype=flambeau.float64).reshape(3, 3)


def energy(x):
    return ((W @ x).sin() * x.exp()).sum()


def field(x):
    return flambeau.tanh(W @ x) * x


def rows(f, xs):
    return flambeau.stack([f(x) for x in xs])


def test_hessian_is_symmetric_and_every_order_of_modes_gives_it():
    expected = hessian(energy)(X)
    assert_close(expected, expected.T)
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev, grad):
            assert_close(outer(inner(energy))(X), expected)


def test_jacobians_of_both_modes_agree():
    assert_close(jacrev(field)(X), jacfwd(field)(X))
    assert_close(jacrev(field)(X)[0], grad(lambda x: field(x)[0])(X))


def test_jacobian_of_several_arguments():
    def f(a, b):
        return a * b.sum() + b

    for jac in (jacrev, jacfwd):
        da, db = jac(f, argnums=(0, 1))(X, X * 2)
        assert_close(da, flambeau.eye(3, dtype=X.dtype) * (X * 2).sum())
        assert_close(db, X.unsqueeze(1).expand(3, 3) + flambeau.eye(3, dtype=X.dtype))


def test_gradients_of_each_sample():
    assert_close(vmap(grad(energy))(ROWS), rows(grad(energy), ROWS))


def test_gradient_through_a_batch():
    def total(xs):
        return vmap(energy)(xs).sum()

    assert_close(grad(total)(ROWS), rows(grad(energy), ROWS))


def test_forward_over_reverse_and_reverse_over_forward():
    v = flambeau.ones_like(X)
    _, forward = jvp(grad(energy), (X,), (v,))
    backward = grad(lambda x: jvp(energy, (x,), (v,))[1])(X)
    assert_close(forward, hessian(energy)(X) @ v)
    assert_close(backward, forward)


def test_forward_over_forward():
    v = X * 2
    _, twice = jvp(lambda x: jvp(energy, (x,), (v,))[1], (X,), (v,))
    assert_close(twice, v @ hessian(energy)(X) @ v)


def test_vmap_of_jvp_and_jvp_of_vmap():
    v = ROWS * 0.5
    inside = vmap(lambda x, t: jvp(energy, (x,), (t,))[1])(ROWS, v)
    outside = jvp(vmap(energy), (ROWS,), (v,))[1]
    assert_close(inside, outside)


def test_vmap_of_vmap():
    def dot(a, b):
        return (a * b).sum()

    table = vmap(vmap(dot, (None, 0)), (0, None))(ROWS, ROWS)
    assert_close(table, ROWS @ ROWS.T)


def test_hessians_of_a_batch():
    assert_close(vmap(hessian(energy))(ROWS), rows(hessian(energy), ROWS))


def test_gradients_compose_with_the_tape():
    x = X.clone().requires_grad_()
    value = grad(energy)(x).sum()
    value.backward()
    assert_close(x.grad, hessian(energy)(X).sum(0))


def test_vjp_may_be_called_many_times():
    out, pull = vjp(field, X)
    table = flambeau.stack([pull(row)[0] for row in flambeau.eye(3, dtype=X.dtype)])
    assert_close(table, jacrev(field)(X))
    assert_close(vmap(lambda g: pull(g)[0])(flambeau.eye(3, dtype=X.dtype)), table)
    assert_close(out, field(X))


def test_values_and_extras():
    (g, (value, extra)) = grad_and_value(lambda x: (energy(x), x * 2), has_aux=True)(X)
    assert_close(value, energy(X))
    assert_close(extra, X * 2)
    assert_close(g, grad(energy)(X))


def test_where_tensors_are_mapped():
    a = flambeau.arange(6.0).reshape(2, 3)
    assert vmap(lambda x: x.sum(), in_dims=1)(a).tolist() == [3, 5, 7]
    assert vmap(lambda x: x * 2, out_dims=1)(a).shape == (3, 2)
    both = vmap(lambda p, b: p["w"] * b, in_dims=({"w": 0}, None))({"w": a}, flambeau.tensor(2.0))
    assert both.tolist() == (a * 2).tolist()
    assert vmap(lambda x: (x, x.sum()), out_dims=(0, 0))(a)[1].tolist() == [3, 12]


def test_chunks_give_the_same():
    assert_close(vmap(energy, chunk_size=3)(ROWS), vmap(energy)(ROWS))


def test_wrong_calls_of_vmap():
    with pytest.raises(ValueError, match="same size"):
        vmap(lambda a, b: a)(flambeau.ones(2), flambeau.ones(3))
    with pytest.raises(ValueError, match="in_dims"):
        vmap(lambda a: a, in_dims=(0, 0))(flambeau.ones(2))
    with pytest.raises(ValueError, match="all in_dims are None"):
        vmap(lambda a: a, in_dims=(None,))(flambeau.ones(2))
    with pytest.raises(ValueError, match="only return Tensors"):
        vmap(lambda a: 1)(flambeau.ones(2))
    with pytest.raises(RuntimeError, match="where"):
        vmap(lambda a: a if a > 0 else -a)(flambeau.ones(2))


def test_wrong_calls_of_grad():
    with pytest.raises(RuntimeError, match="scalar"):
        grad(lambda x: x * 2)(X)
    with pytest.raises(RuntimeError, match="return a Tensor"):
        grad(lambda x: 1.0)(X)
    with pytest.raises(RuntimeError, match="structure"):
        jvp(energy, (X,), (X, X))


def test_randomness_must_be_chosen():
    def noisy(x):
        return x + flambeau.rand(2)

    x = flambeau.zeros(3, 2)
    with pytest.raises(RuntimeError, match="random"):
        vmap(noisy)(x)
    same = vmap(noisy, randomness="same")(x)
    different = vmap(noisy, randomness="different")(x)
    assert flambeau.equal(same[0], same[1])
    assert not flambeau.equal(different[0], different[1])
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(noisy, randomness="some")


def test_in_place_on_mapped_tensors():
    def f(x):
        y = x.clone()
        y[0] = 0
        y += 1
        return y

    assert_close(vmap(f)(ROWS), rows(f, ROWS))
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        shared = flambeau.zeros(3, dtype=X.dtype)
        vmap(lambda x: shared.add_(x))(ROWS)


def test_indices_that_differ_by_sample():
    index = flambeau.tensor([0, 2, 1, 2])
    assert_close(
        vmap(lambda x, i: x[i])(ROWS, index), ROWS.gather(1, index.unsqueeze(1)).squeeze(1)
    )
    assert_close(
        vmap(lambda x, i: x.index_select(0, i))(ROWS, index.unsqueeze(1)).squeeze(1),
        ROWS[range(4), index],
    )


def test_a_network_as_a_function():
    model = flambeau.nn.Linear(3, 2).double()
    parameters = dict(model.named_parameters())

    def loss(p, x):
        return flambeau.func.functional_call(model, p, (x,)).pow(2).sum()

    each = vmap(grad(loss), in_dims=(None, 0))(parameters, ROWS)
    total = grad(lambda p: sum(loss(p, x) for x in ROWS))(parameters)
    for name in parameters:
        assert each[name].shape == (4, *parameters[name].shape)
        assert_close(each[name].sum(0), total[name])


def test_python_branches_on_captured_values_still_work():
    flag = flambeau.tensor(True)
    assert_close(grad(lambda x: energy(x) if flag else x.sum())(X), grad(energy)(X))


@pytest.mark.parametrize("norm", [flambeau.nn.BatchNorm1d, flambeau.nn.InstanceNorm1d])
def test_running_statistics_take_no_tangents_and_no_history(norm):
    layer = norm(3, track_running_stats=True)
    rows = flambeau.rand(4, 3, 2)
    jvp(layer, (rows,), (rows.cos(),))
    layer(rows.requires_grad_()).sum().backward()
    grad(lambda r: layer(r).square().sum())(rows.detach())
    for stat in (layer.running_mean, layer.running_var):
        assert not stat.requires_grad and stat.numpy().shape == (3,)


def test_chunks_draw_the_same_numbers_where_told_to():
    rows = flambeau.zeros(4, 2)
    same = vmap(lambda r: r + flambeau.rand(2), randomness="same", chunk_size=1)(rows)
    assert flambeau.equal(same, same[:1].expand(4, 2))
    other = vmap(lambda r: r + flambeau.rand(2), randomness="different", chunk_size=1)(rows)
    assert len({tuple(r.tolist()) for r in other}) == 4
