"""OpenAI's 80 ImageNet prompt templates (Radford et al. 2021), as open_clip ships them."""

import importlib.util

from spark_jobs.errors import SettingsError
from spark_jobs.package_files import package_file


def imagenet_templates() -> list[str]:
    """The templates as format strings with one `{}`; read without importing open_clip or torch."""
    path = package_file("open_clip", "zero_shot_metadata.py")
    spec = importlib.util.spec_from_file_location("open_clip_zero_shot_metadata", path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [template("{}") for template in module.OPENAI_IMAGENET_TEMPLATES]
