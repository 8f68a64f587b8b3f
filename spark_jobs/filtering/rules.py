"""Filter rules as data: what a row must hold, by the name that is its reason where it does not."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Op = Literal[">", ">=", "<", "<=", "==", "in", "not_in", "between", "is_null"]
Value: TypeAlias = str | bool | int | float

_LIST_OPS = ("in", "not_in", "between")


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str = Field(min_length=1)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return []


class Comparison(_Rule):
    """A column compared with a value; a null passes `is_null: true` alone."""

    column: str
    op: Op
    value: Value | list[Value]

    @model_validator(mode="after")
    def _fits(self) -> "Comparison":
        is_list = isinstance(self.value, list)
        if is_list != (self.op in _LIST_OPS):
            wanted = "a list" if self.op in _LIST_OPS else "one value"
            raise ValueError(f"op {self.op!r} takes {wanted}, not {self.value!r}")
        if self.op == "between" and (not isinstance(self.value, list) or len(self.value) != 2):
            raise ValueError(f"op 'between' takes two values, not {self.value!r}")
        if self.op == "is_null" and not isinstance(self.value, bool):
            raise ValueError(f"op 'is_null' takes true or false, not {self.value!r}")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [self.column]


class TopFraction(_Rule):
    """The share of rows with the largest values, all rows equal to the last of them too.

    Of the rows that have a value; a row without one fails.
    """

    top_fraction: float = Field(gt=0, le=1)
    column: str

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [self.column]


class InTable(_Rule):
    """Rows whose key stands in a table."""

    in_table: str
    key: str = "uid"

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [self.key]


class AllOf(_Rule):
    """Rows that pass every one of several rules."""

    all_of: list["Rule"] = Field(min_length=1)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [name for part in self.all_of for name in part.columns]


class AnyOf(_Rule):
    """Rows that pass at least one of several rules."""

    any_of: list["Rule"] = Field(min_length=1)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [name for part in self.any_of for name in part.columns]


_KINDS = ("top_fraction", "in_table", "all_of", "any_of")


def _kind(rule: Any) -> str:
    """Which kind of rule, told by the key that it alone has."""
    there = rule if isinstance(rule, dict) else dict(rule)
    return next((kind for kind in _KINDS if kind in there), "op")


Rule: TypeAlias = Annotated[
    Annotated[Comparison, Tag("op")]
    | Annotated[TopFraction, Tag("top_fraction")]
    | Annotated[InTable, Tag("in_table")]
    | Annotated[AllOf, Tag("all_of")]
    | Annotated[AnyOf, Tag("any_of")],
    Discriminator(_kind),
]


def parts(rule: _Rule) -> list[_Rule]:
    """The rule and all rules inside it."""
    inside = getattr(rule, "all_of", None) or getattr(rule, "any_of", None) or []
    return [rule, *(part for one in inside for part in parts(one))]
