"""Events of a profile, and what is made of them: averages, tables, Chrome traces, flame graphs."""

from __future__ import annotations

import bisect
import gzip
import json
import os
import socket
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

__all__ = [
    "DeviceType",
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "Interval",
    "MemRecordsAcc",
]

MEMORY_EVENT_NAME = "[memory]"


class DeviceType(Enum):
    """Where an event took place."""

    CPU = 0
    CUDA = 1


class Interval:
    """From `start` to `end`, in microseconds."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """How long it is."""
        return self.end - self.start


def _format_time(us: float) -> str:
    """
    >>> _format_time(1234.5)
    '1.234ms'
    """
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    if us >= 1e3:
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def _format_memory(size: float) -> str:
    """
    >>> _format_memory(2048)
    '2.00 KB'
    """
    for factor, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if abs(size) >= factor:
            return f"{size / factor:.2f} {unit}"
    return f"{size} B"


def _share(part: float, whole: float) -> str:
    return f"{part / whole * 100:.2f}%" if whole else "NaN"


class _Times:
    """The averages and their texts, of what has `count` and totals."""

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time_total: float = 0
    self_device_time_total: float = 0

    @property
    def cpu_time(self) -> float:
        """The time of one call, in microseconds."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def device_time(self) -> float:
        """The time of one call on the accelerator."""
        return self.device_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """`cpu_time` to read."""
        return _format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """`cpu_time_total` to read."""
        return _format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """`self_cpu_time_total` to read."""
        return _format_time(self.self_cpu_time_total)

    @property
    def device_time_str(self) -> str:
        """`device_time` to read."""
        return _format_time(self.device_time)

    @property
    def device_time_total_str(self) -> str:
        """`device_time_total` to read."""
        return _format_time(self.device_time_total)

    @property
    def self_device_time_total_str(self) -> str:
        """`self_device_time_total` to read."""
        return _format_time(self.self_device_time_total)


class FunctionEvent(_Times):
    """One call: an operator, a node of backward, or what was marked with `record_function`. Times are in microseconds."""

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start_us: float,
        end_us: float,
        overload_name: str | None = None,
        fwd_thread: int | None = None,
        input_shapes: Any = None,
        stack: Any = None,
        scope: int = 0,
        use_device: str | None = None,
        cpu_memory_usage: int = 0,
        device_memory_usage: int = 0,
        is_async: bool = False,
        is_remote: bool = False,
        sequence_nr: int = -1,
        node_id: int = -1,
        device_type: DeviceType = DeviceType.CPU,
        device_index: int = 0,
        device_resource_id: int | None = None,
        is_legacy: bool = False,
        flops: int | None = None,
        trace_name: str | None = None,
        concrete_inputs: Any = None,
        kwinputs: Any = None,
        is_user_annotation: bool = False,
        is_python_function: bool = False,
        activity_type: str | None = None,
        metadata_json: str | None = None,
        flow_id: int | None = None,
        flow_type: int | None = None,
        flow_start: bool | None = None,
        external_id: int | None = None,
        linked_correlation_id: int | None = None,
        extra_meta: dict[str, Any] | None = None,
        structured_input_shapes: Any = None,
        structured_input_strides: Any = None,
        input_dtypes: Any = None,
        python_id: int | None = None,
        python_parent_id: int | None = None,
        python_module_id: int | None = None,
    ) -> None:
        self.id, self.node_id = id, node_id
        self.name, self.trace_name = name, name if trace_name is None else trace_name
        self.overload_name = overload_name or ""
        self.time_range = Interval(start_us, end_us)
        self.thread = thread
        self.fwd_thread = fwd_thread
        self.kernels: list[Any] = []
        self.count = 1
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes = input_shapes or []
        self.input_dtypes = input_dtypes or []
        self.concrete_inputs = concrete_inputs or []
        self.kwinputs = kwinputs or {}
        self.stack = stack or []
        self.scope = scope
        self.use_device = use_device
        self.cpu_memory_usage = cpu_memory_usage
        self.device_memory_usage = device_memory_usage
        self.is_async, self.is_remote, self.is_legacy = is_async, is_remote, is_legacy
        self.sequence_nr = sequence_nr
        self.device_type, self.device_index = device_type, device_index
        self.device_resource_id = thread if device_resource_id is None else device_resource_id
        self.flops = flops
        self.is_user_annotation = is_user_annotation
        self.is_python_function = is_python_function
        self.activity_type = activity_type
        self.metadata_json = metadata_json
        self.flow_id, self.flow_type, self.flow_start = flow_id, flow_type, flow_start
        self.external_id, self.linked_correlation_id = external_id, linked_correlation_id
        self.extra_meta = extra_meta
        self.structured_input_shapes = structured_input_shapes
        self.structured_input_strides = structured_input_strides
        self.python_id, self.python_parent_id = python_id, python_parent_id
        self.python_module_id = python_module_id

    @property
    def key(self) -> str:
        """Its name, by which events are put together."""
        return self.name

    def append_cpu_child(self, child: FunctionEvent) -> None:
        """Notes a call that was made inside."""
        self.cpu_children.append(child)

    def set_cpu_parent(self, parent: FunctionEvent) -> None:
        """Notes the call inside which this was made."""
        self.cpu_parent = parent

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """How long it took, what was inside included."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """How long it took, without what was inside."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """The memory it took and did not give back, in bytes, without what was inside."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    @property
    def self_device_memory_usage(self) -> int:
        """The same of the accelerator's."""
        return self.device_memory_usage - sum(c.device_memory_usage for c in self.cpu_children)

    def __repr__(self) -> str:
        children = [child.id for child in self.cpu_children]
        return (
            f"<FunctionEvent id={self.id} name={self.name} overload_name={self.overload_name} "
            f"device_type={self.device_type} node_id={self.node_id} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
            f"cpu_children={children} thread={self.thread} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} is_async={self.is_async} "
            f"is_remote={self.is_remote} seq_nr={self.sequence_nr} is_legacy={self.is_legacy}>"
        )


class FunctionEventAvg(_Times):
    """Events of one key together."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.overload_name = ""
        self.count = 0
        self.node_id = 0
        self.is_async = self.is_remote = self.is_legacy = self.is_user_annotation = False
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.device_time_total = self.self_device_time_total = 0.0
        self.input_shapes: Any = None
        self.stack: Any = None
        self.scope: int | None = None
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.device_memory_usage = self.self_device_memory_usage = 0
        self.device_type = DeviceType.CPU
        self.flops = 0
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] | None = None

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Takes in an event, or other events of the same key."""
        if self.key is None:
            self.key, self.overload_name = other.key, other.overload_name
            self.node_id, self.is_async, self.is_remote = (
                other.node_id,
                other.is_async,
                other.is_remote,
            )
            self.is_legacy, self.is_user_annotation = other.is_legacy, other.is_user_annotation
            self.cpu_parent, self.cpu_children = other.cpu_parent, other.cpu_children
            self.input_shapes, self.stack, self.scope = other.input_shapes, other.stack, other.scope
            self.device_type = other.device_type
        elif other.key != self.key:
            raise AssertionError(f"Keys must match: {other.key} and {self.key}")
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.flops += other.flops or 0
        return self

    def __iadd__(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        return self.add(other)

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


class EventList(list):
    """Events, or averages of events."""

    def __init__(self, *args: Any, use_device: str | None = None, profile_memory: bool = False,
                 with_flops: bool = False, pid: int | None = None) -> None:  # fmt: skip
        super().__init__(*args)
        self._use_device = use_device
        self._profile_memory = profile_memory
        self._with_flops = with_flops
        self._pid = os.getpid() if pid is None else pid

    def __str__(self) -> str:
        return self.table()

    def _like(self, events: Iterable[Any]) -> EventList:
        return EventList(
            events, use_device=self._use_device, profile_memory=self._profile_memory,
            with_flops=self._with_flops, pid=self._pid,
        )  # fmt: skip

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, in microseconds, none counted twice."""
        return sum(event.self_cpu_time_total for event in self)

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        total = FunctionEventAvg()
        for event in self:
            total += event
            total.key = None
        total.key = "Total"
        return total

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Events of one name together; on demand those of one name and one shape, or of one place in the program."""
        found: dict[tuple[Any, ...], FunctionEventAvg] = {}
        for event in self:
            key: list[Any] = [event.key, event.is_legacy, event.is_user_annotation]
            if group_by_overload_name:
                key.append(event.overload_name)
            if group_by_input_shapes:
                key.append(str(event.input_shapes))
            if group_by_stack_n:
                key += event.stack[:group_by_stack_n]
            found.setdefault(tuple(key), FunctionEventAvg()).add(event)
        for average in found.values():
            average.stack = average.stack[:group_by_stack_n]
            if not group_by_input_shapes:
                average.input_shapes = ""
            if not group_by_overload_name:
                average.overload_name = ""
        return self._like(found.values())

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as a table to print.

        `sort_by`: a column, such as ``"self_cpu_time_total"``, ``"cpu_time_total"``, ``"cpu_memory_usage"``,
        ``"count"``; `row_limit` -1 shows all; `top_level_events_only` what stands in no other event;
        `time_unit` ``"us"``, ``"ms"`` or ``"s"`` for all times.
        """
        from ._profiler_table import build

        return build(
            self, sort_by, row_limit, (max_name_column_width, max_shapes_column_width, max_src_column_width),
            header, top_level_events_only, time_unit, self._profile_memory, self._with_flops,
        )  # fmt: skip

    def export_chrome_trace(self, path: Any) -> None:
        """Writes the events for ``chrome://tracing`` and Perfetto; gzipped where the name ends with .gz."""
        write_trace(path, self._trace_events(), {})

    def _trace_events(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        threads = dict.fromkeys(event.thread for event in self)
        made += [
            {"ph": "M", "name": "process_name", "pid": self._pid, "tid": 0, "ts": 0, "args": {"name": "python"}}
        ]  # fmt: skip
        made += [
            {"ph": "M", "name": "thread_name", "pid": self._pid, "tid": t, "ts": 0, "args": {"name": f"thread {t}"}}
            for t in threads
        ]  # fmt: skip
        for event in self:
            place = {"pid": self._pid, "tid": event.thread, "ts": event.time_range.start}
            if event.name == MEMORY_EVENT_NAME:
                args = {"Device Type": 0, "Device Id": -1, "Bytes": event.cpu_memory_usage}
                made.append({"ph": "i", "cat": "cpu_instant_event", "s": "t", "name": event.name, **place, "args": args})  # fmt: skip
                continue
            made.append({
                "ph": "X", "cat": event.activity_type or "cpu_op", "name": event.trace_name,
                "dur": event.cpu_time_total, **place, "args": _trace_args(event),
            })  # fmt: skip
        return made

    def supported_export_stacks_metrics(self) -> list[str]:
        """What `export_stacks` can measure."""
        return ["self_cpu_time_total"]

    def export_stacks(self, path: Any, metric: str) -> None:
        """Writes ``outermost;...;innermost microseconds`` lines, from which flame graphs are drawn."""
        if metric not in self.supported_export_stacks_metrics():
            raise ValueError(
                f"metric should be one of: {self.supported_export_stacks_metrics()}, got {metric!r}"
            )
        clean = str.maketrans(";\t\n", "___")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                value = int(getattr(event, metric))
                if event.stack and value > 0:
                    places = ";".join(line.translate(clean) for line in reversed(event.stack))
                    file.write(f"{places} {value}\n")


def _trace_args(event: FunctionEvent) -> dict[str, Any]:
    args: dict[str, Any] = {"External id": event.id, "Ev Idx": event.id}
    if event.input_shapes:
        args |= {"Input Dims": event.input_shapes, "Input type": event.input_dtypes}
        args["Concrete Inputs"] = [str(v) for v in event.concrete_inputs]
    if event.cpu_memory_usage:
        args["Bytes"] = event.cpu_memory_usage
    if event.flops:
        args["flops"] = event.flops
    if event.stack:
        args["Call stack"] = ";".join(event.stack)
    return args


def write_trace(path: Any, events: list[dict[str, Any]], metadata: dict[str, Any]) -> None:
    """A file in Chrome's trace format."""
    content = {
        "schemaVersion": 1,
        "host_name": socket.gethostname(),
        "displayTimeUnit": "ms",
        **metadata,
        "traceEvents": events,
        "traceName": str(path),
    }
    name = os.fspath(path)
    opened: Callable[..., Any] = gzip.open if name.endswith(".gz") else open
    with opened(name, "wt", encoding="utf-8") as file:
        json.dump(content, file)


class MemRecordsAcc:
    """Finds the memory records, [event with `start_ns()`, ...] each, of a stretch of time."""

    def __init__(self, mem_records: Iterable[Any]) -> None:
        self._records = sorted(mem_records, key=lambda record: record[0].start_ns())
        self._starts = [record[0].start_ns() for record in self._records]

    def in_interval(self, start_ns: int, end_ns: int) -> Iterable[Any]:
        """The records that begin from `start_ns` to `end_ns`."""
        first = bisect.bisect_left(self._starts, start_ns)
        last = bisect.bisect_right(self._starts, end_ns)
        return iter(self._records[first:last])
