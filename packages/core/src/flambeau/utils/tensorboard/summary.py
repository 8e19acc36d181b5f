"""Summaries: what each `add_...` of a `SummaryWriter` puts in its event, pictures apart."""

from __future__ import annotations

import io
import json
import math
import struct
import warnings
import wave
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau
from flambeau.utils.tensorboard import messages as m
from flambeau.utils.tensorboard.arrays import as_array
from flambeau.utils.tensorboard.messages import Dim, Summary, TensorProto, TensorShapeProto, Value

__all__ = [
    "audio",
    "custom_scalars",
    "default_bins",
    "histogram",
    "histogram_raw",
    "hparams",
    "mesh",
    "pr_curve",
    "pr_curve_raw",
    "scalar",
    "tensor",
    "text",
]


def _shape(sizes: Sequence[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[Dim(size=int(size)) for size in sizes])


def _for_plugin(name: str, content: m.Message | None = None) -> m.SummaryMetadata:
    data = (
        None if content is None else content.SerializeToString()
    )  # versions are 0, which is not written
    return m.SummaryMetadata(plugin_data=m.PluginData(plugin_name=name, content=data))


def _one(tag: str, **values: Any) -> Summary:
    return Summary(value=[Value(tag=tag, **values)])


# -- numbers -------------------------------------------------------------------------------------------------------------


def scalar(
    tag: str,
    value: Any,
    collections: Any = None,
    new_style: bool = False,
    double_precision: bool = False,
) -> Summary:
    """One number: in the field of old, or as a tensor, of float64 if asked. `collections` is TensorFlow's, and unused."""
    array = as_array(value).squeeze()
    if array.ndim != 0:
        raise AssertionError(
            f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and {array.ndim} dimensions."
        )
    number = float(array)
    if not new_style:
        # A number that float32 cannot hold is written as infinity, not refused.
        return _one(tag, simple_value=_as_float32(number))
    if double_precision:
        content = TensorProto(double_val=[number], dtype=m.DT["float64"])
    else:
        content = TensorProto(float_val=[_as_float32(number)], dtype=m.DT["float32"])
    return _one(tag, tensor=content, metadata=_for_plugin("scalars"))


def _as_float32(number: float) -> float:
    try:
        struct.pack("<f", number)
    except OverflowError:
        return math.copysign(math.inf, number)
    return number


def _parts(values: flambeau.Tensor) -> list[float]:
    return flambeau.view_as_real(values).flatten().tolist()


def _bits(values: flambeau.Tensor) -> list[int]:
    bits: Any = flambeau.int16
    return (values.contiguous().view(bits).to(flambeau.int32) & 65535).flatten().tolist()


def _elements(values: flambeau.Tensor) -> list[Any]:
    return values.flatten().tolist()


# dtype -> field of TensorProto, elements as that field takes them
_FIELDS: dict[str, tuple[str, Callable[[flambeau.Tensor], list[Any]]]] = {
    "float16": ("half_val", _bits),
    "bfloat16": ("half_val", _bits),
    "float32": ("float_val", _elements),
    "float64": ("double_val", _elements),
    "int8": ("int_val", _elements),
    "uint8": ("uint32_val", _elements),
    "int16": ("int_val", _elements),
    "uint16": ("int_val", _elements),
    "int32": ("int_val", _elements),
    "uint32": ("uint32_val", _elements),
    "int64": ("int64_val", _elements),
    "uint64": ("uint64_val", _elements),
    "bool": ("bool_val", _elements),
    "complex64": ("scomplex_val", _parts),
    "complex128": ("dcomplex_val", _parts),
}


def tensor(tag: str, values: flambeau.Tensor) -> Summary:
    """A whole tensor. Halves go by their bits, as the format says (PyTorch writes those of their float32 values)."""
    if values.numel() * values.itemsize >= 1 << 31:
        raise ValueError("tensor is bigger than protocol buffer's hard limit of 2GB in size")
    name = str(values.dtype).rpartition(".")[2]
    if name not in _FIELDS:
        raise ValueError(f"{tag} has unsupported tensor dtype {values.dtype}")
    field, elements = _FIELDS[name]
    content: dict[str, Any] = {field: elements(values.detach().cpu())}
    proto = TensorProto(dtype=m.DT[name], tensor_shape=_shape(values.shape), **content)
    return _one(tag, metadata=_for_plugin("tensor"), tensor=proto)


def default_bins() -> list[float]:
    """The ends of TensorFlow's bins: 1e-12 and up to 1e20, each a tenth more than the last, and the same below zero."""
    ends = []
    end = 1e-12
    while end < 1e20:
        ends.append(end)
        end *= 1.1
    return [-e for e in reversed(ends)] + [0] + ends


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """The counts of `values` in `bins` (NumPy's names of rules too), without the empty bins at both sides."""
    array = as_array(values).astype(float).reshape(-1)
    if array.size == 0:
        raise ValueError("The input has no element.")
    counts, ends = np.histogram(array, bins=bins)
    if max_bins is not None and counts.size > max_bins:
        counts, ends = _fewer(counts, ends, max_bins)
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, last = int(filled[0]), int(filled[-1])
    # Bins are known by their right ends: an empty one before the first says where the first begins.
    counts = np.concatenate([[0], counts[first : last + 1]])
    return histogram_raw(
        tag, array.min(), array.max(), array.size, array.sum(), array.dot(array),
        ends[first : last + 2], counts,
    )  # fmt: skip


def _fewer(counts: np.ndarray, ends: np.ndarray, max_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring bins put together, as many as it takes at least."""
    group = counts.size // max_bins
    starts = np.arange(0, counts.size, group)
    return np.add.reduceat(counts, starts), np.append(ends[starts], ends[-1])


def histogram_raw(
    tag: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any, limits: Any, counts: Any
) -> Summary:
    """A histogram that was counted elsewhere."""
    histo = m.HistogramProto(
        min=float(min),
        max=float(max),
        num=float(num),
        sum=float(sum),
        sum_squares=float(sum_squares),
        bucket_limit=[float(v) for v in limits],
        bucket=[float(v) for v in counts],
    )
    return _one(tag, histo=histo)


# -- sound and text ------------------------------------------------------------------------------------------------------


def audio(tag: str, sound: Any, sample_rate: int = 44100) -> Summary:
    """A mono sound of samples in [-1, 1], as a WAV file of 16 bits."""
    array = as_array(sound).squeeze()
    if array.size and np.abs(array).max() > 1:
        warnings.warn("audio amplitude out of range, auto clipped.", stacklevel=4)
        array = array.clip(-1, 1)
    if array.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (array * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(samples.tobytes())
    made = m.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=samples.size,
        encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )
    return _one(tag, audio=made)


def text(tag: str, content: str) -> Summary:
    """A text, which TensorBoard shows as Markdown."""
    proto = TensorProto(
        dtype=m.DT["string"], string_val=[content.encode()], tensor_shape=_shape([1])
    )
    return _one(
        tag + "/text_summary",
        metadata=_for_plugin("text", m.TextPluginData()),
        tensor=proto,
    )


# -- curves of precision and recall --------------------------------------------------------------------------------------

# The number is kept in a byte by readers of old.
_MOST_THRESHOLDS = 127


def pr_curve(
    tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None
) -> Summary:
    """Precision and recall at evenly spaced thresholds, of labels (0 or 1) and predictions in [0, 1]."""
    count = min(num_thresholds, _MOST_THRESHOLDS)
    truth = as_array(labels).astype(float).reshape(-1)
    bins = np.floor(as_array(predictions).reshape(-1) * (count - 1)).astype(np.int32)
    weight = np.ones_like(truth) if weights is None else as_array(weights).reshape(-1)

    def at_least(weights: np.ndarray) -> np.ndarray:
        """The weight of what is predicted at each threshold or above."""
        inside = (bins >= 0) & (bins < count)
        found = np.bincount(
            bins[inside], weights=np.broadcast_to(weights, bins.shape)[inside], minlength=count
        )
        return np.cumsum(found[::-1])[::-1]

    tp, fp = at_least(truth * weight), at_least((1 - truth) * weight)
    tn, fn = fp[0] - fp, tp[0] - tp
    least = 1e-7  # nothing predicted: precision 0, not 0 / 0
    precision, recall = tp / np.maximum(least, tp + fp), tp / np.maximum(least, tp + fn)
    return pr_curve_raw(tag, tp, fp, tn, fn, precision, recall, count)


def pr_curve_raw(
    tag: str,
    tp: Any,
    fp: Any,
    tn: Any,
    fn: Any,
    precision: Any,
    recall: Any,
    num_thresholds: int = 127,
) -> Summary:
    """The same of counts that were made elsewhere."""
    rows = np.stack(
        [np.asarray(as_array(row), float) for row in (tp, fp, tn, fn, precision, recall)]
    )
    about = m.PrCurvePluginData(num_thresholds=min(num_thresholds, _MOST_THRESHOLDS))
    proto = TensorProto(
        dtype=m.DT["float32"], float_val=rows.reshape(-1).tolist(), tensor_shape=_shape(rows.shape)
    )
    return _one(tag, metadata=_for_plugin("pr_curves", about), tensor=proto)


# -- meshes --------------------------------------------------------------------------------------------------------------


def mesh(
    tag: str, vertices: Any, colors: Any, faces: Any, config: dict[str, Any] | None
) -> Summary:
    """A mesh or a cloud of points: tensors of shape (batch, count, 3)."""
    parts = {"VERTEX": (1, vertices), "FACE": (2, faces), "COLOR": (3, colors)}
    given = {name: part for name, part in parts.items() if part[1] is not None}
    present = sum(1 << number for number, _ in given.values())
    shown = "{}" if config is None else json.dumps(config, sort_keys=True)
    values = []
    for name, (number, data) in given.items():
        array = as_array(flambeau.as_tensor(data))
        if array.ndim != 3:
            raise ValueError(
                f"add_mesh: {name.lower()} should be (batch, count, 3), not {tuple(array.shape)}"
            )
        about = m.MeshPluginData(
            name=tag, content_type=number, json_config=shown,
            shape=list(array.shape), components=present,
        )  # fmt: skip
        proto = TensorProto(
            dtype=m.DT["float32"],
            float_val=array.reshape(-1).tolist(),
            tensor_shape=_shape(array.shape),
        )
        values.append(Value(tag=f"{tag}_{name}", tensor=proto, metadata=_for_plugin("mesh", about)))
    return Summary(value=values)


# -- layouts of scalars --------------------------------------------------------------------------------------------------


def custom_scalars(layout: dict[str, dict[str, Sequence[Any]]]) -> Summary:
    """What the page of custom scalars shows: {category: {chart: ["Multiline" or "Margin", tags]}}."""
    categories = [
        m.Category(title=title, chart=[_chart(name, *what) for name, what in charts.items()])
        for title, charts in layout.items()
    ]
    content = m.Layout(category=categories).SerializeToString()
    proto = TensorProto(dtype=m.DT["string"], string_val=[content], tensor_shape=TensorShapeProto())
    return _one("custom_scalars__config__", tensor=proto, metadata=_for_plugin("custom_scalars"))


def _chart(title: str, kind: str, tags: Sequence[str]) -> m.Chart:
    if kind != "Margin":
        return m.Chart(title=title, multiline=m.MultilineChartContent(tag=tags))
    if len(tags) != 3:
        raise AssertionError(
            f"A Margin chart has three tags (value, lower, upper), got {len(tags)}."
        )
    value, lower, upper = tags
    series = m.Series(value=value, lower=lower, upper=upper)
    return m.Chart(title=title, margin=m.MarginChartContent(series=[series]))


# -- hyperparameters -----------------------------------------------------------------------------------------------------

_TEXT, _TRUTH, _NUMBER = 1, 2, 3


def hparams(
    hparam_dict: Any = None, metric_dict: Any = None, hparam_domain_discrete: Any = None
) -> tuple[Summary, Summary, Summary]:
    """What is said of an experiment, of the start of one run and of its end."""
    for name, value in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict)):
        if not isinstance(value, dict):
            raise TypeError(f"parameter: {name} should be a dictionary, nothing logged.")
    domains = hparam_domain_discrete or {}
    _check_domains(hparam_dict, domains)
    infos, entries = [], []
    for name, value in hparam_dict.items():
        if value is None:
            continue
        kind, encoded = _hparam(value)
        domain = None
        if name in domains:
            domain = m.ListValue(values=[_hparam(v)[1] for v in domains[name]])
        infos.append(m.HParamInfo(name=name, type=kind, domain_discrete=domain))
        entries.append(m.HParamEntry(key=name, value=encoded))
    metrics = [m.MetricInfo(name=m.MetricName(tag=tag)) for tag in metric_dict]

    def summary(tag: str, **content: m.Message) -> Summary:
        about = m.HParamsPluginData(**content)
        return _one(f"_hparams_/{tag}", metadata=_for_plugin("hparams", about))

    return (
        summary("experiment", experiment=m.Experiment(hparam_infos=infos, metric_infos=metrics)),
        summary("session_start_info", session_start_info=m.SessionStartInfo(hparams=entries)),
        summary("session_end_info", session_end_info=m.SessionEndInfo(status=1)),
    )


def _check_domains(hparam_dict: dict[str, Any], domains: Any) -> None:
    if not isinstance(domains, dict):
        raise TypeError("parameter: hparam_domain_discrete should be a dictionary, nothing logged.")
    for name, values in domains.items():
        kind = type(hparam_dict.get(name))
        if (
            name not in hparam_dict
            or not isinstance(values, list)
            or not all(isinstance(v, kind) for v in values)
        ):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as hparam_dict[{name}]."
            )


def _hparam(value: Any) -> tuple[int, m.AnyValue]:
    """The kind of a hyperparameter and how it is written. A bool is a truth value (PyTorch writes a number)."""
    if isinstance(value, bool):
        return _TRUTH, m.AnyValue(bool_value=value)
    if isinstance(value, (int, float)):
        return _NUMBER, m.AnyValue(number_value=value)
    if isinstance(value, str):
        return _TEXT, m.AnyValue(string_value=value)
    if isinstance(value, flambeau.Tensor):
        return _NUMBER, m.AnyValue(number_value=float(as_array(value).reshape(-1)[0]))
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
