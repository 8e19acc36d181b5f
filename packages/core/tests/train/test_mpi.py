"""The same script, launched as two processes: they train one model, are killed, and go on."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import flambeau

HERE = pathlib.Path(sys.executable).parent
MPIEXEC = shutil.which("mpiexec", path=f"{HERE}{os.pathsep}{os.environ.get('PATH', '')}")

SCRIPT = """
import os, signal, sys
import flambeau
from flambeau import nn
from flambeau.train import ModelCheckpoint, Trainer, accuracy
from flambeau.utils.data import DataLoader, TensorDataset

folder, kill_at = sys.argv[1], int(sys.argv[2])

class Kill:
    def on_step_end(self, trainer):
        if trainer.global_step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

flambeau.manual_seed(0)
x = flambeau.randn(40, 3)
data = TensorDataset(x, (x[:, 0] > 0).long())
model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, 2))
optimizer = flambeau.optim.Adam(model.parameters(), lr=0.01)
trainer = Trainer(
    model, nn.functional.cross_entropy, optimizer, metrics={"accuracy": accuracy}, seed=1,
    callbacks=[ModelCheckpoint(folder, every_n_steps=2), Kill()],
)
history = trainer.fit(DataLoader(data, 4, shuffle=True), DataLoader(data, 4), epochs=3, resume=True)
told = f"{len(history)} {flambeau.distributed.get_world_size()} {trainer.global_step}\\n"
os.write(1, told.encode())  # in one piece: both ranks write to one pipe
"""


def launch(folder: pathlib.Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "UCX_TLS": "self,sm", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    return subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, str(script), str(folder), str(kill_at)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or MPIEXEC is None,
    reason="mpi4py or mpiexec is not installed: pip install 'flambeau[mpi]'",
)
def test_ranks_killed_and_resumed_are_bit_identical(tmp_path: pathlib.Path) -> None:
    whole = launch(tmp_path / "whole", 0)
    assert whole.stdout.split("\n")[:2] == ["3 2 15"] * 2, whole.stderr
    assert launch(tmp_path / "killed", 8).returncode != 0
    interrupted = flambeau.load(tmp_path / "killed" / "last.pt")
    assert (interrupted["epoch"], interrupted["batch"], len(interrupted["ranks"])) in [
        (1, 1, 2),
        (1, 3, 2),  # the other rank was killed after rank 0 had written
    ]
    assert launch(tmp_path / "killed", 0).returncode == 0
    ours, theirs = (flambeau.load(tmp_path / name / "last.pt") for name in ("killed", "whole"))
    assert ours["history"] == theirs["history"]
    for name, tensor in theirs["model"].items():
        assert ours["model"][name].numpy().tobytes() == tensor.numpy().tobytes(), name
