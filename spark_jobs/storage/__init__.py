"""Sessions, tables and files: the only code that reads and writes them."""
