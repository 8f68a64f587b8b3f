"""score-clip: images and captions of one model, several captions an image."""

import io
from pathlib import Path

import numpy as np
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta


@pytest.mark.slow
def test_every_caption_of_an_image_is_scored(
    captionlake, spark: SparkSession, tiny_clip: Path, tmp_path: Path
) -> None:
    pictures = [Image.new("RGB", (40, 40), (80 * k, 255 - 80 * k, 40)) for k in range(3)]
    encoded = []
    for picture in pictures:
        written = io.BytesIO()
        picture.save(written, "PNG")
        encoded.append(written.getvalue())
    images = {"uid": ["u0", "u1", "u2", "u3"], "image": [*encoded, b"broken"]}
    pq.write_table(pa.table(images), tmp_path / "images.parquet")
    captions = [
        ("u0", 0, "raw one"), ("u0", 1, "a made one"), ("u1", 0, "red"), ("u3", 0, "of a broken"),
        ("u9", 0, "of no image"), ("u2", 0, None),
    ]  # fmt: skip
    uid, caption_id, caption = zip(*captions, strict=True)
    columns = {"uid": uid, "caption_id": pa.array(caption_id, pa.int32()), "caption": caption}
    pq.write_table(pa.table(columns), tmp_path / "captions.parquet")
    model = ["--model", f"open_clip:{tiny_clip}"]
    for job, name in (("embed-images", "images"), ("embed-texts", "captions")):
        files = ["--input", tmp_path / f"{name}.parquet", "--output", tmp_path / name]
        assert captionlake(job, *files, *model).exit_code == 0
    outcome = captionlake(
        *("score-clip", "--images", tmp_path / "images", "--captions", tmp_path / "captions"),
        *("--output", tmp_path / "scores"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {
        "captions": 6, "scored": 3, "without_vector": 1, "without_image": 2
    }  # fmt: skip
    rows = read_delta(spark, tmp_path / "scores").collect()
    clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    tokens = open_clip.get_tokenizer(f"local-dir:{tiny_clip}")
    texts = {(u, k): text for u, k, text in captions}
    for row in rows:
        image = transform(pictures[int(row.uid[1:])])[None]
        with torch.inference_mode():
            a = clip.eval().encode_image(image, normalize=True)
            b = clip.encode_text(tokens([texts[row.uid, row.caption_id]]), normalize=True)
        assert np.isclose(row.score, float((a * b).sum()), atol=1e-5)
    assert {(row.uid, row.caption_id) for row in rows} == {("u0", 0), ("u0", 1), ("u1", 0)}
    assert {row.model for row in rows} == {f"open_clip:{tiny_clip}"}
