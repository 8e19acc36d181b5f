"""A browser and a server for the pages that `export.web` writes. `nox -s web` sets up what they need."""

from __future__ import annotations

import functools
import http.server
import os
import pathlib
import shutil
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

sys.path.insert(
    0, str(pathlib.Path(__file__).parent)
)  # for browser.py: pytest imports by files here

from browser import Tab, chromium

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def tab() -> Iterator[Tab]:
    """One page of a headless Chromium. Fails where there is none: a check that did not run is not passed."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.fail("no Chromium on PATH: apt-get install chromium, or name one in $CHROMIUM")
    with chromium(program) as tab:
        yield tab


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """onnxruntime-web as npm gave it, once."""
    import flambeau

    folder = tmp_path_factory.mktemp("runtime")
    flambeau.export.web(flambeau.nn.ReLU(), flambeau.zeros(1), folder)
    return folder / "ort"


@pytest.fixture
def serve() -> Iterator[Callable[[pathlib.Path], str]]:
    """Serves folders on sockets of this machine; gives the page's address."""
    servers = []

    def start(folder: pathlib.Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
