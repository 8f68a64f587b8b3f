"""Which shards there are, how many samples they have, and how open_clip is told of them."""

import io
import json
import random
import tarfile
from pathlib import Path

import pytest

from tests.udfs.clip_training.conftest import MakeShards
from udfs.clip_training.shard_list import (
    Shard,
    ShardError,
    count_samples,
    shards_of_folder,
    train_data,
)


def test_samples_are_counted_as_sizes_json_has_them(shard_maker: MakeShards, tmp_path) -> None:
    paths = shard_maker(tmp_path, [3, 1, 5])
    assert [shard.rows for shard in shards_of_folder(paths)] == [3, 1, 5]
    (tmp_path / "sizes.json").unlink()
    assert [shard.rows for shard in shards_of_folder(paths)] == [3, 1, 5]
    (tmp_path / "sizes.json").write_text('{"00001.tar": 7}')  # what it lacks is counted
    assert [shard.rows for shard in shards_of_folder(paths)] == [3, 7, 5]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a": -1}', '{"a": true}', '{"a": 1.5}', "[" * 9999, '{"a": 1e400}']
)
def test_a_broken_sizes_json_is_told(shard_maker: MakeShards, tmp_path, content: str) -> None:
    paths = shard_maker(tmp_path, [1])
    (tmp_path / "sizes.json").write_text(content)
    with pytest.raises(ShardError, match=r"sizes\.json: expected a JSON object"):
        shards_of_folder(paths)


def test_only_pairs_that_the_loader_takes_are_counted(tmp_path) -> None:
    names = [
        *("a.jpg", "a.txt", "a.json"),  # 1
        *("b.gif", "b.txt"),
        *("c.PNG", "c.TXT"),  # 2
        *("d.txt", "d.txt", "d.jpg"),  # the second begins another sample: 3
        *("e.jpg",),
        "nodot",
        *("x/f.webp", "x/f.cap.txt", "x/f.txt"),  # 4
    ]
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert count_samples(str(path)) == 4
    path.write_bytes(path.read_bytes()[:1024])  # two members of three of the first sample
    assert count_samples(str(path)) == 1
    path.write_bytes(b"no archive")
    assert count_samples(str(path)) == 0


def test_open_clip_expands_the_shards_to_the_same_files() -> None:
    from webdataset.shardlists import expand_urls

    draws = random.Random(0)
    for _ in range(200):
        numbers = sorted(draws.sample(range(9_990, 10_020), draws.randint(1, 12)))
        paths = [f"/data/a b/{number:05}.tar" for number in numbers]
        paths += [f"/x/{name}.tar" for name in draws.sample(["a", "b1", "123456", "99999"], 2)]
        shards = [Shard(path, 1) for path in paths]
        assert expand_urls(train_data(shards)) == paths
    assert train_data([Shard(f"/s/{n:05}.tar", 1) for n in range(10)]) == "/s/{00000..00009}.tar"
    assert train_data([]) == ""


def test_paths_that_open_clip_takes_for_patterns_are_refused(tmp_path: Path) -> None:
    for name in ("a{0..1}", "a::b", "${HOME}", "a\\b"):
        with pytest.raises(ShardError, match="for patterns"):
            shards_of_folder([str(tmp_path / name / "00000.tar")])
    (tmp_path / "sizes.json").write_text(json.dumps({"00000.tar": 2}))
    assert shards_of_folder([str(tmp_path / "00000.tar")])[0].rows == 2
