"""`cond` and `while_loop`: which branch runs, gradients through it, and what is refused."""

import pytest

import flambeau


def test_only_the_branch_that_is_taken_runs():
    ran = []
    x = flambeau.tensor([2.0], requires_grad=True)
    made = flambeau.cond(
        x.sum() > 1, lambda v: ran.append("yes") or v * v, lambda v: ran.append("no") or v, (x,)
    )
    made.backward()
    assert ran == ["yes"] and x.grad.item() == 4
    assert flambeau.cond(False, lambda: 1, lambda: 2) == 2


def test_loops_are_differentiated():
    x = flambeau.tensor([1.5], requires_grad=True)
    n, made = flambeau.while_loop(
        lambda i, v: i < 4, lambda i, v: (i + 1, v * x), (flambeau.tensor(0), x)
    )
    made.backward()
    assert n.item() == 4 and x.grad.item() == pytest.approx(5 * 1.5**4)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: flambeau.cond(flambeau.ones(2) > 0, abs, abs, ()), "a tensor of one bool"),
        (lambda: flambeau.cond(flambeau.ones(1), abs, abs, ()), "a tensor of one bool"),
        (lambda: flambeau.cond(1, abs, abs, ()), "got int"),
        (lambda: flambeau.cond(True, abs, 3, ()), "callable"),
        (lambda: flambeau.cond(True, abs, abs, 3), "operands to be a tuple"),
        (lambda: flambeau.while_loop(lambda x: True, lambda x: (x, x), (flambeau.ones(1),)), "returned 2 values"),
        (lambda: flambeau.while_loop(lambda x: True, lambda x: x.sum(), (flambeau.ones(1),)), r"returned flambeau.float32 \[\]"),
        (lambda: flambeau.while_loop(lambda x: x, lambda x: x, (flambeau.ones(1),)), "must return a bool"),
        (lambda: flambeau.while_loop(3, lambda x: x, (flambeau.ones(1),)), "callable"),
    ],
)  # fmt: skip
def test_mistakes(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()
