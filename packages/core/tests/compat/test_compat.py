"""`python -m flambeau.compat`: PyTorch scripts run unchanged, in a process of their own."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).parent / "scripts"


def run(*arguments, cwd):
    env = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    import flambeau

    env["PYTHONPATH"] = os.pathsep.join(
        [str(pathlib.Path(flambeau.__file__).parents[1]), env.get("PYTHONPATH", "")]
    )
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ours(*arguments, cwd):
    return run("-m", "flambeau.compat", *map(str, arguments), cwd=cwd)


@pytest.mark.slow
def test_a_training_script_runs_unmodified(tmp_path):
    done = ours(SCRIPTS / "train.py", "--epochs", "15", "--save", "weights.pt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert (
        words[0] == "loss"
        and float(words[1]) < 0.3
        and float(words[3]) >= 0.9
        and words[5] == "1218"
    )
    assert (tmp_path / "weights.pt").exists()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("einops") is None, reason="einops is not installed")
def test_a_script_that_uses_einops_runs_unmodified(tmp_path):
    done = ours(SCRIPTS / "use_einops.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(2, 4, 48) (2, 3, 2) (2, 4, 4) (2, 9) (2, 4) ")


def code(text, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(text)
    return ours(path, cwd=tmp_path)


def test_torch_is_flambeau_under_another_name(tmp_path):
    done = code(
        "import torch, torch.nn as nn, torch.nn.functional as F, torch.utils.data\n"
        "import flambeau, importlib.metadata\n"
        "assert torch.Tensor is flambeau.Tensor and nn.Linear is flambeau.nn.Linear\n"
        "assert F.relu is flambeau.nn.functional.relu\n"
        "assert importlib.metadata.version('torch') == torch.__version__ and torch.__version__.startswith('2.13.0')\n"
        "print(torch.float32, torch.zeros(2, dtype=torch.float64))\n",
        tmp_path,
    )
    assert done.stdout == "torch.float32 tensor([0., 0.], dtype=torch.float64)\n", done.stderr


def test_what_is_missing_fails_where_it_is_used_with_its_name(tmp_path):
    done = code(
        "import torch\n"
        "from torch.fx import GraphModule, symbolic_trace\n"
        "import torch._dynamo.config\n"
        "class Mine(GraphModule): pass\n"
        "print('imported', isinstance(3, int))\n"
        "symbolic_trace(3)\n",
        tmp_path,
    )
    assert done.stdout == "imported True\n"
    assert (
        done.returncode == 1
        and "torch.fx.symbolic_trace is not available in flambeau" in done.stderr
    )


def test_whether_a_name_is_there_is_answered_truly(tmp_path):
    done = code(
        "import torch\n"
        "print(hasattr(torch, 'no_such_name'), getattr(torch, 'no_such_name', 7), hasattr(torch, 'compile'))\n"
        "print(hasattr(torch.nn, 'NoSuchLayer'), hasattr(torch.nn, 'Linear'))\n"
        "kept = torch.no_such_name\n"
        "def f(x: torch.no_such_class): return x\n"
        "from torch.no_such_module import anything\n"
        "print(repr(kept), f(3))\n",
        tmp_path,
    )
    assert (
        done.stdout
        == "False 7 True\nFalse True\n<torch.no_such_name: not available in flambeau> 3\n"
    ), done.stderr


def test_a_module_runs_with_its_arguments(tmp_path):
    (tmp_path / "tool.py").write_text(
        "import sys, torch\nprint(sys.argv[1:], torch.ones(1).item())\n"
    )
    assert ours("-m", "tool", "a", "b", cwd=tmp_path).stdout == "['a', 'b'] 1.0\n"


def test_exit_codes_and_usage(tmp_path):
    assert ours("none.py", cwd=tmp_path).returncode == 2
    assert "no such file" in ours("none.py", cwd=tmp_path).stderr
    assert ours(cwd=tmp_path).returncode == 2
    (tmp_path / "exits.py").write_text("raise SystemExit(7)\n")
    assert ours("exits.py", cwd=tmp_path).returncode == 7


def test_install_and_uninstall_leave_no_trace():
    import flambeau.compat

    if "torch" in sys.modules:
        with pytest.raises(RuntimeError, match="already been imported"):
            flambeau.compat.install()
        return
    flambeau.compat.install()
    try:
        import torch

        assert torch.ones(2).sum() == 2 and repr(torch.int64) == "torch.int64"
    finally:
        flambeau.compat.uninstall()
    assert "torch" not in sys.modules and repr(flambeau.int64) == "flambeau.int64"
