"""What a program spends its time and memory on, as in `torch.profiler`: `profile`, `schedule`, `record_function`."""

from __future__ import annotations

from flambeau.autograd.profiler import DeviceType, KinetoStepTracker, record_function
from flambeau.profiler.profiler import (
    ProfilerAction,
    ProfilerActivity,
    kineto_available,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = [
    "DeviceType",
    "KinetoStepTracker",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
