"""Settings of dedup-captions, which explain reads back from its runs."""

from typing import Literal

from pydantic import Field

from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.matching.matched_settings import MatchedOutput


class DedupCaptions(MatchedOutput):
    """Settings of dedup-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    by: Literal["caption", "url", "caption+url"] = Field(
        "caption", description="columns that make two rows copies of each other"
    )
    decisions: bool = Field(
        False, description="add a row per caption to decisions in the workspace"
    )
    output: OutputAddress = Field(description="captions without the copies")
