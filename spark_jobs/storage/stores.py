"""Open the object stores of a run before it starts, with the credentials that Spark has."""

from collections.abc import Iterator

from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import RoleName, Settings
from spark_jobs.storage.faults.spark import SPARK_FAULTS, to_curation_error
from spark_jobs.storage.file_lists import list_files_at
from spark_jobs.storage.session_settings import setting
from udfs.stores import STORES, Options, Place, share_options, shared_options, stores_in

_ABSENT = "_captionlake/absent"  # no file has this name: what Spark says of it is about the store


def open_stores(spark: SparkSession, settings: Settings) -> None:
    """Take the options of the settings' stores from the session; ask Spark if it can list them.

    Settings have addresses of three kinds: those with a role, those of a pipeline, whose steps give
    them roles, and the values of a recipe's variables. Texts further inside a setting, such as the
    values that a rule compares, are none, even if they look like one. A store is asked again if its
    options have changed, as where a notebook sets a new token. Raises CurationError in one line
    that names the store if Spark lacks its connector or credentials, or if it has no bucket of that
    name.
    """
    opened = shared_options()
    for store in dict.fromkeys(stores_in(_addresses(settings))):
        options = _options(spark, store)
        if opened.get(store.store) != options:
            _refuse_unless_listed(spark, store.store)
            share_options({store.store: options})


def _addresses(settings: Settings) -> Iterator[str]:
    roles: tuple[RoleName, ...] = ("input", "output", "file")
    for role in roles:
        yield from settings.addresses(role).values()
    for value in settings.model_dump(mode="json").values():
        texts = list(value.values()) if isinstance(value, dict) else value
        for text in texts if isinstance(texts, list) else [texts]:
            if isinstance(text, str):
                yield text


def _refuse_unless_listed(spark: SparkSession, store: str) -> None:
    try:
        list_files_at(spark, f"{store}/{_ABSENT}")
    except InputDataError:  # the store was looked through, and has no such file
        pass
    except SPARK_FAULTS as fault:
        raise to_curation_error(fault, store) from fault


def _options(spark: SparkSession, store: Place) -> Options:
    """The options that Spark has for a store, those of its bucket before those of all."""
    host = store.authority.rpartition("@")[2]
    options = {}
    for name in (name.format(host) for name in STORES[store.scheme].options):
        of_bucket = name.replace("fs.s3a.", f"fs.s3a.bucket.{store.authority}.", 1)
        for key in dict.fromkeys((of_bucket, name)):
            value = setting(spark, f"spark.hadoop.{key}", "") or setting(spark, key, "")
            if value:
                options[name] = value
                break
    return options
