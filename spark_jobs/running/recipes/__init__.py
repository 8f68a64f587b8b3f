"""Recipes: a whole pipeline in one YAML file."""
