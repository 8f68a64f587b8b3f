"""The published mixes by name, as expressions of the sources at hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from spark_jobs.core.conf_files import conf_file
from spark_jobs.core.settings import did_you_mean
from spark_jobs.core.yaml_files import read_yaml_map

PAPERS = (
    "Nguyen 2023, section 5: raw captions, synthetic ones, and mixes of both by their similarity",
)

_RAW = "raw"


def published_mixes() -> dict[str, dict[str, Any]]:
    """Name -> its expression `mix`, with places for sources, and its default `fraction`."""
    return read_yaml_map(conf_file("mixes", "published.yml"))


def mix_text(
    name: str,
    sources: Sequence[str],
    fraction: float | None,
    cluster: str | None,
    *,
    near: str | None = None,
) -> str:
    """The expression of a name; a text with a space or bracket, or a source, is one already.

    near: the cluster column by default.
    Raises ValueError for an unknown name, a mix that needs a second source or a cluster column, and
    for a fraction or cluster that it does not use.
    """
    mixes = published_mixes()
    is_named = name in mixes and (name not in sources or name == _RAW)
    if not is_named and name not in sources and name.isidentifier():
        known = [*mixes, *sources]
        raise ValueError(
            f"there is no mix or source {name!r}{did_you_mean(name, known)}; mixes are "
            f"{', '.join(mixes)}, sources {', '.join(sources)}"
        )
    mix = str(mixes[name]["mix"]) if is_named else name
    for setting, value in {"fraction": fraction, "cluster": cluster}.items():
        if value is not None and f"{{{setting}}}" not in mix:
            raise ValueError(f"mix {name!r} has no {setting}; leave out `{setting}`")
    return _filled(name, mix, _places(sources, fraction, cluster or near, mixes.get(name, {})))


def _places(
    sources: Sequence[str], fraction: float | None, cluster: str | None, preset: Mapping[str, Any]
) -> dict[str, str | None]:
    raw = _RAW if _RAW in sources else sources[0]
    synthetic = next((source for source in sources if source != raw), None)
    share = preset.get("fraction") if fraction is None else fraction
    return {
        "raw": _quoted(raw),
        "synthetic": None if synthetic is None else _quoted(synthetic),
        "all": ", ".join(map(_quoted, sources)),
        "fraction": None if share is None else repr(float(share)),
        "cluster": None if cluster is None else _quoted(cluster),
    }


def _filled(name: str, mix: str, places: Mapping[str, str | None]) -> str:
    needs = {"synthetic": "a second source", "cluster": "the setting `cluster`"}
    for place, text in places.items():
        if f"{{{place}}}" in mix:
            if text is None:
                raise ValueError(f"mix {name!r} needs {needs.get(place, f'the setting `{place}`')}")
            mix = mix.replace(f"{{{place}}}", text)
    return mix


def _quoted(name: str) -> str:
    return f"`{name}`"
