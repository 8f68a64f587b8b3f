"""Settings of jobs that write a table as plain parquet files with a manifest."""

from pydantic import Field, PositiveInt

from spark_jobs.core.settings import InputAddress, Names, OutputFolder, Settings


class SnapshotSettings(Settings):
    """What is written, and in files and row groups of which sizes."""

    input: InputAddress = Field(description="table with uid, such as balanced_captions")
    columns: Names = Field([], description="columns to write; default: all")
    row_group_rows: PositiveInt = Field(
        10_000,
        le=10**7,
        description="rows of a row group, the least that a reader reads at once",
    )
    rows_per_file: PositiveInt = Field(
        1_000_000, le=10**9, description="rows that a file holds at most, but for rare chance"
    )
    seed: int = Field(0, description="decides the file of each row, and its place there")
    output: OutputFolder = Field(
        description="folder for manifest.json and the files, data/rows-00000.parquet and so on"
    )
