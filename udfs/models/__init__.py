"""Models in Python workers: texts and images in, unit vectors out."""
