"""A BERT of random weights, small enough for a test, and its probabilities by plain tensor arithmetic."""

import json
import math
from pathlib import Path

WORDS = ("profit", "loss", "rose", "fell", "the", "bank", "bitcoin", "soars", "crash", "to", "a", "of")
WORDS += ("record", "files", "for", "bankruptcy")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIAL, *WORDS, "?", "!", ",", ".")
HEADS, EPSILON = 2, 1e-12
LABELS = ("positive", "negative", "neutral")


def write_model(folder: Path, labels=LABELS, seed: int = 7, **changed) -> Path:
    """Write a classifier with a WordPiece tokenizer into a folder, as files of the hub look."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    told = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BertConfig(
            **{
                "vocab_size": len(VOCABULARY),
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": HEADS,
                "intermediate_size": 24,
                "max_position_embeddings": 66,
                "initializer_range": 0.5,
                "layer_norm_eps": EPSILON,
                "id2label": dict(enumerate(labels)),
                "label2id": {name: place for place, name in enumerate(labels)},
                **changed,
            }
        )
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def probabilities(folder: Path, text: str):
    """Return the softmax of the outputs for one lower-case text of known words, by BERT's definition."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    known = [word if word in VOCABULARY else "[UNK]" for word in text.split()]
    ids = torch.tensor([VOCABULARY.index(word) for word in ("[CLS]", *known, "[SEP]")])

    def linear(name, x):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normed(name, x):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + EPSILON)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    at = "bert.embeddings"
    x = weights[f"{at}.word_embeddings.weight"][ids] + weights[f"{at}.token_type_embeddings.weight"][0]
    x = normed(f"{at}.LayerNorm", x + weights[f"{at}.position_embeddings.weight"][: len(ids)])
    for layer in range(2):
        at = f"bert.encoder.layer.{layer}"
        query, key, value = (
            linear(f"{at}.attention.self.{part}", x).reshape(len(ids), HEADS, -1).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        shares = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[-1]), -1)
        seen = (shares @ value).transpose(0, 1).reshape(len(ids), -1)
        x = normed(f"{at}.attention.output.LayerNorm", x + linear(f"{at}.attention.output.dense", seen))
        inner = linear(f"{at}.intermediate.dense", x)
        inner = inner * 0.5 * (1.0 + torch.erf(inner / math.sqrt(2.0)))
        x = normed(f"{at}.output.LayerNorm", x + linear(f"{at}.output.dense", inner))
    return torch.softmax(linear("classifier", torch.tanh(linear("bert.pooler.dense", x[0]))), -1).numpy()
