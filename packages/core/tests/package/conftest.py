import sys

import pytest

SOURCES = {
    "packaged/__init__.py": "from .layers import twice\n",
    "packaged/layers.py": (
        "import math\n"
        "from . import constants\n"
        "def twice(x):\n"
        "    return x * constants.TWO\n"
        "class Outer:\n"
        "    class Inner:\n"
        "        def __eq__(self, other): return type(self) is type(other)\n"
        "        __hash__ = None\n"
    ),
    "packaged/constants.py": "TWO = 2\n",
    "packaged/net.py": (
        "LIBRARY\n"
        "from packaged.layers import twice\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(2, 3)\n"
        "        self.shared = self.linear.weight\n"
        "    def forward(self, x):\n"
        "        return twice(self.linear(x))\n"
    ),
    "packaged/uses_numpy.py": "import sys\nimport numpy\nfrom packaged import layers\n",
}


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A package `packaged` of this test's own; `packaged(library)` makes its net one of that library."""
    (tmp_path / "code" / "packaged").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))

    def make(library="import flambeau\nfrom flambeau import nn"):
        for name, text in SOURCES.items():
            (tmp_path / "code" / name).write_text(text.replace("LIBRARY", library))

    make()
    yield make
    for name in [n for n in sys.modules if n.partition(".")[0] == "packaged"]:
        del sys.modules[name]
