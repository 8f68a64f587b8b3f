"""Credentials are hidden, and nothing else is."""

import logging
import time

import pytest

from spark_jobs.core.redaction import (
    HIDDEN,
    LONGEST_VALUE,
    RedactingFormatter,
    names_credential,
    redacted,
    redacted_names,
    redacted_values,
    shown,
    with_short_values,
)

SECRET = "wJalrXUtnFEMI"
# Made here, so that no scanner of this repository takes them for keys.
HF, GITHUB, AWS = "hf_" + "aB3" * 11, "ghp_" + "x9Y" * 12, "AKIA" + "IOSFODNN7EXAMPLE"
JWT = ".".join(["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0In0", "c2lnbmF0dXJl"])
DATABRICKS, AZURE = "dapi" + "0a" * 16, "aB3/" * 21 + "xY=="


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"s3a://KEY:{SECRET}@bucket/x", "s3a://***@bucket/x"),
        (f"s3://KEY:a/{SECRET}/b+c@bucket/x", "s3://***@bucket/x"),
        (f"table s3a://KEY:{SECRET}: gone", "table s3a://***: gone"),
        (f"s3a://KEY:{SECRET}/b", "s3a://***/b"),
        (f"parquet:s3a://K:{SECRET}@b/x and s3a://b/y", "parquet:s3a://***@b/x and s3a://b/y"),
        (f"https://{SECRET}@host/x", "https://***@host/x"),
        (f"https://me:p@{SECRET}@host/x", "https://***@host/x"),
        (f"abfss://c:{SECRET}@a.dfs.core.windows.net/x", "abfss://***@a.dfs.core.windows.net/x"),
        (f"https://h/b?sv=2024&sig={SECRET}%3D: gone", "https://h/b?sv=***&sig=***: gone"),
        (f"https://h/b?X-Amz-Signature={SECRET}", "https://h/b?X-Amz-Signature=***"),
        (f"https://h/hook?{SECRET}", "https://h/hook?***"),
        (f"--set token={SECRET}", "--set token=***"),
        (f"fs.s3a.secret.key={SECRET}", "fs.s3a.secret.key=***"),
        (f"fs.azure.account.key.a.net={SECRET}==", "fs.azure.account.key.a.net=***"),
        (f"AccountKey={SECRET};EndpointSuffix=net", "AccountKey=***;EndpointSuffix=net"),
        (f'{{"sas_token": "{SECRET}", "t": 5}}', '{"sas_token": "***", "t": 5}'),
        (f"{{'password': '{SECRET}'}}", "{'password': '***'}"),
        (f"Authorization: Bearer {SECRET}1", "Authorization: Bearer ***"),
        (f"model {HF}, {GITHUB}", "model ***, ***"),
        (f"{AWS} {JWT}", "*** ***"),
        (f"{DATABRICKS}\n{AZURE}", "***\n***"),
        (f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n", "***"),
    ],
)
def test_credentials_are_hidden_and_names_stay(text: str, hidden: str) -> None:
    assert redacted(text) == hidden
    assert redacted(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "abfss://container@account.dfs.core.windows.net/captions",
        "s3a://bucket/user@home/part-?.parquet",
        "s3a://bucket/year=2024/part-?0000-*.parquet",
        "http://host:8080/a@b",
        "/data/token=cat/lang=en",  # folders of a partition
        "query_key=uid, max_tokens=77, n_keys=3",
        "key=5 stands twice",
        "class 'cat': token: expected a word",
        "a bearer of 2 news",
        "setting 't' = 5: expected 10",
        "sha256 " + "0a" * 32,
        "delta:7:1234567890abcdef:matches",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("name", "is_credential"),
    [("token", True), ("hfToken", True), ("AWSSecretAccessKey", True), ("aws_access_key_id", True),
     ("fs.azure.account.key.x", True), ("key", True), ("X-Amz-Signature", True), ("sig", True),
     ("query_key", False), ("keys", False), ("tokens", False), ("keyword", False),
     ("has_unique_keys", False), ("design", False), ("sha256", False), ("", False)],
)  # fmt: skip
def test_names_of_credentials_are_known_by_their_words(name: str, is_credential: bool) -> None:
    assert names_credential(name) is is_credential


def test_values_are_hidden_by_their_names_at_any_depth() -> None:
    settings = {
        "t": 5,
        "strict": True,
        "captions": f"s3a://K:{SECRET}@b/x",
        "variables": {"sas_token": SECRET, "pin": {"password": [SECRET, 1234]}, "none": None},
        "rules": [{"column": "a", "value": HF}],
        "credentials": {"user": SECRET},
    }
    assert redacted_values(settings) == {
        "t": 5,
        "strict": True,
        "captions": "s3a://***@b/x",
        "variables": {"sas_token": HIDDEN, "pin": {"password": [HIDDEN, HIDDEN]}, "none": None},
        "rules": [{"column": "a", "value": HIDDEN}],
        "credentials": {"user": HIDDEN},
    }


def test_versions_and_counts_stay_whatever_their_names_are() -> None:
    versions = {"main.secret.captions": "delta:7:x", f"s3a://K:{SECRET}@b/x": "files:1:y"}
    assert redacted_names(versions) == {
        "main.secret.captions": "delta:7:x",
        "s3a://***@b/x": "files:1:y",
    }


def test_a_long_value_is_shown_to_80_characters() -> None:
    assert shown("x" * 78) == f"'{'x' * 78}'"
    assert len(shown("x" * 1000)) == LONGEST_VALUE
    assert shown(SECRET, "password") == "'***'"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (f"is '{'x y' * 40}', expected", f"is '{('x y' * 40)[:79]}…', expected"),
        (f'is "{"it isnt " * 20}"', f'is "{("it isnt " * 20)[:79]}…"'),
        (f"it doesn't {'x' * 100} isn't", None),
        (f"address '/{'x' * 100}/y' and '{'z' * 80}'", None),
    ],
)
def test_quoted_values_are_cut_and_prose_and_paths_are_not(text: str, short: str | None) -> None:
    assert with_short_values(text) == (short or text)


def test_a_log_holds_no_credentials_in_traces_either() -> None:
    try:
        raise ValueError(f"token={SECRET}")
    except ValueError as fault:
        info = (ValueError, fault, fault.__traceback__)
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "%s", (f"K: {HF}",), info)
    line = RedactingFormatter("%(levelname)s %(message)s").format(record)
    assert line.startswith("WARNING K: ***\nTraceback")
    assert "token=***" in line.splitlines()[-1]
    assert HF not in line


@pytest.mark.parametrize(
    "path",
    [
        "/data/hf_conceptualcaptions12m/caps",
        "/data/sk-learn-feature-extraction-v2/x",
        "cat.hf_conceptualcaptions12m.t",
    ],
)
def test_paths_that_begin_like_keys_stay(path: str) -> None:
    assert redacted(path) == path


@pytest.mark.parametrize(
    "piece",
    [
        *("a-", "a://", "eyJ-", "eyJa.", "bearer ", "sk-", "'a", "x=", "a@", "?a&", "a:"),
        *("http://u:", "token:", "token=", "token: a", "hf_a "),
    ],
)
def test_a_long_text_takes_no_more_than_its_length(piece: str) -> None:
    begun = time.perf_counter()
    redacted(piece * (40_000 // len(piece)))
    assert time.perf_counter() - begun < 5  # 0.6 s at most; a minute in quadratic time
