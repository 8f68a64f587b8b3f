"""The command line of open_clip's trainer, and what users may add to it."""

from typing import Any

import pytest

from udfs.clip_training.arguments import OptionsError, accumulated_batches, full_arguments
from udfs.clip_training.plan import TrainingPlan

OWN: dict[str, Any] = {"batch_size": 8, "lr": 1e-3, "save_most_recent": True, "report_to": "x"}


def test_own_settings_defaults_and_further_options_in_this_order() -> None:
    words = full_arguments(OWN, "ViT-B-32", "--grad-checkpointing --accum-freq 4 --beta2 0.95")
    assert words == [
        *("--batch-size", "8", "--lr", "0.001", "--save-most-recent", "--report-to", "x"),
        *("--beta1", "0.9", "--beta2", "0.98", "--eps", "1e-06"),
        *("--grad-checkpointing", "--accum-freq", "4", "--beta2", "0.95"),
    ]
    assert accumulated_batches(words) == 4
    assert "0.999" in full_arguments(OWN, "RN50", "")
    assert "--beta1" not in full_arguments(OWN, "ViT-B-32", "--opt timm/sgd")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--batch-size 16", "--batch-size is a setting of train-clip"),
        ("--batch 16", "--batch-size is a setting of train-clip"),  # argparse takes beginnings
        ("--lr=1", "--lr is a setting"),
        ("--report-to wandb", "--report-to is a setting"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
        ("--accum-freq", "expected one argument"),
        ("--accum-freq x", "invalid int value: 'x'"),
        ("--aug-cfg a", "open_clip's trainer says"),
        ("more", "unrecognized arguments: more"),
        ("--help", "--help"),
        ("'--lr", "No closing quotation"),
        ("--val-data x.tar", "--val-data: train-clip only trains"),
        ("--imagenet-val .", "--imagenet-val: train-clip only trains"),
        ("--force-image-size 64", "--force-image-size: another model"),
        ("--horovod", "--horovod: train-clip starts the processes"),
        ("--remote-sync s3://x", "--remote-sync: train-clip keeps checkpoints"),
        ("--dist-backend gloo", "--dist-backend: train-clip starts"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: str, why: str) -> None:
    with pytest.raises(OptionsError) as fault:
        full_arguments(OWN, "ViT-B-32", options)
    assert why in str(fault.value)
    assert "\n" not in str(fault.value)


def test_parts_are_whole_steps_of_accumulated_batches() -> None:
    plan = TrainingPlan(640, 8, 64, loader_workers=3, accumulate=4)
    assert plan.batches_per_epoch == 12  # 10 are needed
    assert (plan.steps, plan.steps * plan.samples_per_step) == (24, 8 * plan.samples_per_epoch)


@pytest.mark.parametrize("option", ["--log-local", "--pretrained openai", "--dataset-resampled"])
def test_options_that_would_be_ignored_are_refused(option: str) -> None:
    with pytest.raises(OptionsError, match="options: "):
        full_arguments(OWN, "ViT-B-32", option)
