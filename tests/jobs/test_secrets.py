"""Credentials in settings and addresses are nowhere in what is written or printed."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession

from spark_jobs.core.redaction import RedactingFormatter
from tests.delta_tables import read_delta

# Each has a part of its own that nothing else holds.
SECRETS = {
    "user": "s3cretUser0", "password": "s3cretPass1", "slash": "s3cret/Pass+2", "sig": "s3cretSig3",
    "amz": "s3cretAmz4", "hook": "s3cretHookAddress5", "sas_token": "s3cretSas6",
    "api_key": "s3cretApi7", "account": "s3cretAcct8", "nested": "s3cretNested9",
    "hf": "hf_" + "s3cretA10" * 4, "github": "ghp_" + "s3cretB11" * 4,
    "aws": "AKIA" + "S3CRETC12" * 2,
    "jwt": "eyJhbGciOiJ9.s3cretJwt13.s3cretSig13", "bearer": "s3cretBearer14",
    "databricks": "dapi" + "0a5ec4e7" * 4, "sk": "sk-" + "s3cretOpen16" * 3,
    "failing": "s3cretFail17", "query": "s3cretQuery18", "value": "s3cretValue19",
}  # fmt: skip
PARTS = [text[-9:] for text in SECRETS.values()]


def recipe(secrets: dict[str, str]) -> dict[str, Any]:
    """Captions but for those of addresses that hold credentials."""
    url = f"https://{secrets['user']}:{secrets['password']}@h/x?sig={secrets['sig']}"
    values = [
        url,
        f"s3a://KEY:{secrets['slash']}@bucket/x",
        f"https://h/x?X-Amz-Signature={secrets['amz']}&a=b",
        f"https://hooks/x?{secrets['hook']}",
        *(secrets[name] for name in ("hf", "github", "aws", "jwt", "databricks", "sk")),
        f"Authorization: Bearer {secrets['bearer']}",
        f"AccountKey={secrets['account']};a",
        "${sas_token}",
    ]
    rule = {"rule": "other_url", "column": "url", "op": "not_in", "value": values}
    return {
        "summary": "Captions of no such address.",
        "variables": {"input": None, "output": None, "sas_token": None},
        "steps": {
            "captions": {"job": "ingest-captions", "input": "${input}"},
            "kept": {"job": "filter-captions", "captions": "captions", "rules": [rule]},
        },
    }


def printed(captionlake: Any, *command: object, fails: bool = False) -> str:
    outcome = captionlake(*command)
    assert (outcome.exit_code != 0) is fails, outcome.stderr
    return outcome.stderr + json.dumps(outcome.summary)


@pytest.mark.slow
def test_no_secret_is_written_or_printed(
    captionlake: Any, spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "spark_jobs")
    columns = {"uid": ["a", "b"], "caption": ["a cat", "a dog"], "url": ["http://a", "http://b"]}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    folder = tmp_path / "recipes"
    folder.mkdir()
    file = folder / "recipe.yml"
    file.write_text(yaml.safe_dump(recipe(SECRETS), sort_keys=False))
    out = tmp_path / "out"
    run = ["run", file, "--set", f"input={tmp_path / 'in.parquet'}", "--set", f"output={out}"]
    sas = ["--set", f"sas_token=sv=1&sig={SECRETS['sas_token']}"]
    lines = [printed(captionlake, *run, *sas, "--dry-run"), printed(captionlake, *run, *sas)]
    again = printed(captionlake, *run, *sas)
    assert '"status": "up_to_date"' in again

    # Another secret is another setting, although neither is shown.
    file.write_text(yaml.safe_dump(recipe(SECRETS | {"sig": "s3cretOther"}), sort_keys=False))
    told = printed(captionlake, *run, *sas, "--dry-run")
    assert "kept (filter-captions): would run: a setting whose value is not recorded" in told

    variables = {
        "input": str(tmp_path / "in.parquet"), "output": str(out), "sas_token": SECRETS["sas_token"]
    }  # fmt: skip
    page = ["report", "--recipe", file, "--set", f"variables={json.dumps(variables)}"]
    lines += [again, told, printed(captionlake, *page)]
    gone = f"s3a://K:{SECRETS['failing']}@bucket/x?sig={SECRETS['query']}"
    lines += [
        printed(captionlake, "ingest-captions", "--input", gone, "--output", out / "x",
                fails=True),
        printed(captionlake, *run, "--set", f"captions.api_key={SECRETS['api_key']}", fails=True),
        printed(captionlake, *run, "--set", f"captions.input={{password: {SECRETS['nested']}}}",
                fails=True),
        printed(captionlake, "dedup-captions", "--captions", out / "captions", "--output",
                out / "d", "--set", f"by=token={SECRETS['value']}", fails=True),
    ]  # fmt: skip

    form = RedactingFormatter("%(message)s")
    log = [form.format(record) for record in caplog.records]
    assert any("starts" in line and "not_in" in line for line in log)
    assert "a cat" not in "".join(log)  # captions are none of the log's business
    stored = [
        path.read_bytes().decode(errors="ignore") for path in out.rglob("*") if path.is_file()
    ]
    for table in {path.parent for path in out.rglob("_delta_log")}:
        rows = read_delta(spark, table)
        stored += [row.value for row in rows.select(spark_json(rows)).collect()]
    assert any("userMetadata" in text for text in stored)
    assert any("***" in text and "X-Amz-Signature" in text for text in stored)
    everything = "\n".join([*lines, *log, *stored])
    assert [part for part in PARTS if part in everything] == []


def spark_json(rows: Any) -> Any:
    from pyspark.sql import functions as F

    return F.to_json(F.struct(*[F.col(f"`{name}`") for name in rows.columns])).alias("value")
