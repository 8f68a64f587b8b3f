"""The map from our column names to an input's, and advice where it has no caption."""

from collections.abc import Mapping, Sequence

from spark_jobs.core.errors import MissingColumnError, SettingsError
from spark_jobs.core.schemas import CAPTION, CAPTION_COLUMNS
from spark_jobs.core.settings import did_you_mean
from spark_jobs.ingest.presets import METACLIP_RECORD, PRESETS, Preset

_LIKE_CAPTIONS = ("caption", "text", "alt", "prompt", "description", "title")


def column_map(
    preset: Preset | None,
    columns: Mapping[str, str] | None,
    input_columns: Sequence[str],
    where: str = "input",
) -> dict[str, str]:
    """Map our column names to the input's, for the columns that the input has.

    `columns` takes precedence over the preset; without a preset our own names are looked up. An
    exact match of a name is preferred to one in another case. `where`: the input's name in
    messages. Raises SettingsError for a key that is not one of our names, MissingColumnError for a
    column that the input lacks.
    """
    candidates = preset.columns if preset else {name: (name,) for name in CAPTION_COLUMNS.names}
    mapping: dict[str, str] = {}
    for name, input_names in candidates.items():
        matching = [
            column for candidate in input_names if (column := find_column(candidate, input_columns))
        ]
        mapping |= {name: matching[0]} if matching else {}
    for name, input_name in (columns or {}).items():
        if name not in CAPTION_COLUMNS.names:
            raise SettingsError(
                f"columns: {name!r} is none of ours{did_you_mean(name, CAPTION_COLUMNS.names)}; "
                f"there are {', '.join(CAPTION_COLUMNS.names)}"
            )
        input_column = find_column(input_name, input_columns)
        if input_column is None:
            raise MissingColumnError(
                f"{where} has no column {input_name!r}{did_you_mean(input_name, input_columns)}; "
                f"it has {', '.join(input_columns)}"
            )
        mapping[name] = input_column
    if CAPTION not in mapping:
        raise MissingColumnError(
            f"{where} has no column {candidates[CAPTION][0]!r} for the caption; it has "
            f"{', '.join(input_columns)}; {remedy(preset, input_columns, where)}"
        )
    return mapping


def find_column(name: str, input_columns: Sequence[str]) -> str | None:
    """The input column of this name, else the first that differs only in case, else None."""
    if name in input_columns:
        return name
    return next((column for column in input_columns if column.lower() == name.lower()), None)


def remedy(preset: Preset | None, input_columns: Sequence[str], where: str) -> str:
    """Advice for an input without a column for the caption: a preset, or a map of columns."""
    if preset is None and {"uuid", "texts"} <= set(input_columns):
        return f"records such as {METACLIP_RECORD} are read by --preset metaclip"
    if preset is not None and find_column(CAPTION, input_columns) is not None:
        return "leave out --preset, or give another one"
    fitting = fitting_presets(input_columns)
    advice = f"--columns '{_columns_setting(fitting, input_columns)}'"
    file_name = where.rpartition("/")[2]
    suffix = file_name.rpartition(".")[2] if "." in file_name else ""
    of_format = [name for name in fitting if suffix in ("", PRESETS[name].format)]
    return f"give --preset {_either(of_format)}, or {advice}" if of_format else f"give {advice}"


def fitting_presets(input_columns: Sequence[str]) -> list[str]:
    """The presets with the most columns of exactly these names, if the caption is among them."""
    names = set(input_columns)
    scores = {
        preset_name: sum(bool(names & set(of_input)) for of_input in preset.columns.values())
        for preset_name, preset in PRESETS.items()
        if names & set(preset.columns[CAPTION]) or (preset.texts and names >= set(preset.texts))
    }
    return [name for name, score in scores.items() if score == max(scores.values())]


def _columns_setting(fitting: Sequence[str], input_columns: Sequence[str]) -> str:
    """The value of --columns that reads the same columns as the first of the fitting presets."""
    if fitting and not PRESETS[fitting[0]].texts:
        of_preset = column_map(PRESETS[fitting[0]], None, input_columns)
        return f"{{{', '.join(f'{ours}: {theirs}' for ours, theirs in of_preset.items())}}}"
    likely = [name for part in _LIKE_CAPTIONS for name in input_columns if part in name.lower()]
    return f"{{caption: {likely[0] if likely else 'NAME'}}}"


def _either(names: Sequence[str]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
