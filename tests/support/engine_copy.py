"""A repository in the shape of the engine's, made from the stand-in's three contract files, for a test to change."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner, Result
from storyteller_schema.cli import main
from workspace import ROOT

FILES = ("enums.rs", "event_labels.rs", "feature_schema.rs")
ML = "crates/storyteller-ml/src"


class EngineCopy:
    """`root` is what `--rust-repo` gets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.copy_to(ML)

    def copy_to(self, folder: str) -> None:
        """Puts the three files there too."""
        (self.root / folder).mkdir(parents=True)
        for name in FILES:
            shutil.copy(ROOT / "rust" / "engine" / "src" / name, self.root / folder / name)

    def replace(self, file: str, old: str, new: str, folder: str = ML) -> None:
        """Changes the one place where `old` stands."""
        path = self.root / folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write(self, file: str, content: str | bytes, folder: str = ML) -> None:
        """Writes a file of its own."""
        path = self.root / folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def append(self, file: str, text: str) -> None:
        """Adds to the end of a file."""
        path = self.root / ML / file
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    def check(self, *options: str) -> Result:
        """What the command makes of it."""
        result = CliRunner().invoke(main, ["check", "--rust-repo", str(self.root), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result
