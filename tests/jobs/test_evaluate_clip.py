"""evaluate-clip: equal to open_clip's own zero-shot evaluation; parts, retrieval, bad input."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pyspark.sql import SparkSession
from torchvision.datasets import ImageFolder

from spark_jobs.concepts.imagenet_prompts import imagenet_names
from spark_jobs.concepts.synsets import imagenet_synsets
from tests.delta_tables import read_delta

CLASSES = ["crane", "golden retriever", "sea otter", "tench", "toucan", "yurt", "zebra"]
# Extension, format and mode; EXIF orientation 6 turns a picture by 90 degrees where it is heeded.
KINDS = [
    ("jpg", "JPEG", "RGB"), ("jpeg", "JPEG", "L"), ("JPG", "JPEG", "CMYK"), ("png", "PNG", "RGBA"),
    ("png", "PNG", "LA"), ("png", "PNG", "P"), ("png", "PNG", "1"), ("webp", "WEBP", "RGBA"),
]  # fmt: skip


def encoded(number: int) -> tuple[str, bytes]:
    """(extension, file) of a smooth picture with some noise, its size and kind by its number."""
    draws = np.random.default_rng(number)
    small = Image.fromarray(draws.integers(0, 256, (4, 4, 4), np.uint8), "RGBA")
    size = (int(draws.integers(20, 90)), int(draws.integers(20, 90)))
    extension, form, mode = KINDS[number % len(KINDS)]
    picture = small.resize(size, Image.Resampling.BICUBIC)
    converted = (picture if mode == "RGBA" else picture.convert("RGB")).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    written = io.BytesIO()
    converted.save(written, form, **({"exif": exif} if form == "JPEG" else {}))
    return extension, written.getvalue()


def make_folder(root: Path, folders: list[str], n_images: int) -> None:
    draws = np.random.default_rng(0)
    for number in range(n_images):
        extension, content = encoded(number)
        below = "deeper/" if number % 11 == 0 else ""
        file = root / folders[draws.integers(len(folders))] / f"{below}{number}.{extension}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class Reference:
    """open_clip's own classifier and its loop over torchvision's ImageFolder."""

    def __init__(self, model: Path, root: Path, names: list[str], templates: Any) -> None:
        clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model}")
        tokens = open_clip.get_tokenizer(f"local-dir:{model}")
        classifier = open_clip.build_zero_shot_classifier(clip.eval(), tokens, names, templates)
        data = ImageFolder(str(root), transform)
        self.folders = data.classes
        self.samples = [path for path, _ in data.samples]
        with torch.inference_mode():
            images = torch.stack([image for image, _ in data])
            self.logits = 100.0 * clip.encode_image(images, normalize=True) @ classifier
        self.targets = torch.tensor(data.targets)

    def accuracy(self, k: int, targets: torch.Tensor) -> float:
        nearest = self.logits.topk(k, 1).indices
        return float((nearest == targets[:, None]).any(1).double().mean())


def values_of(spark: SparkSession, table: Path) -> dict[tuple[str, str, str], Any]:
    rows = read_delta(spark, table).collect()
    return {(r.task, r.set, r.measure): r.value for r in rows}


@pytest.mark.slow
def test_equal_to_open_clip_on_an_image_folder(
    captionlake: Callable[..., Any],
    spark: SparkSession,
    tiny_clip: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_folder(tmp_path / "images", CLASSES, 320)
    templates = [*open_clip.SIMPLE_IMAGENET_TEMPLATES]
    reference = Reference(tiny_clip, tmp_path / "images", CLASSES, templates)
    broken = tmp_path / "images/zebra/broken.jpg"
    broken.write_bytes(encoded(0)[1][:300])
    (tmp_path / "counts.txt").write_text("tench\t900\nzebra\t30\nyurt\t5\nlynx\t8\ncrane\t30\n")
    outcome = captionlake(
        *("evaluate-clip", "--images", tmp_path / "images", "--templates", "simple"),
        *("--frequencies", tmp_path / "counts.txt", "--model", f"open_clip:{tiny_clip}"),
        *("--output", tmp_path / "evaluation", "--batch-size", 33),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert "without a vector, left out: image_broken 1" in caplog.text
    assert "classes that are not evaluated are left out: lynx" in caplog.text
    assert outcome.summary["counts"] == {
        "images": 321, "classified": 320, "without_vector": 1, "without_class": 0, "classes": 7,
        "classes_without_images": 0,
    }  # fmt: skip
    values = values_of(spark, tmp_path / "evaluation")
    for k in (1, 5):
        expected = reference.accuracy(k, reference.targets)
        assert values["zero_shot", "all", f"top{k}"] == pytest.approx(expected, abs=1e-6)
    predictions = read_delta(spark, tmp_path / "evaluation_predictions")
    by_key = {row.key: row for row in predictions.collect()}
    assert by_key["zebra/broken.jpg"].fault == "image_broken"
    for path, logits in zip(reference.samples, reference.logits, strict=True):
        row = by_key[str(Path(path).relative_to(tmp_path / "images"))]
        assert row.predicted == CLASSES[int(logits.argmax())]
    rows = read_delta(spark, tmp_path / "evaluation_classes").collect()
    of_class = {row["class"]: row for row in rows}
    assert [of_class[name].frequency for name in CLASSES] == [30, 0, 0, 900, 0, 5, 30]
    assert [of_class[name].part for name in CLASSES] == [
        "head", "middle", "tail", "head", "tail", "middle", "head"
    ]  # fmt: skip
    predicted = reference.logits.argmax(1)
    for number, name in enumerate(CLASSES):
        of_images = predicted[reference.targets == number]
        assert of_class[name].images == len(of_images)
        assert of_class[name].top1 == pytest.approx(float((of_images == number).double().mean()))
        assert of_class[name].predicted == int((predicted == number).sum())


@pytest.mark.slow
def test_imagenet_by_index_in_folders_and_by_wnid_in_a_table_beside_pairs(
    captionlake: Callable[..., Any], spark: SparkSession, tiny_clip: Path, tmp_path: Path
) -> None:
    indices = [0, 7, 134, 999]
    make_folder(tmp_path / "v2", [str(i) for i in indices], 40)
    (tmp_path / "templates.txt").write_text("a photo of a {}.\n\nmy {}\n")
    own = [lambda c: f"a photo of a {c}.", lambda c: f"my {c}"]
    reference = Reference(tiny_clip, tmp_path / "v2", imagenet_names(), own)
    targets = torch.tensor([int(reference.folders[t]) for t in reference.targets])
    wnids = [synset.wnid for synset in imagenet_synsets("imagenet1k")]
    table = {
        "uid": [str(k) for k in range(len(reference.samples) + 1)],
        "image": [*(Path(path).read_bytes() for path in reference.samples), b"?"],
        "wnid": [*(wnids[t] for t in targets), None],
    }
    captions = [[f"picture {n} of {CLASSES[n % 7]}", f"number {n}"][: 1 + n % 2] for n in range(24)]
    files = [encoded(number)[1] for number in range(24)]
    pairs = {
        "uid": [f"u{n:02}" for n in range(25)],
        "image": [*files, b"broken"],
        "captions": [*captions, ["of a broken image"]],
    }
    for name, columns in (("table", table), ("pairs", pairs)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        rows = spark.read.parquet(str(tmp_path / f"{name}.parquet"))
        rows.write.format("delta").save(str(tmp_path / name))
    settings = ["--class-names", "imagenet", "--templates", tmp_path / "templates.txt"]
    settings += ["--model", f"open_clip:{tiny_clip}"]
    with_pairs = ["--class-column", "wnid", "--pairs", tmp_path / "pairs"]
    for images, further in (("v2", []), ("table", with_pairs)):
        outcome = captionlake(
            *("evaluate-clip", "--images", tmp_path / images, *further, *settings),
            *("--output", tmp_path / f"of_{images}"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        values = values_of(spark, tmp_path / f"of_{images}")
        for k in (1, 5):
            expected = reference.accuracy(k, targets)
            assert values["zero_shot", "all", f"top{k}"] == pytest.approx(expected, abs=1e-6)
    assert outcome.summary["counts"] == {
        "images": 41, "classified": 40, "without_vector": 0, "without_class": 1, "classes": 1000,
        "classes_without_images": 996, "retrieval_images": 24, "retrieval_captions": 36,
        "retrieval_without_vector": 1,
    }  # fmt: skip
    for measure, expected in recalls_of_open_clip(tiny_clip, files, captions).items():
        assert values["retrieval", "all", measure] == pytest.approx(expected, abs=1e-6)


def recalls_of_open_clip(
    model: Path, files: list[bytes], captions: list[list[str]]
) -> dict[str, float]:
    clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model}")
    texts = [text for own in captions for text in own]
    image_of = torch.tensor([n for n, own in enumerate(captions) for _ in own])
    tokens = open_clip.get_tokenizer(f"local-dir:{model}")(texts)
    pixels = [transform(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    with torch.inference_mode():
        images = clip.eval().encode_image(torch.stack(pixels), normalize=True)
        products = images @ clip.encode_text(tokens, normalize=True).T
    recalls = {}
    for k in (1, 5, 10):
        own = image_of[products.topk(k, 1).indices] == torch.arange(len(files))[:, None]
        found = products.T.topk(k, 1).indices == image_of[:, None]
        for direction, hits in (("image_to_text", own), ("text_to_image", found)):
            recalls[f"{direction}_recall@{k}"] = float(hits.any(1).double().mean())
    return recalls


def test_bad_input_is_one_line(
    captionlake: Callable[..., Any], tiny_clip: Path, tmp_path: Path
) -> None:
    make_folder(tmp_path / "images", ["tench", "zebrra"], 4)
    (tmp_path / "names.txt").write_text("tench\ttench\tTinca tinca\nzebra\tzebra\n")
    (tmp_path / "names2.txt").write_text("tench tench\n")
    (tmp_path / "templates.txt").write_text("a photo\n")
    (tmp_path / "other.txt").write_text("lynx\t4\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("nothing here")
    model = ["--model", f"open_clip:{tiny_clip}"]
    for words, message in (
        (["--model", "open_clip:ViT-B-33"], "open_clip knows no such model"),
        (["--model", "minilm"], "is no CLIP model: --model open_clip:NAME"),
        ([*model, "--images", tmp_path / "empty"], "no images"),
        ([*model, "--class-names", tmp_path / "names.txt"], "zebrra; there is no class 'zebrra', "
         "did you mean 'zebra'?"),
        ([*model, "--class-names", tmp_path / "names2.txt"], "line 1: expected a class, a tab"),
        ([*model, "--class-names", "imagenett"], "did you mean 'imagenet'?"),
        ([*model, "--templates", tmp_path / "templates.txt"], "line 1: expected one {}"),
        ([*model, "--frequencies", tmp_path / "other.txt"], "has none of the classes"),
    ):  # fmt: skip
        images = [] if "--images" in words else ["--images", tmp_path / "images"]
        outcome = captionlake("evaluate-clip", *images, *words, "--output", tmp_path / "out")
        assert outcome.exit_code in (2, 3)
        assert message in outcome.error
    (tmp_path / "images/stray.png").write_bytes(encoded(5)[1])
    outcome = captionlake(
        *("evaluate-clip", "--images", tmp_path / "images", *model, "--output", tmp_path / "out")
    )
    assert "stray.png lies in no folder of a class" in outcome.error


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_cuda_without_a_gpu_is_one_line(
    captionlake: Callable[..., Any], tiny_clip: Path, tmp_path: Path
) -> None:
    make_folder(tmp_path / "images", ["tench"], 1)
    outcome = captionlake(
        *("evaluate-clip", "--images", tmp_path / "images", "--model", f"open_clip:{tiny_clip}"),
        *("--device", "cuda", "--output", tmp_path / "out", "--templates", "simple"),
    )
    assert outcome.exit_code != 0
    assert "device cuda: no GPU is there" in outcome.error
