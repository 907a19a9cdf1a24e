"""A headless Chromium that tests drive over its debugging pipe: no driver program, no port, no network."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage")
_FLAGS += ("--no-first-run", "--disable-extensions", "--disable-background-networking", "--hide-scrollbars")
_PATIENCE = 120.0  # seconds; a busy machine starts a browser slowly


def program() -> str | None:
    """Path of the browser, None where there is none."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """One page of a browser of its own, whose profile lies in `folder`."""

    def __init__(self, path: str, folder: Path) -> None:
        # Chromium reads commands from descriptor 3 and writes to 4; high numbers first, so that neither is overwritten.
        (theirs_in, self._out), (self._in, theirs_out) = (_high_pipe() for _ in range(2))
        start = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", start, "browser", path, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        os.set_blocking(self._in, False)
        self._number, self._rest, self._session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer; events that come meanwhile are kept."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        os.write(
            self._out, json.dumps({"id": self._number, "method": method, "params": params, **session}).encode() + b"\0"
        )
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self.events.append(message)

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression in the page; a promise is awaited."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def open(self, path: Path) -> None:
        """Load a file and wait until its plots are drawn."""
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.until("document.documentElement?.dataset.ready")

    def until(self, script: str) -> Any:
        """Wait for an expression to become true."""
        end = time.monotonic() + _PATIENCE
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.05)
        return found

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        """Size of the window, in CSS pixels."""
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **sizes)

    def move(self, x: float, y: float) -> None:
        """Put the mouse somewhere, arriving from nearby as a hand would."""
        for place in (y - 3, y):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=place)

    def press(self, key: str) -> None:
        """Press and release a key such as "Tab", "ArrowLeft" or " "."""
        codes = {"Tab": 9, " ": 32, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36}
        text = {"text": key} if len(key) == 1 else {}
        common = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, whole: bool = False) -> bytes:
        """PNG of what is seen, or of the whole page."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def complaints(self) -> list[str]:
        """Exceptions, errors and warnings since the page was opened."""
        found = []
        for event in self.events:
            what, about = event.get("method"), event.get("params", {})
            if what == "Runtime.exceptionThrown":
                found.append(str(about["exceptionDetails"]))
            if what == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
                found.append(str(about["args"]))
            if what == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                found.append(about["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened, but those inside the page itself."""
        asked = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "blob:"))]

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            assert time.monotonic() < end, "the browser does not answer"
            try:
                data = os.read(self._in, 1 << 20)
            except BlockingIOError:
                time.sleep(0.005)
                continue
            assert data, f"the browser ended with code {self._process.poll()}"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)


def _high_pipe() -> tuple[int, int]:
    """Both ends of a pipe under numbers from 10 up."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


@pytest.fixture(scope="session")
def start_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Browser]]:
    """The browser of this session, started when first asked for; skips where there is none."""
    path = program()
    if path is None:
        pytest.skip("Chromium is not installed: the page cannot be driven. On Debian: apt-get install chromium")
    pytest.importorskip("plotly", reason='plotly is not installed: pip install -e ".[html]"')
    made: list[Browser] = []

    def started() -> Browser:
        if not made:
            made.append(Browser(path, tmp_path_factory.mktemp("chromium")))
        return made[0]

    yield started
    for each in made:
        each.close()
