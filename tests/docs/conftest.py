"""The inputs that the commands of README.md and docs/*.md read, made in a folder."""

import io
import json
import re
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from spark_jobs.concepts.synsets import imagenet_synsets
from spark_jobs.subsets.imagenet_classes import imagenet100
from tests.small_clip import make_clip

ROOT = Path(__file__).parents[2]
ENTRIES = ["dog", "cat", "axolotl", "crane", "park"]


@pytest.fixture(scope="session")
def all_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every input that some page names, a few kilobytes each."""
    folder = tmp_path_factory.mktemp("documented")
    make_inputs(folder)
    return folder


@pytest.fixture
def folder(all_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with these inputs."""
    shutil.copytree(all_inputs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_inputs(folder: Path) -> None:
    _captions(folder)
    _scored_pairs(folder)
    _banks(folder)
    _web_pairs(folder)
    _published_files(folder)
    _images(folder)
    _captioned_pairs(folder)
    retrieval = (ROOT / "docs/retrieval.md").read_text(encoding="utf-8")
    class_file = re.search(r"```yaml\n(.*?)```", retrieval, re.DOTALL)
    assert class_file is not None
    (folder / "my_classes.yml").write_text(class_file[1])


def _captions(folder: Path) -> None:
    captions = [f"a {word} in picture {i}" for i in range(300) for word in ENTRIES[:2]]
    captions += [f"an axolotl beside a dog {i}" for i in range(5)] + ["a photo of a dog"]
    (folder / "my_captions").mkdir()
    lines = [json.dumps({"caption": caption}) + "\n" for caption in captions]
    (folder / "my_captions/part_0.jsonl").write_text("".join(lines))
    (folder / "links.csv").write_text("TEXT,LINK\na dog,https://example.org/dog.jpg\n")
    (folder / "photo_captions.txt").write_text(
        "".join(
            f"a photo of a {ENTRIES[i % 5]} that stands in field number {i}\n" for i in range(90)
        )
    )
    (folder / "synthetic_captions").mkdir()
    (folder / "synthetic_captions/0.json").write_text(json.dumps(captions[:50]))


def _scored_pairs(folder: Path) -> None:
    pairs = [f"{k % 5}\ta {ENTRIES[0]}\ta {ENTRIES[k % 5]} in picture {k}\n" for k in range(20)]
    (folder / "sts_pairs.tsv").write_text("".join(pairs))


def _banks(folder: Path) -> None:
    (folder / "concepts.txt").write_text("".join(f"{entry}\n" for entry in ENTRIES))
    (folder / "my_entries.txt").write_text("sea otter\n")
    (folder / "metadata.json").write_text(json.dumps(ENTRIES))


def _web_pairs(folder: Path) -> None:
    """shards: as img2dataset writes them, a caption missing; laion: as LAION-400M."""
    n_rows = 40
    urls = [f"https://example.org/{i}.jpg" for i in range(n_rows)]
    texts = [f"a photo of a {ENTRIES[i % 2]} {i}" for i in range(n_rows - 1)]
    (folder / "shards").mkdir()
    shard = {"url": urls, "caption": [*texts, None], "key": [f"{i:09}" for i in range(n_rows)]}
    pq.write_table(pa.table(shard), folder / "shards/00000.parquet")
    (folder / "shards/00000_stats.json").write_text("{}")
    names = [*_lemmas_of_imagenet100(10), "dog", "puppy", "crane"] * 4
    laion = {
        "SAMPLE_ID": list(range(len(names))),
        "URL": [f"https://example.org/laion/{i}.jpg" for i in range(len(names))],
        "TEXT": [f"a photo of a {name} , number {i}" for i, name in enumerate(names)],
        "HEIGHT": [480] * len(names),
        "WIDTH": [640] * len(names),
        "LICENSE": ["?"] * len(names),
        "NSFW": ["UNLIKELY"] * len(names),
        "similarity": [0.3] * len(names),
    }
    (folder / "laion").mkdir()
    pq.write_table(pa.table(laion), folder / "laion/part-00000.parquet")


def _lemmas_of_imagenet100(n: int) -> list[str]:
    """A lemma of each of n classes, that no other class has and that holds no punctuation."""
    synsets, wnids = imagenet_synsets("imagenet1k"), imagenet100()
    n_classes = Counter(lemma for synset in synsets for lemma in synset.lemmas)
    by_class = [
        [x for x in synset.lemmas if n_classes[x] == 1 and x.replace(" ", "").isalpha()]
        for synset in synsets
        if synset.wnid in wnids
    ]
    return [lemmas[0] for lemmas in by_class if lemmas][:n]


def _images(folder: Path) -> None:
    """A shard of two images as img2dataset writes it, and their classes by uid."""
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "JPEG")
    wnids = {"u0": "n02084071", "u1": "n02121808"}
    (folder / "image_shards").mkdir()
    with tarfile.open(folder / "image_shards/00000.tar", "w") as archive:
        for number, (uid, wnid) in enumerate(wnids.items()):
            record = json.dumps({"uid": uid, "wnid": wnid}).encode()
            for extension, content in (("jpg", written.getvalue()), ("json", record)):
                header = tarfile.TarInfo(f"{number:09}.{extension}")
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
    for name in ENTRIES[:3]:
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(2):
            colour = (40 * len(name), 90 * number, 60)
            Image.new("RGB", (40, 32), colour).save(folder / f"photos/{name}/{number}.jpg")
    make_clip(folder / "my_clip")
    (folder / "class_frequency.txt").write_text("dog\t900\ncat\t80\naxolotl\t3\n")
    pairs = {"uid": [*wnids], "image": [written.getvalue()] * 2, "caption": ["a dog", "a cat"]}
    pq.write_table(pa.table(pairs), folder / "image_pairs.parquet")
    labels = pa.table({"uid": [*wnids], "wnid": [*wnids.values()]})
    pq.write_table(labels, folder / "image_labels")


def _captioned_pairs(folder: Path) -> None:
    """Raw and synthetic captions of the same images, with similarities, and references."""
    uids = [f"u{i}" for i in range(20)]
    for name, words in (("raw", ENTRIES), ("blip", ENTRIES[:2])):
        texts = [f"a photo of a {words[i % len(words)]}" for i in range(20)]
        pairs = {"uid": uids, "caption": texts, "similarity": [0.2 + i / 100 for i in range(20)]}
        pq.write_table(pa.table(pairs), folder / f"{name}_pairs.parquet")
    texts = [f"one {ENTRIES[i % 2]} outside" for i in range(20)]
    pq.write_table(pa.table({"uid": uids, "caption": texts}), folder / "references.parquet")


def _published_files(folder: Path) -> None:
    records = [
        {
            "filename": f"{synset.wnid}_{i}.JPEG",
            "wnid": synset.wnid,
            "title": f"my {synset.lemmas[0]}",
            "tags": ["zoo"],
            "description": "",
        }
        for i, synset in enumerate(imagenet_synsets("imagenet1k")[:5])
    ]
    (folder / "imagenet_captions.json").write_text(json.dumps(records))
