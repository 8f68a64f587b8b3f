"""Samples of a webdataset shard: images with the records that stand beside them in the archive."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from udfs.images.decoding import TOO_LARGE
from udfs.images.samples import (
    MOST_IMAGE_BYTES,
    MOST_RECORD_BYTES,
    FileName,
    Sample,
    file_name,
)
from udfs.images.tar_members import BrokenTarError, Member, tar_members

TOO_MANY_RECORDS = "tar_too_many_records"
# Of images that wait for their record: writers put the files of a sample side by side.
_MOST_WAITING, _MOST_WAITING_BYTES = 1_000, 32 << 20
_MOST_BYTES_OF_RECORDS = 512 << 20
_MOST_BYTES = {"image": MOST_IMAGE_BYTES, "record": MOST_RECORD_BYTES, "other": -1}

OpenShard = Callable[[], BinaryIO]


def tar_samples(open_shard: OpenShard, shard: str) -> Iterator[Sample]:
    """The images of a shard, with the JSON of the same name, wherever it stands in the archive.

    `shard`: its name, with which the samples' stems begin. An archive that is cut off or damaged
    has a sample of the shard's name that says so. The last one has the number of other files.
    Memory: the records, and up to 32 MB of images that wait for theirs; if they wait longer the
    shard is read once more, for its records.
    """
    pairs, others, fault = _Pairs(open_shard), 0, None
    try:
        with open_shard() as stream:
            for position, member in enumerate(tar_members(stream, _most_bytes)):
                name = file_name(member.name)
                if name.kind == "image":
                    ready = pairs.add_image(_sample(member, name, position))
                elif name.kind == "record":
                    ready = pairs.add_record(name.stem, member.content or b"")
                else:
                    others += 1
                    continue
                yield from (_in_shard(sample, shard) for sample in ready)
    except BrokenTarError as error:
        fault = error.reason
    yield from (_in_shard(sample, shard) for sample in pairs.take_waiting())
    if fault is not None:
        yield Sample(shard, "", None, fault=fault, position=-1)
    if others:
        yield Sample(shard, "", None, others=others)


class _Pairs:
    """Images and records of one shard, in any order; each image leaves with its record."""

    def __init__(self, open_shard: OpenShard) -> None:
        self._open_shard = open_shard
        self._records: dict[str, bytes] = {}
        self._record_bytes = 0
        self._has_all_records = False
        self._waiting: list[Sample] = []
        self._waiting_bytes = 0

    def add_record(self, stem: str, content: bytes) -> list[Sample]:
        """Keep the first record of a name; the images that waited for it."""
        if self._has_all_records or not self._keep_record(stem, content):
            return []
        ready = [sample for sample in self._waiting if sample.stem == stem]
        if len(ready) == len(self._waiting):
            return self.take_waiting()
        if ready:
            self._waiting = [sample for sample in self._waiting if sample.stem != stem]
            self._waiting_bytes -= sum(len(sample.image or b"") for sample in ready)
        return [self._with_record(sample) for sample in ready]

    def add_image(self, sample: Sample) -> list[Sample]:
        """The image if its record is there or cannot come; else none, or all that have waited."""
        if self._has_all_records or sample.stem in self._records:
            return [self._with_record(sample)]
        self._waiting.append(sample)
        self._waiting_bytes += len(sample.image or b"")
        if len(self._waiting) <= _MOST_WAITING and self._waiting_bytes <= _MOST_WAITING_BYTES:
            return []
        self._read_all_records()
        return self.take_waiting()

    def take_waiting(self) -> list[Sample]:
        """The images that still wait, whose record is not there."""
        ready = [self._with_record(sample) for sample in self._waiting]
        self._waiting, self._waiting_bytes = [], 0
        return ready

    def _keep_record(self, stem: str, content: bytes) -> bool:
        """Keep a record, and say so, unless one of this name is there."""
        if stem in self._records:
            return False
        self._records[stem] = content
        self._record_bytes += len(content)
        if self._record_bytes > _MOST_BYTES_OF_RECORDS:
            raise BrokenTarError(TOO_MANY_RECORDS)
        return True

    def _with_record(self, sample: Sample) -> Sample:
        return sample._replace(record=self._records.get(sample.stem))

    def _read_all_records(self) -> None:
        """Read the shard for the records behind; where it breaks off, the other reading says so."""
        try:
            with self._open_shard() as stream:
                for member in tar_members(stream, _most_bytes_of_record):
                    name = file_name(member.name)
                    if name.kind == "record":
                        self._keep_record(name.stem, member.content or b"")
        except BrokenTarError as error:
            if error.reason == TOO_MANY_RECORDS:
                raise
        self._has_all_records = True


def _most_bytes(name: str) -> int:
    return _MOST_BYTES[file_name(name).kind]


def _most_bytes_of_record(name: str) -> int:
    return MOST_RECORD_BYTES if file_name(name).kind == "record" else -1


def _sample(member: Member, name: FileName, position: int) -> Sample:
    is_left_out = member.content is None and member.fault is None
    fault = TOO_LARGE if is_left_out else member.fault
    return Sample(name.stem, name.extension, member.content, fault=fault, position=position)


def _in_shard(sample: Sample, shard: str) -> Sample:
    return sample._replace(stem=f"{shard}/{sample.stem}")
