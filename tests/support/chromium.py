"""A headless Chromium, driven through a pipe by its DevTools protocol: no port, no network, no library.

https://chromedevtools.github.io/devtools-protocol has the commands. Messages are JSON, each ended by a zero byte; the
browser reads them from its descriptor 3 and answers on 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: How the program is called here and there.
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: Seconds until an answer; on a busy machine the browser's start takes many.
PATIENCE = 120.0


def browser() -> str:
    """The program. Where there is none the test is skipped, and says so; where BROWSER_TESTS is `required`, as in the
    workflow of this repository, it fails."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(f"no browser: {', '.join(NAMES)} are not on PATH, and BROWSER_TESTS=required")
    pytest.skip(f"NOT TESTED: no browser ({', '.join(NAMES)}); install Debian's package chromium")


#: Gives two descriptors, neither below 5, the numbers at which the browser looks for them, and becomes the browser.
_AT_3_AND_4 = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """One tab."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, answers: int) -> None:
        self._process, self._to, self._from = process, to, answers
        self._number, self._rest, self._session = 0, b"", ""
        #: What the console was told of, and what was asked of anyone.
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, file: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Loads a file and waits until it is there."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", media="screen", features=scheme)
        self._call("Page.navigate", url=file.resolve().as_uri())
        end = time.monotonic() + PATIENCE
        while self.run("document.readyState + location.href") != f"complete{file.resolve().as_uri()}":
            assert time.monotonic() < end, "the page does not load"

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def roles(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told of."""
        self._call("Accessibility.enable")
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored") and "role" in node
        ]

    def picture(self, target: Path, *, y: int = 0, height: int = 900, width: int = 1400) -> None:
        """A PNG of a part of the page."""
        clip = {"x": 0, "y": y, "width": width, "height": height, "scale": 1}
        answer = self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        target.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._to, content) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found
            self._note(answer)

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(end - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            more = os.read(self._from, 1 << 16)
            assert more, f"the browser ended with {self._process.poll()}"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        """Keeps what goes wrong in the page, and what it asks for."""
        method, given = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.errors.append(given["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])


def _above_4(descriptor: int) -> int:
    """The same under a number that is in nobody's way."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 5)
    os.close(descriptor)
    return moved


@contextmanager
def new_page(folder: Path) -> Iterator[Page]:
    """A browser with one tab, gone afterwards.

    Args:
        folder: for its profile.
    """
    program = browser()
    to_read, to = map(_above_4, os.pipe())
    answers, answers_write = map(_above_4, os.pipe())
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
    options += [f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars", "--disable-background-networking"]
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_3_AND_4, str(to_read), str(answers_write), program, *options, "about:blank"],
        pass_fds=(to_read, answers_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(answers_write)
    try:
        yield Page(process, to, answers)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.close(to)
        os.close(answers)
