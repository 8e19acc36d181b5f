"""jit.fork and jit.wait: at once, in Python and in scripts."""

from __future__ import annotations

import io

import pytest

import flambeau
from flambeau import jit, nn
from flambeau._base import pytree


def grown(x, by: int = 1):
    return x + by


def forked(x):
    later = [jit.fork(grown, x, by=i) for i in range(3)]
    one = jit.fork(grown, x, 10)
    return jit.wait(one), [jit.wait(p) for p in later]


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def halved(self, x):
        return x / 2

    def forward(self, x):
        a, b = jit.fork(self.layer, x), jit.fork(self.halved, x)
        return jit.wait(a) + jit.wait(b)


def test_at_once_outside_of_scripts():
    future = jit.fork(grown, flambeau.ones(2), by=4)
    assert isinstance(future, flambeau.futures.Future) and future.done()
    assert jit.wait(future).tolist() == [5, 5]
    with pytest.raises(ZeroDivisionError):
        jit.fork(lambda: 1 / 0)


@pytest.mark.parametrize("saved", [False, True])
def test_in_scripts(saved):
    for f, x in ((forked, flambeau.ones(2)), (Two(), flambeau.ones(1, 2))):
        made = jit.script(f)
        if saved:
            file = io.BytesIO()
            jit.save(made, file)
            file.seek(0)
            made = jit.load(file)
        found, wanted = (pytree.flatten(g(x))[0] for g in (made, f))
        assert all(flambeau.equal(a, b) for a, b in zip(found, wanted, strict=True))


def nothing(x):
    return jit.fork()


def unknown(x):
    return jit.frok(grown, x)


@pytest.mark.parametrize(
    ("f", "why"),
    [(nothing, "fork takes a function and its arguments"), (unknown, "'jit.frok' is not defined")],
)
def test_refusals(f, why):
    with pytest.raises(jit.NotSupportedError, match=why):
        jit.script(f)
