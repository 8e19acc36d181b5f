"""Inputs that are written between forward and backward: no error where no gradient that is asked for reads them."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau.runtime.operator import registry
from flambeau.runtime.tape import Rule
from flambeau.testing import samples_of

MODIFIED = "modified by an inplace operation"

PRODUCTS = {
    "linear": (nn.functional.linear, (4, 3), (5, 3)),
    "linear of a vector weight": (nn.functional.linear, (4, 3), (3,)),
    "mm": (flambeau.mm, (4, 3), (3, 5)),
    "bmm": (flambeau.bmm, (2, 4, 3), (2, 3, 5)),
    "matmul that broadcasts": (flambeau.matmul, (2, 4, 3), (3, 5)),
    "mv": (flambeau.mv, (4, 3), (3,)),
    "mul": (flambeau.mul, (4, 3), (3,)),
    "conv2d": (nn.functional.conv2d, (1, 2, 5, 5), (3, 2, 3, 3)),
    "conv2d by kernels": (nn.functional.conv2d, (4, 16, 32, 32), (32, 16, 3, 3)),
    "conv_transpose2d": (nn.functional.conv_transpose2d, (1, 2, 5, 5), (2, 3, 3, 3)),
}


def gradient(call, tensors, of, written=None):
    """The gradient of input number `of`, the only one that needs one, when input `written` was changed before backward."""
    given = [t.detach().clone() for t in tensors]
    given[of].requires_grad_()
    made = call(*given)
    if written is not None:
        with flambeau.no_grad():
            given[written].mul_(3)
    made.backward(flambeau.ones_like(made))
    return given[of].grad


@pytest.mark.parametrize("name", PRODUCTS)
def test_of_a_product_the_other_factor_is_read(name):
    call, *shapes = PRODUCTS[name]
    tensors = [flambeau.rand(s) for s in shapes]
    for of in (0, 1):
        expected = gradient(call, tensors, of)
        assert flambeau.equal(gradient(call, tensors, of, of), expected)
        with pytest.raises(RuntimeError, match=f"{MODIFIED}.* is at version 1; expected version 0"):
            gradient(call, tensors, of, 1 - of)


def test_both_factors_are_read_where_both_need_gradients():
    x, w = flambeau.rand(4, 3, requires_grad=True), flambeau.rand(5, 3, requires_grad=True)
    y = nn.functional.linear(x, w)
    with flambeau.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match=rf"{MODIFIED}: \[flambeau.FloatTensor \[5, 3\]\]"):
        y.sum().backward()


def test_a_graph_of_the_gradient_reads_more():
    x, w = flambeau.rand(4, 3), flambeau.rand(5, 3, requires_grad=True)
    y = nn.functional.linear(x, w)
    with flambeau.no_grad():
        w.mul_(2)
    (g,) = flambeau.autograd.grad(y.square().sum(), w, create_graph=True)
    assert flambeau.allclose(g, 2 * y.T @ x)
    assert g.requires_grad  # through y, whose node is walked a second time
    (second,) = flambeau.autograd.grad(g.sum(), w)
    assert flambeau.allclose(second, (2 * x.T @ x).sum(0).expand(5, 3))


def test_steps_between_forward_and_backward_of_a_frozen_input():
    """What training loops do that compute the next loss before they update."""
    layer, x = nn.Linear(3, 2), flambeau.rand(4, 3)
    optimizer = flambeau.optim.SGD(layer.parameters(), lr=0.1)
    first, second = layer(x).sum(), layer(x).sum()
    for loss in (first, second):
        loss.backward()
        optimizer.step()
    assert flambeau.allclose(layer.weight.grad, 2 * x.sum(0).expand(2, 3))


BY_HAND = [
    op
    for _, op in sorted(registry.items())
    if isinstance(op.vjp_rule, Rule) and (op.variadic or len(op.arrays) > 1)
]


@pytest.mark.parametrize("op", BY_HAND, ids=lambda op: op.name)
def test_every_operator_gives_the_gradient_or_the_error(op):
    """Never a gradient of the values that were written later."""
    for sample in [s for s in samples_of(op)[:4] if s.grad and len(s.tensors) > 1]:
        for of in [t for t in sample.tensors if t.requires_grad]:
            for written in [t for t in sample.tensors if t.is_floating_point()]:
                expected, made = (_gradient_of(op, sample, of, w) for w in (None, written))
                if made is not None:
                    assert flambeau.allclose(made, expected, equal_nan=True), sample


def _gradient_of(op, sample, of, written):
    """The gradient of one tensor of a sample, the only one that needs one; None where the write is refused."""
    copies = {id(t): t.detach().clone().requires_grad_(t is of) for t in sample.tensors}

    def put(x):
        if isinstance(x, flambeau.Tensor):
            return copies[id(x)]
        return type(x)(map(put, x)) if type(x) in (list, tuple) else x

    flambeau.manual_seed(0)
    made = op.public(*map(put, sample.args), **{k: put(v) for k, v in sample.kwargs.items()})
    roots = [m for m in (made if isinstance(made, tuple) else (made,)) if m.requires_grad]
    if written is not None:
        with flambeau.no_grad():
            copies[id(written)].mul_(3).add_(1)
    if not roots:
        return None
    try:
        flambeau.autograd.backward(roots, [flambeau.ones_like(r) for r in roots])
    except RuntimeError as error:
        assert MODIFIED in str(error)  # noqa: PT017 -- both outcomes are right
        return None
    return copies[id(of)].grad


@pytest.mark.parametrize("name", ["linear", "bmm", "mul", "conv2d"])
def test_compiled_functions_refuse_what_their_backward_reads(name):
    call, *shapes = PRODUCTS[name]
    tensors = [flambeau.rand(s) for s in shapes]
    compiled = flambeau.compile(lambda *given: call(*given) * 2)
    for of in (0, 1):
        expected = gradient(call, tensors, of) * 2
        for _ in range(3):  # as it is made, and made again
            assert flambeau.allclose(gradient(compiled, tensors, of, of), expected)
            with pytest.raises(RuntimeError, match=MODIFIED):
                gradient(compiled, tensors, of, 1 - of)


def test_a_compiled_function_reads_an_argument_through_its_view():
    """Unless its program has made a copy of the view."""
    x, w = flambeau.rand(4, 3), flambeau.rand(3, 5, requires_grad=True)
    compiled = flambeau.compile(lambda x, w: x[1:] @ w)
    refused = 0
    for _ in range(4):
        w.grad = None
        out, expected = compiled(x, w), x[1:].sum(0)[:, None].expand(3, 5).clone()
        x[2].mul_(2)
        try:
            out.sum().backward()
        except RuntimeError as error:
            assert MODIFIED in str(error)  # noqa: PT017 -- both outcomes are right
            refused += 1
        else:
            assert flambeau.allclose(w.grad, expected)
    assert refused
