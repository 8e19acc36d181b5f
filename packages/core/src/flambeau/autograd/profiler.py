"""`autograd.profiler`: what operators, nodes of backward and marked stretches of a program cost. See `flambeau.profiler`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .profiler_util import (
    MEMORY_EVENT_NAME,
    DeviceType,
    EventList,
    FunctionEvent,
    FunctionEventAvg,
    MemRecordsAcc,
    write_trace,
)
from .recorder import ANNOTATION, Record, Recorder, recorders

__all__ = [
    "DeviceType",
    "EnforceUnique",
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "KinetoStepTracker",
    "MemRecordsAcc",
    "emit_itt",
    "emit_nvtx",
    "profile",
    "record_function",
]


class profile:
    """Records every operator call of this thread, in forward and backward, while it is in force.

    - `record_shapes` notes shapes and dtypes of inputs, `profile_memory` the memory that is taken and given back,
      `with_stack` the places in the program, `with_flops` the operations of products, `add` and `mul`.
    - `use_cpu`, `acc_events` (events are kept from one use to the next) as in PyTorch; what concerns
      accelerators (`use_cuda`, `use_device`) is refused: only the time of this processor is measured.
    - `experimental_config` is for PyTorch's own tracer and refused; `use_kineto`, `with_modules`,
      `custom_trace_id_callback`, `post_processing_timeout_s` and `activity_filters` change nothing here.

    While it records, small operators take the general way through the dispatcher instead of the short one, which costs
    some microseconds each.

    >>> import flambeau
    >>> with flambeau.autograd.profiler.profile() as prof:
    ...     made = flambeau.ones(3).exp().sum()
    >>> [event.name for event in prof.function_events][-2:]
    ['aten::exp', 'aten::sum']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
        activity_filters: Any = None,
    ) -> None:
        if use_cuda or use_device not in (None, "cpu"):
            raise NotImplementedError(
                "profile: times on an accelerator are not measured; without use_cuda and use_device the "
                "processor's are"
            )
        if experimental_config is not None:
            raise NotImplementedError(
                "profile: experimental_config is for PyTorch's own tracer, which is not used here"
            )
        if not use_cpu:
            raise ValueError("profile: use_cpu=False leaves nothing to record")
        self.enabled = enabled
        self.use_cuda = False
        self.use_device = None
        self.record_shapes, self.with_flops = record_shapes or with_flops, with_flops
        self.profile_memory, self.with_stack = profile_memory, with_stack
        self.with_modules, self.acc_events = with_modules, acc_events
        self.entered = False
        self._recorder: Recorder | None = None
        self._events: EventList | None = None
        self._number = 0

    # -- recording

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.enabled:
            self._stop()

    def _start(self) -> None:
        self.entered = True
        self._recorder = Recorder(
            self.record_shapes, self.profile_memory, self.with_stack, self.with_flops
        )
        self._recorder.start()

    def _stop(self) -> None:
        recorder, self._recorder = self._recorder, None
        assert recorder is not None
        recorder.stop()
        self.entered = False
        before = self._events if self.acc_events and self._events is not None else ()
        self._events = EventList(
            before, profile_memory=self.profile_memory, with_flops=self.with_flops
        )
        self._events.extend(_events_of(recorder))

    # -- what was recorded

    @property
    def function_events(self) -> EventList | None:
        """The events, or None before the first use has ended."""
        return self._events

    def _recorded(self) -> EventList:
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self._events

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """See `EventList.table`."""
        return self._recorded().table(
            sort_by, row_limit, max_src_column_width, max_name_column_width, max_shapes_column_width,
            header, top_level_events_only,
        )  # fmt: skip

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Events of one name together."""
        return self._recorded().key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        return self._recorded().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, in microseconds."""
        return self._recorded().self_cpu_time_total

    def export_chrome_trace(self, path: Any) -> None:
        """Writes a Chrome trace."""
        self._export(path, {})

    def _export(self, path: Any, metadata: dict[str, Any]) -> None:
        about = {
            "profile_memory": int(self.profile_memory),
            "record_shapes": int(self.record_shapes),
        }
        write_trace(path, self._recorded()._trace_events(), {**about, **metadata})

    def export_stacks(self, path: Any, metric: str = "self_cpu_time_total") -> None:
        """Writes stacks for a flame graph; needs `with_stack=True`."""
        if not self.with_stack:
            raise ValueError("export_stacks() requires with_stack=True")
        self._recorded().export_stacks(path, metric)

    def __repr__(self) -> str:
        return "<unfinished profile>" if self._events is None else repr(self._events)

    def __str__(self) -> str:
        return "<unfinished profile>" if self._events is None else str(self._events)


def _events_of(recorder: Recorder) -> list[FunctionEvent]:
    made: dict[int, FunctionEvent] = {}
    for number, record in enumerate(recorder.records, 1):
        made[id(record)] = event = _event(number, record, recorder)
        if record.parent is not None:
            parent = made[id(record.parent)]
            parent.append_cpu_child(event)
            event.set_cpu_parent(parent)
    found = list(made.values())
    for at, size in recorder.frees:
        when = at / 1e3
        found.append(
            FunctionEvent(
                len(found) + 1, MEMORY_EVENT_NAME, recorder.thread, when, when, cpu_memory_usage=-size,
                activity_type="cpu_instant_event",
            )
        )  # fmt: skip
    return found


def _event(number: int, record: Record, recorder: Recorder) -> FunctionEvent:
    name = record.name
    if record.kind == ANNOTATION and name.startswith("ProfilerStep#"):
        name = "ProfilerStep*"  # one line for all steps; a trace shows which
    return FunctionEvent(
        number,
        name,
        recorder.thread,
        record.start / 1e3,
        record.end / 1e3,
        trace_name=record.name,
        input_shapes=record.shapes,
        input_dtypes=record.types,
        concrete_inputs=record.inputs,
        stack=record.stack,
        cpu_memory_usage=record.memory,
        flops=record.flops,
        is_user_annotation=record.kind == ANNOTATION,
        activity_type=ANNOTATION if record.kind == ANNOTATION else "cpu_op",
        scope=7 if record.kind == ANNOTATION else int(record.kind == "node"),
    )


class record_function:
    """Marks a stretch of the program, or with `@record_function("name")` a function, for a profile. Costs little without one.

    >>> import flambeau
    >>> from flambeau.autograd.profiler import profile, record_function
    >>> with profile() as prof, record_function("mine"):
    ...     made = flambeau.ones(3) + 1
    >>> prof.key_averages()[0].key
    'mine'
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list[tuple[Recorder, Record]] = []

    def __enter__(self) -> record_function:
        for recorder in recorders():
            record = recorder.enter(self.name)
            if self.args is not None:
                record.inputs = [self.args]
            self._open.append((recorder, record))
        return self

    def __exit__(self, *_: Any) -> None:
        while self._open:
            recorder, record = self._open.pop()
            recorder.leave(record)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def marked(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return marked


class _Emit:
    """Ranges for another program's profiler."""

    what = ""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes

    def __enter__(self) -> Any:
        if self.enabled:
            raise RuntimeError(
                f"{type(self).__name__}: {self.what} is not supported here; flambeau.profiler.profile measures "
                "on the processor"
            )
        return None

    def __exit__(self, *_: Any) -> None:
        pass


class emit_nvtx(_Emit):
    """Would mark operators for NVIDIA's profilers. Refused when entered, unless `enabled=False`."""

    what = "NVTX (NVIDIA's profilers)"


class emit_itt(_Emit):
    """Would mark operators for Intel's VTune. Refused when entered, unless `enabled=False`."""

    what = "ITT (Intel's VTune)"


class EnforceUnique:
    """Tells when a key comes a second time.

    >>> keys = EnforceUnique()
    >>> keys.see("a")
    """

    def __init__(self) -> None:
        self.seen: set[Any] = set()

    def see(self, *key: Any) -> None:
        """RuntimeError if this key was here before."""
        if key in self.seen:
            raise RuntimeError("duplicate key: " + str(key))
        self.seen.add(key)


class KinetoStepTracker:
    """Counts steps of a program of which several parts (a profiler, optimizers) may say that one has ended.

    Each part counts for itself; the program's step is the highest count.
    """

    _current_step = 0
    _steps: dict[str, int] = {}

    @classmethod
    def init_step_count(cls, requester: str) -> None:
        """A part begins to count, at the program's step."""
        cls._steps[requester] = cls._current_step

    @classmethod
    def erase_step_count(cls, requester: str) -> bool:
        """A part counts no longer; whether it did."""
        return cls._steps.pop(requester, None) is not None

    @classmethod
    def increment_step(cls, requester: str) -> int:
        """A part's step has ended; the program's step."""
        cls._steps[requester] = cls._steps.get(requester, cls._current_step) + 1
        cls._current_step = max(cls._current_step, *cls._steps.values())
        return cls._current_step

    @classmethod
    def current_step(cls) -> int:
        """The program's step."""
        return cls._current_step
