"""Execution of jobs: up-to-date checks, run records, recipes and command lines."""
