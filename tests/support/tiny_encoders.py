"""Encoders of all four families, small enough to be made in a test: random weights, a tokenizer trained on the spot.

Each is saved as the published ones are, so that a test loads it the way a user's folder is loaded. The tokenizers have
the quirks of their families: one bakes in padding and truncation, two count a word's blank into its offsets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

FAMILIES = ("bert", "distilbert", "deberta-v2", "modernbert")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CORPUS = [
    "I pick up the rusty sword and hand it to Zoë.",
    "Mara walked to the old mill, and the villagers followed her in silence.",
    "“Enough,” said Søren; the rain beat on the roof of the café.",
    "You tell the ferryman about the broken crown beneath the harbour.",
    "A cold wind crept through the hall while the crowd wept.",
]


def save_tiny_encoder(folder: Path, family: str) -> Path:
    """Writes `config.json`, `model.safetensors` and the tokenizer's files; returns the folder."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = _tokenizer(family)
    torch.manual_seed(0)
    _model(family, tokenizer.get_vocab_size()).save_pretrained(folder)
    names = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)  # type: ignore[no-untyped-call]
    fast.save_pretrained(folder)
    return folder


def _model(family: str, vocabulary: int) -> PreTrainedModel:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    own: dict[str, dict[str, Any]] = {
        "bert": sizes,
        "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
        # As in deberta-v3: relative positions only, in buckets, one set of weights for content and position.
        "deberta-v2": sizes
        | {
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        "modernbert": sizes | {"cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3},
    }
    config = AutoConfig.for_model(family, vocab_size=vocabulary, pad_token_id=0, **own[family])
    model: PreTrainedModel = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    return model


def _tokenizer(family: str) -> Tokenizer:
    if family == "modernbert":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer: trainers.Trainer = trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    elif family == "deberta-v2":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=150, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    if family == "bert":  # as the MiniLM that is installed with the workspace
        tokenizer.enable_padding(length=128)
        tokenizer.enable_truncation(128)
    return tokenizer
