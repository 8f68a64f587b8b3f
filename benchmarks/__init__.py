"""Benchmarks against peers; each module is a command, and `make bench` runs most of them."""
