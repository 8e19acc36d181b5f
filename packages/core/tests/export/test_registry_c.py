"""Every operator that has C, on a sample in float32, in programs of a hundred calls: C gives what eager gives."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest

import flambeau
from flambeau import ops
from flambeau._base.errors import MissingRule
from flambeau.export.c99 import keep
from flambeau.export.capture import capture
from flambeau.export.files import header, lay_out, program
from flambeau.export.library import _aligned
from flambeau.export.lower import Lowering, Target
from flambeau.runtime.operator import registry
from flambeau.testing import samples_of

ops.load_all()
# Weights are part of a program, not inputs of it.
WEIGHTS = {"weight", "weight_ih", "w_ih"}
FEWEST = 424  # operators that have C today: it may only grow


def narrowed(x):
    """Arguments in float32, without history."""
    if isinstance(x, flambeau.Tensor):
        return x.detach().float() if x.dtype is flambeau.float64 else x.detach()
    return type(x)(map(narrowed, x)) if type(x) in (list, tuple) else x


class Call:
    """One call; its tensors, or the first where the others are weights, are the program's inputs."""

    def __init__(self, op, sample):
        self.op, self.args = op, [narrowed(a) for a in sample.args]
        self.kwargs = {k: narrowed(v) for k, v in sample.kwargs.items()}
        flat = [y for x in (*self.args, *self.kwargs.values()) for y in (x if type(x) in (list, tuple) else [x])]  # fmt: skip
        self.inputs = [x for x in flat if isinstance(x, flambeau.Tensor)]
        if WEIGHTS & set(op.params):
            self.inputs = self.inputs[:1]

    def __call__(self, *given):
        places = {id(t): g for t, g in zip(self.inputs, given)}

        def put(x):
            if isinstance(x, flambeau.Tensor):
                return places.get(id(x), x)
            return type(x)(map(put, x)) if type(x) in (list, tuple) else x

        made = self.op.public(*map(put, self.args), **{k: put(v) for k, v in self.kwargs.items()})
        return (made,) if isinstance(made, flambeau.Tensor) else tuple(made)


def lowered(model, inputs):
    low = Lowering("test", capture("test", model, tuple(inputs), keep)[0], Target())
    low.weights_loaded = True
    return low


def callable_in_c(op):
    """The first sample of an operator that has C, as a call; None where all are refused, each by an error of ours."""
    try:
        samples = samples_of(op)
    except LookupError:  # random operators have none
        return None
    for sample in samples:
        call = Call(op, sample)
        if not call.inputs or any(t.numel() == 0 for t in call.inputs):
            continue
        try:
            with flambeau.no_grad():
                call(*call.inputs)
        except (RuntimeError, NotImplementedError):
            continue  # not in float32
        try:
            lowered(call, call.inputs)
        except (MissingRule, TypeError, RuntimeError) as error:
            if not str(error).startswith("test: "):
                raise
            continue
        return call
    return None


def run_in_c(low, inputs, folder):
    """Compiled without optimizing, on an arena full of NaN."""
    weights = list(low.weights.values())
    block = _aligned(max(lay_out(weights), 1))
    for b in weights:
        block[b.offset : b.offset + b.bytes] = np.frombuffer(b.array.tobytes(), np.uint8)
    (folder / "m.h").write_text(header(low, "m", loaded=True))
    (folder / "m.c").write_text(program(low, "m", loaded=True))
    line = "cc -std=c99 -Wall -Wextra -Werror -pedantic -O0 -fPIC -shared -o m.so m.c -lm".split()  # noqa: SIM905
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    arena = _aligned(max(low.arena, 1))
    arena[:] = 255
    given = [np.ascontiguousarray(x.numpy()) for x in inputs]
    outs = [np.empty(v.meta.shape, v.meta.dtype.name) for v in low.graph.outputs]
    run = ctypes.CDLL(str(folder / "m.so")).m_run
    run.argtypes = [ctypes.c_void_p] * (2 + len(given) + len(outs))
    run(arena.ctypes.data, block.ctypes.data, *[a.ctypes.data for a in (*given, *outs)])
    return outs


@pytest.mark.slow
def test_every_operator_with_c_gives_eagers_numbers(tmp_path):
    calls = [c for _, op in sorted(registry.items()) if (c := callable_in_c(op)) is not None]
    assert len(calls) >= FEWEST
    for at in range(0, len(calls), 100):
        some = calls[at : at + 100]
        inputs = [x for c in some for x in c.inputs]

        def model(*given, some=some):
            given = iter(given)
            return tuple(t for c in some for t in c(*[next(given) for _ in c.inputs]))

        folder = tmp_path / str(at)
        folder.mkdir()
        found = iter(run_in_c(lowered(model, inputs), inputs, folder))
        for call in some:
            with flambeau.no_grad():
                for wanted in call(*call.inputs):
                    made = next(found)
                    assert made.dtype == wanted.numpy().dtype, call.op
                    np.testing.assert_allclose(
                        made, wanted.numpy(), rtol=1e-4, atol=2e-5, err_msg=call.op.name
                    )
