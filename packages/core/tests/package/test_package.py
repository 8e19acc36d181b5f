"""Packages: what goes in, what comes out, what is refused."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import subprocess
import sys
import traceback
import zipfile

import pytest

import flambeau
from flambeau.package import (
    Directory,
    EmptyMatchError,
    GlobGroup,
    ObjMismatchError,
    ObjNotFoundError,
    OrderedImporter,
    PackageExporter,
    PackageImporter,
    PackagingError,
    is_from_package,
    sys_importer,
)


def written(fill, **options):
    file = io.BytesIO()
    with PackageExporter(file, **options) as package:
        fill(package)
    return PackageImporter(file)


def test_a_model_with_its_code(packaged, tmp_path):
    net = importlib.import_module("packaged.net").Net()
    path = tmp_path / "net.pt"
    with PackageExporter(path) as package:
        package.intern("packaged.**")
        package.save_pickle("model", "net.pkl", net)
        package.save_pickle("model", "more.pkl", {"w": net.linear.weight, "inner": net.linear})
        assert not path.exists()
    assert package.interned_modules() == ["packaged.constants", "packaged.layers", "packaged.net"]
    x = flambeau.randn(4, 2)
    wanted = net(x)
    opened = PackageImporter(path)
    loaded = opened.load_pickle("model", "net.pkl")
    assert flambeau.equal(loaded(x), wanted) and loaded.shared is loaded.linear.weight
    assert type(loaded).__module__ == f"{opened.id()}.packaged.net" and type(loaded) is not type(
        net
    )
    assert is_from_package(loaded) and is_from_package(type(loaded)) and not is_from_package(net)
    assert is_from_package(opened.import_module("packaged.net"))
    more = opened.load_pickle("model", "more.pkl")
    assert more["w"] is more["inner"].weight
    assert more["w"].data_ptr() != loaded.linear.weight.data_ptr()
    storages = [n for n in zipfile.ZipFile(path).namelist() if n.endswith(".storage")]
    assert len(storages) == 2  # written once for all pickles
    assert PackageImporter(path).id() != opened.id()
    assert opened.python_version() == ".".join(map(str, sys.version_info[:3]))


def test_where_the_process_has_no_such_module(packaged, tmp_path):
    with PackageExporter(tmp_path / "net.pt") as package:
        package.intern("packaged.**")
        package.save_pickle("model", "net.pkl", importlib.import_module("packaged.net").Net())
    code = (
        "import flambeau, sys\n"
        "i = flambeau.package.PackageImporter(sys.argv[1])\n"
        "print(tuple(i.load_pickle('model', 'net.pkl')(flambeau.ones(5, 2)).shape))\n"
        "assert 'packaged' not in sys.modules and 'packaged.net' in i.modules\n"
    )
    paths = os.pathsep.join(p for p in sys.path if p != str(tmp_path / "code"))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.pt")],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "(5, 3)\n", done.stderr


def test_resources_and_sources():
    def fill(package):
        package.save_text("data.words", "a.txt", "häh")
        package.save_binary("data", "b", b"\0\1")
        package.save_source_string(
            "made", "from . import inner\n", is_package=True, dependencies=False
        )
        package.save_source_string("made.inner", "import json\nfrom torch_package_importer import load_text\n"
                                   "WORD = load_text('data.words', 'a.txt')\n")  # fmt: skip

    opened = written(fill)
    assert (
        opened.load_text("data.words", "a.txt") == "häh"
        and opened.load_binary("data", "b") == b"\0\1"
    )
    assert opened.import_module("made").inner.WORD == "häh"
    assert "import json" in opened.get_source("made.inner")
    tree = opened.file_structure(exclude=".data/**")
    assert (
        isinstance(tree, Directory)
        and tree.has_file("made/inner.py")
        and not tree.has_file("nothing")
    )
    assert str(tree) == (
        "─── <binary>\n    ├── data\n    │   ├── words\n    │   │   └── a.txt\n    │   └── b\n    ├── made\n"
        "    │   ├── __init__.py\n    │   └── inner.py\n    └── byteorder\n"
    )
    with pytest.raises(RuntimeError, match="no record 'data/c'"):
        opened.load_binary("data", "c")
    with pytest.raises(ModuleNotFoundError, match="'other'"):
        opened.import_module("other")


def test_errors_inside_packaged_code_show_its_lines():
    opened = written(
        lambda p: p.save_source_string("broken", "def f():\n    raise KeyError('here')\n")
    )
    f = opened.import_module("broken").f
    try:
        f()
    except KeyError:
        assert "raise KeyError('here')" in traceback.format_exc()
    bad = written(lambda p: p.save_source_string("bad", "1 / 0", dependencies=False))
    with pytest.raises(ZeroDivisionError):
        bad.import_module("bad")
    assert "bad" not in bad.modules


def test_a_folder_of_sources(packaged, tmp_path):
    def fill(package):
        package.extern(["sys", "numpy"])
        package.intern("packaged.**")
        package.save_source_file("other", str(tmp_path / "code" / "packaged"))

    opened = written(fill)
    assert opened.import_module("other.constants").TWO == 2
    assert opened.import_module("other").twice(4) == 8


def test_an_unpacked_package(packaged, tmp_path):
    with PackageExporter(tmp_path / "p.pt") as package:
        package.intern("packaged.**")
        package.save_pickle(
            "a", "b", {"t": flambeau.arange(3), "f": importlib.import_module("packaged").twice}
        )
    zipfile.ZipFile(tmp_path / "p.pt").extractall(tmp_path / "unpacked")
    opened = PackageImporter(tmp_path / "unpacked" / "p")
    made = opened.load_pickle("a", "b")
    assert made["t"].tolist() == [0, 1, 2] and made["f"](3) == 6
    with pytest.raises(RuntimeError, match="no record"):
        opened.load_binary("..", "p.pt")


def test_what_has_no_rule_is_named_with_the_reason(packaged, tmp_path):
    package = PackageExporter(tmp_path / "p.pt", debug=True)
    package.intern("packaged.**")
    package.save_module("packaged.uses_numpy")
    with pytest.raises(PackagingError, match=r"No rule") as caught:
        package.close()
    text = str(caught.value)
    assert "    sys\n" in text and "    numpy\n" in text and "packaged.uses_numpy -> numpy" in text
    assert os.listdir(tmp_path) == ["code"]
    with pytest.raises(PackagingError, match="denied"):
        written(
            lambda p: (
                p.deny("packaged.constants"),
                p.intern("**"),
                p.save_module("packaged.layers"),
            )
        )
    with pytest.raises(PackagingError, match="cannot be imported"):
        written(lambda p: p.save_module("no_such_module_at_all"))
    with pytest.raises(PackagingError, match="compiled extension"):
        written(lambda p: p.save_module("numpy._core._multiarray_umath"))
    with pytest.raises(EmptyMatchError, match="nothing"):
        written(lambda p: p.extern("nothing", allow_empty=False))
    with pytest.raises(TypeError, match="string"):
        written(lambda p: p.save_module(os))


def test_mocks(packaged):
    def fill(package):
        package.mock("packaged.layers")
        package.intern("packaged.net")
        package.save_pickle("a", "b", importlib.import_module("packaged.net").Net())

    opened = written(fill)
    net = opened.load_pickle("a", "b")
    with pytest.raises(NotImplementedError, match=r"packaged.layers.twice.* mocked out"):
        net(flambeau.ones(1, 2))
    with pytest.raises(PackagingError, match=r"(?s)mocked.*Net"):
        written(
            lambda p: (
                p.mock("packaged.net"),
                p.save_pickle("a", "b", importlib.import_module("packaged.net").Net()),
            )
        )


def test_external_modules_may_be_refused(packaged):
    file = io.BytesIO()
    with PackageExporter(file) as package:
        package.save_source_string("a", "import json, subprocess")
    assert package.externed_modules() == ["json", "subprocess"]
    with pytest.raises(ImportError, match="'subprocess'.*disallowed"):
        PackageImporter(file, module_allowed=lambda name: name != "subprocess")
    opened = written(lambda p: p.save_source_string("a", "import subprocess", dependencies=False))
    with pytest.raises(ModuleNotFoundError, match="external"):
        opened.import_module("a")


def test_packaging_what_came_from_a_package(packaged):
    def fill(package):
        package.intern("packaged.**")
        package.save_pickle("a", "b", importlib.import_module("packaged.net").Net())

    first = written(fill)
    net = first.load_pickle("a", "b")

    def again(package):
        package.intern("packaged.**")
        package.save_pickle("a", "b", net)

    with pytest.raises(ObjMismatchError, match="torch_package"):
        written(again)
    second = written(again, importer=(first, sys_importer)).load_pickle("a", "b")
    assert flambeau.equal(second.linear.weight, net.linear.weight) and type(second) is not type(net)
    with pytest.raises(ObjNotFoundError):
        OrderedImporter(sys_importer).get_name(lambda: None)
    with pytest.raises(TypeError, match="Importers"):
        OrderedImporter(first, "sys")


class Word:
    """An object that says itself how it is packaged."""

    def __init__(self, text):
        self.text = text

    def __reduce_package__(self, exporter):
        exporter.save_text("words", f"{exporter.get_unique_id()}.txt", self.text)
        return make_word, ("0.txt",)


def make_word(importer, name):
    return Word(importer.load_text("words", name))


def test_objects_may_say_how_they_are_packaged():
    word = Word("hello")

    def fill(package):
        package.extern("*test_package*")
        package.extern("**.test_package")
        package.save_pickle("a", "b", [word, word])

    one, two = written(fill).load_pickle("a", "b")
    assert one is two and one.text == "hello"


def test_nested_classes_and_new_dtypes(packaged):
    inner = importlib.import_module("packaged.layers").Outer.Inner()
    numbers = flambeau.arange(3, dtype=flambeau.uint16)

    def fill(package):
        package.intern("packaged.**")
        package.save_pickle(
            "a", "b", {"inner": inner, "n": numbers, "half": flambeau.ones(2).bfloat16()}
        )

    loaded = written(fill).load_pickle("a", "b", map_location="cpu")
    assert type(loaded["inner"]).__qualname__ == "Outer.Inner"
    assert loaded["n"].dtype is flambeau.uint16 and loaded["n"].tolist() == [0, 1, 2]
    assert loaded["half"].dtype is flambeau.bfloat16


def test_hooks_and_the_graph(packaged):
    seen = []
    with PackageExporter(io.BytesIO()) as package:
        package.intern("packaged.**")
        for action in ("intern", "extern", "mock"):
            getattr(package, f"register_{action}_hook")(
                lambda p, name, action=action: seen.append((action, name))
            )
        package.register_intern_hook(lambda *_: 1 / 0).remove()
        package.save_module("packaged.layers")
        assert (
            package.get_rdeps("packaged.constants") == ["packaged.layers"]
            and package.get_rdeps("x") == []
        )
        assert '"packaged.layers" -> "math";' in package.dependency_graph_string()
        assert '"packaged.layers" -> "packaged.constants";' in package.all_paths(
            "packaged.layers", "packaged.constants"
        )
        with pytest.raises(ValueError, match="x is not"):
            package.all_paths("x", "math")
        assert (package.get_unique_id(), package.get_unique_id()) == ("0", "1")
    assert set(seen) == {
        ("intern", "packaged.layers"),
        ("intern", "packaged.constants"),
        ("extern", "math"),
    }
    with pytest.raises(RuntimeError, match="closed"):
        package.save_text("a", "b", "c")
    with pytest.raises(RuntimeError, match="already"), PackageExporter(io.BytesIO()) as twice:
        twice.save_text("a", "b", "c")
        twice.save_text("a", "b", "c")


def test_an_exception_leaves_no_file(tmp_path):
    (tmp_path / "p.pt").write_bytes(b"older")
    with pytest.raises(KeyError), PackageExporter(tmp_path / "p.pt") as package:
        package.save_text("a", "b", "c")
        raise KeyError
    assert os.listdir(tmp_path) == ["p.pt"] and (tmp_path / "p.pt").read_bytes() == b"older"


def test_files_that_are_no_packages(tmp_path):
    flambeau.save({}, tmp_path / "checkpoint.pt")
    with pytest.raises(RuntimeError, match="no package"):
        PackageImporter(tmp_path / "checkpoint.pt")
    with pytest.raises(RuntimeError, match="cut short"):
        PackageImporter(io.BytesIO(b"PK\3\4nothing"))
    file = io.BytesIO()
    with PackageExporter(file) as package:
        package.save_pickle("a", "b", flambeau.ones(3))
    whole = zipfile.ZipFile(file)
    short = io.BytesIO()
    with zipfile.ZipFile(short, "w") as made:
        for name in whole.namelist():
            made.writestr(
                name, whole.read(name)[:8] if name.endswith(".storage") else whole.read(name)
            )
    with pytest.raises(pickle.UnpicklingError, match="storage"):
        PackageImporter(short).load_pickle("a", "b")


def test_code_that_imports_torch_wants_compat():
    opened = written(lambda p: p.save_source_string("a", "from torch import nn"))
    assert opened.extern_modules == ["torch.nn"]
    if "torch" in sys.modules:
        pytest.skip("PyTorch has been imported in this process")
    with pytest.raises(ImportError, match="compat.install"):
        opened.import_module("a")
    flambeau.compat.install()
    try:
        assert opened.import_module("a").nn.Linear is flambeau.nn.Linear
    finally:
        flambeau.compat.uninstall()


def test_patterns_that_cannot_be():
    with pytest.raises(ValueError, match="entire path segment"):
        GlobGroup("a**")
