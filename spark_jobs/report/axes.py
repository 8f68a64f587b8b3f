"""What the axes of all pictures have in common: number formats, log scales, legends."""

import math
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    PercentFormatter,
)

_FEW_DECADES = 2  # below that, ticks at 1, 2, 5, 10, 20 ...
_ONE_RANGE = 0.5  # decades below which a log axis has the ticks of a linear one
_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")


def log_axis(axes: Axes, which: Literal["x", "y"], label: str) -> None:
    """Make an axis logarithmic, which its label says, with ticks as 1,000; after plotting."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if not math.isfinite(axis.get_minpos()):  # there is nothing above 0
        axes.set(**{f"{which}label": label})
        return
    axes.set(**{f"{which}scale": "log", f"{which}label": f"{label} (log scale)"})
    low, high = axis.get_view_interval()
    decades = math.log10(high / low) if low > 0 else _FEW_DECADES
    if decades < _ONE_RANGE:
        axis.set_major_locator(MaxNLocator(4, integer=high > 4, steps=[1, 2, 5, 10]))
        axis.set_minor_locator(NullLocator())
    else:
        subs = (1.0, 2.0, 5.0) if decades < _FEW_DECADES else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axis.set_major_formatter(_THOUSANDS)
    axis.set_minor_formatter(NullFormatter())


def count_axis(axes: Axes, which: Literal["x", "y"], label: str) -> None:
    """Make an axis of numbers from 0, whole ones, with ticks as 1,000."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}lim": (0, None), f"{which}label": label})
    axis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(_THOUSANDS)


def percent_axis(axes: Axes, label: str) -> None:
    """Label the y axis, of shares in [0, 1], in percent."""
    axes.set_ylabel(label)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))  # no ticks at 2.5 %
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def legend_above(axes: Axes, *, columns: int = 1) -> None:
    """A legend above the picture, where it covers nothing."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=columns,
        frameon=False,
        borderaxespad=0,
        borderpad=0.2,
        handlelength=1.8,
        labelspacing=0.3,
        fontsize=9,
    )
