"""The scorer `finbert`: a Hugging Face sequence classifier that is already on this machine reads texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import ConfigError, MissingExtraError, ModelError
from mlstrat.sentiment.hub import DEFAULT, folder_of
from mlstrat.sentiment.learned.model import CLASSES
from mlstrat.sentiment.moods import NEUTRAL, mood_of_outputs
from mlstrat.sentiment.scorers import MAX_CHARACTERS, Classified, Scored, says_something

# Every forward pass reads so many texts, filled up where fewer are left, and as many tokens as the first of
# these that holds the text: a text's sums then do not depend on the texts beside it.
BATCH = 8
LENGTHS = (32, 64, 128, 256)
# Texts whose tokens are held at a time.
_SLAB = 1_024
_PROBE = "Profit rose"
# What the libraries below raise on files that are damaged, or not of one model.
_UNUSABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, ImportError)


class FinbertScorer:
    """Probabilities of negative, neutral and positive by a transformer that was fitted to labelled texts.

    The first 1,000 characters of a text, and of them the first 256 tokens, are read on the CPU, in one
    thread, so that a text has the same bits alone, among others, and in every process of one machine.
    Polarity is ``P(positive) - P(negative)`` and confidence the greater of the two, as by `LearnedScorer`;
    a model of two classes without neutral is thus at least .5 sure. Both are 0 for a text without a letter
    or digit. Outputs are classes by their names in the model's `id2label`; see `mood_of_outputs`.

    Nothing is downloaded, weights are read from safetensors alone, and no code that comes with a model runs.

    Parameters
    ----------
    model : str
        A folder with a model and its tokenizer, or a name on the hub, with ``@`` and a revision if it is not
        the main one, that is in the local cache.

    Raises
    ------
    ConfigError
        The model is not there, cannot be used, or does not say which outputs are which moods.
    MissingExtraError
        transformers or torch is not installed.

    References
    ----------
    Araci (2019), FinBERT: Financial Sentiment Analysis with Pre-trained Language Models, arXiv:1908.10063.
    """

    def __init__(self, model: str = DEFAULT) -> None:
        try:
            import torch
            import transformers
            from safetensors import SafetensorError
        except ImportError as error:
            raise MissingExtraError(
                "transformers", error.name or "transformers", "The scorer finbert"
            ) from error
        self._torch, self._name = torch, model
        folder = folder_of(model)
        try:
            with _quiet(transformers):
                self._tokenizer, self._model = _loaded(transformers, torch, str(folder), model)
            self._lengths = _lengths(self._tokenizer, self._model.config)
            self._mood = mood_of_outputs(self._model.config, model)
            self._slab([_PROBE])  # a model and a tokenizer that do not fit each other fail here
        except (*_UNUSABLE, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"the model {model} of the scorer finbert cannot be used ({reason}): give the folder of a "
                "sequence classifier with its tokenizer."
            ) from error

    def score(self, texts: Sequence[str]) -> Scored:
        """Return the polarity in [-1, 1] and the confidence in [0, 1] of each text; see `Scorer.score`."""
        polarity, confidence, _ = self.classify(texts)
        return polarity, confidence

    def classify(self, texts: Sequence[str]) -> Classified:
        """Return polarity, confidence and the likeliest class of each text; neutral if nothing is said."""
        found = self.probabilities(texts)
        negative, _, positive = found.T
        names = tuple(CLASSES[which] for which in np.argmax(found, axis=1))
        return positive - negative, np.maximum(positive, negative), names

    def probabilities(self, texts: Sequence[str]) -> FloatArray:
        """Return the probability of each class (n_texts, 3); (0, 1, 0) for a text that says nothing."""
        found = np.zeros((len(texts), len(CLASSES)))
        found[:, NEUTRAL] = 1.0
        spoken = [place for place, text in enumerate(texts) if says_something(text)]
        for start in range(0, len(spoken), _SLAB):
            places = spoken[start : start + _SLAB]
            found[places] = self._slab([_readable(texts[place]) for place in places])
        return found

    def _slab(self, texts: list[str]) -> FloatArray:
        limit = self._lengths[-1]
        tokens = self._tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        bucket = np.searchsorted(self._lengths, [len(one) for one in tokens])
        found = np.empty((len(texts), len(CLASSES)))
        with _one_thread(self._torch):
            for which, length in enumerate(self._lengths):
                places = np.flatnonzero(bucket == which)
                for start in range(0, len(places), BATCH):
                    batch = places[start : start + BATCH]
                    found[batch] = self._batch([texts[place] for place in batch], length)
        return found

    def _batch(self, texts: list[str], length: int) -> FloatArray:
        torch = self._torch
        filled = texts + texts[-1:] * (BATCH - len(texts))
        given = self._tokenizer(
            filled, truncation=True, max_length=length, padding="max_length", return_tensors="pt"
        )
        with torch.inference_mode():
            logits = self._model(**given).logits[: len(texts)]
            shares: FloatArray = torch.softmax(logits.double(), dim=-1).numpy()
        if not np.isfinite(shares).all():
            raise ModelError(f"the model {self._name} gives what is no number: take another copy.")
        found = np.zeros((len(texts), len(CLASSES)))
        for output, mood in enumerate(self._mood):
            found[:, mood] += shares[:, output]
        return np.minimum(found, 1.0)


def _readable(text: str) -> str:
    """Return what is read of a text; half of a surrogate pair, which no tokenizer takes, becomes `?`."""
    return text[:MAX_CHARACTERS].encode(errors="replace").decode()


def _loaded(transformers: Any, torch: Any, folder: str, name: str) -> tuple[Any, Any]:
    alone = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **alone)
    # Without its files a tokenizer is made that knows no word.
    if {*tokenizer(_PROBE, add_special_tokens=False)["input_ids"]} <= {*tokenizer.all_special_ids}:
        raise ConfigError(
            f"the tokenizer of {name} knows no word of {_PROBE!r}: give its files with the model."
        )
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, **alone, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    absent = sorted(report["missing_keys"])
    if absent:
        raise ConfigError(
            f"the weights of {name} lack {absent[0]}, which would be drawn at random: give a model that was "
            "fitted as a sequence classifier."
        )
    return tokenizer, model.eval()


def _lengths(tokenizer: Any, config: Any) -> tuple[int, ...]:
    # Two less than the positions: some models count them from 2.
    positions = getattr(config, "max_position_embeddings", LENGTHS[-1] + 2) - 2
    limit = min(tokenizer.model_max_length, positions)
    return tuple(sorted({min(length, limit) for length in LENGTHS}))


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads are not reproducible
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
