"""open_clip's CoCa (Yu et al. 2022) as a model that transformers' `generate` decodes.

open_clip's own `generate` needs parts of transformers that version 5 has no more.
"""

from typing import Any


def as_generator(coca: Any, start: int, end: int) -> Any:
    """A decoder whose `generate` takes `image_tokens`, those of CoCa's image tower.

    A caption begins with `start` and ends with `end`, or the padding, as in open_clip. Nothing is
    kept between steps: the text towers read the whole caption at each.
    """
    from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutput

    class CocaDecoder(PreTrainedModel, GenerationMixin):
        config_class = PretrainedConfig
        main_input_name = "input_ids"

        def __init__(self, config: PretrainedConfig) -> None:
            super().__init__(config)
            self.coca = coca

        def forward(self, input_ids: Any, image_tokens: Any = None, **_: Any) -> CausalLMOutput:
            _, texts = self.coca._encode_text(input_ids)
            return CausalLMOutput(logits=self.coca.text_decoder(image_tokens, texts))

    config = PretrainedConfig()
    config.vocab_size = coca.text.vocab_size
    decoder = CocaDecoder(config)
    decoder.generation_config = GenerationConfig(
        bos_token_id=start,
        eos_token_id=sorted({end, coca.pad_id}),
        pad_token_id=coca.pad_id,
        use_cache=False,
    )
    return decoder.eval()
