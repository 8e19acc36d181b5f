"""`jit.freeze`: weights become constants, what they alone decide is computed once, batch norm goes into the layer before."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Sequence
from typing import Any

from ...autograd.modes import no_grad
from ...graph import Call, Graph, Value
from ...graph.passes import dead_code
from ...nn import Identity, Sequential
from ...nn.modules import batchnorm, conv
from ...nn.modules.module import Module
from ...nn.utils.fusion import fuse_conv_bn_eval
from ...runtime.operator import find
from ...runtime.tensor import Tensor
from .data import Reader, Writer
from .frontend import LibraryForward
from .language import Function
from .module import ScriptModule
from .traced import Traced, has_open, member, perform

MOST_FOLDED = 1 << 24  # elements of a result that is computed beforehand
_CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
# Linear layers are left: of a sequence a norm's channels are another dimension than the layer's.
_FUSED = (
    (conv.Conv1d, batchnorm.BatchNorm1d),
    (conv.Conv2d, batchnorm.BatchNorm2d),
    (conv.Conv3d, batchnorm.BatchNorm3d),
)


def freeze(
    mod: Any, preserved_attrs: Sequence[str] | None = None, optimize_numerics: bool = True
) -> ScriptModule:
    """A copy of a scripted or traced module for inference only, with the same results.

    The weights of a traced module become constants of its program, and what depends on nothing else is computed once. A
    scripted module keeps its members, without gradients, and of its methods `forward`, those that it calls, and
    `preserved_attrs`. With `optimize_numerics` batch norm is folded into the convolution or linear layer before it, which
    rounds differently in the last places.

    >>> import flambeau
    >>> from flambeau import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    >>> flambeau.jit.freeze(flambeau.jit.trace(model, flambeau.zeros(1, 1, 5, 5))).code.count("batch_norm")
    0
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your "
            "'nn.Module'."
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before"
            " freezing."
        )
    kept = list(preserved_attrs or ())
    for name in kept:
        if not hasattr(mod, name):
            raise RuntimeError(f"freeze: the module has no attribute {name!r} to preserve")
    program = mod._programs.get("forward")
    with no_grad():
        if isinstance(program, Traced):
            return _traced(mod, program, kept, optimize_numerics)
        return _scripted(mod, kept, optimize_numerics)


def optimize_for_inference(mod: Any, other_methods: Sequence[str] | None = None) -> ScriptModule:
    """`mod` frozen; `other_methods` are kept beside `forward`."""
    return freeze(mod.eval() if isinstance(mod, ScriptModule) else mod, other_methods)


# -- traced ----------------------------------------------------------------------------------------------------------------


def _traced(mod: ScriptModule, program: Traced, kept: list[str], numerics: bool) -> ScriptModule:
    writer = Writer()
    tree = program.data(writer)
    made = Traced.of_data(tree, Reader(writer.tensors))
    graph = made.graph
    written = {id(t) for t, _ in graph.writes}
    paths, captured = made.paths, graph.captured
    made.paths, graph.captured = [], []
    frozen = ScriptModule(mod.original_name)
    frozen.__dict__["training"] = False
    for v, path in zip(captured, paths):
        if id(v) in written and path is not None:
            made.paths.append(path)
            graph.captured.append(v)
            _keep_buffer(frozen, path, member(mod, path))
        else:
            v.kind, v.tensor = (
                "constant",
                (member(mod, path) if path is not None else v.tensor).detach(),
            )
            graph.constants.append(v)
    for name in kept:
        value = mod.script_attribute(name)
        if name in mod._programs:
            raise RuntimeError(
                f"freeze: of a traced module no method but forward can be preserved, not {name!r}"
            )
        setattr(frozen, name, value)
    if numerics:
        _fold_norms(graph)
    _fold_constants(graph)
    dead_code(graph)
    made.opened = [has_open(c.attrs) or has_open(c.inputs) for c in graph.calls]
    frozen._programs["forward"] = made
    return frozen


def _keep_buffer(owner: Module, path: str, value: Tensor) -> None:
    *parts, last = path.split(".")
    for p in parts:
        if p not in owner._modules:
            owner._modules[p] = ScriptModule()
        owner = owner._modules[p]
    owner.register_buffer(last, value.detach().clone())


def _constant(graph: Graph, tensor: Tensor) -> Value:
    value = Value(graph.name("c"), tensor._meta, "constant", tensor)
    graph.constants.append(value)
    return value


def _fold_constants(graph: Graph) -> None:
    """Calls of constants alone are made now. Composites are left: some of them draw random numbers."""
    known = {id(v): v.tensor for v in graph.constants}
    kept: list[Call] = []
    for c in graph.calls:
        inputs = [v for v in c.inputs if isinstance(v, Value)]
        ready = inputs and all(id(v) in known for v in inputs) and c.op != "write_view"
        if ready:
            op = find(c.op)
            ready = (
                op.family != "composite"
                and not op.random
                and all(o.meta.numel <= MOST_FOLDED for o in c.outputs)
            )
        if not ready:
            kept.append(c)
            continue
        made = perform(
            c.op, tuple(known[id(v)] if isinstance(v, Value) else v for v in c.inputs), c.attrs
        )
        for v, m in zip(c.outputs, made if c.several else (made,)):
            v.kind, v.tensor = "constant", m
            known[id(v)] = m
            graph.constants.append(v)
    graph.calls = kept


def _fold_norms(graph: Graph) -> None:
    """`batch_norm(conv(x, w, b))` as one convolution with other weights."""
    users = graph.users()
    makers = {id(v): c for c in graph.calls for v in c.outputs}
    constant = {id(v) for v in graph.constants}
    gone: set[int] = set()
    for c in graph.calls:
        if c.op != "batch_norm" or c.attrs.get("training"):
            continue
        source = c.inputs[0]
        before = makers.get(id(source))
        if before is None or users[id(source)] != 1 or len(before.inputs) != 3:
            continue
        if before.op not in _CONVOLUTIONS and not (
            before.op == "linear" and len(source.meta.shape) == 2
        ):
            continue
        tensors = [v for v in (*before.inputs[1:], *c.inputs[1:]) if v is not None]
        if not all(isinstance(v, Value) and id(v) in constant for v in tensors):
            continue
        weight, bias = (None if v is None else v.tensor for v in before.inputs[1:])
        mean, var, gain, shift = (None if v is None else v.tensor for v in c.inputs[1:])
        if weight is None or mean is None or var is None:
            continue
        scale = (var + c.attrs["eps"]).rsqrt() * (1 if gain is None else gain)
        offset = -mean * scale if bias is None else (bias - mean) * scale
        new = (
            weight * scale.reshape(-1, *[1] * (weight.dim() - 1)),
            offset if shift is None else offset + shift,
        )
        before.inputs = (before.inputs[0], *(_constant(graph, t.to(weight.dtype)) for t in new))
        before.outputs = c.outputs
        gone.add(id(c))
    graph.calls = [c for c in graph.calls if id(c) not in gone]


# -- scripted --------------------------------------------------------------------------------------------------------------


def _scripted(mod: ScriptModule, kept: list[str], numerics: bool) -> ScriptModule:
    made = copy.deepcopy(mod)
    for part in made.modules():
        if isinstance(part, ScriptModule):
            for p in part._programs.values():
                if not isinstance(p, (Function, LibraryForward)) and part is made:
                    raise RuntimeError(
                        f"freeze: {p.name} is no program of jit.script or jit.trace (an archive of PyTorch's is frozen there)"
                    )
    if numerics:
        _fuse(made)
    for p in made.parameters():
        p.requires_grad_(False)
    wanted, waiting = set(), ["forward", *kept]
    while waiting:
        name = waiting.pop()
        program = made._programs.get(name)
        if name not in wanted and program is not None:
            wanted.add(name)
            waiting.extend(_members_named(program))
    for name in set(made._programs) - wanted:
        del made._programs[name]
        made._properties.discard(name)
    return made


def _members_named(program: Any) -> list[str]:
    text = getattr(program, "text", "")
    return [n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)]


def _fuse(made: ScriptModule) -> None:
    """Folds `nn.BatchNorm` into the convolution before it: where a program says `self.b(self.a(x))`, and in `nn.Sequential`s
    that programs only call, never take apart."""
    for part in [m for m in made.modules() if isinstance(m, ScriptModule)]:
        programs = list(part._programs.values())
        if any(isinstance(p, LibraryForward) and type(p.module) is Sequential for p in programs):
            _fuse_sequence(part)
        trees = [ast.parse(p.text) for p in programs if isinstance(p, Function)]
        nodes = [n for t in trees for n in ast.walk(t)]
        calls = [n for n in nodes if isinstance(n, ast.Call)]
        named = [n.attr for n in nodes if isinstance(n, ast.Attribute)]
        called = [c.func.attr for c in calls if isinstance(c.func, ast.Attribute)]
        for name, child in part._modules.items():
            if type(child) is Sequential and named.count(name) == called.count(name):
                _fuse_sequence(child)
        for call in calls:
            pair = _nested(call)
            if pair is not None and all(named.count(n) == 1 for n in pair):
                _fuse_pair(part, *pair)


def _fuse_sequence(owner: Module) -> None:
    for a, b in itertools.pairwise(owner._modules):
        _fuse_pair(owner, a, b)
    for child in owner._modules.values():
        if type(child) is Sequential:
            _fuse_sequence(child)


def _nested(call: ast.Call) -> tuple[str, str] | None:
    """The names a, b of a call `self.b(self.a(x))`."""
    inner = call.args[0] if len(call.args) == 1 else None
    names = []
    for f in (inner.func, call.func) if isinstance(inner, ast.Call) else ():
        if not (
            isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == "self"
        ):
            return None
        names.append(f.attr)
    return (names[0], names[1]) if names else None


def _fuse_pair(owner: Module, a: str, b: str) -> None:
    first, second = owner._modules.get(a), owner._modules.get(b)
    if first is None or second is None or first.training or second.training:
        return
    for layer, norm in _FUSED:
        if type(first) is layer and type(second) is norm and second.running_mean is not None:
            owner._modules[a], owner._modules[b] = (
                fuse_conv_bn_eval(first, second),
                Identity().eval(),
            )
            return
