"""Names and rules that all use: columns, addresses, settings, errors, draws; no session."""
