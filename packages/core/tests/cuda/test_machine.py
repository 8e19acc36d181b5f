"""What compiled programs ask of CuPy, in which order, also where recording fails. CuPy itself is real, its GPU is not."""

from __future__ import annotations

import types

import pytest

pytest.importorskip("cupy", reason="CuPy is not installed: nox -s cuda-text")

import cupy

from flambeau.backends.cuda import machine


@pytest.fixture
def log(monkeypatch):
    """Streams, pools and events that write down what is asked of them; `log.fails` are those that refuse."""

    class Log(list):
        fails = ()

        def note(self, what):
            self.append(what)
            if what in self.fails:
                raise RuntimeError(f"{what} refused")

    seen = Log()

    class Stream:
        def __init__(self, non_blocking=False):
            assert non_blocking  # the legacy stream would wait for it

        def __enter__(self):
            seen.note("stream")

        def __exit__(self, *_):
            seen.note("leave stream")

        def begin_capture(self):
            seen.note("begin")

        def end_capture(self):
            seen.note("end")
            return types.SimpleNamespace(launch=lambda: seen.note("launch"))

        def wait_event(self, event):
            seen.note("wait")

    class Within:
        def __init__(self, malloc):
            assert malloc == "malloc"

        def __enter__(self):
            seen.note("memory")

        def __exit__(self, *_):
            seen.note("leave memory")

    streams = [Stream(True)]
    seen.streams = streams
    event = types.SimpleNamespace(record=lambda stream: seen.note("record"))
    monkeypatch.setattr(cupy.cuda, "Stream", Stream)
    monkeypatch.setattr(cupy.cuda, "using_allocator", Within)
    monkeypatch.setattr(cupy.cuda, "MemoryPool", lambda: types.SimpleNamespace(malloc="malloc"))
    monkeypatch.setattr(cupy.cuda, "Event", lambda disable_timing: event)
    monkeypatch.setattr(cupy.cuda, "get_current_stream", lambda: streams[-1])
    return seen


INSIDE = ["stream", "memory", "begin"]
OUTSIDE = ["end", "leave memory", "leave stream"]


def test_work_is_recorded_on_a_stream_and_in_memory_of_its_own(log):
    recording = machine.Recording(machine.pool())
    table = [1]
    with recording:
        recording.do(lambda env: env.append(2), table)
    assert log == [*INSIDE, *OUTSIDE] and table == [1, 2]
    recording.launch()
    recording.launch()
    assert log[-2:] == ["launch", "launch"]


def test_a_step_that_fails_is_what_is_said(log):
    log.fails = ("end",)  # as CUDA does of a recording that was broken
    with pytest.raises(KeyError), machine.Recording(machine.pool()):
        raise KeyError
    assert log == [*INSIDE, *OUTSIDE]


def test_a_recording_that_ends_badly_is_said(log):
    log.fails = ("end",)
    with pytest.raises(RuntimeError, match="end refused"), machine.Recording(machine.pool()):
        pass
    assert log[-2:] == ["leave memory", "leave stream"]


def test_a_recording_that_does_not_begin_leaves_stream_and_memory(log):
    log.fails = ("begin",)
    with pytest.raises(RuntimeError, match="begin refused"), machine.Recording(machine.pool()):
        pass
    assert log == [*INSIDE, "leave memory", "leave stream"]


def test_launches_on_another_stream_wait_for_the_last(log):
    order = machine.Order()
    for _ in range(2):
        with order:
            log.note("work")
    assert log == ["work", "record", "work", "record"]
    log.streams.append(cupy.cuda.Stream(True))
    with order:
        log.note("work")
    assert log[-3:] == ["wait", "work", "record"]


def test_the_stand_in_of_the_tests_has_what_a_machine_has():
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent))
    import processor

    wanted = {
        n
        for n, v in vars(machine).items()
        if n[0] != "_" and getattr(v, "__module__", machine.__name__) == machine.__name__
    }
    wanted -= {
        n
        for n, v in vars(machine).items()
        if isinstance(v, types.ModuleType) or n in ("annotations", "TYPE_CHECKING")
    }
    stand_in = processor.Machine()
    assert {"kernel", "empty", "Recording", "Order"} <= wanted
    assert [n for n in sorted(wanted) if not hasattr(stand_in, n)] == []
