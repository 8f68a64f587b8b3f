"""Faults of Spark, its workers and its stores, in one line that names the cause."""
