"""The page in a real browser: draw, choose a file, send JSON, and see answers and errors."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flambeau_serve import Model, Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian package chromium)"),
]


# Where the mass of the picture that was sent has its centre.
CENTRE = """(() => {
  const image = document.getElementById('seen'), canvas = document.createElement('canvas');
  const size = canvas.width = canvas.height = image.naturalWidth;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, size, size).data;
  let mass = 0, x = 0, y = 0;
  for (let i = 0; i < size * size; i++) {
    mass += pixels[4 * i]; x += pixels[4 * i] * (i % size); y += pixels[4 * i] * Math.floor(i / size);
  }
  return [x / mass / size, y / mass / size];
})()"""


class Browser:
    """One page in a headless Chromium that is driven over a pipe."""

    def __enter__(self) -> Browser:
        assert CHROMIUM is not None
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        options = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--remote-debugging-pipe", "--window-size=1000,800"),
        ]
        self._process = subprocess.Popen(
            # the shell puts our pipes where Chromium looks for them: descriptors 3 and 4
            [
                *("bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", CHROMIUM),
                *options,
                f"--user-data-dir={self._profile.name}",
            ],
            pass_fds=[theirs_in, theirs_out],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest = b""
        self._id = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self.call("Browser.close")
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def call(self, method: str, **params: Any) -> Any:
        """Send one command and wait for its result."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._id:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._in, 1 << 16)
            assert chunk, "Chromium ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        """Keep what the page complains about: script errors, loads its policy refused."""
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(event["params"]["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"]["text"])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until the expression is true."""
        deadline = time.monotonic() + 20
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, f"{script} did not become true"
            time.sleep(0.02)
        return value

    def text(self, name: str) -> str:
        return self.evaluate(f"document.getElementById('{name}').textContent")

    def drag(self, *points: tuple[float, float]) -> None:
        """Draw on the canvas along points between (0, 0) and (1, 1)."""
        box = self.evaluate(
            "(() => { const r = document.getElementById('pad').getBoundingClientRect();"
            " return [r.left, r.top, r.width, r.height]; })()"
        )
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
            place = {"x": box[0] + x * box[2], "y": box[1] + y * box[3]}
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                button="left",
                buttons=1,
                clickCount=1,
                **place,
            )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened
        assert opened.complaints == []


def test_draw_and_clear(browser: Browser, digits: Model) -> None:
    with Server(digits) as server:
        browser.open(server.url)
        assert browser.evaluate("document.title") == "digits · flambeau"
        browser.drag((0.1, 0.1), (0.1, 0.4), (0.3, 0.4))
        assert browser.wait("document.getElementById('answer').textContent") in digits.labels
        assert browser.evaluate(CENTRE) == pytest.approx([0.5, 0.5], abs=0.02)
        assert browser.evaluate("document.querySelectorAll('#bars progress').length") == 4
        assert "ms there and back" in browser.text("latency")
        assert "ms in the model" in browser.text("latency")
        assert "probability FP32[1, 4]" in browser.text("json")
        browser.evaluate("document.getElementById('clear').click()")
        assert browser.text("answer") == ""
        corner = (
            "[...document.getElementById('pad').getContext('2d').getImageData(64, 64, 1, 1).data]"
        )
        assert browser.evaluate(corner) == [0, 0, 0, 255]


def test_choose_a_file(
    browser: Browser, digits: Model, picture: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "some.jpg").write_bytes(picture("JPEG", size=200, mode="RGB"))
    (tmp_path / "some.png").write_bytes(b"no picture")
    with Server(digits) as server:
        browser.open(server.url)
        node = browser.call("Runtime.evaluate", expression="document.getElementById('file')")[
            "result"
        ]["objectId"]
        files = {"files": [str(tmp_path / "some.jpg")], "objectId": node}
        browser.call("DOM.setFileInputFiles", **files)
        browser.wait("document.getElementById('answer').textContent === 'south-east'")
        browser.call("DOM.setFileInputFiles", **files | {"files": [str(tmp_path / "some.png")]})
        error = browser.wait("document.getElementById('error').textContent")
        assert error == "the body is not a PNG or JPEG picture"
        assert browser.text("answer") == ""
    expected = [text for text in browser.complaints if "status of 415" in text]
    assert expected == browser.complaints  # the browser notes the refusal, and nothing else
    browser.complaints.clear()


def test_send_json(browser: Browser, plain: Model) -> None:
    with Server(plain) as server:
        browser.open(server.url)
        assert browser.evaluate("document.getElementById('picture').hidden")
        assert json.loads(browser.evaluate("document.getElementById('request').value")) == {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [0]}]
        }
        browser.evaluate("document.getElementById('send').click()")
        browser.wait("document.getElementById('json').textContent.includes('y FP32[1]')")
        browser.evaluate("document.getElementById('request').value = '{'")
        browser.evaluate("document.getElementById('send').click()")
        error = browser.wait("document.getElementById('error').textContent")
        assert error.startswith("the body is not JSON")
    browser.complaints.clear()


def test_the_page_looks_like_one(browser: Browser, digits: Model, tmp_path: Path) -> None:
    """Nothing runs out of the window, on a screen or a telephone."""
    with Server(digits) as server:
        for width in (1000, 360):
            browser.call(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=800,
                deviceScaleFactor=1,
                mobile=width < 500,
            )
            browser.open(server.url)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            shot = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
            (tmp_path / f"page-{width}.png").write_bytes(shot)
            assert len(shot) > 5000
    browser.call("Emulation.clearDeviceMetricsOverride")
