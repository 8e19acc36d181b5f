"""The thread pool: results never depend on it, a forked child has its own, and the count follows its settings."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import flambeau
from flambeau import ir
from flambeau.backends.cpu import available, threads
from flambeau.backends.cpu.kernel import compile_elementwise, compile_reduction

needs_compiler = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
x = ir.var("x")
double = compile_elementwise({"out": x * 2}, {"x": "float32"})
total = compile_reduction({"out": ("sum", x)}, {"x": "float32"})
columns = compile_reduction({"out": ("sum", x)}, {"x": "float32"}, 0)


@pytest.fixture
def thread_count():
    before = flambeau.get_num_threads()
    yield
    flambeau.set_num_threads(before)


@needs_compiler
def test_results_do_not_depend_on_the_number_of_threads(thread_count):
    a = np.random.default_rng(0).normal(size=(700, 1300)).astype("f4")
    found = []
    for n in (1, 2, 3, 7):
        flambeau.set_num_threads(n)
        found.append([double(a)[0], total(a)[0], columns(a)[0]])
    for others in found[1:]:
        for one, other in zip(found[0], others):
            np.testing.assert_array_equal(one, other)


@needs_compiler
def test_threads_start_when_wanted_and_are_kept(thread_count):
    flambeau.set_num_threads(3)
    a = np.ones(1 << 18, "f4")
    for _ in range(3):
        double(a)
    assert threads.pool().fb_workers() >= 2
    small = threads.pool().fb_workers()
    double(a)
    assert threads.pool().fb_workers() == small


@needs_compiler
def test_calls_from_many_python_threads_at_once():
    a = np.random.default_rng(0).normal(size=300_000).astype("f4")
    wrong = []

    def work():
        for _ in range(10):
            if not np.array_equal(double(a)[0], a * 2):
                wrong.append(1)

    running = [threading.Thread(target=work) for _ in range(4)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert not wrong


@needs_compiler
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_computes_with_a_pool_of_its_own(thread_count):
    flambeau.set_num_threads(2)
    a = np.random.default_rng(0).normal(size=300_000).astype("f4")
    double(a)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fine = threads.pool().fb_workers() == 0 and np.array_equal(double(a)[0], a * 2)
            status = 0 if fine and threads.pool().fb_workers() == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(double(a)[0], a * 2)


def test_the_environment_sets_the_count(monkeypatch):
    monkeypatch.setenv("FLAMBEAU_NUM_THREADS", "5")
    assert threads.default() == 5
    monkeypatch.setenv("FLAMBEAU_NUM_THREADS", "many")
    with pytest.raises(
        ValueError, match="FLAMBEAU_NUM_THREADS must be a positive whole number, but is 'many'"
    ):
        threads.default()


def test_affinity_limits_the_count(monkeypatch):
    monkeypatch.delenv("FLAMBEAU_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert threads.default() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    "files, share",
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, 1 << 16),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1 << 16),
        ({}, 1 << 16),
    ],
)
def test_control_groups_limit_the_count(tmp_path, files, share):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.cgroup_share(str(tmp_path)) == share


def test_wrong_counts_are_refused():
    with pytest.raises(RuntimeError, match="expects a positive integer"):
        flambeau.set_num_threads(0)
    with pytest.raises(TypeError, match="expects an int, but got str"):
        flambeau.set_num_threads("2")
