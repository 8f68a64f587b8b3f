"""Settings of balance-captions, which explain reads back from its runs."""

from pydantic import Field

from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core.settings import InputAddress, OutputAddress


class BalanceCaptions(ThresholdSettings):
    """Settings of balance-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    matches: InputAddress = Field(
        description="matches of these captions; the same table where it holds both"
    )
    entry_counts: InputAddress | None = Field(
        None,
        description="captions per entry: a table or entry_count.npy; default: counted from the "
        "matches",
    )
    output: OutputAddress = Field(description="the balanced captions")
    probabilities: OutputAddress | None = Field(
        None, description="entry_counts with t, keep_probability and the count kept"
    )
    decisions: bool = Field(
        False,
        description="add a row per caption to decisions in the workspace: its draw, and the keep "
        "probability that it was held against; the texts of a record have the same",
    )
