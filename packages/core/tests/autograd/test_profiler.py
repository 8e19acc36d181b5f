"""Profiles: what is counted, how tables and traces look, schedules, and that nothing stays behind."""

from __future__ import annotations

import gzip
import json
import time
import weakref

import pytest

import flambeau
from flambeau import nn
from flambeau.autograd import profiler as autograd_profiler
from flambeau.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)
from flambeau.runtime import state


@pytest.fixture(autouse=True)
def nothing_left():
    before = state.active
    yield
    assert state.active == before
    assert not state.local.modes


def by_name(prof, **how):
    return {event.key: event for event in prof.key_averages(**how)}


def test_calls_forward_and_backward_are_counted():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with profile() as prof:
        for _ in range(3):
            net(flambeau.ones(5, 4)).sum().backward()
    found = by_name(prof)
    assert found["aten::linear"].count == found["AddmmBackward0"].count == 6
    assert found["aten::relu"].count == found["ReluBackward0"].count == 3
    assert found["aten::sum"].count == 3
    assert all(event.cpu_time_total >= event.self_cpu_time_total >= 0 for event in found.values())


def test_times_are_those_of_the_clock():
    with profile() as prof:
        with record_function("outer"):
            time.sleep(0.02)
            with record_function("inner"):
                time.sleep(0.03)
    found = by_name(prof)
    assert 50e3 <= found["outer"].cpu_time_total < 90e3
    assert 30e3 <= found["inner"].cpu_time_total < 60e3
    assert found["outer"].self_cpu_time_total == pytest.approx(
        found["outer"].cpu_time_total - found["inner"].cpu_time_total
    )
    assert prof.key_averages().self_cpu_time_total == pytest.approx(found["outer"].cpu_time_total)
    assert prof.key_averages().total_average().count == 2


def test_composites_hold_what_they_are_made_of():
    x = flambeau.ones(3, 4)
    with profile() as prof:
        nn.functional.gelu(x)
        nn.functional.cosine_similarity(x, x)
    outer = [e for e in prof.events() if e.name == "aten::cosine_similarity"]
    assert len(outer) == 1 and outer[0].cpu_children
    assert all(child.cpu_parent is outer[0] for child in outer[0].cpu_children)
    assert outer[0].cpu_time_total > sum(c.cpu_time_total for c in outer[0].cpu_children)


def test_results_are_the_same_under_a_profile():
    flambeau.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Softmax(1), nn.Flatten(), nn.Linear(8, 2)
    )
    x = flambeau.randn(3, 1, 4, 4)

    def run():
        net.zero_grad()
        loss = net(x).pow(2).sum()
        loss.backward()
        return [loss.detach(), *(p.grad.clone() for p in net.parameters())]

    plain = run()
    with profile(
        record_shapes=True, profile_memory=True, with_stack=True, with_flops=True, with_modules=True
    ):
        watched = run()
    for a, b in zip(plain, watched):
        flambeau.testing.assert_close(a, b)


def test_second_derivatives_under_a_profile():
    x = flambeau.tensor([2.0], requires_grad=True)
    with profile() as prof:
        (g,) = flambeau.autograd.grad(x**3, x, create_graph=True)
        (h,) = flambeau.autograd.grad(g, x)
    assert h.item() == 12.0
    assert by_name(prof)["PowBackward0"].count >= 2


def test_error_in_a_call_closes_its_entry():
    with profile() as prof:
        with pytest.raises(RuntimeError):
            flambeau.ones(2, 3) @ flambeau.ones(2, 3)
        flambeau.ones(3).exp()
    assert [e.cpu_parent for e in prof.events() if e.name == "aten::exp"] == [None]


def test_shapes():
    x, w = flambeau.ones(5, 4), flambeau.ones(4, 3, dtype=flambeau.float32)
    with profile(record_shapes=True) as prof:
        x @ w
        x @ w
        x @ flambeau.ones(4, 7)
    found = [e for e in prof.key_averages(group_by_input_shape=True) if e.key == "aten::matmul"]
    assert [(e.count, e.input_shapes) for e in found] == [
        (2, [[5, 4], [4, 3]]),
        (1, [[5, 4], [4, 7]]),
    ]
    assert "[[5, 4], [4, 3]]" in prof.key_averages(group_by_input_shape=True).table()
    assert "Input Shapes" not in prof.key_averages().table()


def test_memory_is_that_of_arrays_taken_and_given_back():
    with profile(profile_memory=True) as prof:
        with record_function("keeps"):
            a = flambeau.zeros(1024)
        with record_function("drops"):
            b = a + 1
            c = b.view(32, 32)
            del b, c
        with record_function("frees"):
            del a
    found = by_name(prof)
    assert found["keeps"].cpu_memory_usage == 4096 and found["keeps"].self_cpu_memory_usage == 0
    assert found["aten::full"].self_cpu_memory_usage == 4096
    assert found["aten::add"].self_cpu_memory_usage == 4096
    assert found["drops"].cpu_memory_usage == 0 and found["drops"].self_cpu_memory_usage == -4096
    assert found["frees"].cpu_memory_usage == -4096
    assert "4.00 KB" in prof.key_averages().table()


def test_memory_freed_outside_of_any_event():
    with profile(profile_memory=True) as prof:
        a = flambeau.zeros(1024)
        del a
    assert by_name(prof)["[memory]"].cpu_memory_usage == -4096


def test_a_profile_keeps_nothing_alive():
    with profile(profile_memory=True, record_shapes=True) as prof:
        x = flambeau.ones(10)
        dead = weakref.ref(x)
        del x
        assert dead() is None
    assert prof.events()


def test_flops():
    with profile(with_flops=True) as prof:
        flambeau.ones(5, 4) @ flambeau.ones(4, 3)
        flambeau.ones(7) * 2.5
    found = by_name(prof)
    assert found["aten::matmul"].flops == 2 * 5 * 4 * 3
    assert found["aten::mul"].flops == 7
    assert "Total MFLOPs" in prof.key_averages().table()


def test_stacks(tmp_path):
    def culprit():
        return flambeau.ones(100, 100) @ flambeau.ones(100, 100)

    with profile(with_stack=True) as prof:
        culprit()
    event = next(e for e in prof.events() if e.name == "aten::matmul")
    assert event.stack[0].endswith("culprit") and "test_profiler.py(" in event.stack[0]
    averages = prof.key_averages(group_by_stack_n=2)
    assert "culprit" in averages.table()
    assert "...culprit" in averages.table(max_src_column_width=10)
    prof.export_stacks(tmp_path / "stacks.txt")
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    assert any(
        line.rpartition(" ")[0].endswith("culprit") and int(line.split()[-1]) for line in lines
    )
    with pytest.raises(ValueError, match="metric"):
        prof.export_stacks(tmp_path / "stacks.txt", "cpu")


def test_modules_and_optimizers_are_entries():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    optimizer = flambeau.optim.SGD(net.parameters(), 0.1)
    with profile(with_modules=True) as prof:
        net(flambeau.ones(2, 4)).sum().backward()
        optimizer.step()
        with pytest.raises(RuntimeError):
            net(flambeau.ones(2, 5))
        net(flambeau.ones(2, 4))
    found = by_name(prof)
    assert found["Optimizer.step#SGD.step"].count == 1
    assert found["nn.Module: Sequential"].count == found["nn.Module: Linear"].count == 3
    assert found["nn.Module: ReLU"].count == 2
    tops = [e.name for e in prof.events() if e.cpu_parent is None and e.name.startswith("nn.")]
    assert tops == ["nn.Module: Sequential"] * 3
    net(flambeau.ones(2, 4))  # no hook is left that would mark it


def test_loader_is_an_entry():
    with profile() as prof:
        list(flambeau.utils.data.DataLoader(range(4), batch_size=2))
    names = [e.name for e in prof.events()]
    assert names.count("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__") == 3


def test_decorator_and_use_without_a_profile():
    @record_function("twice")
    def f(x):
        "Doc."
        return x * 2

    assert f(2) == 4 and f.__doc__ == "Doc."
    with profile() as prof:
        f(flambeau.ones(2))
        f(flambeau.ones(2))
    assert by_name(prof)["twice"].count == 2


def test_stretch_that_outlives_the_profile():
    mark = record_function("long")
    with profile() as prof:
        mark.__enter__()
    mark.__exit__(None, None, None)
    assert by_name(prof)["long"].count == 1


def test_table():
    with profile() as prof:
        for _ in range(3):
            flambeau.ones(10).exp()
        flambeau.ones(300, 300) @ flambeau.ones(300, 300)
    averages = prof.key_averages()
    text = averages.table(
        sort_by="self_cpu_time_total", row_limit=1, header="TITLE", time_unit="us"
    )
    lines = text.splitlines()
    assert lines[1] == "TITLE"
    assert lines[3].split("  ")[-1].strip() == "# of Calls"
    slowest = max(averages, key=lambda e: e.self_cpu_time_total)
    assert lines[5].split()[0] == slowest.key and "us" in lines[5]
    assert len(lines) == 8 and lines[-1].startswith("Self CPU time total: ")
    assert averages.table(sort_by="count").splitlines()[3].split()[0] in ("aten::full", "aten::exp")
    assert str(averages) == averages.table()
    with pytest.raises(AttributeError, match="nonsense"):
        averages.table(sort_by="nonsense")
    with pytest.raises(ValueError, match="time_unit"):
        averages.table(time_unit="h")
    long = "x" * 80
    with profile() as prof, record_function(long):
        pass
    assert "x" * 52 + "..." in prof.key_averages().table()
    assert long in prof.key_averages().table(max_name_column_width=None)


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_chrome_trace(name, tmp_path):
    with profile(record_shapes=True, profile_memory=True, with_stack=True) as prof:
        with record_function("mine", "argument"):
            x = flambeau.ones(3, requires_grad=True)
            (x * 2).sum().backward()
        del x
    prof.add_metadata("text", "a")
    prof.add_metadata_json("number", "[1, 2]")
    prof.preset_metadata_json("always", "true")
    prof.export_chrome_trace(tmp_path / name)
    opened = gzip.open if name.endswith("gz") else open
    with opened(tmp_path / name, "rt") as file:
        trace = json.load(file)
    assert (trace["text"], trace["number"], trace["always"]) == ("a", [1, 2], True)
    assert trace["trace_id"] == prof.get_trace_id()
    spans = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    outer = next(e for e in spans if e["name"] == "mine")
    assert outer["cat"] == "user_annotation"
    for e in spans:
        assert e["ts"] >= outer["ts"] and e["ts"] + e["dur"] <= outer["ts"] + outer["dur"] + 1e-3
        assert {"pid", "tid", "cat", "args"} <= set(e)
    assert next(e for e in spans if e["name"] == "aten::mul")["args"]["Input Dims"] == [[3], []]


def test_schedule_hands_over_cycle_by_cycle(tmp_path):
    seen = []

    def ready(prof):
        steps = [e.trace_name for e in prof.events() if e.name == "ProfilerStep*"]
        seen.append((prof.step_num, steps, by_name(prof)["aten::exp"].count))

    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    with profile(schedule=plan, on_trace_ready=ready) as prof:
        for _ in range(12):
            flambeau.ones(3).exp()
            prof.step()
    assert seen == [
        (5, ["ProfilerStep#3", "ProfilerStep#4"], 2),
        (9, ["ProfilerStep#7", "ProfilerStep#8"], 2),
    ]


def test_recording_under_way_is_handed_over_at_the_end(tmp_path):
    handler = tensorboard_trace_handler(tmp_path / "new", "worker", use_gzip=True)
    with profile(schedule=schedule(wait=0, warmup=1, active=5), on_trace_ready=handler) as prof:
        for _ in range(3):
            flambeau.ones(3).exp()
            prof.step()
    (path,) = (tmp_path / "new").iterdir()
    assert path.name.startswith("worker.") and path.name.endswith(".pt.trace.json.gz")
    with gzip.open(path, "rt") as file:
        assert sum(e["name"] == "aten::exp" for e in json.load(file)["traceEvents"]) == 2


def test_events_of_cycles_are_kept_on_demand():
    plan = schedule(wait=0, warmup=1, active=1, repeat=2)
    with profile(schedule=plan, acc_events=True) as prof:
        for _ in range(4):
            flambeau.ones(3).exp()
            prof.step()
    assert by_name(prof)["aten::exp"].count == 2


def test_wrong_schedule_is_told():
    plan = [ProfilerAction.RECORD, ProfilerAction.NONE]
    with profile(schedule=lambda step: plan[min(step, 1)]) as prof:
        with pytest.warns(UserWarning, match="Incorrect schedule: RECORD followed by NONE"):
            prof.step()


def test_collection_is_turned_off_for_a_while():
    with profile() as prof:
        flambeau.ones(3).exp()
        prof.toggle_collection_dynamic(False, [ProfilerActivity.CPU])
        flambeau.ones(3, requires_grad=True).sin().sum().backward()
        prof.toggle_collection_dynamic(True, [ProfilerActivity.CPU])
        flambeau.ones(3).cos()
    assert {"aten::exp", "aten::cos"} <= set(by_name(prof))
    assert not {"aten::sin", "SinBackward0"} & set(by_name(prof))


def test_autograd_profile():
    with autograd_profiler.profile(enabled=False) as prof:
        assert prof is None
    prof = autograd_profiler.profile(profile_memory=True)
    assert str(prof) == repr(prof) == "<unfinished profile>"
    with pytest.raises(RuntimeError, match="didn't finish"):
        prof.key_averages()
    with prof:
        with pytest.raises(RuntimeError, match="not reentrant"):
            prof.__enter__()
        flambeau.ones(3).exp()
    assert "aten::exp" in prof.table(sort_by="cpu_time_total")
    assert prof.total_average().count == len(prof.function_events) == len(eval_names(prof))
    with pytest.raises(ValueError, match="with_stack"):
        prof.export_stacks("nowhere")


def eval_names(prof):
    return [event.name for event in prof.function_events]


def test_two_profiles_at_once():
    with profile() as outer:
        with autograd_profiler.profile() as inner:
            flambeau.ones(3).exp()
    assert "aten::exp" in by_name(outer) and "aten::exp" in eval_names(inner)


def test_profile_of_a_trace():
    with profile() as prof:
        compiled = flambeau.compile(lambda x: (x * 2).exp())
        made = compiled(flambeau.ones(3))
    flambeau.testing.assert_close(made, flambeau.full((3,), 2.0).exp())
    assert prof.events()


@pytest.mark.parametrize("make, error, text", [
    (lambda: autograd_profiler.profile(use_cuda=True), NotImplementedError, "accelerator"),
    (lambda: autograd_profiler.profile(use_device="cuda"), NotImplementedError, "accelerator"),
    (lambda: autograd_profiler.profile(experimental_config=1), NotImplementedError, "experimental_config"),
    (lambda: profile(execution_trace_observer=1), NotImplementedError, "execution_trace_observer"),
    (lambda: autograd_profiler.emit_nvtx().__enter__(), RuntimeError, "NVTX"),
    (lambda: autograd_profiler.emit_itt().__enter__(), RuntimeError, "ITT"),
    (lambda: schedule(wait=-1, warmup=1, active=1), AssertionError, "Invalid profiler schedule"),
    (lambda: profile().key_averages(), AssertionError, "initialized"),
])  # fmt: skip
def test_refusals(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_cuda_activity_warns():
    with pytest.warns(UserWarning, match="CUDA activity is not recorded"):
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    with autograd_profiler.emit_nvtx(enabled=False):
        pass


def test_small_tools():
    keys = autograd_profiler.EnforceUnique()
    keys.see("a", 1)
    with pytest.raises(RuntimeError, match="duplicate key"):
        keys.see("a", 1)
    tracker = autograd_profiler.KinetoStepTracker
    tracker.init_step_count("a")
    tracker.init_step_count("b")
    start = tracker.current_step()
    assert tracker.increment_step("a") == start + 1
    assert tracker.increment_step("b") == start + 1
    assert tracker.increment_step("b") == start + 2
    assert tracker.erase_step_count("a") and not tracker.erase_step_count("a")
    tracker.erase_step_count("b")

    class At:
        def __init__(self, ns):
            self.ns = ns

        def start_ns(self):
            return self.ns

    records = autograd_profiler.MemRecordsAcc([[At(5), False], [At(1), False], [At(9), False]])
    assert [r[0].ns for r in records.in_interval(1, 5)] == [1, 5]
