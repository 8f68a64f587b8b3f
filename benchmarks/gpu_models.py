"""caption-images, generate-captions and train-clip on a GPU beside bare loops, without Spark.

    python -m benchmarks.gpu_models [FOLDER]

Captions of images: BLIP base in bf16. Captions of concepts: a Llama of the size of SmolLM2-135M.
Both with random weights; sides as in `captions_of_images` and `captions_generated`. Training:
ViT-B-32 in amp_bf16, as in `train_clip`, on images of 256 pixels. Wall time.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import open_clip

from benchmarks import captions_of_images, train_clip
from benchmarks.captions_generated import compared_with_generate
from benchmarks.measuring import report
from tests.captioners import photographs, save_blip
from udfs.captioning.causal_model import CausalModel

N_IMAGES, IMAGE_BATCH, TRAINING_ROUNDS = 256, 32, 2
N_PROMPTS, PROMPT_BATCH = 512, 128
TRAINING = train_clip.Training(
    n_shards=32,
    per_shard=400,
    batch_size=256,
    epochs=1,
    loader_workers=12,
    device="cuda",
    precision="amp_bf16",
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in (*_captions_of_images(), *_captions_of_concepts(), *_training(folder)):
        rows.append(row)
        report("gpu_models", rows, folder, rounds=None)


def _captions_of_images() -> Iterator[dict[str, Any]]:
    with TemporaryDirectory() as model:
        save_blip(Path(model))
        for how in captions_of_images.STRATEGIES:
            row = captions_of_images.compared(Path(model), how, photographs(N_IMAGES), "cuda")
            bare, ours = row["bare loop, images/s"], row["captionlake, images/s"]
            yield _row(f"`caption-images`, {row['strategy']}, images/s", bare, ours, row)


def _captions_of_concepts() -> Iterator[dict[str, Any]]:
    with TemporaryDirectory() as model:
        save_language_model(Path(model))
        spec = CausalModel(model, device="cuda")
        bare, ours = compared_with_generate(spec, N_PROMPTS, PROMPT_BATCH)
    ratio = {"times as fast": ours["share"]}
    yield _row("`generate-captions`, captions/s", bare["value"], ours["value"], ratio)


def _training(folder: Path) -> Iterator[dict[str, Any]]:
    model = open_clip.get_model_config("ViT-B-32")
    ours, by_hand = train_clip.compared(folder, TRAINING_ROUNDS, TRAINING, model)
    ratio = {"times as fast": ours["of by hand's"]}
    yield _row("`train-clip`, samples/s", by_hand["samples/s"], ours["samples/s"], ratio)


def _row(what: str, bare: float, ours: float, ratio: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": what,
        "bare loop": bare,
        "captionlake": ours,
        "times as fast": ratio["times as fast"],
    }


def save_language_model(folder: Path) -> None:
    """A Llama of SmolLM2-135M's size with random weights, whose words are numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words = {"[UNK]": 0, "<s>": 1, "</s>": 2} | {f"w{n}": n for n in range(3, config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    fast.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
