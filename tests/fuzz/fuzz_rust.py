"""Mutates the stand-in's three contract files and runs the drift check over them.

    python tests/fuzz/fuzz_rust.py --count 300 --seed 1

Whatever is done to the text, the check ends with 0, 1 or 2 within 10 s and without a traceback. Where a value, an order
or a name of the contract was changed, it does not end with 0 unless it says that it did not see that topic. Where
only the form was changed, it ends with 0.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from fuzzing import Case, fuzz
from schema_fuzzing import Checked, schema_case
from storyteller_schema.contract.constants import ENGINE_CONSTANTS
from storyteller_schema.contract.enums import WIRE_ENUMS

REFERENCE = Path(__file__).resolve().parents[2] / "rust" / "engine" / "src"
FILES = ("enums.rs", "event_labels.rs", "feature_schema.rs")
#: A change: the files, and what it did; the topic that it touches, or nothing for a change of form.
Texts = dict[str, str]

#: Attributes that change nothing in a default build, that no default build has, and that the text does not decide.
HARMLESS = (
    "#[allow(dead_code)]",
    '#[deprecated(note = "a cfg for a test")]',
    "#[cfg(not(test))]",
    '#[cfg(any(not(feature = "x"), test))]',
    '#[cfg(all(not(test), not(feature = "x")))]',
    "#[cfg_attr(test, allow(unused))]",
    "// a comment\n",
    "/* #[cfg(test)] */",
    "/// cfg(test)\n",
)
REMOVING = ("#[cfg(test)]", '#[cfg(feature = "x")]', '#[cfg(any(test, feature = "x"))]', "#[cfg(miri)]")
OPEN = ("#[cfg(unix)]", "#[cfg(custom)]", '#[cfg(target_os = "linux")]', "#[cfg_attr(unix, cfg(test))]")
VARIANT = r"(?m)^    (?=[A-Z]\w+,$)"
DECORATED = r"(?m)^(?=(pub )?(const|enum|fn) )|^        (?=[A-Z]\w+::\w+ =>)|^    (?=\"\w)"


def change_constant(texts: Texts, rng: random.Random) -> tuple[str, str]:
    """Another value for a constant of the contract."""
    name = rng.choice(sorted(ENGINE_CONSTANTS))
    value = rng.choice(
        ("{0} + 1", "({0}) * 2", "{0} - 1 + 2", "crate::nowhere::N", "f({0})", "{0} / 2", "({0}) as u8 as usize * 300")
    )
    texts["feature_schema.rs"] = re.sub(
        rf"(pub const {name}: usize =)([^;]*);",
        lambda m: f"{m[1]} {value.format(_bare(m[2]))};",
        texts["feature_schema.rs"],
    )
    return "constants", f"{name} = {value}"


def _bare(expression: str) -> str:
    return "(" + " ".join(re.sub(r"//[^\n]*|/\*.*?\*/", " ", expression).split()) + ")"


def change_enum(texts: Texts, rng: random.Random) -> tuple[str, str]:
    """Two variants swapped, one renamed, lost or added."""
    enum = rng.choice(WIRE_ENUMS)
    found = re.search(rf"(?s)(pub enum {enum.__name__} \{{\n)(.*?)(\n\}})", texts["enums.rs"])
    assert found
    lines = found[2].split("\n")
    how = rng.choice(("swap", "rename", "delete", "insert", "number"))
    first, second = sorted(rng.sample(range(len(lines)), 2))
    if how == "swap":
        lines[first], lines[second] = lines[second], lines[first]
    elif how == "rename":
        lines[first] = "    Renamed,"
    elif how == "delete":
        del lines[first]
    elif how == "insert":
        lines.insert(first, "    Inserted,")
    else:
        lines[first] = lines[first].replace(",", " = 90,")
        lines[first + 1] = lines[first + 1].replace(",", f" = {first + 1},")
    texts["enums.rs"] = texts["enums.rs"].replace(found[0], found[1] + "\n".join(lines) + found[3])
    return f"enum order {enum.__name__}", f"{how} in {enum.__name__}"


def change_one_hot(texts: Texts, rng: random.Random) -> tuple[str, str]:
    """An arm with another array, a lost arm, or another way of making a one-hot."""
    text = texts["feature_schema.rs"]
    arms = list(re.finditer(r"        (\w+)::(\w+) => (\[[^\]]*\]),\n", text))
    arm = rng.choice(arms)
    numbers = arm[3][1:-1].split(", ")
    how = rng.choice(("rotate", "value", "delete", "or", "guard"))
    if how == "rotate":
        changed = arm[0].replace(arm[3], f"[{', '.join([*numbers[1:], numbers[0]])}]")
    elif how == "value":
        changed = arm[0].replace("1.0", "0.5")
    elif how == "delete":
        changed = ""
    elif how == "or":
        changed = arm[0].replace(" =>", f" | {arm[1]}::Other =>")
    else:
        changed = arm[0].replace(" =>", " if true =>")
    texts["feature_schema.rs"] = text[: arm.start()] + changed + text[arm.end() :]
    return f"one-hot {arm[1]}", f"{how} arm of {arm[1]}::{arm[2]}"


def change_label(texts: Texts, rng: random.Random) -> tuple[str, str]:
    """A label swapped, renamed or lost, or another length."""
    text = texts["event_labels.rs"]
    if rng.random() < 0.1:
        texts["event_labels.rs"] = re.sub(r"(MAX_SEQ_LENGTH: usize =) \d+", r"\1 127", text)
        return "event labels MAX_SEQ_LENGTH", "length"
    labels = list(re.finditer(r'    "([\w-]+)",\n', text))
    first, second = sorted(rng.sample(range(len(labels)), 2), key=lambda i: labels[i].start())
    a, b = labels[first], labels[second]
    how = rng.choice(("swap", "rename", "delete", "escape"))
    if how == "swap":
        text = text[: a.start()] + b[0] + text[a.end() : b.start()] + a[0] + text[b.end() :]
    else:
        line = {"rename": '    "Other",\n', "delete": "", "escape": f'    "\\n{a[1]}",\n'}[how]
        text = text[: a.start()] + line + text[a.end() :]
    texts["event_labels.rs"] = text
    return "event labels", f"{how} label {a[1]}"


SEMANTIC: tuple[Callable[[Texts, random.Random], tuple[str, str]], ...] = (
    change_constant,
    change_enum,
    change_one_hot,
    change_label,
)


def decorate(texts: Texts, rng: random.Random, attributes: tuple[str, ...]) -> str:
    """An attribute before an item, a variant, an arm or a label."""
    name = rng.choice(FILES)
    places = list(re.finditer(VARIANT if name == "enums.rs" and rng.random() < 0.5 else DECORATED, texts[name]))
    if not places:
        return "nothing to decorate"
    place, attribute = rng.choice(places).end(), rng.choice(attributes)
    texts[name] = f"{texts[name][:place]}{attribute} {texts[name][place:]}"
    return f"{attribute.strip()} in {name}"


def damage(texts: Texts, rng: random.Random) -> tuple[str, bytes]:
    """The name of a file and its bytes after some were garbled, lost, repeated or nested; the texts stay."""
    name = rng.choice(FILES)
    content = texts[name].encode()
    at, to = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    to = min(to, at + rng.randrange(1, 400))
    how = rng.randrange(6)
    if how == 0:
        return name, content[:at] + rng.randbytes(rng.randrange(1, 8)) + content[at:]
    if how == 1:
        return name, content[:at] + content[to:]
    if how == 2:
        return name, content[:at] + content[at:to] * rng.randrange(2, 5) + content[to:]
    if how == 3:
        opening, closing = rng.choice(
            ((b"(", b")"), (b"[", b"]"), (b"mod a {", b"}"), (b"/*", b"*/"), (b"-", b""), (b"&", b""))
        )
        depth = rng.choice((1, 30, 300, 3000, 50_000))
        return name, content + b"\nconst Z: usize = " + opening * depth + b"1" + closing * depth + b";\n"
    if how == 4:
        literal = rng.choice(
            (b"9" * 5000, b"0x_", b"0b2", b"1e9", b"1_", b"'a'", b"0xffff_ffff_ffff_ffff_f", b"1" + b"+1" * 5000)
        )
        return name, content + b"const Z: usize = " + literal + b";\n"
    chain = b"".join(b"const Z%d: u64 = Z%d * Z%d;\n" % (i, i - 1, i - 1) for i in range(1, 60))
    return name, content + b"const Z0: u64 = %d;\n" % rng.randrange(4) + chain


def make(rng: random.Random) -> Case:
    """A repository with up to three changes."""
    texts = {name: (REFERENCE / name).read_text(encoding="utf-8") for name in FILES}
    steps, topics = [], []
    kind = rng.choice(("form", "semantic", "semantic", "decorated", "damaged"))
    if kind != "form" and (kind != "damaged" or rng.random() < 0.5):
        topic, step = rng.choice(SEMANTIC)(texts, rng)
        topics.append(topic)
        steps.append(step)
    for _ in range(rng.randrange(1, 4) if kind in ("form", "decorated") else 0):
        steps.append(decorate(texts, rng, HARMLESS if kind == "form" else HARMLESS + REMOVING + OPEN))
    shutil.rmtree(FOLDER, ignore_errors=True)
    source = FOLDER / "crates" / "storyteller-ml" / "src"
    source.mkdir(parents=True)
    for name, text in texts.items():
        (source / name).write_text(text, encoding="utf-8")
    if kind == "damaged":
        name, content = damage(texts, rng)
        (source / name).write_bytes(content)
        steps.append(f"damage in {name}")
    if rng.random() < 0.2:  # a copy that agrees
        copy = FOLDER / rng.choice(("crates/aaa/src", "old", "crates/storyteller-ml-old/src"))
        copy.mkdir(parents=True)
        for name in FILES:
            shutil.copy(REFERENCE / name, copy)
        steps.append(f"a good copy in {copy.relative_to(FOLDER)}")

    def judge(outcome: Checked) -> str:
        if kind == "form" and outcome.exit_code != 0:
            return "nothing of the contract was changed, and it did not end with 0"
        seen = [topic for topic in topics if not any(name.startswith(topic) for name in outcome.unconfirmed)]
        if kind != "form" and outcome.exit_code == 0 and seen:
            return f"passed in silence: {', '.join(seen)}"
        return ""

    return schema_case((kind, *steps), judge, "--rust-repo", str(FOLDER))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = Path(folder) / "engine"
        sys.exit(fuzz(__doc__ or "", make, 300))
