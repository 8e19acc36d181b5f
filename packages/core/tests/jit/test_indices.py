"""Indices that leave their dimension only in a later call of a compiled function: refused as eagerly, in the same words."""

from __future__ import annotations

import pytest

import flambeau as fl
from flambeau import tensor

F = fl.nn.functional
FEW, MANY = fl.arange(12.0).reshape(4, 3), fl.arange(12800.0).reshape(4, 3200)

CALLS = {
    "index_select": lambda x, i: x.index_select(0, i),
    "embedding": lambda x, i: F.embedding(i, x),
    "embedding_bag": lambda x, i: F.embedding_bag(i, x, tensor([0])),
    "index_add": lambda x, i: x.index_add(0, i, x[:2]),
    "index_reduce": lambda x, i: x.index_reduce(0, i, x[:2], "amax"),
    "index_copy": lambda x, i: x.index_copy(0, i, x[:2]),
    "gather": lambda x, i: x.gather(0, i[:, None].expand(2, x.shape[1])),
    "scatter_add": lambda x, i: x.scatter_add(0, i[:, None].expand(2, x.shape[1]), x),
}
FROM_THE_END = {
    "x[i]": lambda x, i: x[i],
    "take": lambda x, i: x[:, 0].take(i),
    "index_put": lambda x, i: x.index_put((i,), tensor(5.0)),
    "index_fill": lambda x, i: x.index_fill(0, i, 2.0),
}


def compiled(call):
    """The function, as it is after calls that were right."""
    made = fl.compile(lambda x, i: call(x, i) * 2)
    for x in (FEW, MANY):
        for _ in range(3):
            assert fl.equal(made(x, tensor([3, 0])), call(x, tensor([3, 0])) * 2)
    return made


@pytest.mark.parametrize("name", CALLS | FROM_THE_END)
def test_an_index_that_leaves_is_refused(name):
    call = (CALLS | FROM_THE_END)[name]
    made = compiled(call)
    for x in (FEW, MANY):
        for index in ([0, 4], [-5, 1], [-1, 0] if name in CALLS else [7, -9]):
            with pytest.raises((IndexError, RuntimeError)) as eager:
                call(x, tensor(index))
            said = r"index -?\d is out of bounds for dimension 0 with size 4"
            with pytest.raises(eager.type, match=said) as later:
                made(x, tensor(index))
            assert str(later.value) == str(eager.value)
        assert fl.equal(made(x, tensor([1, 2])), call(x, tensor([1, 2])) * 2)


@pytest.mark.parametrize("name", CALLS | FROM_THE_END)
def test_an_index_of_a_gradient_alone_is_refused(name):
    """What nobody reads is not computed: only the gradient's kernel sees the index."""
    call = (CALLS | FROM_THE_END)[name]
    made = fl.compile(lambda x, i: fl.autograd.grad(call(x, i).sum(), x)[0])
    for x in (FEW.clone().requires_grad_(), MANY.clone().requires_grad_()):
        for _ in range(3):
            made(x, tensor([3, 0]))
        for index in ([0, 4], [-5, 1], [2**40, 0], [-1, 0] if name in CALLS else [7, -9]):
            with pytest.raises((IndexError, RuntimeError)) as eager:
                call(x, tensor(index))
            with pytest.raises(eager.type, match="out of bounds for dimension 0 with size 4"):
                made(x, tensor(index))


@pytest.mark.parametrize("weight", [None, fl.ones(3)])
@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_a_target_that_names_no_class_is_an_index_error(name, weight):
    loss = getattr(F, name)
    made = fl.compile(lambda x, t: loss(x, t, weight) * 2)
    for x in (FEW, FEW.repeat(1000, 1)):
        t = fl.zeros(x.shape[0], dtype=fl.int64)
        for _ in range(3):
            made(x, t)
        for wrong in (3, -1):
            t[-1] = wrong
            for f in (lambda x, t: loss(x, t, weight), made):
                with pytest.raises(IndexError, match=f"{wrong} is out of bounds"):
                    f(x, t)


@pytest.mark.parametrize("name", FROM_THE_END)
def test_negative_indices_count_from_the_end(name):
    call = FROM_THE_END[name]
    for x in (FEW, MANY):
        assert fl.equal(compiled(call)(x, tensor([-1, -4])), call(x, tensor([3, 0])) * 2)
