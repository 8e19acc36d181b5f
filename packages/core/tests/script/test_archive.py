"""Files of jit.save: self-contained, and when damaged or hostile one clear error."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import pytest

import flambeau
from flambeau import jit, nn
from flambeau.serialization.archive import ArchiveWriter
from flambeau.testing import assert_close


def doubled(x, n: int):
    return x * n


def saved(made, **options):
    file = io.BytesIO()
    jit.save(made, file, **options)
    return file.getvalue()


def traced():
    return jit.trace(nn.Linear(3, 2), flambeau.ones(1, 3))


def records(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {n.partition("/")[2]: z.read(n) for n in z.namelist()}


def written(parts):
    file = io.BytesIO()
    out = ArchiveWriter(file, "archive")
    for name, data in parts.items():
        out.write(name, data)
    out.close()
    return file.getvalue()


def changed(data, change):
    """The file with another program."""
    parts = records(data)
    tree = json.loads(parts["program.json"])
    change(tree)
    parts["program.json"] = json.dumps(tree).encode()
    return written(parts)


def loaded(data, **options):
    return jit.load(io.BytesIO(data), **options)


def test_extra_files_and_paths(tmp_path):
    path = tmp_path / "model.pt"
    jit.script(doubled).save(path, {"notes.txt": "hello", "raw": b"\x00"})
    extra = {"notes.txt": "", "raw": "", "none": "kept"}
    made = jit.load(path, _extra_files=extra)
    assert made(flambeau.ones(1), 3).item() == 3
    assert extra == {"notes.txt": b"hello", "raw": b"\x00", "none": "kept"}


def test_map_location_and_shared_parameters():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    made = loaded(saved(jit.script(Tied())))
    assert made.a.weight is made.b.weight and isinstance(made.a.weight, nn.Parameter)
    assert loaded(saved(jit.script(Tied())), map_location="meta").a.weight.device.type == "meta"


def test_every_cut_of_a_file_is_one_error():
    data = saved(traced())
    for at in range(0, len(data) - 1, 97):
        with pytest.raises(RuntimeError, match=r"jit\.load|load:"):
            loaded(data[:at])


def test_flipped_bytes_are_found():
    data = saved(traced())
    for at in range(0, len(data), 331):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        try:
            made = loaded(bytes(broken))
        except (RuntimeError, pickle.UnpicklingError):
            continue
        else:
            assert made(flambeau.ones(1, 3)).shape == (1, 2)  # a byte nobody reads


def graph_of(tree):
    return tree["modules"][0]["programs"]["forward"]["graph"]


DAMAGES = [
    lambda t: t.update({"flambeau.jit": 99}),
    lambda t: t.pop("flambeau.jit"),
    lambda t: t.pop("modules"),
    lambda t: t["root"].update(module=7),
    lambda t: t["modules"][0]["parameters"].update(weight=99),
    lambda t: t["modules"][0]["attributes"].update(forward=1),
    lambda t: t["modules"][0]["attributes"].update(__class__=1),
    lambda t: t["modules"][0]["attributes"].update(x={"function": "flambeau.load"}),
    lambda t: t["modules"][0]["attributes"].update(x={"function": "os.system"}),
    lambda t: t["modules"][0]["attributes"].update(x={"dtype": "nothing"}),
    lambda t: graph_of(t)["calls"][0].__setitem__(0, "system"),
    lambda t: graph_of(t)["calls"][0][1].__setitem__(0, {"value": 50}),
    lambda t: graph_of(t).update(outputs=[-1]),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_programs(damage):
    with pytest.raises(RuntimeError, match=r"jit\.load"):
        loaded(changed(saved(traced()), damage))


HOSTILE = [
    "import os\n",
    "def f(x):\n    import os\n",
    "def f(x):\n    return ().__class__.__bases__\n",
    "def f(x):\n    return x.__reduce__()\n",
    "def f(x):\n    return x.numpy()\n",
    "def f(x):\n    return flambeau.load('x')\n",
    "def f(x):\n    return flambeau.save(x, 'x')\n",
    "def f(x):\n    return flambeau.hub.load('x')\n",
    "def f(x):\n    return eval('1')\n",
    "def f(x):\n    return getattr(x, '__class__')\n",
    "def f(x):\n    return (lambda: x)()\n",
    "def f(x):\n    return '{0.__class__}'.format(x) + x\n",
    "def f(x):\n    return f(x)\n",
    "def f(x):\n    return functions.f(x)\n",
    "def f(" + "(" * 5000,
    "def f(x):\n    return " + "(" * 500 + ")" * 500 + "\n",
    "def f(x=open('x')):\n    return x\n",
    "def f(x):\n    x.shape = 3\n",
    "def f(x):\n    return functions.__class__\n",
    "def f(x):\n    return math.__loader__\n",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_programs_do_nothing(text):
    data = changed(
        saved(jit.script(doubled)),
        lambda t: (
            t["root"]["function"].update(text=text),
            t["functions"].update(f={"text": text}),
        ),
    )
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        loaded(data)(flambeau.ones(2))


@pytest.mark.parametrize(
    "name", ["os.system", "linear.Nothing", "module.Module.__class__", "linear.math", "..Linear"]
)
def test_hostile_classes(name):
    data = saved(jit.script(nn.Linear(3, 2)))

    def damage(tree):
        tree["modules"][1]["class"] = name

    with pytest.raises(RuntimeError, match="there is no module"):
        loaded(changed(data, damage))


def test_library_modules_of_every_kind_travel():
    flambeau.manual_seed(0)
    x = flambeau.randn(2, 5, 8)
    for module in (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        nn.GRU(8, 4, bidirectional=True),
    ):
        made = loaded(saved(jit.script(module.eval())))
        assert_close(made(x), module(x))


def test_parametrized_modules_say_so():
    module = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    with pytest.raises(jit.NotSupportedError, match="changes weight of Linear"):
        jit.script(module)
    odd = type("Odd", (nn.Linear,), {"__module__": "flambeau.nn.modules.linear"})(2, 2)
    with pytest.raises(RuntimeError, match="class made while running"):
        saved(jit.script(odd))


def test_a_subclass_that_only_puts_parts_together_becomes_its_base():
    class Pair(nn.Sequential):
        def __init__(self, size):
            super().__init__(nn.Linear(size, size), nn.ReLU())

    module = nn.Sequential(Pair(3), Pair(3))
    made = loaded(saved(jit.script(module)))
    assert type(made._modules["0"]) is nn.Sequential
    assert_close(made(flambeau.ones(2, 3)), module(flambeau.ones(2, 3)))


def test_other_files():
    with pytest.raises(RuntimeError, match="no archive"):
        loaded(b"hello")
    file = io.BytesIO()
    flambeau.save({"a": flambeau.ones(1)}, file)
    with pytest.raises(RuntimeError, match=r"flambeau\.load reads checkpoints"):
        loaded(file.getvalue())
    with pytest.raises(TypeError, match="jit.script or jit.trace"):
        jit.save(nn.Linear(1, 1), io.BytesIO())


def torchscript(code):
    """An archive such as PyTorch writes, of a module without members."""
    pickle = b"\x80\x02c__torch__\nM\n)\x81}X\x08\x00\x00\x00training\x88sb."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("m/data.pkl", pickle)
        z.writestr("m/constants.pkl", b"\x80\x02).")
        z.writestr("m/version", b"3\n")
        z.writestr("m/code/__torch__.py", code, zipfile.ZIP_DEFLATED)
    return file.getvalue()


HEAD = "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n"


def test_code_of_pytorch_is_interpreted():
    made = loaded(
        torchscript(HEAD + "    _0 = torch.add(x, 1, alpha=2)\n    return torch.mul(_0, 3)\n")
    )
    assert made(flambeau.ones(1)).item() == 9


@pytest.mark.parametrize("line", [
    "__import__('os')", "torch.system(x)", "torch.load('x')", "x.__class__", "ops.prim.nothing(x)", "torch.numpy(x)",
    "torch._C(x)", "().__class__", "__torch__.os.system(x)", "CONSTANTS.c5", "torch.__class__(x)", "getattr(x, '__class__')",
    "torch.format('{0.__class__}', x) + x", "torch.data_ptr(x)",
])  # fmt: skip
def test_hostile_code_of_pytorch_does_nothing(line):
    made = loaded(torchscript(HEAD + f"    return {line}\n"))
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        made(flambeau.ones(1))


@pytest.mark.parametrize(
    "code", ["class M(Module:\n", "\xff", "x = 1\n", "class N(Module):\n  a : int\n"]
)
def test_damaged_code_of_pytorch(code):
    with pytest.raises(RuntimeError, match=r"jit\.load"):
        loaded(torchscript(code.encode("latin1")))


def test_a_bomb_is_refused():
    with pytest.raises(RuntimeError, match="compressed records"):
        loaded(torchscript(b"#" * (65 << 20)))
