"""What a prediction lets grow by `cat` lies in memory with room for more."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")


def test_rows_of_any_layout_are_put_behind_others():
    from flambeau.backends.cpu import appending

    rng = np.random.default_rng(0)
    for _ in range(150):
        ndim = int(rng.integers(1, 6))
        shape, dim = [int(n) for n in rng.integers(1, 4, ndim)], int(rng.integers(ndim))

        def part(shape=shape, dim=dim):
            order = rng.permutation(len(shape))
            sizes = [*shape[:dim], int(rng.integers(1, 4)), *shape[dim + 1 :]]
            made = rng.standard_normal([sizes[i] for i in order]).astype(rng.choice(["f4", "i1"]))
            return made.astype("f4").transpose(np.argsort(order))

        parts = [part() for _ in range(4)]
        room = sum(p.shape[dim] for p in parts)
        fronts = [appending._open(None, parts[0], parts[1], dim=dim, room=room)]
        for p in parts[2:]:
            fronts.append(appending._more(None, fronts[-1], p, dim=dim))
        for count, front in enumerate(fronts, 2):
            assert np.array_equal(front, np.concatenate(parts[:count], dim))


class Decoder(nn.Module):
    """Steps that each add a row to what was there."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.steps, self.dim = nn.Linear(8, 8), 5, 2

    def forward(self, x):
        past, seen = self.split(x), []
        for step in range(self.steps):
            x = self.layer(x).tanh()
            past = flambeau.cat([past, self.split(x)[:, :, : 1 + step % 2]], self.dim)
            seen.append((past * past).sum((0, 1, 3)).mean())
            if step == 2:
                aside = flambeau.cat([past, past], 2)
        return self.ends(past, flambeau.stack(seen), aside)

    def split(self, x):
        return self.layer(x).reshape(1, len(x), 2, 4).permute(0, 2, 1, 3)

    def ends(self, past, *others):
        return (past.exp(), *others)


class Given(Decoder):
    """The last value, or a part of it, is a result: memory of the caller's own."""

    def ends(self, past, *others):
        return (past[:, :, 1:], *others)


def calls(compiled, name):
    return flambeau.jit.explain(compiled).count(f"= {name}(")


@flambeau.no_grad()
@pytest.mark.parametrize("kind", [Decoder, Given])
def test_a_decoder_equals_eager_and_copies_nothing_again(kind):
    flambeau.manual_seed(0)
    net = kind()
    compiled, results = flambeau.compile(net, fullgraph=True), []
    for _ in range(5):
        x = flambeau.randn(3, 8)
        got, want = compiled(x), net(x)
        for a, b in zip(got, want):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
        results.append((got[0], got[0].clone()))
    assert all(flambeau.equal(a, b) for a, b in results)  # later calls write elsewhere
    assert calls(compiled, "cat_open") == 1
    # `past` beside `past`, the stacked numbers, and of Given the last, which leaves the program
    assert calls(compiled, "cat_more") == (4 if kind is Decoder else 3)
    assert calls(compiled, "cat") == (2 if kind is Decoder else 3)
    (plan,) = (p for plans in compiled._compiled._plans.values() for p in plans)
    (program,) = plan.forward.programs
    assert program.replay.usable and all(
        s.calls is not None or s.view for s in program.replay.steps
    )


@flambeau.no_grad()
def test_what_python_would_write_is_not_replayed(monkeypatch):
    """Steps that share memory must all be C: else the program runs step by step, and is right."""
    from flambeau.backends.cpu import appending

    def by_numpy(front, x, dim):
        shape = list(front.shape)
        shape[dim] += x.shape[dim]
        longer = np.lib.stride_tricks.as_strided(front, shape, front.strides)
        longer[(slice(None),) * dim + (slice(front.shape[dim], None),)] = x
        return longer

    monkeypatch.setattr(appending, "_put", by_numpy)
    net = Decoder()
    compiled = flambeau.compile(net)
    for _ in range(4):
        x = flambeau.randn(7, 8)  # of no other test: what is proved of steps is kept
        for a, b in zip(compiled(x), net(x)):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    assert calls(compiled, "cat_more") == 4


@flambeau.no_grad()
def test_short_chains_and_other_dimensions_stay():
    net, x = Decoder(), flambeau.randn(3, 8)

    @flambeau.compile
    def mixed(x):
        a = net.layer(x)
        for dim in (0, 1, 0, 1):
            a = flambeau.cat([a, a], dim)
        return a + 1

    for _ in range(3):
        np.testing.assert_allclose(mixed(x).numpy(), np.tile(net.layer(x).numpy(), (4, 4)) + 1, rtol=1e-5, atol=1e-6)  # fmt: skip
    assert calls(mixed, "cat") == 4 and calls(mixed, "cat_open") == 0

    @flambeau.compile
    def short(x):
        a = net.layer(x)
        return flambeau.cat([flambeau.cat([a, a]), a]) + 1

    for _ in range(3):
        np.testing.assert_allclose(short(x).numpy(), np.tile(net.layer(x).numpy(), (3, 1)) + 1, rtol=1e-5, atol=1e-6)  # fmt: skip
    assert calls(short, "cat") == 2
