"""generate-captions: captions that a language model writes around the concepts of a bank."""

from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.captioning.wanted import (
    accepted_captions,
    last_tries,
    random_part,
    wanted_captions,
    with_is_matchable,
)
from spark_jobs.concepts.faults import between_spaces, never_matches
from spark_jobs.core.addresses import absolute_file
from spark_jobs.core.bank_names import BANK_HELP
from spark_jobs.core.errors import CurationError, SettingsError, UnfinishedRunError
from spark_jobs.core.settings import (
    BankAddress,
    InputAddress,
    Names,
    OutputAddress,
    OutputFolder,
    RoleName,
    did_you_mean,
)
from spark_jobs.formats.caption_tries import CaptionTries
from spark_jobs.formats.concept_bank import Bank, read_bank
from spark_jobs.formats.generated_captions import write_chunks
from spark_jobs.formats.language_model_settings import LanguageModelSettings
from spark_jobs.formats.prompts import is_file, prompt_names, read_prompt
from spark_jobs.running.job import Job
from spark_jobs.storage.outputs.growing_folder import growing_folder
from spark_jobs.storage.run import Counts, Run
from udfs.captioning.asking import ACCEPTED, FAILED, REFUSED
from udfs.captioning.checks import CHECKS, NEVER_MATCHES, REFUSALS, Checker, Rule
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED
from udfs.captioning.server_faults import CAUSES
from udfs.text.metaclip2_match import padded_entry

# What each preset sets unless it is set otherwise.
_PRESETS: dict[str, dict[str, Any]] = {
    "synthclip": {
        "prompt": "synthclip", "prompt_as": "text", "checks": [], "tries": 0, "seed": None,
        "max_words": None,
    },
}  # fmt: skip


class GenerateCaptions(LanguageModelSettings):
    """Settings of generate-captions."""

    bank: BankAddress = Field(description=BANK_HELP)
    output: OutputFolder = Field(
        description="folder for the captions, as SynthCLIP's files 0.json ..., seen by every "
        "worker or in a store"
    )
    generations: OutputAddress | None = Field(
        None, description="table of all tries, a row each; default: OUTPUT_generations"
    )
    preset: Literal["synthclip"] | None = Field(
        None, description="prompt, sampling and answers as published, unless they are set"
    )
    n: PositiveInt = Field(1, le=100_000, description="captions a concept, each in a file")
    chunk: NonNegativeInt = Field(
        0, le=10**8, description="number of the first file (SynthCLIP's generation_idx)"
    )
    concepts: PositiveInt | None = Field(
        None,
        le=10**9,
        description="a random part of the concepts, drawn for each file; default: all",
    )
    prompt: str = Field(
        "caption",
        description=f"Jinja template that names the concept: {', '.join(prompt_names())}, or a "
        "file that ends in .j2",
    )
    max_words: PositiveInt | None = Field(
        25, le=10_000, description="of a caption; prompts may name it, the check too_long holds it"
    )
    checks: Names = Field(
        [*CHECKS],
        description="what a caption is refused for; without any, answers are taken as they are: "
        + ", ".join(CHECKS),
    )
    rule: Rule = Field("metaclip", description="of the check concept_absent, as in match-concepts")
    lang: str | None = Field(
        None, description="of the check language: of captions whose concept has none in the bank"
    )
    lang_model: InputAddress | None = Field(
        None,
        description="of the check language: fastText model file; without it, scripts are compared",
    )
    tries: NonNegativeInt = Field(
        3, le=1_000, description="further ones for a caption that was refused or not answered"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, values: Any) -> Any:
        preset = _PRESETS.get(str(values.get("preset"))) if isinstance(values, dict) else None
        return values if preset is None else {**preset, **values}

    @field_validator("checks")
    @classmethod
    def _are_checks(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in CHECKS:
                raise ValueError(f"there is no check {name!r}{did_you_mean(name, CHECKS)}")
        return names

    @field_validator("prompt")
    @classmethod
    def _file_is_absolute(cls, value: str) -> str:
        return absolute_file(value) if is_file(value) else value

    @model_validator(mode="after")
    def _lang_model_has_lang(self) -> Self:
        if self.lang_model is not None and self.lang is None:
            raise ValueError("lang_model: give --lang, the language that captions shall have")
        return self

    def look_ahead(self) -> None:
        """Read the prompt; SettingsError if there is none or it does not name the concept."""
        self.read_prompt()

    def read_prompt(self) -> Prompt:
        """The prompt; SettingsError if there is none or it cannot be used."""
        return read_prompt(self.prompt, self.max_words)

    def own_files(self) -> dict[str, str]:
        """Count the prompt among the input files."""
        return super().own_files() | {f"prompts/{self.prompt}": self.read_prompt().sha256}

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings; the table beside the output where none is given."""
        addresses = super().addresses(role)
        if role == "output" and self.generations is None:
            addresses["generations"] = f"{self.output.rstrip('/')}_generations"
        return addresses

    def folder_content(self) -> str:
        """What lies in the folder."""
        return "generate-captions"

    def checker(self, prompt: Prompt) -> Checker:
        """The checks of answers."""
        return Checker(tuple(self.checks), prompt, self.rule, self.lang, self.lang_model)


def run(run: Run, settings: GenerateCaptions) -> Counts:
    """Ask for captions that the table of tries does not have, then write those of this run."""
    bank = _read_bank(run, settings)
    prompt, wanted = settings.read_prompt(), _wanted(run, settings, bank)
    table = settings.addresses("output")["generations"]
    metadata = run.output_metadata(settings.output)
    with growing_folder(settings.output, metadata, content=settings.folder_content()) as folder:
        tries = CaptionTries(run, table, folder, settings, prompt, settings.checker(prompt))
        tries.take_journal()
        stop = tries.ask(wanted, settings.tries + 1)
        stored = tries.stored()
        outcomes = _outcomes(last_tries(wanted, stored))
        numbers = range(settings.chunk, settings.chunk + settings.n)
        write_chunks(accepted_captions(wanted, stored), folder, numbers, tries.identity)
        if stop is not None:
            raise _unfinished(settings, stop, outcomes)
        tries.finish()
    counts = {"entries": len(bank.entries), "asked": tries.n_asked}
    return counts | outcomes | {"tokens": tries.n_tokens()}


def _read_bank(run: Run, settings: GenerateCaptions) -> Bank:
    if settings.rule == "metaclip":
        return read_bank(run, settings.bank)
    return read_bank(run, settings.bank, by_language=True, pad=padded_entry)


def _wanted(run: Run, settings: GenerateCaptions, bank: Bank) -> DataFrame:
    entries = with_is_matchable(bank.frame, _unmatchable(settings, bank))
    wanted = wanted_captions(entries, settings.chunk, settings.n)
    if settings.concepts is None:
        return wanted
    if settings.concepts > len(bank.entries):
        raise SettingsError(
            f"concepts = {settings.concepts:,}: bank {settings.bank} has {len(bank.entries):,}"
        )
    return random_part(wanted, settings.concepts, run.draw("generate", settings.seed or 0))


def _unmatchable(settings: GenerateCaptions, bank: Bank) -> list[int]:
    """The ids of entries that no caption can have by the rule, so that none is asked for."""
    if "concept_absent" not in settings.checks:
        return []
    pad = between_spaces if settings.rule == "metaclip" else padded_entry
    entries = enumerate(bank.entries.to_pylist())
    return [i for i, entry in entries if not entry or never_matches(pad(entry))]


def _unfinished(settings: GenerateCaptions, stop: str, outcomes: Counts) -> CurationError:
    remedy = "give a larger --budget-tokens" if stop == BUDGET_USED else "the same command goes on"
    return UnfinishedRunError(
        f"{stop}; {outcomes['accepted']:,} of {outcomes['wanted']:,} captions are there and kept: "
        f"{remedy}"
    )


def _outcomes(last: DataFrame) -> Counts:
    """How many captions are wanted, accepted, and without one by the cause of their last try."""
    rows = last.groupBy("status", "cause").agg(F.count(F.lit(1)).alias("n")).collect()
    counts = {(row["status"], row["cause"]): row["n"] for row in rows}
    outcomes = {"wanted": sum(counts.values()), "accepted": counts.get((ACCEPTED, None), 0)}
    for status, causes in ((REFUSED, REFUSALS), (FAILED, CAUSES)):
        names = [cause for cause in causes if (status, cause) in counts]
        outcomes |= {f"{status}_{cause}": counts[status, cause] for cause in names}
    return outcomes


def closing_lines(_spark: SparkSession, _settings: GenerateCaptions, counts: Counts) -> list[str]:
    """Why captions are missing."""
    lines, may_change = [], False
    for status, causes in ((REFUSED, REFUSALS), (FAILED, CAUSES)):
        for cause, meaning in causes.items():
            if n := counts.get(f"{status}_{cause}"):
                lines.append(f"  {n:,} {status}: {cause}: {meaning}")
                may_change = may_change or cause != NEVER_MATCHES
    if may_change:
        lines.append("  try them again: a larger --tries")
    return lines


JOB = Job(
    "generate-captions",
    "Have a language model write captions around the concepts of a bank.",
    GenerateCaptions,
    run,
    closing_lines=closing_lines,
    shared_folders=("output",),
    example="captionlake generate-captions --bank bank.txt --output ./generated",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
