"""One program for many shapes: compiled = eager at every size, from the third on without the user's Python, or as programs apart."""

from __future__ import annotations

import ctypes
import math
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau
from flambeau import nn
from flambeau.backends.cpu import library
from flambeau.jit import dynamic, opening
from flambeau.testing import assert_close

SIZES = (4, 6, 9, 9, 13, 2, 33, 1, 5)
F = nn.functional
rand, ints = flambeau.randn, flambeau.randint


def tried(function, calls, **options):
    """Compiled and eager results of `calls` compared; how often the function's Python ran, and the compiled function."""
    runs = (ctypes.c_int64 * 1)()  # what guards do not look into

    def counted(*args):
        runs[0] += 1
        return function(*args)

    compiled = flambeau.compile(function, **options)
    compiled._function = counted
    for i, args in enumerate(calls):
        flambeau.manual_seed(i)
        found = compiled(*args)
        flambeau.manual_seed(i)
        same(found, function(*args))
    return runs[0], compiled


def same(a, b):
    if isinstance(a, flambeau.Tensor):
        assert_close(a.detach(), b.detach(), rtol=1e-4, atol=1e-5, equal_nan=True)
    elif isinstance(a, (tuple, list)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert type(a) is type(b) and a == b


def positions(x):
    return x + flambeau.arange(x.size(1)) + TABLE[: x.size(1)]


def masked(x):
    n = x.size(1)
    hidden = flambeau.triu(flambeau.ones(n, n), diagonal=1).bool()
    return x.expand(n, n).masked_fill(hidden, -1e9).softmax(-1)


def heads(x):
    b, t, c = x.shape
    q = x.view(b, t, 2, c // 2).transpose(1, 2)
    scores = q @ q.transpose(-2, -1) * (1.0 / math.sqrt(q.size(-1)))
    scores = scores.masked_fill(flambeau.ones(40, 40).tril()[:t, :t] == 0, -math.inf)
    return (scores.softmax(-1) @ q).transpose(1, 2).contiguous().view(b, t, -1)


def written(x):
    y = flambeau.zeros(x.shape[0], 6)
    y[:, :4] = x
    y[-1] = 1.0
    return y


TABLE = rand(64)
FOLLOWED = {
    "chain": (lambda x: (x * 2).tanh().mean(0), (4,)),
    "moments": (lambda x: (x - x.mean()) / x.std() + x.var(0) + x.sum() / x.numel(), (4,)),
    "halves": (lambda x: x[x.shape[0] // 2 :].sum(0) + x[: x.shape[0] // 2].sum(0), (4,)),
    "square": (lambda x: x * (x.shape[0] * x.shape[0]) + x.shape[0] // 2, (4,)),
    "numbers": (lambda x: x * round(x.shape[0] / 3) + math.ceil(x.shape[0] / 4) + math.floor(x.shape[0] * 0.3), (4,)),
    "roots": (lambda x: x / x.shape[0] ** 0.5, (4,)),
    "functions": (lambda x: x / math.sqrt(x.shape[0]) + math.log(2 * x.shape[0]) + 0.9 ** x.shape[0] * np.cos(x.shape[0]), (4,)),
    "view": (lambda x: x.view(-1, 2, x.shape[0]).sum(1), (4,)),
    "joined": (lambda x: flambeau.cat([x, x * 2]).view(2, -1).sum(1), (4,)),
    "spread": (lambda x: x.unsqueeze(0).expand(3, -1, -1).reshape(-1, 4).sum(0), (4,)),
    "made": (lambda x: flambeau.where(x > 0, x, x.new_zeros(x.shape)) + flambeau.ones(x.shape[0], 1), (4,)),
    "shifted": (lambda x: F.mse_loss(x[1:], x[:-1]), (4,)),
    "ordered": (lambda x: x.sort(0)[0] + x.cumsum(0) + x.argmax(0), (4,)),
    "norms": (lambda x: F.normalize(x, dim=0) + F.layer_norm(x, (4,)), (4,)),
    "drawn": (lambda x: F.dropout(x, 0.5) + flambeau.rand_like(x) + flambeau.randn(x.shape[0], 1), (4,)),
    "returned": (lambda x: (x * 2, x.shape[0] * 3, x.shape, x.shape[0] / 2), (4,)),
    "written": (written, (4,)),
    "products": (lambda x: flambeau.einsum("ij,kj->ik", x, x).softmax(-1) @ x, (4,)),
    "padded": (lambda x: F.pad(x, (0, 0, 0, -x.size(0) % 4)).view(-1, 4, 4).sum(1), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_the_third_size_runs_no_python(name):
    function, rest = FOLLOWED[name]
    runs, compiled = tried(function, [(rand(n, *rest),) for n in SIZES])
    assert runs == 3  # 4 fixed, 6 open, and 1, which is never open
    assert "s0 >= 2" in flambeau.jit.explain(compiled)


@pytest.mark.parametrize("function", [positions, masked])
def test_positions_and_masks(function):
    runs, _ = tried(function, [(rand(1, n),) for n in SIZES])
    assert runs == 3
    runs, _ = tried(heads, [(rand(b, t, 4),) for b, t in ((2, 5), (3, 5), (4, 7), (5, 6), (7, 7), (6, 30))])  # fmt: skip
    assert runs == 3  # fixed, with the batch open, with both open


def test_more_than_one_argument():
    pairs = [(2, 3), (4, 5), (6, 9), (9, 6), (8, 8)]
    runs, compiled = tried(lambda x, y: x @ y.mT, [(rand(a, 5), rand(b, 5)) for a, b in pairs])
    assert runs == 2 and "s0, s1 >= 2" in flambeau.jit.explain(compiled)
    runs, _ = tried(lambda x, y: x @ y, [(rand(n, 5), rand(5, n)) for n in SIZES])
    assert runs == 3
    with pytest.raises(RuntimeError, match="size"):  # equal so far: others are a call of their own
        flambeau.compile(lambda x, y: x + y)(rand(3), rand(4))
    compiled = flambeau.compile(lambda x, y: x + y)
    for n in (3, 4, 5):
        compiled(rand(n), rand(n))
    with pytest.raises(RuntimeError, match="must match"):
        compiled(rand(5), rand(6))


def test_a_branch_on_a_size_is_a_guard():
    def branch(x):
        return x * 2 if x.shape[0] > 10 else x - 1

    runs, compiled = tried(branch, [(rand(n),) for n in (4, 20, 30, 40, 5, 6, 11, 10, 50, 3)])
    assert runs == 4
    text = flambeau.jit.explain(compiled)
    assert "for sizes s0 >= 2; s0 > 10:" in text and "for sizes s0 >= 2; s0 <= 10:" in text

    def least(x):
        return x[: min(x.size(0), 8)].sum(0) * max(x.size(0), 5)

    tried(least, [(rand(n),) for n in (4, 6, 9, 10, 30, 7, 3, 8, 5, 2)])

    def pairs(x, y):
        return x + y if x.shape == y.shape else x.sum() + y.sum()

    sizes = ((2, 2), (3, 3), (4, 4), (4, 5), (6, 7), (8, 9), (8, 8), (9, 9), (9, 8))
    tried(pairs, [(rand(a), rand(b)) for a, b in sizes])


TABLED = [1] * 6 + [2, 3, 4, 5, 6] + [7] * 90
APART = {
    "loop": lambda x: sum(x[i] * i for i in range(x.shape[0])),
    "rows": lambda x: sum(row.sum() for row in x),
    "count": lambda x: x * len([i for i in range(x.shape[0]) if i < 5]),
    "int": lambda x: x * int(x.shape[0]) + float(x.shape[0]),
    "isqrt": lambda x: x * math.isqrt(x.shape[0]),
    "log2": lambda x: x * int(math.log2(x.shape[0])),
    "numpy": lambda x: x * float(np.sqrt(x.shape[0])),
    "table": lambda x: x * TABLED[x.shape[0]],
    "dict": lambda x: x * {4: 1.5}.get(x.shape[0], 2.0),
    "text": lambda x: x * len(f"{x.shape[0]}"),
    "length": lambda x: x.sum() / len(x),
    "strides": lambda x: x.t() * x.t().stride(1) + x.view(1, *x.shape).stride(0) // 100,
    "bytes": lambda x: x * (x.nbytes // 100),
    "offset": lambda x: x * x[x.shape[0] // 2 :].storage_offset(),
    "bits": lambda x: x * x.shape[0].bit_length(),
    "tensor": lambda x: x * flambeau.tensor(x.shape[0]),
}


@pytest.mark.parametrize("name", APART)
def test_what_needs_the_number_is_right_at_every_size(name):
    function = APART[name]
    calls = [(rand(n, 3),) for n in (4, 5, 6, 7, 8, 16, 17, 2, 9)]
    runs, compiled = tried(function, calls)
    assert runs == len(calls)
    assert "each shape is a program of its own, because" in flambeau.jit.explain(compiled)


def test_nothing_is_compiled_for_a_further_size(monkeypatch):
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.BatchNorm1d(7), nn.GELU(), nn.Linear(7, 3))
    optimizer = flambeau.optim.SGD(net.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = net(x).log_softmax(-1).mean() / x.shape[0]
        loss.backward()
        optimizer.step()
        return loss

    compiled = flambeau.compile(step)
    for n in (8, 12, 12, 20):
        compiled(rand(n, 5))
    built = []
    monkeypatch.setattr(library, "build", lambda *given: built.append(given))
    for n in (30, 40, 50):
        compiled(rand(n, 5))
    assert not built and len(compiled._sized) == 4


def test_dynamic_says_whether_shapes_are_apart():
    calls = [(rand(n),) for n in (3, 4, 5, 6)]
    assert tried(lambda x: x * 2, calls, dynamic=False)[0] == 4
    assert tried(lambda x: x * 2, calls, dynamic=True)[0] == 2
    assert tried(lambda x: x * 2, calls, recompile_limit=2)[0] == 2  # sizes filled in do not count
    with pytest.warns(UserWarning, match="more than 2 programs"):
        tried(lambda x: x * 2, calls, recompile_limit=2, dynamic=False)


def test_layouts_and_ranks_are_families_of_their_own():
    compiled = flambeau.compile(lambda x: (x * 2).sum(-1))
    for n in (3, 5, 7, 8):
        for x in (rand(n, 4), rand(n, 4, 2), rand(n, 4).double(), rand(2 * n, 4)[::2]):
            same(compiled(x), (x * 2).sum(-1))
    assert len(compiled._keys.families) == 4 and len(compiled._sized) == 8
    for n in (3, 5, 7, 8):  # strides that are another size's
        x = rand(4, n).mT
        same(compiled(x), (x * 2).sum(-1))
    assert len(compiled._sized) == 8


def test_plans_for_sizes_are_limited(monkeypatch):
    monkeypatch.setattr(dynamic, "KEPT", 5)
    monkeypatch.setattr(dynamic, "WHOLE", 2)
    monkeypatch.setattr(dynamic, "USES", 2)
    compiled = flambeau.compile(lambda x: (x * 2).sum(0))
    for _ in range(2):
        for n in range(2, 30):
            x = rand(n, 3)
            for _ in range(n % 5):
                same(compiled(x), (x * 2).sum(0))
    assert len(compiled._sized.light) <= 5 and len(compiled._sized.whole) <= 2
    assert len(compiled._plans) <= 2 + 5 + 2
    flambeau.jit.reset()
    assert not compiled._plans and not compiled._keys.families and not len(compiled._sized)


@pytest.mark.skipif(not library.available(), reason="no C compiler on this machine")
def test_a_size_that_keeps_coming_is_recorded():
    compiled = flambeau.compile(lambda x: (x * 2 + 1).sum(1))
    with flambeau.no_grad():
        for n in (3, 4, 5):
            compiled(rand(n, 6))
        (key,) = compiled._sized.light
        x = rand(5, 6)
        for _ in range(dynamic.USES + 3):
            same(compiled(x), (x * 2 + 1).sum(1))
    assert key in compiled._sized.whole and not compiled._sized.light
    assert compiled._plans[key][0].forward.programs[0].replay


@pytest.mark.filterwarnings("ignore:flambeau.compile")  # of a call that changes `longest`
def test_a_size_that_the_function_keeps_is_plain_later():
    class Longest(nn.Module):
        longest = 0

        def forward(self, x):
            if x.shape[0] > self.longest:
                self.longest = x.shape[0]
            return x.sum(0) + self.longest + flambeau.arange(self.longest).sum()

    model, other = Longest(), Longest()
    compiled = flambeau.compile(model)
    for n in (3, 4, 5, 8, 6, 7, 5, 4, 9, 12, 10, 11):
        x = rand(n, 2)
        assert_close(compiled(x), other(x))
        assert model.longest == other.longest


def test_a_call_that_is_made_twice_only_computes_or_says_that_it_does_more():
    seen = []

    def computing(x):
        return x * int.bit_length(x.shape[0])  # which asks for an int's digits without a word

    def counting(x):
        if x.shape[0] > 3:
            seen.append(x.shape[0])
        return computing(x)

    x, y = rand(2, 3), rand(5, 3)
    compiled = flambeau.compile(computing)
    same(compiled(x), x * 2)
    same(compiled(y), y * 3)  # a warning would be an error
    same(compiled(y), y * 3)
    assert "bit_length" in flambeau.jit.explain(compiled)
    compiled = flambeau.compile(counting)
    same(compiled(x), x * 2)
    with pytest.warns(UserWarning, match="counting was made twice.*changing seen"):
        same(compiled(y), y * 3)
    assert len(seen) == 2 and sys.getprofile() is None


def test_patches_are_taken_off_again():
    before = {name: flambeau.Tensor.__dict__.get(name) for name in ("shape", "_meta", "stride")}
    compiled = flambeau.compile(lambda x: x.view(x.shape[0], -1).sum())

    def wrong(x):
        if x.shape[0] > 3:
            raise ValueError("too long")
        return x * 2

    refusing = flambeau.compile(wrong)
    for n in (2, 3):
        compiled(rand(n, 3))
        refusing(rand(n))
    with pytest.raises(ValueError, match="too long"):
        refusing(rand(4))
    assert not opening._undo and opening._in_force == 0
    assert before == {name: flambeau.Tensor.__dict__.get(name) for name in before}


def test_threads_meet_in_an_open_capture():
    compiled = flambeau.compile(lambda x: (x * x.shape[0]).sum(0) + x.numel())
    failed = []

    def run(first):
        try:
            for n in range(first, first + 12):
                x = rand(n, 3)
                same(compiled(x), (x * n).sum(0) + 3 * n)
                assert type(x.shape[0]) is int
        except BaseException as error:  # shown by the test, not by the thread
            failed.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in (2, 5, 9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


@st.composite
def programs(draw):
    """Views, products and reductions in a row over a tensor of two open sizes and one of three."""
    steps = st.sampled_from(("half", "tail", "flat", "turn", "sum", "wide", "pair", "scale", "soft", "pad"))  # fmt: skip
    return draw(st.lists(steps, min_size=1, max_size=6))


def run(steps, x):
    for s in steps:
        n, m = x.shape
        if s == "half":
            x = x[: (n + 1) // 2]
        elif s == "tail":
            x = x[:, m // 3 :]
        elif s == "flat":
            x = x.reshape(-1, n)
        elif s == "turn":
            x = x.mT.contiguous()
        elif s == "sum":
            x = x.sum(0, keepdim=True) / n + x
        elif s == "wide":
            x = flambeau.cat([x, x * 2], 1)
        elif s == "pair":
            x = (x @ x.mT).tanh()
        elif s == "scale":
            x = x * (1.0 / (n * m)) + flambeau.arange(m)
        elif s == "soft":
            x = x.softmax(1) - x.mean(1, keepdim=True)
        else:
            x = F.pad(x, (0, n % 3))
    return x * 2, x.shape[0]


@pytest.mark.filterwarnings("ignore:.*shares memory")
@settings(max_examples=25, deadline=None)
@given(programs(), st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=3, max_size=6))  # fmt: skip
def test_random_shapes(steps, shapes):
    tried(lambda x: run(steps, x), [(rand(*s),) for s in shapes])
