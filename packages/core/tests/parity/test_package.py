"""Packages that one library wrote and the other opens; patterns and refusals beside each other."""

from __future__ import annotations

import importlib
import io
import sys
import warnings
import zipfile

import numpy as np
import pytest
import torch
import torch.package

import flambeau

SOURCES = {
    "crossing_net.py": (
        "import torch\n"
        "from torch import nn\n"
        "from crossing_helper import twice\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Linear(2, 3), nn.ReLU())\n"
        "        self.register_buffer('steps', torch.arange(3, dtype=torch.int16))\n"
        "    def forward(self, x):\n"
        "        return twice(self.layers(x)) + self.steps\n"
    ),
    "crossing_helper.py": "import math\nimport numpy\ndef twice(x): return x * 2\n",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    for name, text in SOURCES.items():
        (tmp_path / "code" / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    yield lambda: importlib.import_module("crossing_net")
    for name in ("crossing_net", "crossing_helper"):
        sys.modules.pop(name, None)


def export(library, path, obj):
    with library.package.PackageExporter(path) as package:
        package.intern("crossing_*")
        package.extern("numpy.**")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own, of its storages
            package.save_pickle("model", "net.pkl", obj)
        package.save_text("model", "about.txt", "a net")
    return package


@pytest.fixture
def beside(tmp_path):
    """Runs code in a process without PyTorch, `torch` being flambeau's."""
    import os
    import subprocess

    def run(code, *arguments):
        text = "import flambeau.compat; flambeau.compat.install()\nimport sys, torch\n" + code
        done = subprocess.run(
            [sys.executable, "-c", text, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_pytorchs_package_opens_here(modules, beside, tmp_path):
    net = modules().Net()
    export(torch, tmp_path / "net.pt", net)
    x = torch.randn(4, 2)
    torch.save({"x": x, "wanted": net(x).detach()}, tmp_path / "given.pt")
    beside(
        "i = torch.package.PackageImporter(sys.argv[1])\n"
        "net = i.load_pickle('model', 'net.pkl')\n"
        "given = torch.load(sys.argv[2])\n"
        "torch.testing.assert_close(net(given['x']), given['wanted'])\n"
        "assert net.steps.dtype is torch.int16 and i.load_text('model', 'about.txt') == 'a net'\n",
        tmp_path / "net.pt", tmp_path / "given.pt",
    )  # fmt: skip


def test_our_package_opens_in_pytorch(modules, beside, tmp_path):
    beside(
        "from torch.package import PackageExporter\n"
        "import crossing_net\n"
        "torch.manual_seed(0)\n"
        "net = crossing_net.Net()\n"
        "with PackageExporter(sys.argv[1]) as package:\n"
        "    package.intern('crossing_*'); package.extern('numpy.**')\n"
        "    package.save_pickle('model', 'net.pkl', net)\n"
        "    package.save_pickle('model', 'w.pkl', net.layers[0].weight)\n"
        "x = torch.randn(4, 2)\n"
        "torch.save({'x': x, 'wanted': net(x).detach()}, sys.argv[2])\n",
        tmp_path / "net.pt", tmp_path / "given.pt",
    )  # fmt: skip
    opened = torch.package.PackageImporter(tmp_path / "net.pt")
    net, given = opened.load_pickle("model", "net.pkl"), torch.load(tmp_path / "given.pt")
    torch.testing.assert_close(net(given["x"]), given["wanted"])
    weight = opened.load_pickle("model", "w.pkl")
    assert torch.equal(weight, net.layers[0].weight)
    again = io.BytesIO()
    with torch.package.PackageExporter(
        again, importer=(opened, torch.package.sys_importer)
    ) as package:
        package.intern("crossing_*")
        package.extern("numpy.**")
        package.save_source_string("mentions", "import crossing_net")
    assert {"archive/crossing_net.py", "archive/crossing_helper.py"} <= set(
        zipfile.ZipFile(again).namelist()
    )


def test_plain_objects_cross_without_compat(tmp_path):
    numbers = {"a": torch.arange(3.0), "b": torch.ones(2).bfloat16(), "c": [True, None, "x"]}
    export(torch, tmp_path / "p.pt", numbers)
    loaded = flambeau.package.PackageImporter(tmp_path / "p.pt").load_pickle("model", "net.pkl")
    assert (
        loaded["a"].tolist() == [0, 1, 2]
        and loaded["b"].dtype is flambeau.bfloat16
        and loaded["c"] == numbers["c"]
    )
    layer = flambeau.nn.Linear(2, 2)
    export(flambeau, tmp_path / "q.pt", layer)
    there = torch.package.PackageImporter(tmp_path / "q.pt").load_pickle("model", "net.pkl")
    assert type(there) is torch.nn.Linear
    np.testing.assert_array_equal(there.weight.detach().numpy(), layer.weight.detach().numpy())


@pytest.mark.parametrize("library", [torch, flambeau])
def test_files_and_records(library, tmp_path):
    package = export(library, tmp_path / "p.pt", {"t": library.ones(2)})
    assert package.mocked_modules() == package.denied_modules() == package.interned_modules() == []
    assert package.externed_modules() == ["collections", "torch", "torch._utils"]
    tree = library.package.PackageImporter(tmp_path / "p.pt").file_structure(
        include=["model/*", ".data/*_*"]
    )
    assert str(tree) == (
        f"─── {tmp_path}/p.pt\n    ├── .data\n    │   ├── extern_modules\n    │   ├── python_version\n"
        "    │   └── serialization_id\n    └── model\n        ├── about.txt\n        └── net.pkl\n"
    )
    names = zipfile.ZipFile(tmp_path / "p.pt").namelist()
    assert sorted(names) == sorted([
        "p/.data/0.storage", "p/model/net.pkl", "p/model/about.txt", "p/.data/extern_modules",
        "p/.data/python_version", "p/.data/version", "p/byteorder", "p/.data/serialization_id",
    ])  # fmt: skip


@pytest.mark.parametrize(
    "pattern", ["a.*", "a.**", "**", "a*.b", "*", "**.m", "a.**.b", "a", ["a", "*.m"]]
)
@pytest.mark.parametrize("exclude", [(), "a.b", ["**.c"]])
def test_patterns(pattern, exclude):
    ours, theirs = (
        library.package.GlobGroup(pattern, exclude=exclude) for library in (flambeau, torch)
    )
    for name in ("a", "a.b", "a.b.c", "abc.b", "m", "x.m", "x.y.m", "a.x.y.b", "aa"):
        assert ours.matches(name) == theirs.matches(name), name


def both(fill):
    """What each library raises."""
    for library in (torch, flambeau):
        try:
            with library.package.PackageExporter(io.BytesIO()) as package:
                fill(library, package)
        except Exception as error:
            yield type(error).__name__, str(error)
        else:
            yield None, ""


@pytest.mark.parametrize(
    ("fill", "named"),
    [
        (lambda _, p: p.save_module("crossing_net"), "crossing_helper"),
        (lambda _, p: (p.intern("**"), p.deny("crossing_h*"), p.save_module("crossing_net")), "numpy"),
        (lambda _, p: (p.deny("crossing_h*"), p.save_module("crossing_net")), "crossing_helper"),
        (lambda _, p: (p.extern("numpy"), p.mock("crossing_h*", allow_empty=False)), "crossing_h"),
        (lambda _, p: (p.save_source_string("a", "import sys")), "sys"),
    ],
)  # fmt: skip
def test_refusals(fill, named, modules):
    theirs, ours = both(fill)
    assert theirs[0] == ours[0] is not None
    assert named in theirs[1] and named in ours[1]
