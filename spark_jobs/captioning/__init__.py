"""Captions of models: made from concepts and images, mixed with raw ones, measured."""
