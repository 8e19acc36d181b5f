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


def test_names_that_packages_take_from_inside_are_there(tmp_path):
    done = code(
        "import torch, torch.nn.modules.conv, torch.optim.optimizer, torch.utils._pytree as pytree\n"
        "from torch._jit_internal import boolean_dispatch\n"
        "from torch.nn.common_types import _size_2_t\n"
        "from torch.nn.modules.utils import _pair\n"
        "from torch.distributions.half_cauchy import HalfCauchy\n"
        "import torch.backends.cudnn as cudnn\n"
        "cudnn.benchmark = True\n"
        "assert torch.backends.cudnn.benchmark and not cudnn.is_available()\n"
        "assert torch.torch is torch and torch.optim.optimizer.Optimizer is torch.optim.Optimizer\n"
        "assert 'HalfCauchy' in vars(torch.distributions)\n"
        "leaves, spec = pytree.tree_flatten({'a': [1, (2,)], 'b': 3})\n"
        "assert leaves == [1, 2, 3] and pytree.tree_unflatten(leaves, spec) == {'a': [1, (2,)], 'b': 3}\n"
        "assert pytree.tree_map(lambda a, b: a + b, [1, (2,)], [3, (4,)]) == [4, (6,)]\n"
        "assert isinstance(torch.zeros(1), torch._C.TensorBase) and not torch._C._is_torch_function_enabled() is False\n"
        "x, = torch._foreach_add([torch.ones(2)], [torch.ones(2)], alpha=3)\n"
        "assert x.tolist() == [4, 4] and torch.ops.aten.add.default(x, x).tolist() == [8, 8]\n"
        "future = torch.jit.fork(torch.add, x, 1)\n"
        "print(torch.jit.wait(future).tolist(), _pair(3))\n",
        tmp_path,
    )
    assert done.stdout == "[5.0, 5.0] (3, 3)\n", done.stderr


def test_missing_decorators_and_bases_of_an_imported_module_are_refused_when_used(tmp_path):
    (tmp_path / "package.py").write_text(
        "import torch\n"
        "from torch.fx import Graph, Node\n"
        "@torch.fx.experimental.something('name', 3)\n"
        "def traced(x: Node | None, y: Graph | int = 3) -> 'list[Node]': return x\n"
        "class Tracer(torch.fx.Tracer):\n"
        "    @torch.fx.compatibility(is_backward_compatible=True)\n"
        "    def trace(self): pass\n"
        "TABLE = {torch.ops.aten.no_such_operator.default: 1}\n"
    )
    done = code(
        "import package\n"
        "for use in (lambda: package.traced(1), package.Tracer):\n"
        "    try: use()\n"
        "    except NotImplementedError as error: print(error)\n",
        tmp_path,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("torch.fx.experimental.something(...) is not available")
    assert lines[1].startswith("torch.fx.Tracer, the base of Tracer, is not available")


def test_a_guarded_import_of_what_is_missing_is_an_import_error(tmp_path):
    done = code(
        "def ask():\n"
        "    try:\n"
        "        from torch.nn import NoSuchLayer\n"
        "    except ImportError:\n"
        "        return 'older'\n"
        "import contextlib\n"
        "with contextlib.nullcontext():\n"
        "    from torch.nn import NoSuchLayer\n"
        "try:\n"
        "    import torch.Tensor\n"
        "except ImportError:\n"
        "    print(ask(), bool(NoSuchLayer))\n",
        tmp_path,
    )
    assert done.stdout == "older False\n", done.stderr


def test_a_package_beside_torch_is_answered_only_for_code_that_cannot_do_without(tmp_path):
    if any(map(importlib.util.find_spec, ("torchvision", "flambeau_vision"))):
        pytest.skip("answered: torchvision or flambeau-vision is installed")
    done = code(
        "import importlib.util\n"
        "found = importlib.util.find_spec('torchvision')\n"
        "try:\n"
        "    import torchvision\n"
        "except ImportError:\n"
        "    print(found)\n"
        "from torchvision import transforms\n"
        "print(transforms.Resize)\n",
        tmp_path,
    )
    expected = "None\n<torchvision.transforms.Resize: not available in flambeau>\n"
    assert done.stdout == expected, done.stderr


def test_programs_are_saved_and_loaded(tmp_path):
    code = (
        "import torch, sys\n"
        "net = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())).eval()\n"
        "torch.jit.save(net, sys.argv[1])\n"
        "again = torch.jit.load(sys.argv[1], map_location='cpu')\n"
        "x = torch.randn(2, 3)\n"
        "print(bool(torch.allclose(net(x), again(x))))\n"
    )
    script = tmp_path / "saved.py"
    script.write_text(code)
    made = subprocess.run(
        [sys.executable, "-m", "flambeau.compat", str(script), str(tmp_path / "net.pt")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.stdout.strip() == "True", made.stderr
