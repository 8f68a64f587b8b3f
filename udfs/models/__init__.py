"""Models in Python workers: from texts and images to unit vectors."""
