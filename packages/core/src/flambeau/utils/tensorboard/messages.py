"""The protocol-buffer messages that TensorBoard reads, as far as they are written here, and how they are written.

A message class is a table: field -> (number, kind). Only writing is here; what was not set is not written. The numbers
are those of TensorFlow's and TensorBoard's `.proto` files; a parity test holds every table to the real descriptors.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

__all__ = ["Message"]


def varint(value: int) -> bytes:
    """An integer, seven bits a byte, lowest first; negative ones as 64-bit two's complement."""
    value = int(value) & (2**64 - 1)
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(data: bytes) -> bytes:
    return varint(len(data)) + data


# Wire types of the format: 0 is a varint, 1 eight bytes, 2 bytes with their length before, 5 four bytes.
INT, DOUBLE, BYTES, TEXT, FLOAT = "int", "double", "bytes", "text", "float"
_SCALARS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    INT: (0, varint),
    DOUBLE: (1, lambda v: struct.pack("<d", v)),
    FLOAT: (5, lambda v: struct.pack("<f", v)),
    BYTES: (2, lambda v: _sized(bytes(v))),
    TEXT: (2, lambda v: _sized(str(v).encode())),
}


class Many:
    """A repeated field: numbers are packed into one run, everything else is written one after another."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind


class Message:
    """A message: fields are given by name and are plain attributes.

    >>> from flambeau.utils.tensorboard.messages import Dim
    >>> Dim(size=300).SerializeToString().hex()
    '08ac02'
    """

    fields: ClassVar[dict[str, tuple[int, Any]]] = {}

    def __init__(self, **values: Any) -> None:
        for name in values:
            if name not in self.fields:
                raise ValueError(f'Protocol message {type(self).__name__} has no "{name}" field.')
        for name in self.fields:
            setattr(self, name, values.get(name))

    def SerializeToString(self) -> bytes:
        """The message's bytes."""
        out = []
        for name, (number, kind) in self.fields.items():
            value = getattr(self, name)
            if value is not None:
                out.append(_field(number, kind, value))
        return b"".join(out)


def _field(number: int, kind: Any, value: Any) -> bytes:
    if isinstance(kind, Many):
        return _repeated(number, kind.kind, value)
    if isinstance(kind, str):
        wire, encode = _SCALARS[kind]
        return varint(number << 3 | wire) + encode(value)
    return varint(number << 3 | 2) + _sized(value.SerializeToString())


def _repeated(number: int, kind: Any, values: Iterable[Any]) -> bytes:
    if isinstance(kind, str) and kind not in (BYTES, TEXT):
        encode = _SCALARS[kind][1]
        data = b"".join(encode(v) for v in values)
        return varint(number << 3 | 2) + _sized(data) if data else b""
    return b"".join(_field(number, kind, v) for v in values)


# -- tensorboard/compat/proto: tensors -----------------------------------------------------------------------------------

DT = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7, "complex64": 8,
    "int64": 9, "bool": 10, "bfloat16": 14, "uint16": 17, "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip


class Dim(Message):
    """TensorShapeProto.Dim"""

    fields = {"size": (1, INT), "name": (2, TEXT)}


class TensorShapeProto(Message):
    """The sizes of a tensor."""

    fields = {"dim": (2, Many(Dim)), "unknown_rank": (3, INT)}


class TensorProto(Message):
    """A tensor: its dtype (a number of `DT`), its sizes, its elements in the field of their kind."""

    fields = {
        "dtype": (1, INT),
        "tensor_shape": (2, TensorShapeProto),
        "half_val": (13, Many(INT)),
        "float_val": (5, Many(FLOAT)),
        "double_val": (6, Many(DOUBLE)),
        "int_val": (7, Many(INT)),
        "string_val": (8, Many(BYTES)),
        "scomplex_val": (9, Many(FLOAT)),
        "int64_val": (10, Many(INT)),
        "bool_val": (11, Many(INT)),
        "dcomplex_val": (12, Many(DOUBLE)),
        "uint32_val": (16, Many(INT)),
        "uint64_val": (17, Many(INT)),
    }


# -- events and summaries ------------------------------------------------------------------------------------------------


class PluginData(Message):
    """SummaryMetadata.PluginData: which of TensorBoard's plugins shows a value, and what it wants to know."""

    fields = {"plugin_name": (1, TEXT), "content": (2, BYTES)}


class SummaryMetadata(Message):
    """What a value is."""

    fields = {
        "plugin_data": (1, PluginData),
        "display_name": (2, TEXT),
        "summary_description": (3, TEXT),
        "data_class": (4, INT),
    }


class Image(Message):
    """Summary.Image: an encoded picture."""

    fields = {
        "height": (1, INT),
        "width": (2, INT),
        "colorspace": (3, INT),
        "encoded_image_string": (4, BYTES),
    }


class Audio(Message):
    """Summary.Audio: an encoded sound."""

    fields = {
        "sample_rate": (1, FLOAT),
        "num_channels": (2, INT),
        "length_frames": (3, INT),
        "encoded_audio_string": (4, BYTES),
        "content_type": (5, TEXT),
    }


class HistogramProto(Message):
    """Counts of bins that are given by their right ends."""

    fields = {
        "min": (1, DOUBLE),
        "max": (2, DOUBLE),
        "num": (3, DOUBLE),
        "sum": (4, DOUBLE),
        "sum_squares": (5, DOUBLE),
        "bucket_limit": (6, Many(DOUBLE)),
        "bucket": (7, Many(DOUBLE)),
    }


class Value(Message):
    """Summary.Value: one named value."""

    fields = {
        "tag": (1, TEXT),
        "simple_value": (2, FLOAT),
        "image": (4, Image),
        "histo": (5, HistogramProto),
        "audio": (6, Audio),
        "node_name": (7, TEXT),
        "tensor": (8, TensorProto),
        "metadata": (9, SummaryMetadata),
    }


class Summary(Message):
    """Values of one step."""

    fields = {"value": (1, Many(Value))}


class SessionLog(Message):
    """A run began (status 1), stopped (2) or saved a checkpoint (3)."""

    START = 1
    fields = {"status": (1, INT), "checkpoint_path": (2, TEXT), "msg": (3, TEXT)}


class TaggedRunMetadata(Message):
    """How long the parts of a graph took and where they ran."""

    fields = {"tag": (1, TEXT), "run_metadata": (2, BYTES)}


class Event(Message):
    """One record of an event file."""

    fields = {
        "wall_time": (1, DOUBLE),
        "step": (2, INT),
        "file_version": (3, TEXT),
        "graph_def": (4, BYTES),
        "summary": (5, Summary),
        "session_log": (7, SessionLog),
        "tagged_run_metadata": (8, TaggedRunMetadata),
    }


# -- graphs --------------------------------------------------------------------------------------------------------------


class ListOfValues(Message):
    """AttrValue.ListValue, as far as shapes need it."""

    fields = {"shape": (7, Many(TensorShapeProto))}


class AttrValue(Message):
    """An attribute of a node."""

    fields = {
        "list": (1, ListOfValues),
        "s": (2, BYTES),
        "type": (6, INT),
        "shape": (7, TensorShapeProto),
    }


class AttrEntry(Message):
    """One entry of NodeDef's map of attributes."""

    fields = {"key": (1, TEXT), "value": (2, AttrValue)}


class NodeDef(Message):
    """A node: its name (with `/` between scopes), what it does, the names of its inputs."""

    fields = {
        "name": (1, TEXT),
        "op": (2, TEXT),
        "input": (3, Many(TEXT)),
        "device": (4, TEXT),
        "attr": (5, Many(AttrEntry)),
    }


class VersionDef(Message):
    """The version of the format of a graph."""

    fields = {"producer": (1, INT)}


class GraphDef(Message):
    """A graph."""

    fields = {"node": (1, Many(NodeDef)), "versions": (4, VersionDef)}


class DeviceStepStats(Message):
    """What ran on a device."""

    fields = {"device": (1, TEXT)}


class StepStats(Message):
    """What ran in a step."""

    fields = {"dev_stats": (1, Many(DeviceStepStats))}


class RunMetadata(Message):
    """What is known of a run."""

    fields = {"step_stats": (1, StepStats)}


# -- hyperparameters (google.protobuf.Struct's values, plugins/hparams) --------------------------------------------------


class AnyValue(Message):
    """google.protobuf.Value: a number, a text or a truth value."""

    fields = {"number_value": (2, DOUBLE), "string_value": (3, TEXT), "bool_value": (4, INT)}


class ListValue(Message):
    """google.protobuf.ListValue"""

    fields = {"values": (1, Many(AnyValue))}


class HParamInfo(Message):
    """The name and kind of a hyperparameter: 1 text, 2 truth value, 3 number."""

    fields = {"name": (1, TEXT), "type": (4, INT), "domain_discrete": (5, ListValue)}


class MetricName(Message):
    """The tag under which a metric is written."""

    fields = {"group": (1, TEXT), "tag": (2, TEXT)}


class MetricInfo(Message):
    """A metric."""

    fields = {"name": (1, MetricName)}


class Experiment(Message):
    """The hyperparameters and metrics that runs have in common."""

    fields = {"hparam_infos": (4, Many(HParamInfo)), "metric_infos": (5, Many(MetricInfo))}


class HParamEntry(Message):
    """One entry of SessionStartInfo's map."""

    fields = {"key": (1, TEXT), "value": (2, AnyValue)}


class SessionStartInfo(Message):
    """One run's hyperparameters."""

    fields = {"hparams": (1, Many(HParamEntry))}


class SessionEndInfo(Message):
    """How a run ended: 1 well."""

    fields = {"status": (1, INT)}


class HParamsPluginData(Message):
    """What the plugin of hyperparameters reads."""

    fields = {
        "version": (1, INT),
        "experiment": (2, Experiment),
        "session_start_info": (3, SessionStartInfo),
        "session_end_info": (4, SessionEndInfo),
    }


# -- other plugins -------------------------------------------------------------------------------------------------------


class TextPluginData(Message):
    """plugins/text"""

    fields = {"version": (1, INT)}


class PrCurvePluginData(Message):
    """plugins/pr_curve"""

    fields = {"version": (1, INT), "num_thresholds": (2, INT)}


class MeshPluginData(Message):
    """plugins/mesh: which part of a mesh a tensor is (1 vertices, 2 faces, 3 colors)."""

    fields = {
        "version": (1, INT),
        "name": (2, TEXT),
        "content_type": (3, INT),
        "json_config": (5, TEXT),
        "shape": (6, Many(INT)),
        "components": (7, INT),
    }


class Series(Message):
    """MarginChartContent.Series: a line with a band around it, by tags."""

    fields = {"value": (1, TEXT), "lower": (2, TEXT), "upper": (3, TEXT)}


class MarginChartContent(Message):
    """A chart of lines with bands."""

    fields = {"series": (1, Many(Series))}


class MultilineChartContent(Message):
    """A chart of several lines."""

    fields = {"tag": (1, Many(TEXT))}


class Chart(Message):
    """A chart of the plugin custom_scalars."""

    fields = {
        "title": (1, TEXT),
        "multiline": (2, MultilineChartContent),
        "margin": (3, MarginChartContent),
    }


class Category(Message):
    """Charts under one heading."""

    fields = {"title": (1, TEXT), "chart": (2, Many(Chart))}


class Layout(Message):
    """What the page of custom scalars shows."""

    fields = {"version": (1, INT), "category": (2, Many(Category))}
