"""captionlake: curate image-text pairs for CLIP-like models as Spark batch jobs."""

__version__ = "0.1.0"
