"""Which encoders load, and how everything else is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.events.model import encoder_names
from storyteller_trainer.events.model.encoder_names import ALIASES, resolve
from storyteller_trainer.events.model.encoders import encoder_from_config, load_encoder
from storyteller_trainer.reading.jsonl import sha256
from tiny_encoders import FAMILIES


@pytest.fixture
def folder(tiny_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the tiny BERT, for the test to spoil."""
    return Path(shutil.copytree(tiny_folders["bert"], tmp_path / "encoder"))


def edit_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_from_a_folder(tiny_folders: dict[str, Path], family: str) -> None:
    encoder = load_encoder(str(tiny_folders[family]))
    assert encoder.family == family
    assert {parameter.dtype for parameter in encoder.model.parameters()} == {torch.float32}
    assert encoder.tokenizer.padding is None
    assert encoder.tokenizer.truncation is None


@pytest.mark.parametrize("family", FAMILIES)
def test_an_architecture_is_rebuilt_from_its_configuration(tiny_folders: dict[str, Path], family: str) -> None:
    loaded = load_encoder(str(tiny_folders[family])).model
    built = encoder_from_config(tiny_folders[family])
    assert built.state_dict().keys() == loaded.state_dict().keys()


def test_minilm_is_installed_and_needs_no_network() -> None:
    assert (Path(resolve("minilm")) / "model.safetensors").is_file()


@pytest.fixture
def repackaged(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model folder of a package that holds the tiny BERT, whose hashes are the expected ones."""
    package = tmp_path / "packaged_encoder"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('was imported')\n", encoding="utf-8")
    model = folder.rename(package / "model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(encoder_names, "WEIGHTS", "packaged_encoder")
    monkeypatch.setattr(
        encoder_names, "MINILM_FILES", {name: sha256(model / name) for name in encoder_names.MINILM_FILES}
    )
    return model


def test_the_packaged_encoder_is_used_when_its_files_are_the_published_ones(repackaged: Path) -> None:
    assert resolve("minilm") == str(repackaged)
    assert load_encoder("minilm").family == "bert"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_packaged_encoder_with_another_file_is_refused(name: str, repackaged: Path) -> None:
    file, expected = repackaged / name, encoder_names.MINILM_FILES[name]
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    told = f"{file} is not the published file: its SHA-256 is {sha256(file)}, expected {expected}; install gt-all"
    with pytest.raises(StorytellerError, match=re.escape(told)):
        load_encoder("minilm")
    file.unlink()
    with pytest.raises(StorytellerError, match=rf"{name} is not the published file: its SHA-256 is that of no file"):
        load_encoder("minilm")


def test_the_files_that_are_expected_of_minilm_do_not_change_by_accident() -> None:
    assert encoder_names.MINILM_FILES == {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    }


def test_a_folder_of_three_files_takes_the_place_of_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_names, "WEIGHTS", "no_such_package_at_all")
    whole = load_encoder(str(folder))
    needed = {folder / name for name in ("config.json", "model.safetensors", "tokenizer.json")}
    for file in set(folder.iterdir()) - needed:
        file.unlink()
    found = load_encoder(str(folder))
    assert found.tokenizer.to_str() == whole.tokenizer.to_str()
    pairs = zip(found.model.state_dict().values(), whole.model.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_what_the_tokenizer_of_a_folder_says_of_case_is_kept(folder: Path) -> None:
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["normalizer"]["lowercase"] = False
    path.write_text(json.dumps(document), encoding="utf-8")
    (folder / "tokenizer_config.json").unlink()
    assert load_encoder(str(folder)).tokenizer.encode("Mara").tokens == ["[CLS]", "[UNK]", "[SEP]"]


def test_weights_in_half_precision_are_loaded_as_float32(folder: Path) -> None:
    file = folder / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    edit_config(folder, dtype="float16")
    assert {parameter.dtype for parameter in load_encoder(str(folder)).model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["distilbert", "deberta", "modernbert", "owner/some-encoder"])
def test_an_unreachable_hub_names_the_offline_choices(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StorytellerError) as caught:
        load_encoder(name)
    source = ALIASES.get(name, name)
    assert f"--encoder {name}: cannot load {source}: the model hub cannot be reached" in str(caught.value)
    assert "Offline choices: --encoder minilm" in str(caught.value)
    assert "--encoder FOLDER" in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-alias", "./nowhere", "/no/such/folder", "a/b/c", "two words/x"])
def test_a_name_that_can_be_nothing_is_refused(name: str) -> None:
    with pytest.raises(StorytellerError, match=f"--encoder {name}: neither one of minilm, distilbert,"):
        load_encoder(name)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match=r"the folder has no config\.json"):
        load_encoder(str(tmp_path))


def test_a_missing_minilm_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_names, "WEIGHTS", "no_such_package_at_all")
    with pytest.raises(StorytellerError, match=r"run `make setup`.*storyteller-trainer\[events\]"):
        load_encoder("minilm")


def test_pickled_weights_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(StorytellerError, match=r"no file named model\.safetensors"):
        load_encoder(str(folder))


def test_code_that_comes_with_a_model_is_never_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('was run')\n", encoding="utf-8")
    edit_config(folder, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    with pytest.raises(StorytellerError, match="cannot load"):
        load_encoder(str(folder))
    with pytest.raises(StorytellerError, match=r"config\.json: no encoder can be built from it"):
        encoder_from_config(folder)


def test_damaged_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(StorytellerError, match="cannot load"):
        load_encoder(str(folder))


def test_an_encoder_for_short_texts_only_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = "embeddings.position_embeddings.weight"
    save_file(tensors | {name: tensors[name][:64].clone()}, file, {"format": "pt"})
    edit_config(folder, max_position_embeddings=64)
    with pytest.raises(StorytellerError, match="it takes at most 64 tokens; the engine sends up to 128"):
        load_encoder(str(folder))


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tiny_folders: dict[str, Path]) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_folders["modernbert"] / name, folder / name)
    with pytest.raises(StorytellerError, match="the two do not belong together"):
        load_encoder(str(folder))
