"""`profile`: records some steps of a training loop, by a schedule, and hands over what it has."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from flambeau.autograd.profiler import (
    EventList,
    KinetoStepTracker,
    record_function,
)
from flambeau.autograd.profiler import profile as one_recording
from flambeau.profiler.marks import Marks

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


class ProfilerActivity(Enum):
    """What is recorded: what this processor does. The others are named for programs that ask what there is."""

    CPU = 0
    XPU = 1
    CUDA = 2
    MTIA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profile does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """What can be recorded.

    >>> from flambeau.profiler import supported_activities
    >>> [activity.name for activity in supported_activities()]
    ['CPU']
    """
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """Whether PyTorch's tracer Kineto is there: it is not; recording is flambeau's own."""
    return False


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """A plan of steps: `skip_first` are left out, then come cycles of `wait`, `warmup` and `active` ones.

    At the end of each cycle what its active steps recorded is handed over. `repeat` cycles, 0 for no end;
    `skip_first_wait` other than 0 leaves out the first cycle's wait.

    >>> from flambeau.profiler import schedule
    >>> plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [plan(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            "Invalid profiler schedule arguments: wait, warmup, repeat and skip_first should be 0 or more, active 1 or more"
        )
    if warmup == 0:
        warnings.warn(
            "Profiler won't be using warmup, this can skew profiler results", stacklevel=2
        )

    def plan(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat > 0 and step // cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return plan


def tensorboard_trace_handler(
    dir_name: Any,
    worker_name: str | None = None,
    use_gzip: bool = False,
    use_python_export: bool = False,
) -> Callable[[profile], None]:
    """For `on_trace_ready`: writes each trace to ``DIR/WORKER.TIME.pt.trace.json``; `worker_name` tells processes apart.

    Traces are always written by Python, so that `use_python_export` makes no difference.
    """

    def handler(prof: profile) -> None:
        folder = os.fspath(dir_name)
        os.makedirs(folder, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(folder, name))

    return handler


class profile:
    """Records a program: every operator call, forward and backward, of the thread in which it is started.

    - `activities`: `ProfilerActivity.CPU` is what there is; CUDA is left aside with a warning.
    - `schedule` says what is done in each step, the end of which the program tells with `step()`; without one all is
      recorded. `on_trace_ready(prof)` is called when a recording is finished.
    - `record_shapes`, `profile_memory`, `with_stack`, `with_flops`: what is noted of each call.
      `with_modules` makes the call of each `nn.Module` an entry.
    - `acc_events` keeps events from one cycle to the next.
    - `custom_trace_id_callback` makes the identity that a trace gets.
    - `experimental_config` and `execution_trace_observer` are for PyTorch's own tracer, and refused;
      `use_cuda` is deprecated there; `post_processing_timeout_s` changes nothing here.

    Optimizers' steps and what a `DataLoader` does are entries too.

    >>> import flambeau
    >>> from flambeau.profiler import profile
    >>> net = flambeau.nn.Linear(4, 2)
    >>> with profile(record_shapes=True) as prof:
    ...     net(flambeau.ones(3, 4)).sum().backward()
    >>> found = {event.key: event for event in prof.key_averages()}
    >>> found["aten::linear"].count, found["AddmmBackward0"].count
    (1, 1)
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        self.activities = set(activities) if activities else supported_activities()
        if use_cuda is not None:
            warnings.warn(
                "`use_cuda` is deprecated, use `activities` argument instead",
                FutureWarning,
                stacklevel=2,
            )
            if use_cuda:
                self.activities.add(ProfilerActivity.CUDA)
        self._check_activities()
        for name, value in (
            ("experimental_config", experimental_config),
            ("execution_trace_observer", execution_trace_observer),
        ):
            if value is not None:
                raise NotImplementedError(
                    f"profile: {name} is for PyTorch's own tracer, which is not used here"
                )
        self.schedule = schedule or (lambda _: ProfilerAction.RECORD)
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.record_shapes, self.profile_memory = record_shapes, profile_memory
        self.with_stack, self.with_flops, self.with_modules = with_stack, with_flops, with_modules
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.step_rec_fn: record_function | None = None
        self.profiler: one_recording | None = None
        self._marks: Marks | None = None
        self._recording = False
        self._metadata: dict[str, str] = {}
        self._preset: dict[str, str] = {}
        self._trace_id = ""

    def _check_activities(self) -> None:
        unknown = self.activities - supported_activities()
        if not unknown:
            return
        names = ", ".join(sorted(getattr(a, "name", str(a)) for a in unknown))
        warnings.warn(
            f"profile: {names} activity is not recorded, only the processor's", stacklevel=3
        )
        self.activities -= unknown
        if not self.activities:
            raise AssertionError("No valid profiler activities found")

    # -- recording

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
        KinetoStepTracker.erase_step_count("ProfilerStep")

    def start(self) -> None:
        """Begins, with what is due in step 0."""
        KinetoStepTracker.init_step_count("ProfilerStep")
        if self.current_action in _RECORDING:
            self._begin()
        self._mark_step()

    def stop(self) -> None:
        """Ends; a recording under way is finished and handed over."""
        self._unmark_step()
        if self._recording:
            self._end()
            self._hand_over()
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """Tells that a step of the program has ended and the next begins."""
        self._unmark_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        KinetoStepTracker.increment_step("ProfilerStep")
        if self._recording and before is ProfilerAction.RECORD_AND_SAVE:
            self._end()
            self._hand_over()
        elif self._recording and self.current_action not in _RECORDING:
            warnings.warn(
                f"Incorrect schedule: {before.name} followed by {self.current_action.name}",
                stacklevel=2,
            )
            self._end()
        if self.current_action in _RECORDING and not self._recording:
            self._begin()
        self._mark_step()

    def _begin(self) -> None:
        if self.profiler is None or not self.acc_events:
            self.profiler = one_recording(
                record_shapes=self.record_shapes,
                profile_memory=self.profile_memory,
                with_stack=self.with_stack,
                with_flops=self.with_flops,
                acc_events=self.acc_events,
            )
        make = self.custom_trace_id_callback
        self._trace_id = make() if make is not None else uuid.uuid4().hex.upper()
        self.profiler._start()
        self._marks = Marks(self.with_modules)
        self._recording = True

    def _end(self) -> None:
        assert self.profiler is not None
        if self._marks is not None:
            self._marks.remove()
        self.profiler._stop()
        self._recording = False

    def _hand_over(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _mark_step(self) -> None:
        if self.record_steps:
            self.step_rec_fn = record_function(f"ProfilerStep#{self.step_num}")
            self.step_rec_fn.__enter__()

    def _unmark_step(self) -> None:
        if self.step_rec_fn is not None:
            self.step_rec_fn.__exit__(None, None, None)
            self.step_rec_fn = None

    def toggle_collection_dynamic(
        self, enable: bool, activities: Iterable[ProfilerActivity]
    ) -> None:
        """Leaves out what comes, or takes it in again, while a recording is under way."""
        if ProfilerActivity.CPU not in set(activities) or not self._recording:
            return
        assert self.profiler is not None
        recorder = self.profiler._recorder
        assert recorder is not None
        recorder.paused = not enable

    # -- what was recorded

    def _finished(self) -> one_recording:
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before its results are read")
        return self.profiler

    def events(self) -> EventList:
        """The events, in the order in which they began."""
        return self._finished()._recorded()

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Events of one name together (and of one shape, or one place in the program); `.table()` shows them."""
        return self._finished().key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def export_chrome_trace(self, path: Any) -> None:
        """Writes the trace for ``chrome://tracing`` or Perfetto; gzipped if the name ends with .gz."""
        metadata: dict[str, Any] = {"trace_id": self._trace_id}
        for name, text in {**self._preset, **self._metadata}.items():
            metadata[name] = json.loads(text)
        self._finished()._export(path, metadata)

    def export_stacks(self, path: Any, metric: str = "self_cpu_time_total") -> None:
        """Writes stacks for a flame graph; needs `with_stack=True`."""
        self._finished().export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Puts a text into the trace."""
        self._metadata[key] = json.dumps(value)

    def add_metadata_json(self, key: str, value: str) -> None:
        """Puts a value, given as JSON, into the trace."""
        json.loads(value)
        self._metadata[key] = value

    def preset_metadata_json(self, key: str, value: str) -> None:
        """The same, for every trace of this profile."""
        json.loads(value)
        self._preset[key] = value

    def set_custom_trace_id_callback(self, callback: Callable[[], str]) -> None:
        """What makes the identity of the traces to come."""
        self.custom_trace_id_callback = callback

    def get_trace_id(self) -> str | None:
        """The identity of the last trace."""
        return self._trace_id or None
