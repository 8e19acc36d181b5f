"""Compiled functions that are no one program: modules that they call are, and nobody can tell by the results."""

import contextlib
import cProfile
import gc
import io
import itertools
import random
import threading
import weakref

import pytest

import flambeau
from flambeau import nn
from flambeau.jit import Broken, explain

SCALE = 1.0
SEEN: list = []


def body():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.n, self.log = body(), 0, []

    def forward(self, x):
        return self.f(x) * 0.5 + x

    def after(self):
        """What happens between two steps."""


def step_of(model, rate=0.05):
    """A step that no program can be: NumPy looks at its loss."""
    optimizer = flambeau.optim.SGD(model.parameters(), rate)

    def step(x):
        optimizer.zero_grad()
        out = model(x)
        out = out["y"] if isinstance(out, dict) else out
        loss = (out - 1).square().mean()
        float(loss.detach().numpy())
        if loss.requires_grad:
            loss.backward()
            optimizer.step()
        return loss.detach()

    return step


def run(make, compiled, count=9, sizes=(4,)):
    """Losses, parameters and buffers, what Python has seen, and the compiled function."""
    global SCALE
    SCALE = 1.0
    SEEN.clear()
    random.seed(0)
    flambeau.manual_seed(0)
    model = make()
    step = flambeau.compile(step_of(model)) if compiled else step_of(model)
    found = []
    for i in range(count):
        found.append(step(flambeau.randn(sizes[i % len(sizes)], 6)))
        getattr(model, "after", int)()
    state = [t.detach().clone() for t in (*model.parameters(), *model.buffers())]
    return [*found, *state, flambeau.rand(1)], (len(SEEN), *vars(model).get("log", ())), step


def in_pieces():
    return pytest.warns(UserWarning, match="in pieces: it leaves the program by")


def same(make, **options):
    """The pieces of a compiled run, which gives what eager mode gives."""
    expected, seen, _ = run(make, False, **options)
    with pytest.warns(UserWarning, match=r"in pieces: it leaves the program by .*numpy\(\)"):
        found, also_seen, step = run(make, True, **options)
    for a, b in zip(found, expected, strict=True):
        assert flambeau.allclose(a, b, rtol=1e-4, atol=1e-5)
    assert also_seen == seen
    return {p._shown for p in step._pieces.pieces()}


# -- what becomes a piece --------------------------------------------------------------------------------------------------


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Base() for _ in range(3))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Stopped(Blocks):
    """One that is no program, of parts that are."""

    def forward(self, x):
        x = self.blocks[0](x)
        x.detach().numpy()
        return self.blocks[2](self.blocks[1](x))


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Dropout()
        )

    def forward(self, x):
        return {"y": self.f(x) + self.f(2 * x), "none": None, "n": 3}

    def after(self):
        SEEN.append(0)
        self.train(len(SEEN) % 3 > 0)


class Local(Base):
    def forward(self, x):
        found = []
        for layer in self.f:
            x = layer(x)
            found.append(x.mean(1))
        return sum(found[1:], found[0])[:, None] + x


@pytest.mark.parametrize(
    ("make", "pieces"),
    [(body, {"Sequential"}), (Blocks, {"Blocks"}), (Stopped, {"Base"}), (Normed, {"Normed"}), (Local, {"Local"})],
)  # fmt: skip
def test_outermost_modules_that_can_be_programs_are(make, pieces):
    assert same(make) == pieces


def test_sizes_that_change_are_filled_in():
    assert same(Blocks, sizes=(4, 7, 5, 9, 3)) == {"Blocks"}


def test_it_says_where_it_left_and_what_is_a_piece():
    step = flambeau.compile(step_of(body()))
    with pytest.warns(UserWarning, match=r"step runs in pieces: it leaves the program by numpy\(\) \(.*test_pieces.py:\d\d\)"):  # fmt: skip
        step(flambeau.ones(2, 6))
    step(flambeau.ones(2, 6))
    text = explain(step)
    assert text.startswith("program 0: in pieces, because it leaves the program by numpy()")
    assert "piece Sequential:\nprogram 0:\n" in text and "backward:" in text


def test_a_module_that_is_no_program_calls_pieces():
    model = flambeau.compile(Stopped())
    with pytest.warns(UserWarning, match="Stopped runs in pieces"):
        model(flambeau.ones(2, 6))
    x = flambeau.randn(2, 6)
    for _ in range(3):
        assert flambeau.allclose(model(x), model._orig_mod(x))
    assert len(model._compiled._pieces.pieces()) == 3


def test_without_modules_it_runs_eagerly():
    f = flambeau.compile(lambda x: x * float(x.sum().numpy()))
    with pytest.warns(UserWarning, match="runs eagerly: it leaves"):
        f(flambeau.ones(2))
    assert explain(f).startswith("program 0: eager, because")


def test_fullgraph_refuses():
    with pytest.raises(Broken, match="it leaves the program by numpy"):
        flambeau.compile(step_of(body()), fullgraph=True)(flambeau.ones(2, 6))


# -- what must not ---------------------------------------------------------------------------------------------------------


class Counter(Base):
    def forward(self, x):
        self.n += 1
        return self.f(x) * self.n


class Keeps(Base):
    def forward(self, x):
        self.log.append(len(self.log))
        return self.f(x)


class Aliased(Base):
    def forward(self, x):
        log = self.log
        log += [1]
        return self.f(x) * len(log)


class InMethod(Base):
    def bump(self):
        SEEN.append(1)

    def forward(self, x):
        self.bump()
        return self.f(x)


class Global(Base):
    def forward(self, x):
        global SCALE
        SCALE += 0.1
        return self.f(x) * SCALE


class Around(Base):
    def __init__(self):
        super().__init__()
        count = 0

        def scaled(x):
            nonlocal count
            count += 1
            return x * count

        self.scaled = scaled

    def forward(self, x):
        return self.scaled(self.f(x))


class Default(Base):
    def forward(self, x, seen=SEEN):
        seen.append(0)
        return self.f(x)


class Item(Base):
    def forward(self, x):
        self.__dict__["n"] = self.n + 1
        return self.f(x) * self.n


class SetAttribute(Base):
    def forward(self, x):
        setattr(self, "n", self.n + 1)
        return self.f(x) * self.n


class Draws(Base):
    def __init__(self):
        super().__init__()
        self.dice = random.Random(0)

    def forward(self, x):
        return self.f(x) * self.dice.random()


class Generates(Base):
    def __init__(self):
        super().__init__()
        self.numbers = (i for i in itertools.count())

    def forward(self, x):
        return self.f(x) * next(self.numbers)


class Consumes(Base):
    def __init__(self):
        super().__init__()
        self.numbers = iter(range(1000))

    def forward(self, x):
        for n in self.numbers:
            break
        return self.f(x) * n


class Stashes(Base):
    def forward(self, x):
        self.last = self.f(x)
        return self.last * 2


class Replaces(Base):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", flambeau.zeros(6))

    def forward(self, x):
        y = self.f(x)
        self.mean = self.mean * 0.9 + y.detach().mean(0) * 0.1
        return y - self.mean


class Opaque:
    def __init__(self, y):
        self.y = y


class GivesObject(Base):
    def forward(self, x):
        return vars(Opaque(self.f(x)))


class Seeds(Base):
    def forward(self, x):
        flambeau.manual_seed(3)
        return self.f(x) + flambeau.randn(6)


class WritesArgument(Base):
    def forward(self, x):
        x.mul_(0.5)
        return self.f(x)


class Moving(Base):
    """Its result depends on what it writes: calling it again would give another."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", flambeau.zeros(6))

    def forward(self, x):
        y = self.f(x)
        with flambeau.no_grad():
            self.mean.mul_(0.9).add_(y.mean(0), alpha=0.1)
        return y - self.mean


@pytest.mark.parametrize(
    "kind",
    [Counter, Keeps, Aliased, InMethod, Global, Around, Default, Item, SetAttribute, Draws, Generates, Consumes, Stashes,
     Replaces, GivesObject, Seeds, WritesArgument, Moving],
)  # fmt: skip
def test_modules_whose_python_does_more_than_compute_run_as_python(kind):
    assert same(kind) == {"Sequential"}


def test_what_is_printed_is_printed_at_each_call():
    class Prints(Base):
        def forward(self, x):
            print(len(x))
            return self.f(x)

    said = []
    for compiled in (False, True):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.ExitStack() as stack:
            if compiled:
                stack.enter_context(pytest.warns(UserWarning))
            run(Prints, compiled)
        said.append(out.getvalue())
    assert said[0] == said[1] == "4\n" * 9


class Hooked(Base):
    def __init__(self):
        super().__init__()
        self.f[0].register_forward_hook(lambda *_: SEEN.append(1))


class HookedLater(Base):
    def after(self):
        self.n += 1
        if self.n == 4:
            self.f[0].register_full_backward_hook(lambda *_: SEEN.append(2))
        if self.n == 6:
            self.register_forward_hook(lambda _, __, out: out * 2)


def test_hooks_are_called():
    assert same(Hooked) == set()
    same(HookedLater)


# -- what is guarded -------------------------------------------------------------------------------------------------------


class OfClass(Base):
    factor = 1.0

    def forward(self, x):
        return self.f(x) * self.factor

    def after(self):
        self.n += 1
        type(self).factor = 1.0 + self.n // 4 * (self.n < 9)


class Private(Base):
    def __init__(self):
        super().__init__()
        self._factor = 1.0

    def forward(self, x):
        return self.f(x) * self._factor

    def after(self):
        self.n += 1
        self._factor = 1.0 + self.n // 4


class ByMethod(Base):
    def scaled(self, x):
        return x * SCALE

    def forward(self, x):
        return self.scaled(self.f(x))

    def after(self):
        global SCALE
        self.n += 1
        SCALE = 1.0 + self.n // 4


class ByAttribute(ByMethod):
    def __init__(self):
        super().__init__()
        self.act = lambda x: x * SCALE

    def forward(self, x):
        return self.act(self.f(x))


class Changed(Base):
    def after(self):
        self.n += 1
        if self.n == 3:
            self.f[0].requires_grad_(False)
        if self.n == 5:
            self.f[1] = nn.ReLU()
        if self.n == 7:
            self.f[2].weight.data.mul_(0.5)


@pytest.mark.parametrize("kind", [OfClass, Private, ByMethod, ByAttribute, Changed])
def test_what_a_piece_looks_at_may_change(kind):
    assert kind.__name__ in same(kind)


@pytest.mark.parametrize("kind", [Private, ByMethod])
def test_compiled_modules_see_private_attributes_and_what_methods_name(kind):
    global SCALE
    SCALE, model = 1.0, kind()
    compiled, x = flambeau.compile(model), flambeau.randn(2, 6)
    for _ in range(9):
        assert flambeau.allclose(compiled(x), model(x))
        model.after()


# -- gradients -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Tanh()])
@pytest.mark.parametrize("whole", [True, False])
def test_a_graph_of_the_backward_is_that_of_the_same_call(part, whole):
    def found(compile):
        flambeau.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), part, nn.Linear(8, 1))
        if isinstance(part, nn.BatchNorm1d):
            part.reset_running_stats()
        call = flambeau.compile(model) if whole and compile else model

        def step(x):
            x.detach().numpy()
            g, *_ = flambeau.autograd.grad(call(x).sum(), x, create_graph=True)
            g.square().sum().backward()
            return g.detach()

        step = flambeau.compile(step) if compile and not whole else step
        results = [step(flambeau.randn(8, 4).requires_grad_()) for _ in range(5)]
        return [*results, model[0].weight.grad, *part.buffers(), flambeau.rand(1)]

    expected = [t.clone() for t in found(False)]
    with contextlib.nullcontext() if whole else in_pieces():
        for a, b in zip(found(True), expected, strict=True):
            assert flambeau.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_graph_is_kept_and_gradients_add_up():
    model = body()
    x, grads = flambeau.randn(3, 6), []

    def step(x):
        loss = model(x).square().sum()
        loss.detach().numpy()
        loss.backward(retain_graph=True)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()

    with in_pieces():
        compiled = flambeau.compile(step)
        for call in (step, *[compiled] * 4):
            model.zero_grad()
            call(x)
            grads.append(model[0].weight.grad.clone())
    assert all(flambeau.allclose(g, grads[0], atol=1e-5) for g in grads)


# -- when no program is looked for ------------------------------------------------------------------------------------------


def test_what_is_refused_again_and_again_is_not_asked_for():
    log = []
    model = body()

    def step(x):
        log.append(float(model(x).sum().detach().numpy()))

    compiled = flambeau.compile(step)
    with in_pieces():
        for _ in range(8):
            compiled(flambeau.ones(2, 6))
    assert compiled._straight and len(compiled._plans) == 3 and len(log) == 8
    assert len(compiled._pieces.pieces()) == 1


def test_a_counter_makes_no_program_at_each_call():
    count, model = [0], body()

    def step(x):
        count[0] += 1
        return model(x) + count[0]

    compiled, x = flambeau.compile(step), flambeau.randn(2, 6)
    with pytest.warns(UserWarning, match=r"in pieces: .* more than compute: changing count\[0\]"):
        results = [compiled(x) - model(x) for _ in range(1, 200)]
    for n, result in enumerate(results, 1):
        assert flambeau.allclose(result, flambeau.full((), float(n)), atol=1e-4)
    assert len(compiled._plans) < 8 and len(compiled._pieces.pieces()) == 1


def test_values_that_come_back_are_programs_again():
    scale = [0.0]
    compiled, x = flambeau.compile(lambda x: (x * scale[0]).tanh()), flambeau.ones(3)
    for n in range(800):
        scale[0] = float(n % 7)
        assert flambeau.allclose(compiled(x), (x * scale[0]).tanh())
    assert len(compiled._plans) == 7 and not compiled._aside


# -- around ----------------------------------------------------------------------------------------------------------------


def test_pieces_do_not_keep_modules_alive():
    models = [body(), body()]

    def step(x):
        out = models[-1](x)
        out.detach().numpy()
        return out

    compiled = flambeau.compile(step)
    with in_pieces():
        for _ in range(4):
            compiled(flambeau.ones(2, 6))
    gone, pieces = weakref.ref(models[-1]), compiled._pieces
    assert len(pieces.pieces()) == 1
    models.pop()
    gc.collect()
    assert gone() is None and not pieces.pieces()


def test_an_exception_in_a_piece_is_the_modules():
    class Refuses(Base):
        def forward(self, x):
            if len(x) == 3:
                raise KeyError("three")
            return self.f(x)

    model = Refuses()
    compiled = flambeau.compile(step_of(model))
    with in_pieces():
        for n in (2, 2, 3, 2, 3):
            if n == 3:
                with pytest.raises(KeyError, match="three"):
                    compiled(flambeau.ones(n, 6))
            else:
                compiled(flambeau.ones(n, 6))
    from flambeau.runtime import splitting

    assert splitting.running == 0 and splitting.local.pieces is None


def test_threads_share_pieces():
    model, results = body(), {}

    def f(x):
        out = model(x)
        out.detach().numpy()
        return out * 2

    compiled = flambeau.compile(f)
    inputs = [flambeau.randn(3 + n, 6) for n in range(4)]

    def work(n):
        results[n] = [compiled(inputs[n]).detach() for _ in range(20)]

    with in_pieces():
        compiled(inputs[0])
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    for n in range(4):
        assert len(results[n]) == 20
        assert all(flambeau.allclose(r, 2 * model(inputs[n]), atol=1e-6) for r in results[n])


def test_a_profiler_sees_the_functions_themselves():
    compiled = flambeau.compile(step_of(body()))
    with in_pieces():
        compiled(flambeau.ones(2, 6))
    profile = cProfile.Profile()
    profile.enable()
    try:
        compiled(flambeau.ones(2, 6))
    finally:
        profile.disable()
    assert any("forward" in str(entry.code) for entry in profile.getstats())


def test_transforms_see_the_modules():
    model = body()
    compiled = flambeau.compile(step_of(model))
    with in_pieces():
        for _ in range(3):
            compiled(flambeau.ones(2, 6))

    def norm(x):
        out = flambeau.func.vmap(model)(x)
        out.detach().numpy()
        return flambeau.func.jvp(model, (x,), (x,))[1] + out

    f, x = flambeau.compile(norm), flambeau.randn(3, 6)
    with in_pieces():
        for _ in range(4):
            assert flambeau.allclose(f(x), norm(x), atol=1e-6)
