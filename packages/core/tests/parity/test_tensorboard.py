"""The same notes written by PyTorch and by flambeau are the same events, as TensorBoard reads them."""

from __future__ import annotations

import glob
import io
import os
import warnings

import numpy as np
import pytest
import torch
from torch.utils.tensorboard import SummaryWriter as TheirWriter

import flambeau
from flambeau.utils.tensorboard import SummaryWriter, messages

Image = pytest.importorskip("PIL.Image")

DTYPES = (
    "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128"
)  # fmt: skip
rng = np.random.default_rng(2)
PIXELS, GRAY, BATCH = rng.random((3, 5, 7)), rng.random((5, 7)), rng.random((5, 3, 4, 6))
NORMAL, SOUND = rng.normal(size=1000), np.sin(np.arange(100.0) / 9)
LABELS, SCORES, WEIGHTS = rng.integers(0, 2, 100), rng.random(100), rng.random(100)
POINTS, VECTORS, FACES = rng.random((1, 4, 3)), rng.random((4, 3)), rng.random((4, 3, 5, 5))


def scalars(w, lib):
    w.add_scalar("a/b", 1.5, 3)
    w.add_scalar("a/b", lib.tensor([2.5]), np.int64(4), new_style=True)
    w.add_scalar("d", 0.1, 4, new_style=True, double_precision=True)
    w.add_scalar("half", lib.tensor(0.5, dtype=lib.bfloat16), 4)
    w.add_scalar("none", float("nan"))
    w.add_scalars("m/x", {"p": 1.0, "q": 2.0}, 7)


def tensors(w, lib):
    for dtype in DTYPES:
        w.add_tensor(dtype, lib.tensor([[1, 0], [1, 1]], dtype=getattr(lib, dtype)), 1)


def histograms(w, lib):
    w.add_histogram("h", lib.tensor(NORMAL), 1)
    w.add_histogram("auto", NORMAL, 1, bins="auto", max_bins=7)
    w.add_histogram("few", NORMAL, 1, bins=[-1.0, 0.0, 1.0])
    w.add_histogram("equal", np.ones(5), 1, bins=10)
    w.add_histogram_raw("raw", 0.0, 1.0, 3, 2.0, 1.5, [0.5, 1.0], [1, 2], global_step=0)


def images(w, lib):
    w.add_image("chw", lib.tensor(PIXELS), 1)
    w.add_image("hw", GRAY, 1, dataformats="HW")
    w.add_image("hwc", (GRAY[:, :, None] * 255).astype(np.uint8), 1, dataformats="HWC")
    w.add_images("batch", lib.tensor(BATCH), 2)
    w.add_images("nhwc", BATCH.transpose(0, 2, 3, 1), 2, dataformats="NHWC")
    boxes = np.array([[2, 3, 20, 25], [1, 1, 5, 5]])
    w.add_image_with_boxes("boxes", np.ones((3, 30, 40)), boxes, 1, labels=["a", "b"])


def others(w, lib):
    w.add_audio("sound", lib.tensor(SOUND), 1)
    w.add_text("text", "*héllo*", 2)
    w.add_pr_curve("pr", LABELS, SCORES, 0)
    w.add_pr_curve("few", LABELS, SCORES, 0, num_thresholds=20)
    w.add_pr_curve("weighted", LABELS, SCORES, 0, weights=WEIGHTS)
    row = np.array([4.0, 3, 1])
    w.add_pr_curve_raw("raw", *[row] * 6, global_step=1, num_thresholds=3)
    w.add_mesh(
        "mesh", lib.tensor(POINTS), lib.tensor([[[255, 0, 0]] * 4]), lib.tensor([[[0, 1, 2]] * 4]),
        config_dict={"camera": 1},
    )  # fmt: skip
    w.add_custom_scalars_multilinechart(["a", "b"])
    w.add_custom_scalars_marginchart(["a", "b", "c"], "category", "title")
    w.add_custom_scalars({"X": {"y": ["Multiline", ["u"]], "z": ["Margin", ["u", "v", "w"]]}})


def runs(w, lib):
    hparams = {"lr": 0.1, "n": 3, "s": "x", "none": None, "t": lib.tensor([2.0])}
    domains = {"s": ["x", "y"], "lr": [0.1, 0.2]}
    w.add_hparams(hparams, {"hp/acc": 0.5}, domains, run_name="r1", global_step=4)


def embeddings(w, lib):
    vectors = lib.tensor(VECTORS, dtype=lib.float64)
    w.add_embedding(vectors, list("abcd"), lib.tensor(FACES), 2, tag="q/w")
    w.add_embedding(VECTORS[:2], [["a", "b"], ["c", "d"]], metadata_header=["h", "i"])


def figures(w, lib):
    plt = pytest.importorskip("matplotlib.pyplot")

    def figure():
        made = plt.figure(figsize=(2, 1))
        made.add_subplot().plot([1, 2])
        return made

    plt.switch_backend("agg")
    w.add_figure("one", figure(), 1)
    w.add_figure("two", [figure(), figure()], 1)
    assert not plt.get_fignums()


def events(folder):
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found = []
    for path in sorted(glob.glob(f"{folder}/**/events*", recursive=True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = list(RawEventFileLoader(path).Load())
        for data in raw:
            event = Event.FromString(data)
            assert event.wall_time > 1e9
            event.ClearField("wall_time")
            event.ClearField("source_metadata")  # which program wrote the file
            found.append((os.path.relpath(os.path.dirname(path), folder), event))
    return found


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def agree(theirs, ours):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    for a, b in zip(theirs.summary.value, ours.summary.value, strict=True):
        if a.WhichOneof("value") == "image":
            assert (
                pixels(a.image.encoded_image_string) == pixels(b.image.encoded_image_string)
            ).all()
            a.image.ClearField("encoded_image_string")
            b.image.ClearField("encoded_image_string")
        if a.WhichOneof("value") == "histo":
            for field in ("min", "max", "num", "sum", "sum_squares", "bucket_limit", "bucket"):
                np.testing.assert_allclose(getattr(a.histo, field), getattr(b.histo, field))
            a.ClearField("histo")
            b.ClearField("histo")
        if a.metadata.plugin_data.plugin_name == "hparams":  # a map, of any order
            parse = HParamsPluginData.FromString
            assert parse(a.metadata.plugin_data.content) == parse(b.metadata.plugin_data.content)
            a.metadata.ClearField("plugin_data")
            b.metadata.ClearField("plugin_data")
    assert theirs.SerializeToString(deterministic=True) == ours.SerializeToString(
        deterministic=True
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "write", [scalars, tensors, histograms, images, others, runs, embeddings, figures]
)
def test_same_events(write, tmp_path):
    with TheirWriter(tmp_path / "a", purge_step=2) as w:
        write(w, torch)
    with SummaryWriter(tmp_path / "b", purge_step=2) as w:
        write(w, flambeau)
    theirs, ours = events(tmp_path / "a"), events(tmp_path / "b")
    assert [where for where, _ in ours] == [where for where, _ in theirs]
    for (_, a), (_, b) in zip(theirs, ours):
        agree(a, b)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*sv"))
    assert names == sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*.*sv"))
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_projector_config_is_read(tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    parsed = []
    for where, cls, lib in (("a", TheirWriter, torch), ("b", SummaryWriter, flambeau)):
        with cls(tmp_path / where) as w:
            embeddings(w, lib)
        text = (tmp_path / where / "projector_config.pbtxt").read_text()
        parsed.append(text_format.Parse(text, ProjectorConfig()))
    assert parsed[0] == parsed[1]
    sprite = "00002/q%2fw/sprite.png"
    a, b = ((tmp_path / x / sprite).read_bytes() for x in "ab")
    assert (pixels(a) == pixels(b)).all()


def test_accumulator_reads_scalars_and_graph(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    net = flambeau.nn.Sequential(
        flambeau.nn.Conv2d(1, 2, 3),
        flambeau.nn.ReLU(),
        flambeau.nn.Flatten(),
        flambeau.nn.Linear(72, 3),
    )
    with SummaryWriter(tmp_path) as w:
        for i in range(50):
            w.add_scalar("loss", i / 2, i)
        w.add_graph(net, flambeau.zeros(1, 1, 8, 8))
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [(s.step, s.value) for s in found.Scalars("loss")] == [(i, i / 2) for i in range(50)]
    nodes = {n.name: n for n in found.Graph().node}
    assert {"Sequential/Conv2d[0]/weight", "Sequential/Linear[3]/bias", "output/output.1"} <= set(
        nodes
    )
    assert [n.op for n in nodes.values() if "Conv2d[0]/conv" in n.name] == ["conv2d"]
    assert all(i in nodes for n in nodes.values() for i in n.input)
    shape = nodes["output/output.1"].attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shape.dim] == [1, 3]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def descriptors():
    from google.protobuf import struct_pb2
    from tensorboard.compat.proto import (
        attr_value_pb2,
        config_pb2,
        event_pb2,
        graph_pb2,
        node_def_pb2,
        step_stats_pb2,
        summary_pb2,
        tensor_pb2,
        tensor_shape_pb2,
        versions_pb2,
    )  # fmt: skip
    from tensorboard.plugins.custom_scalar import layout_pb2
    from tensorboard.plugins.hparams import api_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2 as hp
    from tensorboard.plugins.mesh import plugin_data_pb2 as mesh
    from tensorboard.plugins.pr_curve import plugin_data_pb2 as pr
    from tensorboard.plugins.text import plugin_data_pb2 as text

    found = {
        "ListOfValues": attr_value_pb2.AttrValue.ListValue, "AttrEntry": node_def_pb2.NodeDef.AttrEntry,
        "HParamEntry": hp.SessionStartInfo.HparamsEntry, "AnyValue": struct_pb2.Value, "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
        "PluginData": summary_pb2.SummaryMetadata.PluginData, "Image": summary_pb2.Summary.Image,
        "Audio": summary_pb2.Summary.Audio, "Value": summary_pb2.Summary.Value,
        "Series": layout_pb2.MarginChartContent.Series, "ListValue": struct_pb2.ListValue,
    }  # fmt: skip
    places = (
        attr_value_pb2, event_pb2, graph_pb2, node_def_pb2, step_stats_pb2, summary_pb2, tensor_pb2,
        tensor_shape_pb2, versions_pb2, config_pb2, layout_pb2, api_pb2, hp, mesh, pr, text,
    )  # fmt: skip
    for name, cls in vars(messages).items():
        if isinstance(cls, type) and issubclass(cls, messages.Message) and cls.fields:
            real = found.get(name) or next(getattr(p, name) for p in places if hasattr(p, name))
            yield cls, real.DESCRIPTOR


KINDS = {  # what a field of a .proto file is called -> how it is written here
    messages.DOUBLE: {"TYPE_DOUBLE"},
    messages.FLOAT: {"TYPE_FLOAT"},
    messages.TEXT: {"TYPE_STRING"},
    messages.BYTES: {"TYPE_BYTES"},
    messages.INT: {
        "TYPE_INT32",
        "TYPE_INT64",
        "TYPE_UINT32",
        "TYPE_UINT64",
        "TYPE_BOOL",
        "TYPE_ENUM",
    },
}


def test_tables_are_those_of_the_proto_files():
    count = 0
    for cls, real in descriptors():
        for name, (number, kind) in cls.fields.items():
            field = real.fields_by_name[name]
            assert field.number == number, (cls, name)
            many = isinstance(kind, messages.Many)
            repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
            assert many == repeated, (cls, name)
            kind = kind.kind if many else kind
            code = field.type
            if isinstance(kind, str):
                named = {getattr(field, n) for n in KINDS[kind]}
                assert code in named, (cls, name)
            else:
                assert code == field.TYPE_MESSAGE, (cls, name)
            count += 1
    assert count > 100


def test_dtypes_are_those_of_the_proto_files():
    from tensorboard.compat.proto.types_pb2 import DataType

    names = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
    for name, number in messages.DT.items():
        assert DataType.Value(f"DT_{names.get(name, name.upper())}") == number


def test_halves_are_read_back(tmp_path):
    from tensorboard.util import tensor_util

    with SummaryWriter(tmp_path) as w:
        for dtype in ("float16", "uint16"):
            w.add_tensor(dtype, flambeau.tensor([1, 3], dtype=getattr(flambeau, dtype)), 0)
    for _, event in events(tmp_path):
        for value in event.summary.value:
            array = tensor_util.make_ndarray(value.tensor)
            assert array.dtype == value.tag
            assert array.tolist() == [1, 3]
