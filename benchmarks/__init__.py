"""Measured beside their peers; each module is run by itself, all of them by `make bench`."""
