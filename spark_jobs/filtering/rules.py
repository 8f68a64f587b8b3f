"""Filter rules as pydantic models; a rule's name is the reason of the rows that fail it.

Comparisons: a rule's value is converted to the type of its column, and compared in that type. So
0.7 on a float32 column is the float32 nearest to 0.7, and `>=`, `==`, `in` and `between` pass a row
that was stored as 0.7; doubles, decimals and whole numbers are compared exactly; -0.0 equals 0.0;
strings are equal and ordered by their bytes; `between` includes both bounds. A value that the
column cannot hold is refused before anything runs (`checks.py`).

Null passes only `is_null: true`, and NaN, which is not null, only `is_null: false`: neither passes
any comparison (`not_in` included), a top_fraction or an in_table rule. A measure of a null, such as
the words of a null caption, or of a side that is NaN, is null.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from spark_jobs.core.column_values import Value
from spark_jobs.core.schemas import CAPTION, HEIGHT, WIDTH
from spark_jobs.filtering.top_fraction import Place

Op = Literal[">", ">=", "<", "<=", "==", "in", "not_in", "between", "is_null"]

_LIST_OPS = ("in", "not_in", "between")


def _as_text(value: Any) -> Any:
    """Dates as ISO text; a time raises ValueError, since YAML does not keep how it was written."""
    if isinstance(value, datetime):
        raise ValueError(f"put the time in quotes: '{value.isoformat()}'")
    return value.isoformat() if isinstance(value, date) else value


# None is accepted here, so that checks.py reports it with all other values that do not fit.
_Value = Annotated[Value | None, BeforeValidator(_as_text)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str = Field(min_length=1)


class _Compares(_Rule):
    """A rule that compares something of each row with a value, or a list of values."""

    op: Op
    value: _Value | list[_Value] = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "value" not in self.model_fields_set:
            expected = "true or false" if self.op == "is_null" else "what to compare with"
            raise ValueError(f"op {self.op!r} needs value: {expected}; none is there")
        is_list = isinstance(self.value, list)
        if is_list != (self.op in _LIST_OPS):
            expected = "a list" if self.op in _LIST_OPS else "one value"
            raise ValueError(f"op {self.op!r} takes {expected}, not {self.value!r}")
        if self.op == "between" and len(self.values) != 2:
            raise ValueError(f"op 'between' takes two values, not {self.value!r}")
        if self.op == "is_null" and not isinstance(self.value, bool):
            raise ValueError(f"op 'is_null' takes true or false, not {self.value!r}")
        return self

    @property
    def values(self) -> list[Value | None]:
        """The value or values, as a list."""
        return self.value if isinstance(self.value, list) else [self.value]


class Comparison(_Compares):
    """A column compared with a value, or a list of values."""

    column: str


MeasureName = Literal["words", "tokens", "characters", "shorter_side", "aspect_ratio"]


class Measure(_Compares):
    """What is measured of a row's text or of its image's sides, compared with a value.

    Of the text in `column`: words between Unicode's white space, as Python's `str.split`; tokens as
    fastText's `tokenize` counts them; characters, that is code points. Of the sides: the shorter
    one; the longer one divided by the shorter, null unless both are positive.
    """

    measure: MeasureName
    column: str = CAPTION
    width: str = WIDTH
    height: str = HEIGHT

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is measured of."""
        return (self.column,) if self.is_of_text else (self.width, self.height)

    @property
    def measured(self) -> tuple[str, ...]:
        """What is measured, which several rules may compare."""
        return (self.measure, *self.columns)

    @property
    def is_of_text(self) -> bool:
        """Whether a text is measured, not an image's sides."""
        return self.measure in ("words", "tokens", "characters")


class TopFraction(_Rule):
    """The share (0-1) of rows with the largest values, including all that tie with the last.

    A row without a value fails. `place`: share, of the rows that have a value, so many, rounded up;
    datacomp, DataComp's: of all rows n, in descending order and those without a value last, the
    value at the index int(n * share) is the smallest that passes, so it is one row more; if that
    row has no value, none passes.
    """

    top_fraction: float = Field(ge=0, le=1)
    column: str
    place: Place = "share"

    @model_validator(mode="after")
    def _takes_some(self) -> Self:
        if self.top_fraction == 0 and self.place == "share":
            raise ValueError("top_fraction 0 keeps nothing; expected a share above 0, to 1")
        return self


class InTable(_Rule):
    """Rows whose key occurs in a table, in a row whose column `where`, if that is set, is true."""

    in_table: str
    key: str = "uid"
    where: str | None = None


class FirstSynset(_Rule):
    """Texts with a word whose first synset in WordNet 3.0 is in a list.

    Words are those of `str.split`, in any case; the first synset is nltk's, so inflected forms are
    looked up too. Only the synset's offset is compared, not its part of speech, as DataComp does.
    `first_synset_in`: imagenet21k, or a text file of wnids. `wordnet`: folder of its files.
    """

    first_synset_in: str
    wordnet: str
    column: str = CAPTION


class AllOf(_Rule):
    """Rows that pass all of several rules."""

    all_of: list["Rule"] = Field(min_length=1)


class AnyOf(_Rule):
    """Rows that pass at least one of several rules."""

    any_of: list["Rule"] = Field(min_length=1)


_KINDS = ("top_fraction", "in_table", "first_synset_in", "measure", "all_of", "any_of")


def _kind(rule: Any) -> str:
    """The kind of a rule, by the key that only this kind has."""
    keys = rule if isinstance(rule, dict) else dict(rule) if isinstance(rule, _Rule) else {}
    return f"<{next((kind for kind in _KINDS if kind in keys), 'op')}>"


Rule: TypeAlias = Annotated[
    Annotated[Comparison, Tag("<op>")]
    | Annotated[TopFraction, Tag("<top_fraction>")]
    | Annotated[InTable, Tag("<in_table>")]
    | Annotated[FirstSynset, Tag("<first_synset_in>")]
    | Annotated[Measure, Tag("<measure>")]
    | Annotated[AllOf, Tag("<all_of>")]
    | Annotated[AnyOf, Tag("<any_of>")],
    Discriminator(_kind),
]
SimpleRule: TypeAlias = Comparison | TopFraction | InTable | FirstSynset | Measure
_R = TypeVar("_R", bound=_Rule)


def simple_parts(rule: Rule) -> list[SimpleRule]:
    """The rule itself, or the simple rules nested in it at any depth."""
    if isinstance(rule, AllOf | AnyOf):
        nested = rule.all_of if isinstance(rule, AllOf) else rule.any_of
        return [part for nested_rule in nested for part in simple_parts(nested_rule)]
    return [rule]


def rules_of_kind(rules: Sequence[Rule], kind: type[_R]) -> list[_R]:
    """The distinct simple rules of a kind, nested ones included."""
    distinct: list[_R] = []
    for rule in rules:
        parts = (part for part in simple_parts(rule) if isinstance(part, kind))
        distinct += [part for part in parts if part not in distinct]
    return distinct
