"""Shards as tools make them and as attackers do: every image told, nothing written anywhere."""

import gzip
import io
import json
import os
import struct
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from udfs.images import tar_members
from udfs.images import tar_samples as module
from udfs.images.samples import Sample, file_name, parse_record, record_uid, rows_of
from udfs.images.tar_samples import tar_samples

JPEG = b"\xff\xd8\xff" + b"x" * 700


def tar_of(members: Mapping[str, bytes], **fields: object) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in members.items():
            archive.addfile(header_of(name, size=len(content), **fields), io.BytesIO(content))
    return written.getvalue()


def header_of(name: str, **fields: object) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(header, field, value)
    return header


def samples_of(content: bytes) -> list[Sample]:
    return [*tar_samples(lambda: io.BytesIO(content), "s")]


def told(content: bytes) -> dict[str, str | None]:
    """Stem -> fault of the samples, without the number of other files."""
    return {s.stem: s.fault for s in samples_of(content) if not s.others}


ORDERS = {
    "side by side": ["a.jpg", "a.json", "b.jpg", "b.json"],
    "json first": ["a.json", "a.jpg", "b.json", "b.jpg"],
    "images first": ["a.jpg", "b.jpg", "a.json", "b.json"],
    "backwards": ["b.json", "a.jpg", "b.jpg", "a.json"],
}


@pytest.mark.parametrize("most_waiting", [0, 1_000])
@pytest.mark.parametrize("order", ORDERS.values(), ids=[*ORDERS])
def test_images_have_their_record_wherever_it_stands(
    order: list[str], most_waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", most_waiting)
    members = {name: JPEG if name.endswith("jpg") else f'{{"uid": "{name[0]}"}}'.encode()
               for name in order}  # fmt: skip
    samples = {s.stem: s for s in samples_of(tar_of(members))}
    assert {stem: json.loads(s.record or b"")["uid"] for stem, s in samples.items()} == {
        "s/a": "a", "s/b": "b"
    }  # fmt: skip
    assert all(s.image == JPEG for s in samples.values())


def hostile() -> dict[str, tuple[bytes, dict[str, str | None]]]:
    """Shard -> its bytes, and what is told of it; `ok` is a good image behind the bad member."""
    link = {"linkname": "/etc/passwd"}
    good = {"ok.jpg": JPEG}
    ok = {"s/ok": None}

    def with_member(name: str, **fields: object) -> bytes:
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w") as archive:
            archive.addfile(header_of(name, **fields))
            archive.addfile(header_of("ok.jpg", size=len(JPEG)), io.BytesIO(JPEG))
        return written.getvalue()

    long_name = io.BytesIO()
    with tarfile.open(fileobj=long_name, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(header_of("y" * (2 << 20) + ".jpg"))
    whole = tar_of({"a.jpg": JPEG, **good})
    damaged = bytearray(whole)
    damaged[whole.index(b"ok.jpg")] ^= 1
    huge = bytearray(tar_of({"a.jpg": b""}))
    huge[124:136] = b"\x80" + struct.pack(">HQ", 0, 1 << 62).rjust(11, b"\0")
    fixed = bytes(huge[:148]) + b" " * 8 + bytes(huge[156:512])
    huge[148:156] = f"{sum(fixed):06o}\0 ".encode()
    negative = bytearray(tar_of({"a.jpg": b""}))
    negative[124:136] = (-512).to_bytes(12, "big", signed=True)
    fixed = bytes(negative[:148]) + b" " * 8 + bytes(negative[156:512])
    negative[148:156] = f"{sum(fixed):06o}\0 ".encode()
    chain = b"".join(
        header_of("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=1).tobuf()
        + b"a"
        + bytes(511)
        for _ in range(5_000)
    )
    return {
        "size below zero": (bytes(negative), {"s": "tar_broken"}),
        "names of names": (chain, {"s": "tar_broken"}),
        "symbolic link": (with_member("a.jpg", type=tarfile.SYMTYPE, **link),
                          {"s/a": "no_regular_file", **ok}),
        "hard link": (with_member("a.jpg", type=tarfile.LNKTYPE, **link),
                      {"s/a": "no_regular_file", **ok}),
        "device": (with_member("a.jpg", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
                   {"s/a": "no_regular_file", **ok}),
        "pipe": (with_member("a.jpg", type=tarfile.FIFOTYPE), {"s/a": "no_regular_file", **ok}),
        "absolute": (tar_of({"/tmp/a.jpg": JPEG, **good}), {"s//tmp/a": "unsafe_name", **ok}),
        "dots": (tar_of({"x/../../a.jpg": JPEG, **good}), {"s/x/../../a": "unsafe_name", **ok}),
        "backslashes": (tar_of({"x\\..\\a.jpg": JPEG, **good}),
                        {"s/x\\..\\a": "unsafe_name", **ok}),
        "drive": (tar_of({"c:/a.jpg": JPEG, **good}), {"s/c:/a": "unsafe_name", **ok}),
        "name of megabytes": (long_name.getvalue(), {"s": "tar_broken"}),
        "link as record": (with_member("ok.json", type=tarfile.SYMTYPE, **link), ok),
        "damaged header": (bytes(damaged), {"s/a": None, "s": "tar_broken"}),
        "size of exabytes": (bytes(huge), {"s/a": "image_too_large", "s": "tar_cut_off"}),
        "no archive": (b"hello world" * 100, {"s": "tar_broken"}),
        "no bytes": (b"", {"s": "tar_cut_off"}),
        "two archives": (whole + whole, {"s/a": None, **ok, "s": "tar_broken"}),
        "half of gzip": (gzip.compress(os.urandom(2000) + whole)[:1500], {"s": "tar_cut_off"}),
    }  # fmt: skip


@pytest.mark.parametrize("name", [*hostile()])
def test_hostile_archives_write_nothing_and_are_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, expected = hostile()[name]
    assert told(content) == expected
    assert [*tmp_path.iterdir()] == []


def test_a_shard_cut_off_anywhere_says_so_and_keeps_the_images_before() -> None:
    whole = tar_of({f"{k}.jpg": JPEG for k in range(4)})
    end_of_data = 4 * (512 + 1024)
    for length in range(0, end_of_data + 512, 97):
        samples = told(whole[:length])
        assert samples.pop("s") == "tar_cut_off"
        assert samples == {f"s/{k}": None for k in range(len(samples))}
        assert len(samples) == (length + 321) // 1536  # zeros that fill the last block may lack
    assert "s" not in told(whole)
    assert "s" not in told(whole[: end_of_data + 1024])


def test_caps_on_members_and_records(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar_of({"a.jpg": JPEG, "a.json": b"{}", "b.jpg": JPEG, "b.json": b"{}"})
    monkeypatch.setattr(tar_members, "MOST_MEMBERS", 2)
    assert told(content) == {"s/a": None, "s": "tar_too_many_members"}
    monkeypatch.undo()
    monkeypatch.setattr(module, "_MOST_BYTES_OF_RECORDS", 3)
    assert told(content) == {"s/a": None, "s/b": None, "s": "tar_too_many_records"}


def test_a_disk_that_fails_is_no_damaged_archive() -> None:
    class Failing(io.BytesIO):
        def read(self, n: int | None = -1) -> bytes:
            if self.tell() > 1_000:
                raise OSError(5, "Input/output error")
            return super().read(n)

    content = tar_of({f"{k}.jpg": JPEG for k in range(4)})
    with pytest.raises(OSError, match="Input/output"):
        [*tar_samples(lambda: Failing(content), "s")]


def test_what_is_no_image_is_counted_and_what_macos_adds_is_none() -> None:
    names = ["a.JPG", "a.txt", "._a.JPG", ".DS_Store", "__MACOSX/a.jpg", "b.tar", "c", ".jpg"]
    samples = samples_of(tar_of(dict.fromkeys(names, JPEG)))
    assert [(s.stem, s.extension, s.others) for s in samples] == [("s/a", "JPG", 0), ("s", "", 7)]


def test_shards_of_tar_itself_and_of_webdataset(tmp_path: Path) -> None:
    import webdataset

    folder = tmp_path / "in" / "ein Käfer"
    folder.mkdir(parents=True)
    for name in ("a b.jpg", "a b.json", "new\nline.jpeg", "c.tar.PNG"):
        (folder / name).write_bytes(b'{"uid": "u"}' if name.endswith("json") else JPEG)
    for options in (["-cf"], ["-czf"], ["--format=posix", "-cf"], ["--format=v7", "-cf"]):
        subprocess.run(["tar", *options, tmp_path / "x.tar", "."], cwd=tmp_path / "in", check=True)
        samples = told((tmp_path / "x.tar").read_bytes())
        stems = ("a b", "new\nline", "c.tar")
        assert samples == {f"s/ein Käfer/{stem}": None for stem in stems}
    with webdataset.TarWriter(str(tmp_path / "y.tar")) as writer:
        writer.write({"__key__": "00/1", "jpg": JPEG, "json": {"uid": "u"}, "txt": "a cat"})
    (sample, others) = samples_of((tmp_path / "y.tar").read_bytes())
    assert (sample.stem, sample.image, others.others) == ("s/00/1", JPEG, 1)


BAD_RECORDS = [b"", b"{", b"[]", b"null", b"\xff{}", b'{"uid": "\\ud800"}', b"[" * 100_000]


@pytest.mark.parametrize("record", BAD_RECORDS, ids=lambda r: repr(r[:9]))
def test_a_record_that_cannot_be_read_is_a_fault(record: bytes) -> None:
    assert parse_record(record) is None
    (batch,) = rows_of([Sample("s/a", "jpg", JPEG, record)], "format")
    (row,) = batch.to_pylist()
    assert (row["fault"], row["image"], row["key"], row["record"]) == (
        "json_broken",
        None,
        "s/a",
        None,
    )


@pytest.mark.parametrize(
    ("record", "uid"),
    [({"uid": "u"}, "u"), ({"uid": 12}, "12"), ({"uid": ""}, None), ({"uid": None}, None),
     ({"uid": True}, None), ({"uid": ["u"]}, None), ({}, None), (None, None)],
)  # fmt: skip
def test_the_uid_of_a_record(record: dict[str, object] | None, uid: str | None) -> None:
    assert record_uid(record) == uid


def test_batches_have_at_most_64_rows_and_about_32_mb() -> None:
    small = [Sample(f"{k}", "jpg", JPEG) for k in range(150)]
    assert [b.num_rows for b in rows_of(small, "format")] == [64, 64, 22]
    large = [Sample(f"{k}", "jpg", JPEG + bytes(15 << 20)) for k in range(5)]
    assert [b.num_rows for b in rows_of(large, "format")] == [3, 2]


def test_names_that_are_no_utf8_are_escaped() -> None:
    content = tar_of({"\udcff.jpg": JPEG})
    (batch,) = rows_of(samples_of(content), "format")
    assert batch.to_pylist()[0]["key"] == "s/\\xff.jpg"


def test_parts_of_file_names() -> None:
    assert file_name("a.b/c.JPG") == ("a.b/c", "JPG", "image")
    assert file_name("a.b/c") == ("a.b/c", "", "other")
    assert file_name("x.JSON") == ("x", "JSON", "record")


def test_headers_of_plain_files_are_read_as_tarfile_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archives = [
        tar_of({"a.jpg": JPEG, "é/" + "b" * 90 + "/" + "c" * 60 + ".jpg": b"", "d.json": b"{}"})
    ]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for name in ("x" * 99 + "/" + "y" * 100, "x" * 100, "./a//b", "ö" * 40):
            header = header_of(name, mtime=1.5 if form == tarfile.PAX_FORMAT else 1, size=3)
            archives.append(header.tobuf(form, "utf-8") + b"abc".ljust(512, b"\0") + bytes(1024))
    plain = next(archive for archive in archives if archive.startswith(b"./a//b"))
    archives += [plain[:at] + bytes([value]) + plain[at + 1 :]
                 for at in range(512) for value in (0, 32, 56, 255)]  # fmt: skip
    fast = [members_of(archive) for archive in archives]
    monkeypatch.setattr(tar_members, "_size_of_plain_file", lambda _: None)
    assert fast == [members_of(archive) for archive in archives]
    assert {len(members) for members in fast[:13]} == {1, 3}


def members_of(archive: bytes) -> list[object]:
    members: list[object] = []
    try:
        members.extend(tar_members.tar_members(io.BytesIO(archive), lambda _: 1000))
    except tar_members.BrokenTarError as fault:
        members.append(fault.reason)
    return members
