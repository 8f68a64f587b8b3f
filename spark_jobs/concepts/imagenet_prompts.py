"""CLIP's class names and 80 prompt templates for ImageNet (Radford et al. 2021), from open_clip."""

import importlib.util
from types import ModuleType

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.package_files import package_file

PAPERS = ("CLIP, zero-shot prompts: names and 80 templates of ImageNet's classes",)


def imagenet_templates() -> list[str]:
    """The 80 prompt templates, as format strings with one `{}`."""
    return [template("{}") for template in _metadata().OPENAI_IMAGENET_TEMPLATES]


def simple_templates() -> list[str]:
    """The 7 prompt templates that CLIP's authors found to do nearly as well as the 80."""
    return [template("{}") for template in _metadata().SIMPLE_IMAGENET_TEMPLATES]


def imagenet_names() -> list[str]:
    """The 1,000 class names in class order; "missile" and "sunglasses" each name two classes."""
    return list(_metadata().IMAGENET_CLASSNAMES)


def _metadata() -> ModuleType:
    """Load the module of names and templates alone, since importing open_clip imports torch."""
    path = package_file("open_clip", "zero_shot_metadata.py")
    spec = importlib.util.spec_from_file_location("open_clip_zero_shot_metadata", path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
