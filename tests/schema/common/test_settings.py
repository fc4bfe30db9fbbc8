"""What the environment and `.env` decide."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from storyteller_schema.common import console, settings
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import atomic_path, write_atomic
from workspace import console_commands


@console.command("show-model-path")
def show_model_path() -> None:
    """Prints the model folder."""
    click.echo(str(settings.model_path()))


def test_without_variables_results_land_in_artifacts() -> None:
    assert settings.data_path() is None
    assert settings.training_file("x.jsonl") is None
    assert settings.model_path() == Path("artifacts/models")


def test_a_command_reads_the_nearest_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "engine models"
    models.mkdir()
    (tmp_path / ".env").write_text(f'STORYTELLER_MODEL_PATH="{models}"\n', encoding="utf-8")
    below = tmp_path / "deep" / "below"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert CliRunner().invoke(show_model_path).output == f"{models}\n"


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("STORYTELLER_MODEL_PATH=/nowhere\n", encoding="utf-8")
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(tmp_path))
    assert CliRunner().invoke(show_model_path).output == f"{tmp_path}\n"


# --- a .env that cannot be used ---------------------------------------------------------------------------------------


PATH = "STORYTELLER_DATA_PATH"
UNUSABLE: list[tuple[str, bytes, str]] = [
    ("quote", b"# mine\n\n" + PATH.encode() + b'="/data\nOTHER=1\n', f"line 3: {PATH} has a quote that is not closed;"),
    (
        "single",
        PATH.encode() + b"='/data",
        f"line 1: {PATH} has a quote that is not closed; mend the line, or begin it",
    ),
    ("behind", PATH.encode() + b'="/data" x\n', f"line 1: {PATH} has text behind its closing quote"),
    ("no name", b"A=1\r\n\r\nwhat is this\r\n", "line 3: is not NAME=value; mend the line, or begin it with #"),
    ("odd name", b"'A=B'=1\n", "line 1: is not NAME=value"),
    ("no value", f"A=1\n{PATH}\n".encode(), f"line 2: {PATH} has no value; write {PATH}=PATH"),
    ("lines", f'{PATH}="/data\nOTHER="\n'.encode(), f"line 1: {PATH} holds a line break; look for a quote"),
    ("latin", b"A=1\nB=Zo\xeb\n", "line 2: byte 0xeb is not UTF-8; save the file as plain text in UTF-8"),
    ("utf-16", f"{PATH}=/data\n".encode("utf-16"), "line 1: byte 0x"),
    ("nul", b"A=1\nB=\0\n", "line 2: holds a NUL character; save the file as plain text"),
    ("nobody", f"A=1\n{PATH}=~nobody-of-that-name/x\n".encode(), f"line 2: {PATH} begins with ~nobody-of-that-name,"),
]


@pytest.mark.parametrize(("content", "told"), [case[1:] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE])
def test_an_env_file_that_cannot_be_used_ends_with_2_and_one_message(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    result = CliRunner().invoke(show_model_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path}/.env: {told}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    if b"utf-16" in content or content.startswith(b"\xff\xfe"):
        assert "it looks like UTF-16" in result.stderr


def test_the_values_of_an_env_file_are_not_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('TOKEN="secret\n', encoding="utf-8")
    assert "secret" not in CliRunner().invoke(show_model_path).stderr


def test_an_env_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to("nowhere")
    result = CliRunner().invoke(show_model_path)
    assert (result.exit_code, result.stderr.split(": ", 2)[2]) == (
        2,
        "cannot be read: No such file or directory; make it readable, or remove it\n",
    )
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    result = CliRunner().invoke(show_model_path)
    assert (result.exit_code, "is a folder; expected a file of lines NAME=value" in result.stderr) == (2, True)
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").symlink_to(".env")  # which root cannot read either
    result = CliRunner().invoke(show_model_path)
    assert (result.exit_code, ".env: cannot be read: Too many levels of symbolic links" in result.stderr) == (2, True)


def test_an_env_file_that_is_no_file_or_without_an_end_is_not_waited_for(tmp_path: Path) -> None:
    place = tmp_path / ".env"
    for kind in ("pipe", "device"):
        if kind == "pipe":
            os.mkfifo(place)
        else:
            place.symlink_to("/dev/zero")
        result = CliRunner().invoke(show_model_path)
        assert (result.exit_code, ".env: is no regular file; expected a file of lines" in result.stderr) == (2, True)
        place.unlink()
    with place.open("wb") as file:
        file.truncate((1 << 20) + 1)
    result = CliRunner().invoke(show_model_path)
    assert (result.exit_code, ".env: has more than 1 MiB; expected a file of lines" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", sorted(console_commands()))
def test_every_command_refuses_such_a_file_and_still_helps(command: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f'{PATH}="/data\n', encoding="utf-8")
    main = console_commands()[command].command()
    # What click asks for comes before what the commands themselves look at.
    required = [param for param in main.params if isinstance(param, click.Argument) and param.required]
    arguments = ["check"] if isinstance(main, click.Group) else [str(Path(__file__))] * len(required)
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"Error: {tmp_path}/.env: line 1: {PATH} has a quote that is not closed; mend the line, or begin it with #\n"
    )
    assert CliRunner().invoke(main, [*arguments, "--help"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == [".env"], "nothing was begun"


# --- what it says -----------------------------------------------------------------------------------------------------


def test_a_relative_path_counts_from_the_folder_of_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    (tmp_path / ".env").write_text("STORYTELLER_MODEL_PATH=models\n", encoding="utf-8-sig")
    assert CliRunner().invoke(show_model_path).output == f"{tmp_path}/models\n"
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", "models")
    assert "STORYTELLER_MODEL_PATH=models does not exist" in CliRunner().invoke(show_model_path).stderr


def test_home_and_other_variables_are_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("~/models", "${HOME}/models", "'~/models' # mine"):
        os.environ.pop("STORYTELLER_MODEL_PATH", None)  # from the file before
        (tmp_path / ".env").write_text(f"export STORYTELLER_MODEL_PATH={value}\n", encoding="utf-8")
        assert CliRunner().invoke(show_model_path).output == f"{tmp_path}/models\n"


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STORYTELLER_MODEL_PATH=\n", encoding="utf-8")
    assert CliRunner().invoke(show_model_path).output == "artifacts/models\n"


def test_a_value_that_the_environment_overrides_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("STORYTELLER_MODEL_PATH=~nobody-of-that-name/x\n", encoding="utf-8")
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(tmp_path))
    assert CliRunner().invoke(show_model_path).output == f"{tmp_path}\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STORYTELLER_DATAPATH", "STORYTELLER_DATA_PATH"),
        ("STORYTELLER_DATA_DIR", "STORYTELLER_DATA_PATH"),
        ("STORYTELLER_MODELS_PATH", "STORYTELLER_MODEL_PATH"),
        ("STORYTELER_MODEL_PATH", "STORYTELLER_MODEL_PATH"),
        ("storyteller_data_path", "STORYTELLER_DATA_PATH"),
    ],
)
def test_a_mistyped_name_is_told_with_the_nearest(
    name: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"A=1\n{name}=x\n", encoding="utf-8")
    of_file = CliRunner().invoke(show_model_path)
    assert (of_file.exit_code, of_file.stdout) == (0, "artifacts/models\n")
    assert (
        of_file.stderr
        == f"Warning: {tmp_path}/.env: line 2: {name} is not a name that is read; did you mean {meant}?\n"
    )
    (tmp_path / ".env").unlink()
    del os.environ[name]  # which came from the file
    monkeypatch.setenv(name, "x")
    of_environment = f"Warning: the environment: {name} is not a name that is read; did you mean {meant}?\n"
    assert CliRunner().invoke(show_model_path).stderr == of_environment
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert CliRunner().invoke(show_model_path).stderr == "", "one of several processes tells it"


def test_names_that_are_not_alike_are_nobodys_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORYTELLER_LOG_LEVEL", "debug")
    (tmp_path / ".env").write_text("HF_HOME=/models\nDATA_PATH=/data\nSTORYTELLER_SEED=1\n", encoding="utf-8")
    assert CliRunner().invoke(show_model_path).stderr == ""
    assert os.environ["HF_HOME"] == "/models"


# --- paths that are not there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["does not exist", "is not a folder"])
def test_a_wrong_path_names_variable_value_and_expectation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    wrong = tmp_path / "wrong"
    if kind == "is not a folder":
        wrong.touch()
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(wrong))
    result = CliRunner().invoke(show_model_path)
    assert result.exit_code == 2
    assert f"STORYTELLER_MODEL_PATH={wrong} {kind}; expected the folder from which" in result.stderr
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(wrong))
    with pytest.raises(StorytellerError, match=r"STORYTELLER_DATA_PATH=.*expected the engine's data folder"):
        settings.data_path()


def test_the_home_of_nobody_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", "~nobody-of-that-name/x")
    result = CliRunner().invoke(show_model_path)
    assert (result.exit_code, "~nobody-of-that-name/x does not exist" in result.stderr) == (2, True)


def test_a_data_folder_without_the_file_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(tmp_path))
    with pytest.raises(StorytellerError, match=r"has no training-data/low\.jsonl.*another as DATA,"):
        settings.training_file("low.jsonl")
    (tmp_path / "training-data").mkdir()
    (tmp_path / "training-data" / "low.jsonl").touch()
    assert settings.training_file("low.jsonl") == tmp_path / "training-data" / "low.jsonl"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_atomic(target, "old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the ne", encoding="utf-8")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorytellerError, match="cannot write here"):
        write_atomic(tmp_path / "file" / "below.json", b"")
