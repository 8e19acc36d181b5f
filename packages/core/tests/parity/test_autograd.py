"""The engine, custom functions, hooks, graph tools and autograd's errors beside PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agreement import agree


def leaf(lib, *values):
    return lib.tensor(list(values) or [0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True)


# -- errors and rules: each line is one piece of code -----------------------------------------------------------------


def no_grad_view(lib, of):
    with lib.no_grad():
        return of[0]


RULES = {
    "write to a leaf": lambda lib: leaf(lib).add_(1),
    "write to a view of a leaf": lambda lib: leaf(lib)[0].add_(1),
    "write to an unbound part": lambda lib: (leaf(lib) * 1).unbind()[1].add_(1),
    "write to an unbound part of a leaf": lambda lib: leaf(lib).unbind()[1].add_(1),
    "write to a view of an unbound part": lambda lib: (leaf(lib) * 1).reshape(3, 1).unbind()[1][0].add_(1),
    "write to a split part": lambda lib: (leaf(lib) * 1).split(2)[1].add_(1),
    "write to a part of listed size": lambda lib: (leaf(lib) * 1).split([1, 2])[1].add_(1),
    "write to a chunk": lambda lib: (leaf(lib) * 1).chunk(3)[1].add_(1),
    "write to a tensor_split part": lambda lib: (leaf(lib) * 1).tensor_split(3)[1].add_(1),
    "write to a row of an iteration": lambda lib: [r.add_(1) for r in leaf(lib) * 1],
    "unrecorded parts may be written": lambda lib: lib.zeros(4).split(2)[1].add_(1),
    "but not with something recorded": lambda lib: lib.zeros(4, dtype=lib.float64).split(3)[0].add_(leaf(lib)),
    "write to a no_grad view": lambda lib: no_grad_view(lib, leaf(lib) * 1).add_(1),
    "write to a no_grad view of a leaf": lambda lib: no_grad_view(lib, leaf(lib)).add_(1),
    "write to a detached leaf": lambda lib: leaf(lib).detach().add_(1),
    "implicit gradient of a vector": lambda lib: (leaf(lib) * 2).backward(),
    "implicit gradient of a complex number": lambda lib: (leaf(lib) * 1j).sum().backward(),
    "backward of what has no history": lambda lib: lib.ones(2).backward(),
    "grad of what has no history": lambda lib: lib.autograd.grad(lib.ones(()), leaf(lib)),
    "grad for what has none": lambda lib: lib.autograd.grad(leaf(lib).sum(), lib.ones(2)),
    "grad for what is not used": lambda lib: lib.autograd.grad(leaf(lib).sum(), [leaf(lib)]),
    "grad of a wrong shape": lambda lib: lib.autograd.grad(leaf(lib), leaf(lib), lib.ones(2)),
    "grad for nothing": lambda lib: lib.autograd.grad(leaf(lib).sum(), []),
    "grad materialized and not unused": lambda lib: lib.autograd.grad(
        leaf(lib).sum(), leaf(lib), allow_unused=False, materialize_grads=True
    ),
    "backward for nothing": lambda lib: leaf(lib).sum().backward(inputs=[]),
    "backward for what has none": lambda lib: leaf(lib).sum().backward(inputs=lib.ones(2)),
    "complex gradient of a real": lambda lib: (leaf(lib) * 2).backward(lib.ones(3, dtype=lib.complex128)),
    "hook on what has none": lambda lib: lib.ones(2).register_hook(print),
    "retain_grad of what has none": lambda lib: lib.ones(2).retain_grad(),
    "requires_grad of a result": lambda lib: (leaf(lib) * 2).requires_grad_(False),
    "hook gives a number": lambda lib: [x := leaf(lib), x.register_hook(lambda g: 3.0), x.sum().backward()],
    "hook changes the size": lambda lib: [x := leaf(lib), x.register_hook(lambda g: g[:2]), x.sum().backward()],
    "numpy of what requires grad": lambda lib: leaf(lib).numpy(),
    "edge of what has none": lambda lib: lib.autograd.graph.get_gradient_edge(lib.ones(2)),
    "variable": lambda lib: lib.autograd.variable(1),
    "Variable": lambda lib: lib.autograd.Variable(lib.ones(2), requires_grad=True).requires_grad,
    "tensors are Variables": lambda lib: isinstance(lib.ones(1), lib.autograd.Variable),
    "hooks refused": lambda lib: refused_hooks(lib),
    "no level": lambda lib: lib.autograd.forward_ad.make_dual(lib.ones(2), lib.ones(2)),
    "multi hook of a wrong mode": lambda lib: lib.autograd.graph.register_multi_grad_hook([leaf(lib)], print, mode="x"),
}  # fmt: skip


def refused_hooks(lib):
    with lib.autograd.graph.disable_saved_tensors_hooks("not here"):
        with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass


@pytest.mark.parametrize("name", RULES)
def test_rules_and_their_errors(name):
    agree(RULES[name])


def twice(lib):
    z = (x := leaf(lib)) * x
    z.sum().backward()
    z.sum().backward()


def stale_input(lib):
    y = leaf(lib).sin()
    z = y * y
    y.add_(1).add_(1)
    z.sum().backward()


def stale_result(lib):
    y = leaf(lib).exp()
    y.add_(1)
    y.sum().backward()


def stale_constant(lib):
    c = lib.ones(3, dtype=lib.float64)
    z = leaf(lib) * c
    c.add_(1)
    z.sum().backward()


def stale_leaf(lib):
    x = leaf(lib)
    z = x * x
    with lib.no_grad():
        x.add_(1)
    z.sum().backward()


def stale_unbound(lib):
    y = leaf(lib) * 1
    a, _, _ = y.unbind()
    y.mul_(2)
    return a * 2


@pytest.mark.parametrize(
    "case", [twice, stale_input, stale_result, stale_constant, stale_leaf, stale_unbound]
)
def test_stale_and_freed_values(case):
    agree(case)


# Two factors each; convolutions are not among them: PyTorch keeps both of theirs in any case.
PRODUCTS = {
    "linear": (lambda lib: lib.nn.functional.linear, (4, 3), (5, 3)),
    "mm": (lambda lib: lib.mm, (4, 3), (3, 5)),
    "bmm": (lambda lib: lib.bmm, (2, 4, 3), (2, 3, 5)),
    "matmul": (lambda lib: lib.matmul, (2, 4, 3), (3, 5)),
    "mv": (lambda lib: lib.mv, (4, 3), (3,)),
    "dot": (lambda lib: lib.dot, (3,), (3,)),
    "inner": (lambda lib: lib.inner, (2, 3), (4, 3)),
    "mul": (lambda lib: lib.mul, (4, 3), (3,)),
    "div": (lambda lib: lib.div, (4, 3), (3,)),
    "einsum": (lambda lib: lambda a, b: lib.einsum("ij,jk->ik", a, b), (4, 3), (3, 5)),
    "addmm": (lambda lib: lambda a, b: lib.addmm(lib.zeros(4, 5), a, b), (4, 3), (3, 5)),
    "baddbmm": (lambda lib: lambda a, b: lib.baddbmm(lib.zeros(2, 4, 5), a, b), (2, 4, 3), (2, 3, 5)),
}  # fmt: skip


@pytest.mark.parametrize("needs", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("written", [0, 1])
@pytest.mark.parametrize("name", PRODUCTS)
def test_factors_written_before_backward(name, written, needs):
    def case(lib):
        make, *shapes = PRODUCTS[name]
        pair = [lib.full(shape, 0.5).requires_grad_(need) for shape, need in zip(shapes, needs)]
        made = make(lib)(*pair)
        with lib.no_grad():
            pair[written].mul_(2)
        made.sum().backward()
        return [p.grad for p in pair]

    agree(case, text=False)  # PyTorch names the call that transposed the weight


# -- grad and backward ------------------------------------------------------------------------------------------------


def grads_of_several(lib):
    x, y = leaf(lib), leaf(lib, 1.0, 2.0, 3.0)
    a, b = x * y, x.sin() + y
    return lib.autograd.grad([a.sum(), b], [x, y], [None, lib.ones(3, dtype=lib.float64)])


def unused(lib):
    x, y = leaf(lib), leaf(lib)
    some = lib.autograd.grad(x.sum(), [x, y], allow_unused=True)
    full = lib.autograd.grad(x.sum(), [x, y], materialize_grads=True)
    return some, full


def inputs_of_backward(lib):
    x, y = leaf(lib), leaf(lib)
    z = x * y
    (z * z).sum().backward(inputs=[x, z])
    return x.grad, y.grad, z.grad


def accumulated(lib):
    x = leaf(lib)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


def batched_gradients(lib):
    x, unused_one = leaf(lib), leaf(lib)
    y = x.sin() * x
    basis = lib.eye(3, dtype=lib.float64)
    return lib.autograd.grad(y, [x, unused_one], basis, is_grads_batched=True, allow_unused=True)


def third_derivatives(lib):
    x = leaf(lib)
    y = (x**4).sum()
    for _ in range(3):
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        y = g.sum()
    return g, g.requires_grad


def create_graph_fills_recorded(lib):
    x = leaf(lib)
    (x**3).sum().backward(create_graph=True)
    return x.grad, x.grad.requires_grad, lib.autograd.grad(x.grad.sum(), x)


def edges(lib):
    x = leaf(lib)
    y = x * 3
    a, b = (y * y).split([1, 2])
    edge = lib.autograd.graph.get_gradient_edge
    one = lib.autograd.grad(edge(y), x, lib.ones(3, dtype=lib.float64), retain_graph=True)
    two = lib.autograd.grad((a.sum() + b.sum()), [edge(y), edge(x)], retain_graph=True)
    return one, two, lib.autograd.grad(b.sum(), edge(b), retain_graph=True)


def retained(lib):
    x = leaf(lib)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    z = y * y
    y.mul_(1)  # the gradient kept is that of the new value
    (z.detach() * y).sum().backward()
    return y.grad, y.retains_grad, x.retains_grad, x.grad


def retained_part(lib):
    x = leaf(lib)
    a, b = (x * 2).split([1, 2])
    b.retain_grad()
    (a.sum() + (b * b).sum()).backward()
    return b.grad, x.grad


def into_views(lib):
    x = leaf(lib)
    y = x * 2
    y[1:].mul_(10)
    z = y.view(3, 1)
    y[0] = x[2]
    (z * z).sum().backward()
    return x.grad, z


def copied_leaf(lib):
    x = leaf(lib)
    y = lib.zeros(3, dtype=lib.float64)
    y.copy_(x)
    y.mul_(y.detach())
    y.sum().backward()
    return x.grad, y.is_leaf, x.requires_grad, x


GRADS = [
    grads_of_several, unused, inputs_of_backward, accumulated, batched_gradients, third_derivatives,
    create_graph_fills_recorded, edges, retained, retained_part, into_views, copied_leaf,
]  # fmt: skip


@pytest.mark.parametrize("case", GRADS)
def test_gradients(case):
    agree(case)


# -- hooks ------------------------------------------------------------------------------------------------------------


def node_hooks(lib):
    seen = []
    x = leaf(lib)
    y = x * 2
    node = y.grad_fn
    node.register_prehook(lambda outs: seen.append(("before", outs[0].tolist())) or (outs[0] * 3,))
    node.register_hook(lambda ins, outs: seen.append(("after", ins[0].tolist(), outs[0].tolist())))
    handle = node.register_hook(lambda ins, outs: (ins[0] * 100, *ins[1:]))
    handle.remove()
    y.sum().backward()
    return seen, x.grad


def leaf_node_hooks(lib):
    seen = []
    x = leaf(lib)
    node = x.view_as(x).grad_fn.next_functions[0][0]
    node.register_prehook(lambda g: (g[0] * 2,))
    node.register_hook(lambda ins, outs: seen.append((len(ins), outs[0].tolist())))
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * x).sum().backward()
    return seen, x.grad, node.name(), node.variable is x


def hooks_of_parts(lib):
    seen = []
    x = leaf(lib, 3.0, 1.0, 2.0)
    values, places = x.sort()
    values.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    (values * lib.arange(3, dtype=lib.float64)).sum().backward()
    return seen, x.grad, places


def multi_hooks(lib):
    seen = []
    a, b, c = leaf(lib, 1.0), leaf(lib, 2.0), leaf(lib, 3.0)
    register = lib.autograd.graph.register_multi_grad_hook
    show = lambda g: None if g is None else g.tolist()  # noqa: E731
    every = register((a, b, c), lambda gs: seen.append(("all", [show(g) for g in gs])))
    some = register((a, b), lambda g: seen.append(("any",)), mode="any")
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    every.remove()
    some.remove()
    (a * b).sum().backward()
    return seen


def saved_hooks(lib):
    seen = []
    x = leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(
        lambda t: seen.append("pack") or (t * 2).detach(), lambda t: seen.append("unpack") or t / 2
    ):
        y = x * x
        z = y.exp()
    (g,) = lib.autograd.grad(z.sum(), x, create_graph=True)
    (g2,) = lib.autograd.grad(g.sum(), x)
    return g, g2


def hooks_of_one_saved_tensor(lib):
    x = leaf(lib)
    y = x.exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda t: t * 3, lambda t: t * 2)
    y.sum().backward()
    z = x * 2.5
    w = x.pow(3)
    return (
        x.grad,
        x.exp().grad_fn._saved_result,
        w.grad_fn._saved_self,
        w.grad_fn._saved_exponent,
        z,
    )


def pack_writes(lib):
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
        (leaf(lib) * 2).exp()


def unpack_gives_none(lib):
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: None):
        y = leaf(lib).exp()
    y.sum().backward()


def saved_on_cpu(lib):
    x = leaf(lib)
    with lib.autograd.graph.save_on_cpu():
        y = (x.sin() * x).exp()
    y.sum().backward()
    return x.grad


def mutation_allowed(lib):
    x = leaf(lib)
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        out = (y**2).sum()
        y.sin_()
        out.backward()
    return x.grad


def mutation_too_late(lib):
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        out = (leaf(lib) ** 2).sum()
    out.backward()


def bumped(lib):
    c = lib.ones(3, dtype=lib.float64)
    y = leaf(lib) * c
    lib.autograd.graph.increment_version(c)
    y.sum().backward()


HOOKS = [
    node_hooks, leaf_node_hooks, hooks_of_parts, multi_hooks, saved_hooks, hooks_of_one_saved_tensor, pack_writes,
    unpack_gives_none, saved_on_cpu, mutation_allowed, mutation_too_late, bumped,
]  # fmt: skip


@pytest.mark.parametrize("case", HOOKS)
def test_hooks(case):
    agree(case, text=case not in (unpack_gives_none, mutation_too_late))


def test_nodes_are_nodes():
    def case(lib):
        x = leaf(lib)
        y = x.sin()
        parts = y.sort()[0].grad_fn
        kind = lib.autograd.graph.Node
        return [
            isinstance(n, kind) for n in (y.grad_fn, parts, y.grad_fn.next_functions[0][0], 3)
        ] + [y.grad_fn.metadata, y.output_nr, y.grad_fn is y.grad_fn]

    agree(case)


NAMED = {
    "t": lambda x, lib: x.t(),
    "mean": lambda x, lib: x.mean(),
    "mean of a dimension": lambda x, lib: x.mean(0),
    "sum of a dimension": lambda x, lib: x.sum(0),
    "matrix product": lambda x, lib: x @ x,
    "matrix and vector": lambda x, lib: x @ x[0],
    "vectors": lambda x, lib: x[0] @ x[0],
    "transpose": lambda x, lib: x.transpose(0, 1),
    "max": lambda x, lib: x.max(),
    "max of a dimension": lambda x, lib: x.max(0)[0],
    "var": lambda x, lib: x.var(),
    "cross entropy": lambda x, lib: lib.nn.functional.cross_entropy(x, lib.tensor([0, 1, 1])),
    "mse": lambda x, lib: lib.nn.functional.mse_loss(x, x.detach() * 2),
    "layer norm": lambda x, lib: lib.nn.functional.layer_norm(x, (3,)),
    "log1p": lambda x, lib: x.log1p(),
    "unbind": lambda x, lib: x.unbind()[1],
    "split": lambda x, lib: x.split(2)[0],
    "narrow": lambda x, lib: x.narrow(0, 0, 1),
    "copied": lambda x, lib: lib.zeros(3, 3).copy_(x),
    "linear": lambda x, lib: lib.nn.functional.linear(x, x, x[0]),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_of_nodes(name):
    agree(lambda lib: NAMED[name](lib.eye(3, requires_grad=True), lib).grad_fn.name())
