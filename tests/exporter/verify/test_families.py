"""The table of families: every interface has one, and looking at the table imports none of them."""

from __future__ import annotations

import subprocess
import sys

from storyteller_exporter.verify.families import FAMILIES
from storyteller_schema.contract.onnx import INTERFACES


def test_every_interface_has_a_family() -> None:
    assert set(FAMILIES) == set(INTERFACES)


def test_families_are_imported_when_a_file_of_their_kind_is_met() -> None:
    program = "import sys, storyteller_exporter.verify.verification; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
