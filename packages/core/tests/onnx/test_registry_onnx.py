"""Every operator with an ONNX form, on its samples in float32: onnxruntime gives what eager gives."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close, samples_of

onnxruntime = pytest.importorskip("onnxruntime", reason="onnx extra not installed")
pytest.importorskip("onnx", reason="onnx extra not installed")

# Operators that are no part of a model, and why.
OUTSIDE = {
    "draw": "draws numbers", "bernoulli": "draws numbers", "multinomial": "draws numbers", "poisson": "draws numbers", "dropout": "draws numbers",
    "feature_dropout": "draws numbers", "alpha_dropout": "draws numbers", "feature_alpha_dropout": "draws numbers",
    "fill_new": "no inputs: folded into the file", "range_new": "no inputs: folded into the file",
    "copy_into": "writes memory", "write_view": "writes memory", "to_device": "one device",
    "empty_like": "its values are arbitrary", "window_grad": "gradients are not exported",
}  # fmt: skip
EXPORTED = [
    op for name, op in sorted(registry.items()) if name not in OUTSIDE and "onnx" not in op.refusals
]


def narrowed(x):
    """Arguments in float32, without history."""
    if isinstance(x, flambeau.Tensor):
        return x.detach().float() if x.dtype is flambeau.float64 else x.detach()
    if x is flambeau.float64:
        return flambeau.float32
    return type(x)(map(narrowed, x)) if type(x) in (list, tuple) else x


class Call(flambeau.nn.Module):
    """One call, its tensors as the model's inputs."""

    def __init__(self, op, sample):
        super().__init__()
        self.op, self.args, self.kwargs = (
            op,
            [*map(narrowed, sample.args)],
            {k: narrowed(v) for k, v in sample.kwargs.items()},
        )
        self.inputs = []
        for a in (*self.args, *self.kwargs.values()):
            self.inputs += (
                [a]
                if isinstance(a, flambeau.Tensor)
                else [x for x in a if isinstance(x, flambeau.Tensor)]
                if isinstance(a, (list, tuple))
                else []
            )

    def forward(self, *given):
        places = {id(t): g for t, g in zip(self.inputs, given)}

        def put(x):
            if isinstance(x, flambeau.Tensor):
                return places[id(x)]
            return type(x)(map(put, x)) if type(x) in (list, tuple) else x

        made = self.op.public(*map(put, self.args), **{k: put(v) for k, v in self.kwargs.items()})
        return made if isinstance(made, flambeau.Tensor) else tuple(made)


@pytest.mark.parametrize("op", EXPORTED, ids=lambda op: op.name)
def test_exported_equals_eager(op):
    for sample in samples_of(op):
        if not sample.onnx:
            continue
        call = Call(op, sample)
        expected = call(*call.inputs)
        expected = [expected] if isinstance(expected, flambeau.Tensor) else list(expected)
        if any(t.dtype.is_complex for t in (*call.inputs, *expected)):
            continue  # ONNX has no complex numbers
        names = [f"x{i}" for i in range(len(call.inputs))]
        proto = flambeau.onnx.export(call, tuple(call.inputs), input_names=names)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        wanted = {i.name for i in session.get_inputs()}
        feed = {
            n: np.ascontiguousarray(t.numpy()).reshape(t.shape)
            for n, t in zip(names, call.inputs)
            if n in wanted
        }
        made = session.run(None, feed)
        for m, e in zip(made, expected, strict=True):
            assert m.dtype == e.numpy().dtype, (sample, m.dtype)
            assert_close(
                flambeau.from_numpy(np.array(m)),
                e,
                rtol=1e-4,
                atol=1e-5,
                equal_nan=True,
                msg=lambda m: f"{sample}\n{m}",
            )
