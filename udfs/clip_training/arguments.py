"""The command line of open_clip's trainer: what train-clip sets, and what users may add."""

import contextlib
import io
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

NAME = "run"  # of the experiment, below logs/
LOGS = "logs"
# What train-clip does itself, or what a finished folder could not be loaded with.
_REFUSED = {
    **dict.fromkeys(
        ("val_data", "imagenet_val", "imagenet_v2"), "train-clip only trains; see evaluate-clip"
    ),
    **dict.fromkeys(
        (
            *("remote_sync", "copy_codebase", "save_frequency", "delete_previous_checkpoint"),
            *("debug", "log_local"),
        ),
        "train-clip keeps checkpoints and logs itself",
    ),
    "pretrained": "give --weights",
    "dataset_resampled": "each pass has every row, in an order and with captions of its own",
    **dict.fromkeys(
        (
            *("force_quick_gelu", "force_custom_text", "force_patch_dropout", "force_image_size"),
            *("force_context_length", "image_mean", "image_std", "image_interpolation"),
            *("image_resize_mode", "use_bnb_linear", "trace", "torchscript"),
        ),
        "another model: write it into a folder with open_clip_config.json and give that",
    ),
    **dict.fromkeys(("horovod", "dist_url", "dist_backend"), "train-clip starts the processes"),
}


class OptionsError(ValueError):
    """Further options that open_clip's trainer does not take, or that are not theirs to set."""


def full_arguments(own: Mapping[str, Any], kind: str, options: str) -> list[str]:
    """The whole command line; OptionsError if `options` sets what is set already.

    `own`: option, without dashes and with underscores -> its value; True for a switch. `kind`: a
    name by which the trainer chooses AdamW's betas, since it is given the model by another.
    """
    further = split_options(options)
    words = [word for name, value in own.items() for word in _words(name, value)]
    before, after = _parsed(words), _parsed([*words, *further])
    for name in own:
        if before[name] != after[name]:
            raise OptionsError(
                f"options: --{_dashed(name)} is a setting of train-clip itself; leave it out there"
            )
    for name, why in _REFUSED.items():
        if before[name] != after[name]:
            raise OptionsError(f"options: --{_dashed(name)}: {why}")
    if "timm" not in after["opt"]:
        for name, value in optimizer_defaults(kind).items():
            words += _words(name, value)
    return [*words, *further]


def accumulated_batches(arguments: Sequence[str]) -> int:
    """Batches of a step, --accum-freq."""
    return max(1, int(_parsed(arguments)["accum_freq"]))


def split_options(options: str) -> list[str]:
    """The words of the text, as a shell splits them."""
    try:
        return shlex.split(options)
    except ValueError as fault:
        raise OptionsError(f"options {options!r}: {fault}") from None


def _words(name: str, value: Any) -> list[str]:
    return [f"--{_dashed(name)}"] if value is True else [f"--{_dashed(name)}", str(value)]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _parsed(arguments: Sequence[str]) -> dict[str, Any]:
    return dict(_parsed_once(tuple(arguments)))


@cache
def _parsed_once(arguments: tuple[str, ...]) -> dict[str, Any]:
    """The values that open_clip's own parser gives."""
    from open_clip_train.params import parse_args

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return dict(vars(parse_args([*arguments])))
    except SystemExit as end:
        *_, last = ["", *said.getvalue().split("error: ")[-1].splitlines()]
        reason = last if end.code else "--help is for its own command line"
        raise OptionsError(f"options: open_clip's trainer says: {reason}") from None
    except ValueError as fault:
        raise OptionsError(f"options: open_clip's trainer says: {fault}") from None


def optimizer_defaults(kind: str) -> dict[str, float]:
    """beta1, beta2 and eps, which the trainer chooses by whether a model's name has `vit` in it."""
    from open_clip_train.params import get_default_params

    return {name: get_default_params(kind)[name] for name in ("beta1", "beta2", "eps")}
