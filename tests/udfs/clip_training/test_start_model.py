"""Models to begin with: by name or folder, without importing torch."""

import json
from pathlib import Path
from typing import Any

import pytest

from udfs.clip_training.start_model import CONFIG, WEIGHTS, StartModel
from udfs.models.clip import tag_options
from udfs.models.spec import ModelError


def folder_with(path: Path, config: Any) -> StartModel:
    path.mkdir()
    (path / CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
    return StartModel(str(path))


def config_of(**vision: Any) -> dict[str, Any]:
    model = {"embed_dim": 16, "vision_cfg": {"layers": 2} | vision, "text_cfg": {}}
    return {"model_cfg": model, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}


def test_a_name_of_open_clip_is_a_model() -> None:
    vit, coca = StartModel("ViT-B-32"), StartModel("coca_ViT-B-32")
    assert vit.config()["model_cfg"]["embed_dim"] == 512
    assert (vit.kind, vit.folder_name()) == ("ViT-B-32", "start")
    assert coca.folder_name() == "start_coca"


@pytest.mark.parametrize("name", ["ViT-B-23", "", "..", "../model_configs/ViT-B-32", "x"])
def test_another_name_is_refused_with_near_ones(name: str) -> None:
    with pytest.raises(ModelError, match="is none of open_clip's") as fault:
        StartModel(name).config()
    if name == "ViT-B-23":
        assert "near to it: ViT-B-32" in str(fault.value)


def test_a_folder_is_a_model_with_random_weights(tmp_path: Path) -> None:
    model = folder_with(tmp_path / "clip", config_of())
    (tmp_path / "clip" / WEIGHTS).write_bytes(b"not taken")
    (tmp_path / "clip" / "tokenizer.json").write_text("{}")
    model.write(tmp_path)
    assert sorted(file.name for file in (tmp_path / "start").iterdir()) == [
        CONFIG,
        "tokenizer.json",
    ]
    assert json.loads((tmp_path / "start" / CONFIG).read_bytes()) == config_of()
    assert model.kind == "vit"
    assert folder_with(tmp_path / "rn", config_of(layers=[3, 4, 6, 3])).kind == "other"
    assert folder_with(tmp_path / "timm", config_of(timm_model_name="vit_x")).kind == "vit"
    assert folder_with(tmp_path / "timm2", config_of(timm_model_name="convnext")).kind == "other"


@pytest.mark.parametrize(
    "config",
    ["", "[]", "{", "[" * 9999, "{}", '{"model_cfg": 1}', '{"model_cfg": {"embed_dim": 1}}'],
)
def test_a_folder_without_a_model_is_refused(tmp_path: Path, config: str) -> None:
    with pytest.raises(ModelError, match=r"expected a JSON object|has no embed_dim"):
        folder_with(tmp_path / "clip", config).config()
    with pytest.raises(ModelError, match=f"has no {CONFIG}"):
        StartModel(str(tmp_path)).config()


def test_weights_must_be_a_file_that_may_be_loaded(tmp_path: Path) -> None:
    model = str(folder_with(tmp_path / "clip", config_of()).name)
    with pytest.raises(ModelError, match="is no file"):
        StartModel(model, str(tmp_path / "none.safetensors")).weights_path()
    with pytest.raises(ModelError, match="is no file"):
        StartModel(model, "openai").weights_path()
    (tmp_path / "w.pt").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="give its sha256"):
        StartModel(model, str(tmp_path / "w.pt")).weights_path()


def test_what_weights_of_a_tag_were_trained_with_is_kept() -> None:
    """Open_clip only warns where the activation of an architecture is not that of its weights."""
    openai = tag_options("ViT-B-32", "openai")
    assert openai["force_quick_gelu"]
    assert openai["force_preprocess_cfg"]["resize_mode"] == "shortest"
    assert not tag_options("ViT-B-32", "laion2b_s34b_b79k")["force_quick_gelu"]
    assert tag_options("ViT-B-16-SigLIP", "webli")["force_preprocess_cfg"]["mean"] == (0.5,) * 3
    assert tag_options("ViT-B-32", "weights.safetensors") == {}
