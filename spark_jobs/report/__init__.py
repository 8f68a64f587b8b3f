"""What runs did, as one HTML page: sections of figures, tables and examples."""
