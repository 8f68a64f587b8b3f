"""Names of folders and files, of any class and uid."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from udfs.images.arranging import Layout, Naming, folder_of_class, write_images

JPEG = b"\xff\xd8\xff"


def arrange(folder: Path, rows: list[dict[str, object]], layout: Layout = "laionet") -> list[dict]:
    columns = {"uid": pa.string(), "key": pa.string(), "image": pa.binary(), "record": pa.string()}
    batch = pa.RecordBatch.from_pylist(rows, pa.schema(columns.items()))
    (written,) = write_images(str(folder), Naming(layout, "wnid"))([batch])
    return written.to_pylist()


def test_thousands_of_classes_have_folders_of_their_own_inside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    letters = [*"aAbB ._-/\\~:*\t\n\x00\x7f", "é", "e\u0301", "猫", "😀", "..", "CON", "n0"]
    classes = {"".join(rng.choice(letters, rng.integers(1, 7))) for _ in range(5_000)} - {""}
    classes |= {"x" * n for n in (99, 100, 101, 255, 256)} | {
        "é" * 128,
        ".",
        "..",
        "con",
        "nul.txt",
    }
    rows = [
        {"uid": f"{k}", "key": None, "image": JPEG, "record": json.dumps({"wnid": name})}
        for k, name in enumerate(sorted(classes))
    ]
    root = tmp_path / "root"
    root.mkdir()
    written = arrange(root, rows)
    folders = {row["class"]: row["folder"] for row in written}
    assert {*folders} == classes
    assert len({*folders.values()}) == len(classes) > 3_000
    assert {path.name for path in root.iterdir()} == {*folders.values()}
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert max(len(folder.encode()) for folder in folders.values()) <= 100
    assert folder_of_class("Ram 2012") == "Ram 2012"


@pytest.mark.parametrize("uid", ["../x", "/etc/x", "a\0b", ".", "", "x" * 300, "a/b"])
def test_uids_do_not_lead_out_of_the_folder(uid: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    row = {"uid": uid, "key": None, "image": JPEG, "record": '{"wnid": "n1"}'}
    (written,) = arrange(tmp_path / "root", [row])
    assert written["reason"] == ("no_name" if uid == "" else None)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in files] == [tmp_path / "root/n1"] * len(files)


@pytest.mark.parametrize(
    ("key", "file"),
    [("00000/0000007", "7.jpg"), ("00002/000000012", "2000000012.jpg"),
     ("x/00001/3", "1000000003.jpg"), ("a/3", "u.jpg"), ("00001/3.png", "1000000003.png"),
     ("3", "u.jpg"), ("1/2\n", "u.jpg")],
)  # fmt: skip
def test_numbers_as_unmet_promise_has_them(key: str, file: str, tmp_path: Path) -> None:
    row = {"uid": "u", "key": key, "image": JPEG, "record": '{"wnid": "n1"}'}
    (written,) = arrange(tmp_path, [row], "classes")
    assert written["file"] == file
    assert (tmp_path / "n1" / file).read_bytes() == JPEG


def test_metadata_that_json_has_not_is_null(tmp_path: Path) -> None:
    record = '{"wnid": "n1", "similarity": NaN, "caption": "é", "width": 3}'
    row = {"uid": "u", "key": None, "image": JPEG, "record": record}
    (written,) = arrange(tmp_path, [row])
    entry = json.loads(written["entry"], parse_constant=pytest.fail)
    assert (entry["similarity"], entry["caption"], entry["width"]) == (None, "é", 3)


def test_a_file_that_a_killed_attempt_left_is_whole_after_the_next(tmp_path: Path) -> None:
    (tmp_path / "n1").mkdir()
    row = {"uid": "u", "key": None, "image": JPEG + b"image", "record": '{"wnid": "n1"}'}
    for left in (JPEG, JPEG + b"image and more"):
        (tmp_path / "n1/u.jpg").write_bytes(left)
        arrange(tmp_path, [row])
        assert (tmp_path / "n1/u.jpg").read_bytes() == JPEG + b"image"
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["u.jpg"]
