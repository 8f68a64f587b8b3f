import gc
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from udfs.worker_daemon import _FrozenModules, drop_archives


def _installation(folder: Path) -> Path:
    (folder / "pyspark/python/lib").mkdir(parents=True)
    (folder / "pyspark/__init__.py").touch()
    return folder / "pyspark"


def test_archives_of_an_installation_on_the_path_are_dropped(tmp_path: Path) -> None:
    package = _installation(tmp_path / "site-packages")
    archives = [
        *(f"{package}/python/lib/{name}.zip" for name in ("pyspark", "py4j-0.10.9.7-src")),
        f"{package}/jars/spark-core_2.12-3.5.9.jar",
    ]
    others = ["/usr/lib/python311.zip", str(package.parent), f"{package.parent}/mine.zip"]
    assert drop_archives([*archives, *others]) == others


def test_archives_of_another_spark_stay(tmp_path: Path) -> None:
    package = _installation(tmp_path / "site-packages")
    path = ["/opt/spark/python/lib/pyspark.zip", str(package.parent)]
    assert drop_archives(path) == path
    # Nothing says that what the archive holds is importable elsewhere.
    alone = [f"{package}/python/lib/pyspark.zip"]
    assert drop_archives(alone) == alone


def test_collections_skip_modules_that_were_imported_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freezing = _FrozenModules()
    gc.unfreeze()  # Python 3.12 has frozen a few before
    try:
        freezing("stop", {"generation": 1})
        not_frozen = gc.get_freeze_count()
        freezing("stop", {"generation": 2})
        frozen = gc.get_freeze_count()
        assert frozen > not_frozen
        kept = [[number] for number in range(10_000)]
        freezing("stop", {"generation": 2})  # no module came: the lists stay to be looked at
        assert gc.get_freeze_count() <= frozen
        monkeypatch.setitem(sys.modules, "a_module_that_came", sys)
        freezing("stop", {"generation": 2})
        assert gc.get_freeze_count() > frozen + len(kept) // 2
    finally:
        gc.unfreeze()


def test_workers_of_local_mode_read_no_archive(spark: SparkSession) -> None:
    def facts(batches):  # type: ignore[no-untyped-def]
        archives = [
            entry
            for entry in {*sys.path, *sys.path_importer_cache}
            if entry.endswith((".zip", ".jar")) and "spark" in entry
        ]
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"text": [f"{archives}"]})

    rows = spark.range(1).mapInArrow(facts, "text string").collect()
    assert [row.text for row in rows] == ["[]"]
