"""Target counts of classes: files of counts, faulty counts, and names that no class has."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats import class_targets
from spark_jobs.formats.class_targets import read_targets
from spark_jobs.subsets.class_list import Class, ClassList, classes_of_column
from spark_jobs.subsets.imagenet_classes import are_imagenet_wnids, imagenet1k

WNIDS = ["n01440764", "n01443537"]
IMAGENET = imagenet1k(by_index=False)


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads the targets of a file with the content that is passed."""

    def read(content: str, classes: ClassList = IMAGENET) -> dict[Class, int]:
        monkeypatch.setattr(class_targets, "read_text", lambda _spark, _address: content)
        run = cast(Any, SimpleNamespace(spark=None))
        return read_targets(run, "target.txt", "wnid", None, classes)

    return read


def test_classes_by_name_wnid_or_lemma_in_the_order_of_the_list(targets: Any) -> None:
    assert targets("n01443537\t7\ntench\t60\r\n\nkite\t0\n") == {
        "n01440764": 60, "n01443537": 7, "n01608432": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    "count",
    ["-3", "1.5", "many", "1e30", "9007199254740993", "inf", "nan", "-1.0", "1e13", "None", "2x"],
)
def test_counts_that_cannot_be(targets: Any, count: str) -> None:
    with pytest.raises(InputDataError, match="'tench' has the count") as fault:
        targets(f"tench\t{count}\n")
    assert f"{count}, expected a whole number from 0 to 1,000,000,000,000" in str(fault.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tensh\t1", "no class 'tensh', did you mean 'tench'?"),
        ("tench 1", "line 1: expected a class, a tab and a count"),
        ("tench\t1\ntinca tinca\t2\ntench\t2", "no class 'tinca tinca'"),
        ("tench\t1\nn01440764\t2", "'n01440764' stands there twice"),
    ],
)
def test_classes_that_cannot_be(targets: Any, content: str, message: str) -> None:
    with pytest.raises(InputDataError) as fault:
        targets(content)
    assert message in str(fault.value)
    assert "--class-names" not in str(fault.value)


def test_names_of_imagenet_without_its_list_name_the_setting(targets: Any) -> None:
    for classes in (classes_of_column(WNIDS), classes_of_column([0, 1])):
        with pytest.raises(InputDataError, match="give --class-names imagenet1k"):
            targets("tench\t1\n", classes)
    with pytest.raises(InputDataError) as fault:
        targets("tensh\t1\n", classes_of_column(WNIDS))
    assert "--class-names" not in str(fault.value)


def test_wnids_of_imagenet_alone_are_known() -> None:
    assert are_imagenet_wnids(WNIDS)
    assert are_imagenet_wnids(["n02112837"])  # LAIONet's husky
    assert not are_imagenet_wnids([])
    assert not are_imagenet_wnids([*WNIDS, "n00000001"])
    assert not are_imagenet_wnids([0, 1])


def test_a_name_of_several_classes_names_none_of_them(targets: Any) -> None:
    classes = ClassList(["n1", "n2", "n3"], {"n1": "crane", "n2": "crane", "n3": "n1"})
    assert targets("n1\t7\nn2\t8\n", classes) == {"n1": 7, "n2": 8}
    with pytest.raises(InputDataError, match="'crane': 2 classes are called so, n1, n2: give"):
        targets("crane\t7\n", classes)
