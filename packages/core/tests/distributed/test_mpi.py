"""Real processes under mpiexec: they train one model, and end together when one of them fails."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from flambeau import distributed as dist
from flambeau._base.errors import MissingExtra

HERE = pathlib.Path(sys.executable).parent
MPIEXEC = shutil.which("mpiexec", path=f"{HERE}{os.pathsep}{os.environ.get('PATH', '')}")
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or MPIEXEC is None,
    reason="mpi4py or mpiexec is not installed: pip install 'flambeau[mpi]'",
)


def launch(script: str, folder: pathlib.Path, ranks: int = 2, seconds: float = 60):
    """Runs a script under mpiexec without data sockets."""
    path = folder / "script.py"
    path.write_text("import flambeau\nfrom flambeau import distributed as dist\n" + script)
    environment = {**os.environ, "UCX_TLS": "self,sm", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    return subprocess.run(
        [MPIEXEC, "-n", str(ranks), sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment,
        cwd=folder,
    )


COLLECTIVES = """
import json
dist.init_process_group("mpi")
me, size = dist.get_rank(), dist.get_world_size()
found = {"size": size, "backend": dist.get_backend()}
for name in ("float32", "bfloat16", "int64"):
    x = flambeau.full((3,), me + 1.0).to(getattr(flambeau, name))
    dist.all_reduce(x)
    found[name] = x.tolist()
x = flambeau.full((2,), me + 1.0)
dist.all_reduce(x, dist.ReduceOp.AVG, async_op=True).wait()
found["mean"] = x.tolist()
truth = flambeau.tensor([me == 1, False])
dist.all_reduce(truth)
found["truth"] = truth.tolist()
x = flambeau.full((2,), float(me), dtype=flambeau.bfloat16)
dist.broadcast(x, 1)
found["broadcast"] = x.tolist()
each = [flambeau.zeros(2) for _ in range(size)]
dist.all_gather(each, flambeau.full((2,), float(me)))
found["gather"] = [t.tolist() for t in each]
swapped = [flambeau.zeros(1) for _ in range(size)]
dist.all_to_all(swapped, [flambeau.full((1,), 10.0 * me + i) for i in range(size)])
found["all_to_all"] = [t.item() for t in swapped]
part = flambeau.zeros(2)
dist.reduce_scatter_tensor(part, flambeau.arange(4.0))
found["reduce_scatter"] = part.tolist()
scattered = flambeau.zeros(1)
dist.scatter(scattered, [flambeau.tensor([5.0]), flambeau.tensor([6.0])] if me == 0 else None)
found["scatter"] = scattered.item()
x = flambeau.full((2,), float(me))
sent = dist.isend(x, 1 - me)
got = flambeau.zeros(2)
found["source"] = dist.recv(got, 1 - me)
sent.wait()
found["received"] = got.tolist()
objects = [None] * size
dist.all_gather_object(objects, {"rank": me})
found["objects"] = objects
single = dist.new_group([1])
found["group"] = dist.get_rank(single)
dist.barrier()
print(json.dumps(found), flush=True) if me == 0 else None
dist.destroy_process_group()
assert not dist.is_initialized()
"""


@needs_mpi
@pytest.mark.slow
def test_collectives(tmp_path):
    done = launch(COLLECTIVES, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "size": 2,
        "backend": "mpi",
        "float32": [3.0] * 3,
        "bfloat16": [3.0] * 3,
        "int64": [3] * 3,
        "mean": [1.5, 1.5],
        "truth": [True, False],
        "broadcast": [1.0, 1.0],
        "gather": [[0.0, 0.0], [1.0, 1.0]],
        "all_to_all": [0.0, 10.0],
        "reduce_scatter": [0.0, 2.0],
        "scatter": 5.0,
        "source": 1,
        "received": [1.0, 1.0],
        "objects": [{"rank": 0}, {"rank": 1}],
        "group": -1,
    }


TRAINING = """
import sys
from flambeau import nn, optim
from flambeau.utils.data import DataLoader, DistributedSampler, TensorDataset

flambeau.manual_seed(3)
data = TensorDataset(flambeau.randn(64, 10), flambeau.randint(0, 3, (64,)))
model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 3))
distributed = len(sys.argv) == 1
if distributed:
    dist.init_process_group("mpi")
    if dist.get_rank() == 1:
        nn.init.zeros_(model[0].weight)  # rank 0's values count
    model = nn.parallel.DistributedDataParallel(model, bucket_cap_mb=0.0005)
    loader = DataLoader(data, 8, sampler=DistributedSampler(data, shuffle=False))
else:
    loader = DataLoader(data, 16)
optimizer = optim.Adam(model.parameters(), lr=0.01)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
if not distributed or dist.get_rank() == 1:
    print([p.tolist() for p in model.parameters()], flush=True)
"""


@needs_mpi
@pytest.mark.slow
def test_two_processes_reach_the_parameters_of_one(tmp_path):
    done = launch(TRAINING, tmp_path)
    assert done.returncode == 0, done.stderr
    alone = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), "alone"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    import flambeau

    for made, expected in zip(json.loads(done.stdout), json.loads(alone.stdout), strict=True):
        assert flambeau.allclose(flambeau.tensor(made), flambeau.tensor(expected), atol=1e-5)


FAILING = """
dist.init_process_group("mpi")
if dist.get_rank() == 1:
    {failure}
dist.barrier()
print("never", flush=True)
"""


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize(
    "failure",
    [
        'raise ValueError("rank one is unhappy")',
        "import threading, time\n"
        "    def work(): raise ValueError('rank one is unhappy')\n"
        "    threading.Thread(target=work).start(); time.sleep(30)",
    ],
    ids=["main thread", "another thread"],
)
def test_an_exception_in_one_rank_ends_the_job_with_its_traceback(tmp_path, failure):
    began = time.monotonic()
    done = launch(FAILING.format(failure=failure), tmp_path, seconds=20)
    assert time.monotonic() - began < 15
    assert done.returncode != 0
    assert "ValueError: rank one is unhappy" in done.stderr
    assert "ValueError in rank 1; the job ends" in done.stderr
    assert "never" not in done.stdout


@needs_mpi
@pytest.mark.slow
def test_figures_that_contradict_the_launcher_are_refused(tmp_path):
    done = launch("dist.init_process_group('mpi', world_size=5)", tmp_path, ranks=1)
    assert done.returncode != 0
    assert "world_size=5, but mpiexec started this process with world_size=1" in done.stderr


def test_a_missing_mpi4py_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingExtra, match=r"needs mpi4py.*pip install 'flambeau\[mpi\]'"):
        dist.init_process_group("mpi")
    assert not dist.is_initialized()
