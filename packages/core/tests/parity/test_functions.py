"""Custom autograd functions, gradient modes, forward mode by hand and autograd.functional beside PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
from agreement import agree


def leaf(lib, *values):
    return lib.tensor(list(values) or [0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True)


# -- Function ---------------------------------------------------------------------------------------------------------


def cube(lib):
    """x ** 3 in the new style, with everything."""

    class Cube(lib.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3, x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], output[1])
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def backward(ctx, g, h):
            x, double = ctx.saved_tensors
            return g * 3 * x * x + h * 2 + 0 * double

        @staticmethod
        def jvp(ctx, t):
            (x,) = ctx.saved_tensors
            return 3 * x * x * t, t * 2

    return Cube


def old_style(lib):
    class Old(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale, y=None):
            ctx.save_for_backward(x, y)
            ctx.scale = scale
            return x * scale if y is None else x * y * scale

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            if y is None:
                return g * ctx.scale, None
            return g * y * ctx.scale, None, g * x * ctx.scale if ctx.needs_input_grad[2] else None

    x, y = leaf(lib), leaf(lib, 1.0, 2.0, 3.0)
    a = Old.apply(x, 2.0)
    b = Old.apply(x, 2.0, y)
    node = b.grad_fn
    (a + b).sum().backward()
    return x.grad, y.grad, node.name(), node.scale, node.needs_input_grad


def double_backward(lib):
    x = leaf(lib)
    out, double = cube(lib).apply(x)
    (g,) = lib.autograd.grad(out.sum() + (double * double).sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), x)


def nonlinear_saved_output(lib):
    class Exp(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(lib)
    check = lib.autograd.gradcheck(Exp.apply, (x,)), lib.autograd.gradgradcheck(Exp.apply, (x,))
    y = Exp.apply(x)
    y.sum().backward(retain_graph=True)
    return check, x.grad, y.grad_fn.saved_tensors


def freed_context(lib):
    class Keep(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2 + 0 * ctx.saved_tensors[0]

    y = Keep.apply(leaf(lib))
    y.sum().backward()
    return y.grad_fn.saved_tensors


def written_after_saving(lib):
    class Keep(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(lib) * 1
    y = Keep.apply(x)
    x.mul_(2)
    y.sum().backward()


def mixed_outputs(lib):
    seen = []

    class Mixed(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            places = lib.arange(3)
            ctx.mark_non_differentiable(places)
            return x * 1, places, x > 0, 5, None, x * 2

        @staticmethod
        def backward(ctx, *gs):
            seen.append(
                [None if g is None else (g.tolist(), str(g.dtype).split(".")[1]) for g in gs]
            )
            return gs[0]

    x = leaf(lib)
    outs = Mixed.apply(x)
    outs[0].sum().backward()
    flags = [getattr(o, "requires_grad", o) for o in outs]
    return seen, flags, x.grad


def not_materialized(lib):
    seen = []

    class Two(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, g, h):
            seen.append((g is None, h is None))
            return None if h is None else h * 2

    x = leaf(lib)
    a, b = Two.apply(x)
    b.sum().backward()
    y = leaf(lib)
    Two.apply(y)[0].sum().backward()
    return seen, x.grad, y.grad


def dirty(lib, start=lambda x: x * 1, part=slice(None)):
    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 20

    x = leaf(lib)
    y = start(x)
    out = Double.apply(y[part])
    (y * y).sum().backward()
    return x.grad, y, out, y._version, y.grad_fn is not None


def dirty_and_not_returned(lib):
    class Bad(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.add_(1) * 2

        @staticmethod
        def backward(ctx, g):
            return g

    return Bad.apply(leaf(lib) * 1)


def returns(lib, what, n=1):
    class Wrong(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return what(g)

    x = leaf(lib)
    Wrong.apply(x, 3).sum().backward()
    return x.grad


def identity(lib, what=lambda x: x):
    class Identity(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return what(x)

        @staticmethod
        def backward(ctx, g):
            return g * 7

    return Identity


def handed_back(lib):
    x = leaf(lib)
    z = identity(lib).apply(x)
    z.sum().backward()
    return x.grad, z is x, z


def differentiate_once(lib):
    class Once(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once(lib)
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(lib)
    (g,) = lib.autograd.grad(
        Once.apply(x).sum(),
        x,
        lib.ones((), dtype=lib.float64, requires_grad=True),
        create_graph=True,
    )
    lib.autograd.grad(g.sum(), x)


def once(lib):
    import importlib

    return importlib.import_module(f"{lib.__name__}.autograd.function").once_differentiable


def own_vjp(lib):
    class Named(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 5

    x = leaf(lib)
    Named.apply(x).sum().backward()
    return x.grad


def both_vjp_and_backward(lib):
    class Both(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 5

        @staticmethod
        def backward(ctx, g):
            return g * 5

    Both.apply(leaf(lib)).sum().backward()


def defaults_are_inputs(lib):
    class Scaled(lib.autograd.Function):
        @staticmethod
        def forward(x, k=2.0):
            return x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.inputs = inputs

        @staticmethod
        def backward(ctx, g):
            return g * ctx.inputs[1], None

    x = leaf(lib)
    out = Scaled.apply(x)
    out.sum().backward()
    return len(out.grad_fn.inputs), x.grad


def nothing_needed(lib):
    out = cube(lib).apply(lib.ones(2))
    return out, out[0].requires_grad


def no_backward(lib):
    class Forward(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    Forward.apply(leaf(lib)).sum().backward()


def no_forward(lib):
    class Empty(lib.autograd.Function):
        pass

    Empty.apply(leaf(lib))


def saves_a_number(lib):
    class Bad(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x * 2

    Bad.apply(leaf(lib))


FUNCTIONS = {
    "old style": old_style,
    "double backward": double_backward,
    "saved output": nonlinear_saved_output,
    "freed context": freed_context,
    "written after saving": written_after_saving,
    "mixed outputs": mixed_outputs,
    "not materialized": not_materialized,
    "dirty": dirty,
    "dirty part": lambda lib: dirty(lib, part=slice(0, 2)),
    "dirty leaf": lambda lib: dirty(lib, start=lambda x: x),
    "dirty and not returned": dirty_and_not_returned,
    "too few gradients": lambda lib: returns(lib, lambda g: g),
    "too many gradients": lambda lib: returns(lib, lambda g: (g, None, g)),
    "too many, but None": lambda lib: returns(lib, lambda g: (g, None, None)),
    "gradient of another shape": lambda lib: returns(lib, lambda g: (g[:2], None)),
    "broadcast gradient": lambda lib: returns(lib, lambda g: (g.expand(2, 3), None)),
    "gradient of a number": lambda lib: returns(lib, lambda g: (g, g)),
    "no gradient": lambda lib: returns(lib, lambda g: (None, None)),
    "handed back": handed_back,
    "write to what was handed back": lambda lib: identity(lib).apply(leaf(lib) * 1).add_(1),
    "write to a view made inside": lambda lib: identity(lib, lambda x: x.view(-1)).apply(leaf(lib) * 1).add_(1),
    "once": differentiate_once,
    "own vjp": own_vjp,
    "vjp and backward": both_vjp_and_backward,
    "defaults are inputs": defaults_are_inputs,
    "nothing needed": nothing_needed,
    "no backward": no_backward,
    "no forward": no_forward,
    "saves a number": saves_a_number,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    agree(FUNCTIONS[name], text=name not in ("gradient of a number", "broadcast gradient"))


def transforms_of_a_function(lib):
    f = lib.func
    # Several of these fail inside PyTorch for its own Function: the oracle is the same function made of operators.
    F = cube(lib).apply if lib is flambeau else lambda x: (x**3, x * 2)
    x, t = lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64), lib.ones(3, dtype=lib.float64)
    rows = lib.stack([x, x * 2])
    total = lambda x: F(x)[0].sum() + F(x)[1].sin().sum()  # noqa: E731
    return [
        f.grad(total)(x),
        f.jvp(lambda x: F(x), (x,), (t,)),
        f.vmap(lambda r: F(r)[0])(rows),
        f.vmap(f.grad(total))(rows),
        f.grad(lambda r: f.vmap(lambda x: F(x)[0])(r).sum())(rows),
        f.jacrev(lambda x: F(x)[0])(x),
        f.jacfwd(lambda x: F(x)[0])(x),
        f.grad(lambda x: f.grad(total)(x).sum())(x),
        f.jvp(f.vmap(lambda x: F(x)[0]), (rows,), (rows,)),
        f.vmap(lambda r: f.jvp(lambda x: F(x)[0], (r,), (r,)))(rows),
        f.hessian(total)(x),
        f.jacfwd(f.jacfwd(lambda x: F(x)[0]))(x),
        f.jacrev(f.jacfwd(lambda x: F(x)[0]))(x),
        f.vmap(f.hessian(total))(rows),
        f.grad(lambda r: f.vmap(f.grad(total))(r).sum())(rows),
        f.vmap(lambda k: F(x * k)[0])(t),
    ]


def own_vmap(lib):
    calls = []

    class Matmul(lib.autograd.Function):
        @staticmethod
        def forward(a, b):
            return a @ b

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g @ b.mT, a.mT @ g

        @staticmethod
        def vmap(info, in_dims, a, b):
            calls.append((info.batch_size, info.randomness, in_dims))
            a = a if in_dims[0] is None else a.movedim(in_dims[0], 0)
            b = b if in_dims[1] is None else b.movedim(in_dims[1], 0)
            return Matmul.apply(a, b).movedim(0, 1), 1

    f = lib.func
    a = lib.arange(12, dtype=lib.float64).reshape(2, 2, 3) / 7
    b = lib.arange(6, dtype=lib.float64).reshape(3, 2) / 5
    out = f.vmap(Matmul.apply, in_dims=(0, None))(a, b)
    g = f.grad(lambda a: (f.vmap(Matmul.apply, in_dims=(0, None))(a, b) ** 2).sum())(a)
    h = f.vmap(f.grad(lambda a: (Matmul.apply(a, b) ** 2).sum()))(a)
    return out, g, h, [c[:2] for c in calls]


@pytest.mark.parametrize("case", [transforms_of_a_function, own_vmap])
def test_functions_under_transforms(case):
    agree(case)


# -- modes ------------------------------------------------------------------------------------------------------------


def modes(lib):
    seen = []
    state = lambda: (lib.is_grad_enabled(), lib.is_inference_mode_enabled())  # noqa: E731

    @lib.no_grad()
    def counted(n):
        for _ in range(n):
            got = yield state()
            seen.append((got, state()))
        return "end"

    def outer():
        result = yield from counted(2)
        seen.append(result)

    made = outer()
    seen += [next(made), state(), made.send("sent"), state(), *list(made)]

    @lib.set_grad_enabled(False)
    def off():
        return state()

    seen += [off(), state()]
    with lib.inference_mode():
        seen.append(state())
        with lib.inference_mode(False):
            seen.append(state())
        with lib.enable_grad():
            seen.append(state())
    with lib.no_grad(), lib.inference_mode(False):
        seen.append(state())

    @lib.inference_mode
    def inferring():
        return state()

    seen += [inferring(), state()]

    @lib.no_grad()
    class Thing:
        def __init__(self):
            self.state = state()

    seen.append(Thing().state)
    with lib.autograd.set_detect_anomaly(True, check_nan=False):
        seen.append((lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()))
    with (
        lib.autograd.set_multithreading_enabled(False),
        lib.autograd.enforce_grad_layout_policy(False),
    ):
        x = lib.ones(2, 3, requires_grad=True)
        (x.t() * 2).sum().backward()
        seen.append(x.grad)
    return seen


def test_modes():
    agree(modes)


# -- forward mode by hand -----------------------------------------------------------------------------------------------


def forward_by_hand(lib):
    fwd = lib.autograd.forward_ad
    x, t = lib.tensor([0.5, 2.0]), lib.tensor([1.0, 10.0])
    with fwd.dual_level() as level:
        d = fwd.make_dual(x, t)
        out = (d * d).sin()
        got = fwd.unpack_dual(out)
        plain = fwd.unpack_dual(x)
        number = fwd.make_dual(lib.tensor(2.0), lib.tensor(3.0))
        branch = number * number if number > 1 else number
        both = tuple(got), tuple(plain), level, tuple(fwd.unpack_dual(branch)), number.item()
    after = fwd.unpack_dual(out)
    return both, tuple(after), out + 1, out.numpy()


FORWARD = {
    "by hand": forward_by_hand,
    "another size": lambda lib: in_level(lib, lambda f: f.make_dual(lib.ones(2), lib.ones(3))),
    "integers": lambda lib: in_level(lib, lambda f: f.make_dual(lib.ones(2, dtype=lib.int64), lib.ones(2))),
    "nested": lambda lib: in_level(lib, lambda f: f.enter_dual_level()),
    "of a module": lambda lib: in_level(lib, lambda f: tuple(f.unpack_dual(module(lib)(f.make_dual(lib.ones(1, 3), lib.ones(1, 3)))))),
}  # fmt: skip


def module(lib):
    made = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.Tanh())
    with lib.no_grad():
        for p in made.parameters():
            p.copy_(lib.arange(p.numel()).reshape(p.shape) / 5)
    return made


def in_level(lib, what):
    with lib.autograd.forward_ad.dual_level():
        return what(lib.autograd.forward_ad)


@pytest.mark.parametrize("name", FORWARD)
def test_forward_mode_by_hand(name):
    agree(FORWARD[name])


# -- autograd.functional ------------------------------------------------------------------------------------------------


def fn(lib):
    return lib.autograd.functional


def xy(lib):
    return lib.tensor([0.5, -1.0], dtype=lib.float64), lib.tensor([2.0, 3.0], dtype=lib.float64)


PRODUCTS = {
    "vjp": lambda lib: fn(lib).vjp(lambda a, b: a * b.sin(), xy(lib), xy(lib)[0]),
    "vjp of a number": lambda lib: fn(lib).vjp(lambda a: (a * a).sum(), xy(lib)[0]),
    "vjp without v": lambda lib: fn(lib).vjp(lambda a: a * a, xy(lib)[0]),
    "vjp of a wrong size": lambda lib: fn(lib).vjp(lambda a: a * a, xy(lib)[0], lib.ones(3)),
    "vjp of too many": lambda lib: fn(lib).vjp(lambda a: a * a, xy(lib)[0], xy(lib)),
    "vjp strict": lambda lib: fn(lib).vjp(lambda a, b: a * a, xy(lib), xy(lib)[0], strict=True),
    "vjp strict, constant": lambda lib: fn(lib).vjp(lambda a: lib.ones(2), xy(lib)[0], lib.ones(2), strict=True),
    "vjp unused": lambda lib: fn(lib).vjp(lambda a, b: a * a, xy(lib), xy(lib)[0]),
    "vjp of two": lambda lib: fn(lib).vjp(lambda a: (a * a, a.sum()), xy(lib)[0], (xy(lib)[1], lib.ones((), dtype=lib.float64))),
    "jvp": lambda lib: fn(lib).jvp(lambda a, b: (a * b.sin(), a.exp()), xy(lib), xy(lib)),
    "jvp strict": lambda lib: fn(lib).jvp(lambda a, b: a * a, xy(lib), xy(lib), strict=True),
    "jvp without v": lambda lib: fn(lib).jvp(lambda a: a * a, xy(lib)[0]),
    "jvp recorded": lambda lib: recorded_product(lib, fn(lib).jvp),
    "vjp recorded": lambda lib: recorded_product(lib, fn(lib).vjp),
    "vhp": lambda lib: fn(lib).vhp(lambda a, b: (a**3 * b).sum(), xy(lib), xy(lib)),
    "hvp": lambda lib: fn(lib).hvp(lambda a, b: (a**3 * b).sum(), xy(lib), xy(lib)),
    "vhp of a vector": lambda lib: fn(lib).vhp(lambda a: a**3, xy(lib)[0], xy(lib)[1]),
    "hvp strict": lambda lib: fn(lib).hvp(lambda a: a.sum(), xy(lib)[0], xy(lib)[1], strict=True),
    "hvp of a linear one": lambda lib: fn(lib).hvp(lambda a: a.sum(), xy(lib)[0], xy(lib)[1]),
    "jacobian": lambda lib: fn(lib).jacobian(lambda a, b: (a * b, a.sum()), xy(lib)),
    "jacobian of one": lambda lib: fn(lib).jacobian(lambda a: a.exp(), xy(lib)[0]),
    "jacobian vectorized": lambda lib: fn(lib).jacobian(lambda a, b: (a * b, a.sum()), xy(lib), vectorize=True),
    "jacobian forward": lambda lib: fn(lib).jacobian(lambda a, b: (a * b, a.sum()), xy(lib), vectorize=True, strategy="forward-mode"),
    "jacobian forward of one": lambda lib: fn(lib).jacobian(lambda a, b: a * b, xy(lib), vectorize=True, strategy="forward-mode"),
    "jacobian forward in a loop": lambda lib: fn(lib).jacobian(lambda a: a * 2, xy(lib)[0], strategy="forward-mode"),
    "jacobian strict": lambda lib: fn(lib).jacobian(lambda a, b: a * a, xy(lib), strict=True),
    "jacobian strict, vectorized": lambda lib: fn(lib).jacobian(lambda a: a * a, xy(lib)[0], strict=True, vectorize=True),
    "jacobian of a constant": lambda lib: fn(lib).jacobian(lambda a: lib.ones(2), xy(lib)[0]),
    "jacobian of no tensor": lambda lib: fn(lib).jacobian(lambda a: 3, xy(lib)[0]),
    "jacobian at no tensor": lambda lib: fn(lib).jacobian(lambda a: a, 3.0),
    "hessian": lambda lib: fn(lib).hessian(lambda a, b: (a**3 * b).sum(), xy(lib)),
    "hessian of one": lambda lib: fn(lib).hessian(lambda a: (a**3).sum(), xy(lib)[0]),
    "hessian vectorized": lambda lib: fn(lib).hessian(lambda a, b: (a**3 * b).sum(), xy(lib), vectorize=True),
    "hessian forward": lambda lib: fn(lib).hessian(lambda a, b: (a**3 * b).sum(), xy(lib), vectorize=True, outer_jacobian_strategy="forward-mode"),
    "hessian of a vector": lambda lib: fn(lib).hessian(lambda a: a**3, xy(lib)[0]),
    "hessian strict": lambda lib: fn(lib).hessian(lambda a: a.sum(), xy(lib)[0], strict=True),
    "hessian recorded": lambda lib: fn(lib).hessian(lambda a: (a**3).sum(), xy(lib)[0], create_graph=True),
}  # fmt: skip


def recorded_product(lib, product):
    x, v = leaf(lib), leaf(lib, 1.0, 2.0, 3.0)
    out, made = product(lambda a: a**3, x, v, create_graph=True)
    return out, made, lib.autograd.grad(made.sum(), [x, v])


@pytest.mark.parametrize("name", PRODUCTS)
def test_functional(name):
    agree(PRODUCTS[name], text=name != "jacobian forward in a loop")


# -- gradcheck ---------------------------------------------------------------------------------------------------------


def wrong(lib):
    class Wrong(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g

        @staticmethod
        def jvp(ctx, t):
            return t

    return Wrong.apply


CHECKS = {
    "right": lambda lib: lib.autograd.gradcheck(lambda x: x.sin(), leaf(lib)),
    "wrong": lambda lib: lib.autograd.gradcheck(wrong(lib), leaf(lib), raise_exception=False),
    "wrong, fast": lambda lib: lib.autograd.gradcheck(wrong(lib), leaf(lib), raise_exception=False, fast_mode=True),
    "fast": lambda lib: lib.autograd.gradcheck(lambda x, y: (x * y, x.sum()), (leaf(lib), leaf(lib)), fast_mode=True),
    "forward": lambda lib: lib.autograd.gradcheck(lambda x: x.sin(), leaf(lib), check_forward_ad=True, check_batched_forward_grad=True),
    "wrong forward": lambda lib: lib.autograd.gradcheck(wrong(lib), leaf(lib), check_forward_ad=True, check_backward_ad=False, raise_exception=False),
    "batched": lambda lib: lib.autograd.gradcheck(lambda x: x.sin(), leaf(lib), check_batched_grad=True, check_grad_dtypes=True),
    "complex": lambda lib: lib.autograd.gradcheck(lambda z: (z * z, z.abs()), lib.tensor([1 + 2j, 3 - 1j], dtype=lib.complex128, requires_grad=True)),
    "complex, fast": lambda lib: lib.autograd.gradcheck(lambda z: z * z.conj(), lib.tensor([1 + 2j], dtype=lib.complex128, requires_grad=True), fast_mode=True),
    "nothing to check": lambda lib: lib.autograd.gradcheck(lambda x: x, lib.ones(2)),
    "overlapping": lambda lib: lib.autograd.gradcheck(lambda x: x * 2, leaf(lib).expand(2, 3)),
    "no mode": lambda lib: lib.autograd.gradcheck(lambda x: x, leaf(lib), check_backward_ad=False),
    "constant": lambda lib: lib.autograd.gradcheck(lambda x: lib.ones(2), leaf(lib)),
    "second": lambda lib: lib.autograd.gradgradcheck(lambda x: x.sin() * x, leaf(lib)),
    "second, forward over reverse": lambda lib: lib.autograd.gradgradcheck(lambda x: x.sin() * x, leaf(lib), check_fwd_over_rev=True),
    "second, gaps": lambda lib: lib.autograd.gradgradcheck(lambda x: x.sin() * x, leaf(lib), gen_non_contig_grad_outputs=True, check_batched_grad=True),
    "second, fast": lambda lib: lib.autograd.gradgradcheck(lambda x: x.sin() * x, leaf(lib), fast_mode=True),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_gradcheck(name):
    agree(CHECKS[name])


def kinds_of_tensors(lib):
    """Which tensors are inference tensors, and what happens to them outside."""
    x, plain, seen = leaf(lib), lib.ones(3, dtype=lib.float64), []
    with lib.inference_mode():
        made = plain * 2
        others = plain[1:], plain.detach(), plain.data, plain.to(plain.dtype), x.data
        own = made[1:], made.clone(), made.sort()[0], lib.tensor([1.0]), lib.nn.Parameter(made)
        plain.add_(1)
        made.add_(1)
        with lib.enable_grad():
            inside = x * 2
            seen.append((inside.requires_grad, inside.is_inference(), lib.is_grad_enabled()))
        with lib.inference_mode(False):
            outside = x * 2
            seen.append((outside.requires_grad, outside.is_inference()))
    views = made[1:], made.view(3, 1), made.detach(), made.data, made.expand(2, 3)
    results = made + 1, made.clone(), made.sum(), x + made
    seen += [[t.is_inference() for t in group] for group in (others, own, views, results, [plain])]
    calls = {
        "write": lambda: made.add_(1),
        "write a view": lambda: made[1:].zero_(),
        "item": lambda: made.__setitem__(0, 1.0),
        "out": lambda: lib.add(plain, plain, out=made),
        "shape": lambda: made.unsqueeze_(0),
        "set": lambda: made.set_(plain),
        "save": lambda: x * made,
        "version": lambda: made._version,
        "leaf": lambda: made.requires_grad_(),
        "parameter": lambda: lib.nn.Parameter(made),
        "no save": lambda: (x + made).requires_grad,
    }
    for name, call in calls.items():
        try:
            seen.append((name, call()))
        except RuntimeError as error:
            seen.append((name, str(error).replace(".You", ". You").split(". ")[0]))
    return seen


def test_inference_tensors():
    agree(kinds_of_tensors)
