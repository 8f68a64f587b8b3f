"""A small BERT with random weights, and a WordPiece vocabulary made from the captions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SMALL = "small"  # the name of the model in settings
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_POSITIONS = 128
_INITIALIZER_RANGE = 0.1
# Of attention: the two passes of a caption see other words, of which [CLS] is a sum. As masks over
# a layer's numbers (BERT: 0.1 of both) they teach so small a model next to nothing.
_ATTENTION_DROPOUT, _HIDDEN_DROPOUT = 0.5, 0.0
_MOST_CHARACTERS = 1000  # others are unknown tokens


@dataclass(frozen=True)
class SmallBert:
    """The sizes of the model; 1.3 million parameters with the whole vocabulary."""

    vocabulary: int = 8192
    layers: int = 1
    hidden: int = 128
    heads: int = 2


def make_small_bert(
    captions: Iterable[Sequence[str]], seed: int, sizes: SmallBert | None = None
) -> tuple[Any, Any]:
    """(model, tokenizer), the same for the same captions and seed.

    Its weights are drawn wider than BERT's, and all positions are 0 at first, so that [CLS] begins
    as a sum of words: as BERT draws them, all captions have nearly one vector, dropout outweighs
    what tells them apart, and the first that a short training learns is their length.

    captions: blocks of them. The vocabulary is of lower case, as bert-base-uncased's; it is
    smaller where the captions have fewer different pieces.
    """
    import torch
    from transformers import BertConfig, BertModel

    sizes = sizes or SmallBert()
    tokenizer = _tokenizer(captions, sizes.vocabulary)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=4 * sizes.hidden,
        max_position_embeddings=_POSITIONS,
        initializer_range=_INITIALIZER_RANGE,
        attention_probs_dropout_prob=_ATTENTION_DROPOUT,
        hidden_dropout_prob=_HIDDEN_DROPOUT,
        pad_token_id=tokenizer.pad_token_id,
    )
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = BertModel(config, add_pooling_layer=False)
    torch.set_rng_state(state)
    with torch.no_grad():
        model.embeddings.position_embeddings.weight.zero_()
    return model, tokenizer


def _tokenizer(captions: Iterable[Sequence[str]], vocabulary: int) -> Any:
    """A tokenizer of WordPiece, whose words are cut at the longest piece of the vocabulary."""
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import BertTokenizer

    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for block in captions:
        for caption in block:
            text = normalizer.normalize_str(caption)
            words.update(word for word, _ in splitter.pre_tokenize_str(text))
    pieces = [*_SPECIAL, *_pieces_of(words, vocabulary)]
    ids = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])
    )
    return BertTokenizer(tokenizer_object=tokenizer, model_max_length=_POSITIONS)


def _pieces_of(words: Mapping[str, int], vocabulary: int) -> list[str]:
    """The pieces of a vocabulary of this size in alphabetical order, the same for the same words.

    The trainer breaks ties by the ids of characters, which it gives in no fixed order to those
    that continue a word; as special tokens they have one. It is then asked for its pieces alone.
    """
    from tokenizers import Tokenizer, trainers
    from tokenizers.models import WordPiece

    continuing = sorted({f"##{character}" for word in words for character in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*_SPECIAL, *continuing],
        limit_alphabet=_MOST_CHARACTERS,
        show_progress=False,
    )
    trained = Tokenizer(WordPiece(unk_token="[UNK]"))
    repeated = (word for word in sorted(words) for _ in range(words[word]))
    trained.train_from_iterator(repeated, trainer)
    return sorted(trained.get_vocab().keys() - {*_SPECIAL})
