"""The colours of pages and pictures, for paper and light screens, and for dark ones."""

PAPER, INK, GRID = "#ffffff", "#1c2430", "#e3e6ea"
BEFORE, AFTER, MARK = "#8b95a3", "#1f5fa8", "#b3541e"
FOURTH, FIFTH = "#3f7f4a", "#7a4fa3"

# Light colour -> (CSS variable of the page, dark colour). Pictures are drawn in the light ones.
COLOURS = {
    PAPER: ("page", "#12161c"),
    INK: ("ink", "#e5e9ef"),
    GRID: ("grid", "#2c343f"),
    BEFORE: ("before", "#8a96a6"),
    AFTER: ("after", "#6cb0f5"),
    MARK: ("mark", "#f0a063"),
    FOURTH: ("fourth", "#7fce8d"),
    FIFTH: ("fifth", "#c39bea"),
}
SERIES = (AFTER, MARK, FOURTH, FIFTH, BEFORE)  # for several curves of one kind
