"""A package index on loopback whose files a test can change, and a tiny workspace that installs from it."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import lock
import pytest
from workspace import ROOT


def find_uv() -> str:
    """The uv of this workspace. Without one: fails in CI, skips elsewhere, saying what was missed."""
    found = os.environ.get("UV") or shutil.which("uv")
    own = ROOT / ".uv/bin/uv"
    if found or own.exists():
        return found or str(own)
    message = "no uv on PATH or in .uv, so nothing was installed; run the tests by `make test`"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def wheel(name: str, version: str, *, body: str = "", tag: str = "py3-none-any") -> tuple[str, bytes]:
    """File name and bytes of a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{body}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-{tag}.whl", data.getvalue()


@dataclass
class Index:
    """What is served, by file name; `stated` are the hashes that its pages name, `yanked` what it warns of."""

    files: dict[str, bytes] = field(default_factory=dict)
    stated: dict[str, str] = field(default_factory=dict)
    yanked: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)

    def add(self, name: str, version: str, *, body: str = "", tag: str = "py3-none-any") -> str:
        """Serves a wheel from now on; returns its hash as a requirements file writes it."""
        file, data = wheel(name, version, body=body, tag=tag)
        self.files[file] = data
        self.stated[file] = hashlib.sha256(data).hexdigest()
        return f"--hash=sha256:{self.stated[file]}"

    def answer(self, path: str) -> bytes | None:
        """The body for a request, or None where there is nothing. No upload times: a plain mirror has none."""
        self.requests.append(path)
        last = path.rstrip("/").split("/")[-1]
        if path.startswith("/files/"):
            return self.files.get(last)
        links = [
            f'<a href="/files/{file}#sha256={self.stated[file]}"{" data-yanked=broken" if file in self.yanked else ""}>'
            f"{file}</a>"
            for file in self.files
            if file.split("-")[0] == last
        ]
        return "<!DOCTYPE html><html><body>{}</body></html>".format("\n".join(links)).encode() if links else None


@contextmanager
def serve(index: Index) -> Iterator[str]:
    """Serves the index on a free port of loopback; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = index.answer(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", "text/html" if not self.path.startswith("/files/") else "binary/wheel")
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/packages/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# An editable package whose build needs nothing from an index.
BACKEND = """\
import pathlib, zipfile


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "own-1.0-py3-none-any.whl"
    info = "own-1.0.dist-info"
    files = {
        "own.pth": str(pathlib.Path("src").resolve()) + "\\n",
        info + "/METADATA": "Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n",
        info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[info + "/RECORD"] = "".join(path + ",,\\n" for path in [*files, info + "/RECORD"])
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""


def make_workspace(root: Path, locked: str) -> Path:
    """A workspace with one editable package that wants `alpha` and `beta`, and with the given lock."""
    package = root / "packages/own"
    (package / "src").mkdir(parents=True)
    (package / "src/own.py").write_text("MINE = True\n", encoding="utf-8")
    (package / "backend.py").write_text(BACKEND, encoding="utf-8")
    (package / "pyproject.toml").write_text(
        '[project]\nname = "own"\nversion = "1.0"\ndependencies = ["alpha", "beta>=1"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        encoding="utf-8",
    )
    (root / "editable.txt").write_text("-e packages/own\n", encoding="utf-8")
    (root / lock.LOCK).write_text(locked, encoding="utf-8")
    (root / lock.PROJECT).write_text(
        '[project]\nname = "root"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["own"]\n'
        "[dependency-groups]\ndev = []\n"
        '[tool.uv]\npackage = false\nworkspace.members = ["packages/*"]\nsources.own.workspace = true\n'
        f"{lock.constraint_block(locked)}\n",
        encoding="utf-8",
    )
    return root
