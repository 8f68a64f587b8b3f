"""The plan of a balancing as a picture."""

import io

import pandas as pd

from spark_jobs.errors import SettingsError

_ROWS_COLOUR, _TAIL_COLOUR, _BEFORE_COLOUR = "#1f5fa8", "#b3541e", "#8a8a8a"


def plan_picture(rows: pd.DataFrame, wanted: int | None) -> bytes:
    """An SVG: rows and tail shares over t on a log axis. `rows`: schemas.PLAN, by t.

    `wanted`: the t to mark. Raises SettingsError where matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError(
            "a picture needs matplotlib: pip install 'captionlake[pictures]'"
        ) from None
    # Text stays text, and the same plan is the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "captionlake", "font.size": 10}):
        figure = Figure(figsize=(7.2, 6.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        above.plot(rows.t, rows.expected_rows.clip(lower=1), "o-", color=_ROWS_COLOUR, ms=4)
        above.set(xscale="log", yscale="log", ylabel="captions kept (expected)")
        below.plot(rows.t, 100 * rows.tail_fraction, "s--", color=_BEFORE_COLOUR, ms=4)
        below.plot(rows.t, 100 * rows.kept_tail_fraction, "o-", color=_TAIL_COLOUR, ms=4)
        below.legend(["of all matches", "of what is kept"], title="matches in the tail")
        below.set(xlabel="t: captions per entry above which an entry is head", ylim=(0, 103))
        below.set_ylabel("share in the tail (%)")
        for axes in (above, below):
            axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
            if wanted is not None:
                axes.axvline(wanted, color="#444444", linewidth=1, linestyle=":")
        if wanted is not None:
            note = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            above.annotate(f"t = {wanted:,}", (wanted, 0.04), xytext=(5, 0), **note)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
