"""The report of runs as one HTML page: sections of figures, tables and examples."""
