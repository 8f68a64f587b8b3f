"""Concept banks: their sources, their faults, and their ids."""
