"""Settings of jobs that can match the captions that they write."""

from typing import Self

from pydantic import Field, model_validator

from spark_jobs.core.bank_names import BANK_HELP
from spark_jobs.core.settings import BankAddress, OutputAddress, Settings


class MatchedOutput(Settings):
    """With a bank, the output has the column entry_ids too, so that it is captions and matches."""

    bank: BankAddress | None = Field(
        None,
        description="match the captions with this bank by MetaCLIP's rule, as match-concepts does, "
        f"so that the output has entry_ids too; {BANK_HELP}",
    )
    entry_counts: OutputAddress | None = Field(
        None, description="with a bank: captions of the output per entry"
    )

    @model_validator(mode="after")
    def _counts_entries_of_a_bank(self) -> Self:
        if self.entry_counts is not None and self.bank is None:
            raise ValueError("entry_counts are of a bank: give bank")
        return self
