"""Headless Chromium over its debugging pipe (the DevTools protocol, JSON between zero bytes): no driver is needed."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

# No sandbox: it does not start for root. No GPU, no first-run pages; a small /dev/shm does not end it.
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
)

# Becomes the browser, with the two pipes where it looks for them.
MOVE = """
import os, sys
os.dup2(int(sys.argv[1]), 3), os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One page: `open`, `run` (JavaScript), `mouse`, `screenshot`; `errors` are those the page did not catch."""

    def __init__(self, to: int, answers: int, patience: float = 60.0) -> None:
        self._to, self._from, self.patience = to, answers, patience
        self._numbers, self._left = itertools.count(1), b""
        self._session: str | None = None
        self.errors: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime"):
            self._call(f"{domain}.enable")

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser said nothing for {self.patience:.0f} s")
            got = os.read(self._from, 1 << 20)
            if not got:
                raise RuntimeError("the browser has ended")
            self._left += got
        one, _, self._left = self._left.partition(b"\0")
        message = json.loads(one)
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(message["params"]["exceptionDetails"])[:500])
        return message

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": params}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        deadline = time.monotonic() + self.patience
        while (message := self._message(deadline)).get("id") != number:
            pass
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def open(self, url: str) -> None:
        """Loads a page and waits until its model is there, or until it says what is wrong."""
        self._call("Page.navigate", url=url)
        self.wait_for(
            f"location.href === {json.dumps(url)} && document.body && "
            "(document.body.dataset.ready || document.getElementById('error')?.textContent)"
        )

    def wait_for(self, condition: str) -> None:
        deadline = time.monotonic() + self.patience
        while not self.run(condition):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {self.patience:.0f} s: {condition}")
            time.sleep(0.05)

    def run(self, code: str) -> Any:
        """The value of an expression, awaited if it is a promise. RuntimeError if it throws."""
        made = self._call(
            "Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in made:
            thrown = made["exceptionDetails"].get("exception", {})
            raise RuntimeError(thrown.get("description", made["exceptionDetails"]["text"]))
        return made["result"].get("value")

    def mouse(self, kind: str, x: float, y: float) -> None:
        """`kind` is Pressed, Moved or Released."""
        self._call(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}", x=x, y=y, button="left", buttons=int(kind != "Released"), clickCount=1,
        )  # fmt: skip

    def screenshot(self, path: pathlib.Path) -> None:
        picture = self._call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))


@contextlib.contextmanager
def chromium(program: str) -> Iterator[Tab]:
    """A browser of its own, with an empty profile, which is ended and waited for."""
    theirs, to = os.pipe()
    answers, back = os.pipe()
    # Above 4: the numbers that the browser wants must not be taken from under each other.
    given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs, back)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        started = subprocess.Popen(
            [sys.executable, "-c", MOVE, *map(str, given), *command],
            pass_fds=given, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (*given, theirs, back):
            os.close(end)
        try:
            yield Tab(to, answers)
        finally:
            os.close(to)
            os.close(answers)
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
