"""Imported operators, node by node, beside onnxruntime: forms that flambeau's own exporter does not write."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the onnx extra is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import flambeau  # noqa: E402
from flambeau.testing import assert_close  # noqa: E402

rng = np.random.default_rng(0)


def floats(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


def model(nodes, inputs, outputs=1, opset=18):
    """A file of `nodes`, which read x0, x1, ... and write y0, y1, ... of the types that onnx infers, or of x0's."""

    def info(name, array):
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return onnx.helper.make_tensor_value_info(name, kind, array.shape)

    given = [info(f"x{i}", x) for i, x in enumerate(inputs) if x is not None]
    graph = onnx.helper.make_graph(nodes, "g", given, [])
    version = onnx.helper.make_opsetid("", opset)
    proto = onnx.helper.make_model(graph, opset_imports=[version], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(proto)
    types = {v.name: v.type for v in inferred.graph.value_info}
    names = [f"y{i}" for i in range(outputs)]
    proto.graph.output.extend(
        onnx.helper.make_value_info(n, types.get(n, given[0].type)) for n in names
    )
    return proto


def both(proto, inputs):
    """Our results and onnxruntime's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    data = proto.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feed = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    made = flambeau.onnx.load(data)(**feed)
    return made if isinstance(made, tuple) else (made,), session.run(None, feed)


def check(proto, inputs):
    for ours, theirs in zip(*both(proto, inputs), strict=True):
        assert ours.numpy().dtype == theirs.dtype
        assert_close(ours, flambeau.from_numpy(np.array(theirs)), rtol=1e-4, atol=1e-5)


NODES = [
    ("LSTM", [floats(5, 2, 3), floats(1, 16, 3), floats(1, 16, 4)], {"hidden_size": 4}, 3),
    ("LSTM", [floats(5, 2, 3), floats(2, 16, 3), floats(2, 16, 4), floats(2, 32), None, floats(2, 2, 4), floats(2, 2, 4)],
     {"hidden_size": 4, "direction": "bidirectional"}, 3),
    ("GRU", [floats(5, 2, 3), floats(1, 12, 3), floats(1, 12, 4), floats(1, 24)],
     {"hidden_size": 4, "linear_before_reset": 1, "direction": "reverse"}, 2),
    ("RNN", [floats(5, 2, 3), floats(1, 4, 3), floats(1, 4, 4), floats(1, 8), np.array([5, 5], np.int32)],
     {"hidden_size": 4, "activations": ["Relu"]}, 2),
    ("Resize", [floats(1, 2, 4, 5), None, None, whole(1, 2, 7, 3)], {"mode": "linear"}, 1),
    ("Resize", [floats(1, 2, 4, 5), None, np.array([1, 1, 2, 1.5], np.float32)],
     {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, 1),
    ("Resize", [floats(1, 2, 4, 5), None, None, whole(1, 2, 7, 9)], {"mode": "cubic"}, 1),
    ("Resize", [floats(1, 2, 4, 6), None, None, whole(1, 2, 8, 3)], {}, 1),
    ("Resize", [floats(1, 2, 4, 6), None, None, whole(1, 2, 2, 9)], {"nearest_mode": "round_prefer_ceil"}, 1),
    ("Resize", [floats(1, 2, 4), None, np.array([1, 2, 1.5], np.float32)],
     {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 1),
    ("InstanceNormalization", [floats(2, 3, 4), floats(3), floats(3)], {"epsilon": 1e-3}, 1),
    ("LRN", [floats(2, 7, 3, 1)], {"size": 3, "alpha": 0.5}, 1),
    ("LpNormalization", [floats(2, 5)], {"p": 1}, 1),
    ("DepthToSpace", [floats(1, 8, 2, 3)], {"blocksize": 2}, 1),
    ("DepthToSpace", [floats(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}, 1),
    ("SpaceToDepth", [floats(1, 2, 4, 6)], {"blocksize": 2}, 1),
    ("GridSample", [floats(1, 2, 4, 5), rng.uniform(-1, 1, (1, 3, 3, 2)).astype(np.float32)], {}, 1),
    ("Col2Im", [floats(1, 8, 9), whole(4, 4), whole(2, 2)], {}, 1),
    ("Conv", [floats(1, 2, 5, 6), floats(3, 2, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 1]}, 1),
    ("Conv", [floats(1, 2, 5, 6), floats(3, 2, 4, 2)], {"auto_pad": "SAME_LOWER"}, 1),
    ("MaxPool", [floats(1, 2, 5, 6)], {"auto_pad": "VALID", "kernel_shape": [2, 3]}, 1),
    ("LpPool", [floats(1, 2, 6)], {"kernel_shape": [2], "strides": [2], "p": 3}, 1),
    ("Pad", [floats(1, 2, 4), whole(0, 0, 2, 0, 0, 1)], {"mode": "reflect"}, 1),
    ("Pad", [floats(1, 2, 4), whole(0, 1, 2, 0, 0, 1)], {"mode": "edge"}, 1),
    ("Einsum", [floats(2, 3), floats(3, 4)], {"equation": "ij,jk->ki"}, 1),
    ("Split", [floats(7, 2)], {"num_outputs": 3}, 3),
    ("Tile", [floats(2, 3), whole(2, 1)], {}, 1),
    ("OneHot", [np.array([[0, 3], [-1, 7]], np.int64), whole(4), np.array([-1.0, 2.0], np.float32)], {"axis": 1}, 1),
    ("ScatterND", [floats(4, 3), np.array([[1], [3]], np.int64), floats(2, 3)], {}, 1),
    ("ScatterElements", [floats(4, 3), np.array([[-1, 0, 2]], np.int64), floats(1, 3)], {"reduction": "max"}, 1),
    ("EyeLike", [floats(3, 4)], {"k": 1}, 1),
    ("Size", [floats(3, 4)], {}, 1),
    ("Mean", [floats(3), floats(3), floats(1)], {}, 1),
    ("CastLike", [floats(3), whole(1)], {}, 1),
    ("Selu", [floats(5)], {"alpha": 1.1, "gamma": 2.0}, 1),
    ("Celu", [floats(5)], {"alpha": 2.0}, 1),
    ("HardSigmoid", [floats(5) * 4], {}, 1),
    ("ThresholdedRelu", [floats(5)], {"alpha": 0.3}, 1),
    ("Shrink", [floats(9)], {"lambd": 0.3, "bias": 0.2}, 1),
    ("ReduceLogSum", [np.abs(floats(2, 3))], {}, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "outputs"),
    NODES,
    ids=[f"{n[0]}-{i}" for i, n in enumerate(NODES)],
)
def test_a_node_gives_what_onnxruntime_gives(kind, inputs, attributes, outputs):
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    node = onnx.helper.make_node(kind, names, [f"y{i}" for i in range(outputs)], **attributes)
    check(model([node], inputs, outputs), inputs)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("Softmax", {"axis": 1}), ("LogSoftmax", {}), ("Clip", {"min": -0.5, "max": 0.2}), ("Split", {"split": [1, 2], "axis": 1})],
)  # fmt: skip
def test_older_files_keep_the_meaning_that_operators_had(kind, attributes):
    outputs = 2 if kind == "Split" else 1
    node = onnx.helper.make_node(kind, ["x0"], [f"y{i}" for i in range(outputs)], **attributes)
    inputs = [floats(2, 3, 4)]
    check(model([node], inputs, outputs, opset=10), inputs)


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "message"),
    [
        ("GRU", [floats(2, 1, 3), floats(1, 6, 3), floats(1, 6, 2)], {"hidden_size": 2}, "linear_before_reset"),
        ("RNN", [floats(5, 2, 3), floats(1, 4, 3), floats(1, 4, 4), floats(1, 8), np.array([5, 4], np.int32)],
         {"hidden_size": 4}, "different lengths"),
        ("LSTM", [floats(2, 1, 3), floats(1, 8, 3), floats(1, 8, 2)], {"hidden_size": 2, "clip": 1.0}, "clip"),
        ("RNN", [floats(2, 1, 3), floats(1, 2, 3), floats(1, 2, 2)], {"hidden_size": 2, "activations": ["Sigmoid"]}, "activations"),
        ("Resize", [floats(1, 2, 4, 5), None, None, whole(1, 2, 7, 3)],
         {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, "asymmetric"),
        ("Resize", [floats(1, 2, 4, 5), None, None, whole(1, 4, 4, 5)], {"mode": "linear"}, "linear"),
        ("Pad", [floats(1, 2, 4), whole(0, 0, -1, 0, 0, 1)], {"mode": "reflect"}, "negative"),
        ("ArgMax", [floats(3)], {"select_last_index": 1}, "select_last_index"),
        ("LRN", [floats(2, 7, 3)], {"size": 4}, "even size"),
        ("Dropout", [floats(3), np.array(0.5, np.float32), np.array(True)], {}, "training_mode"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(kind, inputs, attributes, message):
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    proto = model([onnx.helper.make_node(kind, names, ["y0"], **attributes)], inputs)
    loaded = flambeau.onnx.load(proto.SerializeToString())
    with pytest.raises(RuntimeError, match=rf"onnx.load: {kind} with .*{message}"):
        loaded(**{f"x{i}": x for i, x in enumerate(inputs) if x is not None})


def test_group_norm_of_later_versions_has_scales_for_channels():
    inputs = [floats(2, 6, 4), floats(6), floats(6)]
    node = onnx.helper.make_node("GroupNormalization", ["x0", "x1", "x2"], ["y0"], num_groups=3)
    check(model([node], inputs, opset=21), inputs)


def test_all_unknown_operators_are_named_at_once():
    nodes = [
        onnx.helper.make_node("Det", ["x0"], ["a"]),
        onnx.helper.make_node("Thing", ["a"], ["y0"], domain="com.example"),
    ]
    proto = model([onnx.helper.make_node("Det", ["x0"], ["y0"])], [floats(2, 2)])
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    with pytest.raises(RuntimeError, match=r"does not know: Det, com.example::Thing$"):
        flambeau.onnx.load(proto.SerializeToString())


BRANCHES = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[3] x0) => (float[3] y0) {
  two = Constant <value: tensor = float {2.0}> ()
  total = ReduceSum <keepdims = 0> (x0)
  zero = Constant <value: tensor = float {0.0}> ()
  positive = Greater (total, zero)
  y0 = If (positive) <
    then_branch = a () => (float[3] left) { left = Mul (x0, two) },
    else_branch = b () => (float[3] right) { right = Sub (x0, two) }
  >
}
"""

LOOP = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[2] x0) => (float[2] y0, float[n, 2] y1) {
  five = Constant <value: tensor = int64 {5}> ()
  yes = Constant <value: tensor = bool {1}> ()
  limit = Constant <value: tensor = float {20.0}> ()
  y0, y1 = Loop (five, yes, x0) <
    body = round (int64 i, bool go, float[2] x) => (bool again, float[2] next, float[2] seen) {
      next = Add (x, x)
      seen = Add (next, x0)
      most = ReduceMax <keepdims = 0> (next)
      again = Less (most, limit)
    }
  >
}
"""


@pytest.mark.parametrize(
    ("text", "x"),
    [(BRANCHES, [1, 2, -1]), (BRANCHES, [-1, -2, 1]), (LOOP, [0.1, 0.2]), (LOOP, [3, 1])],
)
def test_programs_within_see_what_is_around_them(text, x):
    proto = onnx.parser.parse_model(text)
    check(proto, [np.array(x, np.float32)])


def test_functions_of_a_file_are_opened():
    text = """
    <ir_version: 8, opset_import: ["" : 18, "own" : 1]>
    g (float[3] x0) => (float[3] y0) { y0 = own.twice (x0) }
    <domain: "own", opset_import: ["" : 18]>
    twice (x) => (y) { y = Add (x, x) }
    """
    check(onnx.parser.parse_model(text), [floats(3)])


# -- weights in files beside the model -------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path):
    """A linear layer whose weights are in `weights.bin`, and its answer for ones."""
    flambeau.manual_seed(0)
    layer = flambeau.nn.Linear(40, 30)
    proto = flambeau.onnx.export(layer, (flambeau.zeros(1, 40),))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path, layer(flambeau.ones(1, 40)).detach()


def test_weights_in_another_file_are_read(outside):
    path, expected = outside
    assert_close(flambeau.onnx.load(path)(flambeau.ones(1, 40)), expected)


def test_a_model_without_its_path_cannot_find_them(outside):
    with pytest.raises(RuntimeError, match=r"weights.bin.*give the path|not a valid"):
        flambeau.onnx.load(outside[0].read_bytes())


def test_a_cut_file_of_weights_is_told(outside):
    path, _ = outside
    data = path.with_name("weights.bin")
    data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(RuntimeError, match=r"weights.bin ends within weight"):
        flambeau.onnx.load(path)


def test_a_missing_file_of_weights_is_told(outside):
    path, _ = outside
    path.with_name("weights.bin").unlink()
    with pytest.raises(RuntimeError, match=r"weights.bin"):
        flambeau.onnx.load(path)


def test_weights_outside_the_model_s_folder_are_not_read(outside, tmp_path):
    path, _ = outside
    (tmp_path / "below").mkdir()
    moved = tmp_path / "below" / "model.onnx"
    proto = onnx.load(path, load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    moved.write_bytes(proto.SerializeToString())
    with pytest.raises(RuntimeError, match=r"weights.bin"):
        flambeau.onnx.load(moved)
