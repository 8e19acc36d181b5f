"""Files that onnxruntime's quantizer makes of exported models: loaded here, they give what onnxruntime gives."""

from __future__ import annotations

import logging

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the onnx extra is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnxruntime import quantization  # noqa: E402
from onnxruntime.quantization import QuantFormat, QuantType  # noqa: E402

import flambeau  # noqa: E402
from flambeau import nn  # noqa: E402
from flambeau.nn import functional as F  # noqa: E402

rng = np.random.default_rng(0)


class Image(nn.Module):
    """Every operator that onnxruntime has in whole numbers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.wide = nn.Conv2d(16, 320, 1)
        self.head = nn.Linear(320, 5)

    def forward(self, x):
        x = self.first(x)
        y = F.leaky_relu(self.second(x))
        y = flambeau.cat([y.sigmoid() * x, x + y], 1)
        y = self.wide(F.avg_pool2d(y, 2))
        return self.head(y.mean((2, 3))).softmax(1)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.layers = nn.LSTM(8, 12, bidirectional=True)
        self.head = nn.Linear(24, 3)

    def forward(self, ids):
        out, (h, c) = self.layers(self.embed(ids))
        return self.head(out), h, c


MODELS = {
    "image": (Image, lambda: rng.standard_normal((2, 3, 8, 8)).astype(np.float32)),
    "numbers": (
        lambda: nn.Sequential(nn.Linear(300, 40), nn.GELU(), nn.Linear(40, 7)),
        lambda: rng.standard_normal((4, 300)).astype(np.float32),
    ),
    "transformer": (
        lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
        lambda: rng.standard_normal((2, 5, 16)).astype(np.float32),
    ),
    "signal": (
        lambda: nn.Sequential(nn.Conv1d(4, 8, 3), nn.ReLU(), nn.ConvTranspose1d(8, 4, 4, 2)),
        lambda: rng.standard_normal((2, 4, 9)).astype(np.float32),
    ),
    "words": (Words, lambda: rng.integers(0, 20, (5, 2))),
}
FLOATS = [name for name in MODELS if name != "words"]


class Examples(quantization.CalibrationDataReader):
    def __init__(self, arrays):
        self.left = iter([{"x": a} for a in arrays])

    def get_next(self):
        return next(self.left, None)


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Writes a model of MODELS as a file; its path, that of another file, and an input."""
    monkeypatch.setattr(logging.root, "warning", lambda *_: None)  # the quantizer's advice

    def write(name):
        flambeau.manual_seed(0)
        model, example = MODELS[name]
        x = example()
        path = tmp_path / "model.onnx"
        made = model().eval()
        flambeau.onnx.export(made, (flambeau.from_numpy(x),), path, input_names=["x"])
        return path, tmp_path / "quantized.onnx", x

    return write


def kinds(path):
    return {node.op_type for node in onnx.load(path).graph.node}


def same(path, x, atol, fused=True):
    """Whether flambeau gives what onnxruntime gives."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    made = flambeau.onnx.load(path)(x)
    made = made if isinstance(made, tuple) else (made,)
    for ours, theirs in zip(made, session.run(None, {"x": x}), strict=True):
        assert ours.numpy().dtype == theirs.dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=atol * np.abs(theirs).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("options", [{}, {"weight_type": QuantType.QUInt8, "per_channel": True}])
def test_what_is_quantized_at_each_call(name, options, exported):
    path, made, x = exported(name)
    quantization.quantize_dynamic(path, made, **options)
    assert kinds(made) & {"MatMulInteger", "ConvInteger", "DynamicQuantizeLSTM"}
    same(made, x, 1e-6)


STATIC = [
    {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True},
    {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8},
    {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8},
]


FORMS = [
    pytest.param(QuantFormat.QOperator, {"QLinearConv", "QLinearMatMul", "QGemm"}, 1e-6, True, id="in whole numbers"),
    pytest.param(QuantFormat.QDQ, {"QuantizeLinear"}, 1e-5, False, id="rounded between floats"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("options", STATIC, ids=["channels", "unsigned", "signed"])
@pytest.mark.parametrize(("form", "nodes", "close", "fused"), FORMS)
def test_what_is_quantized_by_examples(name, options, form, nodes, close, fused, exported):
    path, made, x = exported(name)
    examples = Examples([MODELS[name][1]() for _ in range(4)])
    quantization.quantize_static(path, made, examples, form, **options)
    assert kinds(made) & nodes
    assert fused or "DequantizeLinear" in kinds(made)
    same(made, x, close, fused=fused)


def test_weights_of_linear_layers_are_found_by_quantizers():
    proto = flambeau.onnx.export(nn.TransformerEncoderLayer(8, 2, 16), (flambeau.zeros(3, 2, 8),))
    weights = {t.name for t in proto.graph.initializer}
    products = [n for n in proto.graph.node if n.op_type in ("MatMul", "Gemm")]
    assert sum(bool(set(n.input) & weights) for n in products) == len(products) - 2


# -- operators one by one ----------------------------------------------------------------------------------------------


def whole(kind, *shape):
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, shape).astype(kind)


def steps(*values):
    return np.array(values, np.float32)


ONE = np.array(0.05, np.float32)
U8, S8 = np.array(120, np.uint8), np.array(-3, np.int8)
NODES = [
    ("QuantizeLinear", [rng.standard_normal((3, 4)).astype(np.float32) * 30, ONE], {}, 1),
    ("QuantizeLinear", [rng.standard_normal((3, 4)).astype(np.float32), steps(0.1, 0.02, 0.5), np.array([0, 3, -9], np.int8)], {"axis": 0}, 1),
    ("DequantizeLinear", [whole(np.int8, 2, 3, 2), steps(0.1, 0.2, 0.3)], {}, 1),
    ("DequantizeLinear", [whole(np.int32, 4), ONE], {}, 1),
    ("DynamicQuantizeLinear", [rng.standard_normal((3, 4)).astype(np.float32) + 1], {}, 3),
    ("DynamicQuantizeLinear", [np.zeros((2, 2), np.float32)], {}, 3),
    ("MatMulInteger", [whole(np.uint8, 2, 3, 700), whole(np.int8, 700, 4), U8], {}, 1),
    ("MatMulInteger", [whole(np.uint8, 3, 5), whole(np.uint8, 5, 4), U8, whole(np.uint8, 4)], {}, 1),
    ("ConvInteger", [whole(np.uint8, 1, 2, 5, 6), whole(np.int8, 4, 2, 3, 3), U8], {"pads": [1, 1, 1, 1], "strides": [2, 1]}, 1),
    ("QLinearMatMul", [whole(np.int8, 3, 5), ONE, S8, whole(np.int8, 5, 2), steps(0.1, 0.3), np.array([0, 0], np.int8), np.array(0.9, np.float32), S8], {}, 1),
    ("QLinearConv", [whole(np.uint8, 2, 4, 7), ONE, U8, whole(np.int8, 6, 2, 3), steps(*[0.01] * 6), np.zeros(6, np.int8),
                     np.array(0.4, np.float32), U8, whole(np.int16, 6).astype(np.int32)], {"group": 2}, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "outputs"),
    NODES,
    ids=[f"{n[0]}-{i}" for i, n in enumerate(NODES)],
)
def test_a_quantized_node_gives_the_same_bits(kind, inputs, attributes, outputs, tmp_path):
    helper = onnx.helper
    names = [f"x{i}" for i in range(len(inputs))]
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(kind, names, outs, **attributes)
    given = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names[:1], inputs)
    ]
    rest = [onnx.numpy_helper.from_array(a, n) for n, a in list(zip(names, inputs))[1:]]
    graph = helper.make_graph([node], "g", given, [], rest)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    types = {v.name: v.type for v in onnx.shape_inference.infer_shapes(proto).graph.value_info}
    proto.graph.output.extend(helper.make_value_info(n, types.get(n)) for n in outs)
    data = proto.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    made = flambeau.onnx.load(data)(inputs[0])
    for ours, theirs in zip(made if outputs > 1 else [made], session.run(None, {"x0": inputs[0]})):
        assert ours.numpy().dtype == theirs.dtype
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_blocks_are_refused():
    helper = onnx.helper
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["y"], block_size=2, axis=1)
    kinds = onnx.TensorProto
    given = [helper.make_tensor_value_info("x", kinds.INT8, [2, 4])]
    outs = [helper.make_tensor_value_info("y", kinds.FLOAT, [2, 4])]
    scale = onnx.numpy_helper.from_array(np.ones((2, 2), np.float32), "s")
    graph = helper.make_graph([node], "g", given, outs, [scale])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    loaded = flambeau.onnx.load(proto.SerializeToString())
    with pytest.raises(RuntimeError, match="DequantizeLinear with block_size=2 is not supported"):
        loaded(np.ones((2, 4), np.int8))
