"""Captions made by models: generate, mix and measure them."""
