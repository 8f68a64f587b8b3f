"""The commands that each platform runs on the same small inputs, and digests of what they wrote."""

import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from PIL import Image

from spark_jobs.concepts.synsets import imagenet_synsets
from tests.captioners import make_blip
from tests.small_clip import make_clip

# Columns of ids, times and settings that differ between two runs of one command.
_OF_THE_RUN = {"run_id", "rows_per_s", "samples_per_s", "data_seconds", "batch_seconds"}
_TABLE_VERSION = re.compile(rb"delta:\d+:[0-9a-f]+")  # with the table's own id
# Written plain files; a report has times in it, a mark the run that made the folder.
_PLAIN_FILES = {".txt", ".tsv", ".json", ".npy", ".csv", ".png"}
_CLASSES = """\
dataset: Pets
templates: ['a photo of a {}.', 'my {}, a pet']
classes: [cat, dog]
"""


def make_inputs(folder: Path, image_server: str) -> None:
    """Captions with repetitions and a null, a bank, LAION's columns, records, images, two models.

    `image_server`: the address of a server of images, as tests.image_server has it.
    """
    folder.mkdir(exist_ok=True)
    entries = ["dog", "cat", "axolotl", "crane", "park"]
    captions = [f"a {entries[i % 2]} in picture {i % 250}" for i in range(600)]
    captions += [f"an axolotl beside a dog, {i}" for i in range(5)] + ["a photo of a dog", ""]
    (folder / "captions").mkdir()
    for part in range(4):
        lines = [json.dumps({"caption": caption}) for caption in [*captions[part::4], None]]
        (folder / f"captions/{part}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "bank.txt").write_text("".join(f"{entry}\n" for entry in entries))
    filler = [f"filler {i}" for i in range(60_000)]  # a matcher that goes to workers as files
    (folder / "large_bank.txt").write_text("".join(f"{entry}\n" for entry in [*entries, *filler]))
    (folder / "pets.yml").write_text(_CLASSES)
    pairs = [f"{i % 5}\ta dog\t{captions[i]}\n" for i in range(20)]
    (folder / "sts_pairs.tsv").write_text("".join(pairs))
    one_row = {"uid": ["1"], "caption": ["a photo of a dog"]}
    pq.write_table(pa.table(one_row), folder / "one_row.parquet")
    _make_laion(folder)
    _make_records(folder)
    _make_images(folder)
    make_blip(folder / "blip")
    make_clip(folder / "clip")
    paths = ["good?1", "good?2", "png", "404", "cut"]
    urls = {
        "uid": [f"{i:032x}" for i in range(len(paths))],
        "caption": [f"a photo, {path}" for path in paths],
        "url": [f"{image_server}/{path}" for path in paths],
    }
    pq.write_table(pa.table(urls), folder / "urls.parquet")


def _make_laion(folder: Path) -> None:
    names = [synset.lemmas[0] for synset in imagenet_synsets("imagenet1k")[:40]]
    n_rows = 200
    pairs = {
        "SAMPLE_ID": list(range(n_rows)),
        "URL": [f"https://example.org/laion/{i}.jpg" for i in range(n_rows)],
        "TEXT": [f"a photo of a {names[i * i % 40]} , cat number {i}" for i in range(n_rows)],
        "HEIGHT": [480] * n_rows,
        "WIDTH": [640] * n_rows,
        "LICENSE": ["?"] * n_rows,
        "NSFW": ["UNLIKELY"] * n_rows,
        "similarity": [i / n_rows for i in range(n_rows)],
    }
    (folder / "laion").mkdir()
    for part in range(2):
        half = {name: values[part::2] for name, values in pairs.items()}
        pq.write_table(pa.table(half), folder / f"laion/part-{part:05}.parquet")


def _make_records(folder: Path) -> None:
    """60 records of ImageNet-Captions of 20 classes, and 100 pairs with a class and a score."""
    synsets = imagenet_synsets("imagenet1k")[:20]
    records = [
        {
            "filename": f"{synsets[i * i % 20].wnid}_{i}.JPEG",
            "wnid": synsets[i * i % 20].wnid,
            "title": f"my {synsets[i * i % 20].lemmas[0]} {i}",
            "tags": ["zoo"],
            "description": "",
        }
        for i in range(60)
    ]
    (folder / "records.json").write_text(json.dumps(records))
    draws = np.random.default_rng(1)
    pairs = {
        "uid": [f"{i:032x}" for i in range(100)],
        "caption": [f"caption {i}" for i in range(100)],
        "url": [f"https://example.org/{i}.jpg" for i in range(100)],
        "wnid": [synsets[int(20 * value**3)].wnid for value in draws.random(100)],
        "text_to_name_def_wnid_similarity": 0.7 + 0.3 * draws.random(100),
    }
    pq.write_table(pa.table(pairs), folder / "pairs.parquet")


def _make_images(folder: Path) -> None:
    """Images as a table, three of them as a benchmark, and all in a shard with records."""
    encoded = []
    for i in range(20):
        written = io.BytesIO()
        # The last two are the first two again.
        pixels = np.random.default_rng(i % 18).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(written, "PNG")
        encoded.append(written.getvalue())
    images = {"uid": [f"{i:032x}" for i in range(20)], "image": encoded}
    for i in range(6):
        (folder / f"classes/{['cat', 'dog'][i % 2]}").mkdir(parents=True, exist_ok=True)
        (folder / f"classes/{['cat', 'dog'][i % 2]}/{i}.png").write_bytes(encoded[i])
    pq.write_table(pa.table(images), folder / "images.parquet")
    pq.write_table(pa.table(images).slice(0, 3), folder / "benchmark.parquet")
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards/00000.tar", "w") as archive:
        for i, image in enumerate(encoded):
            record = json.dumps({"uid": f"{i:032x}", "QUERY": ["cat", "dog"][i % 2]}).encode()
            for ending, content in (("png", image), ("json", record)):
                member = tarfile.TarInfo(f"{i:09}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def recipes(inputs: Path, model: Path, out: Path | str) -> dict[str, list[str]]:
    """The pipelines named in docs/platforms.md: curate, LAIONet's, and search by meaning."""
    return {
        "curate": [
            *("curate", f"{inputs}/captions", "--bank", f"{inputs}/large_bank.txt", "--t", "20"),
            *("--decisions", "--output", f"{out}/curated"),
        ],
        "laionet_labels": recipe("laionet_labels", input=f"{inputs}/laion", output=f"{out}/labels"),
        "laionet_match_frequency": recipe(
            "laionet_match_frequency",
            imagenet_captions=f"{inputs}/records.json",
            pairs=f"{inputs}/pairs.parquet",
            captions=f"{out}/labels/captions",
            output=f"{out}/matched",
            k=5,
            **_models(model, "record_vectors", "caption_vectors"),
        ),
        "retrieval_semantic": recipe(
            "retrieval_semantic",
            input=f"{inputs}/laion",
            images=f"{inputs}/images.parquet",
            output=f"{out}/retrieved",
            k=7,
            **{"queries.classes": f"{inputs}/pets.yml"},
            **_models(model, "query_vectors", "text_vectors", "image_vectors"),
        ),
    }


@dataclass(frozen=True)
class Place:
    """Where commands write: a folder, or schemas of a catalog with a folder for plain files."""

    files: Path
    catalog: str | None = None

    def tables(self, name: str) -> str:
        """The parent of tables: a folder, or a schema."""
        return f"{self.files}/{name}" if self.catalog is None else f"{self.catalog}.{name}"

    def table(self, name: str) -> str:
        """`parent/table`, or a table beside all others."""
        parent, _, table = name.rpartition("/")
        if self.catalog is not None:
            return f"{self.catalog}.{parent or 'lake'}.{table}"
        return f"{self.files}/{name}"

    @property
    def workspace(self) -> str:
        """Of commands that write no table beside which `runs` could lie."""
        return str(self.files) if self.catalog is None else f"{self.catalog}.lake"


def other_jobs(inputs: Path, out: Place) -> dict[str, list[str]]:
    """The jobs that `recipes` leaves out, on the tables that it has written.

    Not count-concepts, which needs the files of WordNet.
    """
    captions, table, files = out.table("labels/captions"), out.table, out.files
    beside = f"--workspace {out.workspace}"
    balanced, vectors = table("curated/balanced_captions"), table("retrieved/image_vectors")
    jobs = {
        "build-concept-bank": f"--sources '[lines:{inputs}/bank.txt]' --output {table('bank')}",
        "check-concept-bank": f"{inputs}/captions --bank {inputs}/bank.txt "
        f"--output {table('missing')}",
        "generate-captions": f"--bank {inputs}/bank.txt --backend templates "
        f"--output {files}/generated --generations {table('generations')} {beside}",
        "caption-images": f"--input {inputs}/images.parquet --model {inputs}/blip "
        f"--max-length 8 --output {table('image_captions')}",
        "dedup-captions": f"--captions {captions} --output {table('unique')}",
        "plan-balance": f"--matches {table('curated/matches')} "
        f"--entry-counts {table('curated/entry_counts')} --output {table('plan')}",
        "match-concepts": f"--captions {captions} --bank {inputs}/bank.txt "
        f"--output {table('stored_matches')}",
        "match-and-balance": f"{inputs}/captions --bank {inputs}/bank.txt --t 20 "
        f"--output {table('kept_at_once')}",
        "explain": f"--run {out.tables('curated')} --caption 'a photo of a dog'",
        "show": balanced,
        "diff": f"{balanced} {table('kept_at_once')}",
        "report": f"--table {balanced} --output {files}/report.html",
        "export-pairs": f"--input {balanced} --format jsonl --output {files}/pairs {beside}",
        "export-captions": f"--captions {balanced} --matches {balanced} "
        f"--entry-counts {table('curated/entry_counts')} --output {files}/files {beside}",
        "export-snapshot": f"--input {balanced} --output {files}/snapshot {beside}",
        "export-hf": f"--input {balanced} --columns uid,caption --output {files}/dataset {beside}",
        "export-webdataset": f"--captions {inputs}/pairs.parquet --images {inputs}/shards "
        f"--samples-per-shard 8 --output {files}/training_shards {beside}",
        "plan-threshold": f"--scores {inputs}/pairs.parquet "
        f"--column text_to_name_def_wnid_similarity --output {table('thresholds')}",
        "filter-captions": f"--captions {captions} --output {table('filtered')} "
        "--rules '[{rule: s, column: similarity, op: \">=\", value: 0.5}]'",
        "sample-subset": f"--input {inputs}/pairs.parquet --fraction 0.25 "
        f"--output {table('quarter')}",
        "vary-captions": f"--imagenet-captions {table('matched/records')} --append-class-name "
        f"--output {table('varied')}",
        "score-definitions": f"--labels {table('labels/labels')} --synsets laionet --carry "
        f"--output {table('scored')}",
        "score-clip": f"--images {vectors} --captions {vectors} --output {table('clip_scores')}",
        "cluster-images": f"--embeddings {vectors} --k 2 --output {table('clusters')}",
        "mix-captions": f"--captions {captions} --mix 'raw top 50%' "
        f"--sources '{{raw: {{caption: caption, score: similarity}}}}' --output {table('mixed')}",
        "train-sentences": f"--captions {captions} --model small --batch-size 64 "
        f"--output {files}/encoder --training {table('training')} {beside}",
        "train-clip": f"--shards {files}/training_shards --model {inputs}/clip --batch-size 4 "
        f"--output {files}/clip --training {table('clip_training')} {beside}",
        "evaluate-sentences": f"--sts {inputs}/sts_pairs.tsv --output {table('sts')}",
        "evaluate-clip": f"--images {inputs}/classes --templates simple "
        f"--model open_clip:{inputs}/clip --output {table('evaluation')}",
        "compare-evaluations": f"--evaluations '{{a@0: {table('evaluation')}}}' "
        f"--output {table('comparison')}",
        "make-demo-images": f"--rows 48 --exponent 0 --output {table('demo_images')}",
        "compare-clip": f"--subsets '{{a: {table('demo_images')}}}' --seeds 1 "
        f"--images {table('demo_images')} --test-images {table('demo_images')} "
        f"--class-column shape --templates simple --model {inputs}/clip --samples-seen 8 "
        f"--checkpoints 1 --batch-size 4 --no-report --output {files}/compared",
        "measure-captions": f"--captions '{{raw: {captions}}}' --output {table('measures')}",
        "search-substrings": f"--captions {captions} --queries [{inputs}/pets.yml] "
        f"--output {table('substrings')}",
        "make-demo-captions": f"--rows 1000 --output {table('demo_captions')}",
        "export-embeddings": f"--embeddings {table('retrieved/text_vectors')} "
        f"--form clip_retrieval --modality text --output {files}/vector_files {beside}",
        "import-embeddings": f"--input {files}/vector_files --form clip_retrieval --modality text "
        f"--model open_clip:tiny --output {table('imported')}",
        "build-index": f"--embeddings {table('retrieved/text_vectors')} --modality text "
        f"--factory Flat --output {files}/index {beside}",
        "search-neighbours": f"--queries {table('retrieved/query_vectors')} "
        f"--index {files}/index --modality text --k 3 --output {table('by_index')}",
        "download-images": f"--captions {inputs}/urls.parquet --allow-hosts 127.0.0.1 "
        f"--output {files}/shards --downloads {table('downloads')} {beside}",
        "read-images": f"--input {inputs}/shards --output {table('images')}",
        "dedup-images": f"--input {inputs}/images.parquet --by phash --groups {table('groups')} "
        f"--output {table('unique_images')}",
        "decontaminate": f"--input {inputs}/images.parquet --by phash "
        f"--benchmarks '{{tests: {inputs}/benchmark.parquet}}' --output {table('clean')} "
        f"--contaminated {table('contaminated')}",
        "arrange-images": f"--input {inputs}/shards --layout classes "
        f"--output {files}/arranged --metadata {table('arranged_images')} {beside}",
        "maintain": out.tables("curated"),
    }
    return {job: [job, *shlex.split(words)] for job, words in jobs.items()}


def one_row(inputs: Path, out: Path) -> list[str]:
    """A job on one row, whatever was there."""
    words = ["match-concepts", "--captions", f"{inputs}/one_row.parquet", "--force"]
    return [*words, "--bank", f"{inputs}/bank.txt", "--output", f"{out}/one_row/matches"]


def _models(model: Path, *steps: str) -> dict[str, str]:
    settings = {"model": f"open_clip:{model}", "weights": "null"}
    return {f"{step}.{name}": value for step in steps for name, value in settings.items()}


def recipe(name: str, **variables: object) -> list[str]:
    return ["run", name, *(w for k, v in variables.items() for w in ("--set", f"{k}={v}"))]


def digests(out: Path, address: str | None = None) -> dict[str, str]:
    """Table or file, relative to `out` -> digest of its rows in sorted order, or of its bytes.

    Without the address that was written to, by default `out`, and of the bytes the versions of
    tables, which are of one run.
    """
    found, address = {}, address or str(out)
    for log in out.rglob("_delta_log"):
        if log.parent.name != "runs":  # has times and paths
            rows = (row.replace(address, "") for row in _delta_rows(log.parent))
            found[str(log.parent.relative_to(out))] = _digest(rows)
    for file in out.rglob("*"):
        is_hidden = any(part[0] in "_." for part in file.relative_to(out).parts)
        has_times = file.name.endswith("_stats.json")  # img2dataset's, of a shard
        if file.suffix in _PLAIN_FILES and not is_hidden and not has_times:
            content = file.read_bytes().replace(address.encode(), b"")
            content = _TABLE_VERSION.sub(b"", content)
            found[str(file.relative_to(out))] = hashlib.sha256(content).hexdigest()
    return found


def _delta_rows(table: Path) -> Iterator[str]:
    # Not to_pyarrow_dataset, which aborts Python at its end every other time.
    for uri in DeltaTable(str(table)).file_uris():
        rows = pq.read_table(uri)
        columns = sorted(set(rows.column_names) - _OF_THE_RUN)
        yield from map(repr, rows.select(columns).to_pylist())


def _digest(rows: Iterator[str]) -> str:
    lines = sorted(rows)
    return f"{len(lines)} rows {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
