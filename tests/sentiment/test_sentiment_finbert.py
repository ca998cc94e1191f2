"""The scorer finbert with a tiny model of random weights: by hand, in batches, offline, and on bad files."""

import json
import socket
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra transformers is not installed")
pytest.importorskip("transformers", reason="the extra transformers is not installed")

from tiny_bert import HEADS, LABELS, WORDS, probabilities, write_model

from mlstrat.errors import ConfigError, MissingExtraError
from mlstrat.sentiment.choice import ScorerChoice, scorer
from mlstrat.sentiment.chunks import classify_chunks
from mlstrat.sentiment.finbert import BATCH, FinbertScorer
from mlstrat.sentiment.hub import DEFAULT, folder_of
from mlstrat.sentiment.moods import mood_of_outputs

TEXTS = ("profit rose", "bitcoin files for bankruptcy", "the bank", "crash", "record profit of the bank rose")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def finbert(folder):
    return FinbertScorer(str(folder))


def named(*labels, problem_type=None):
    return SimpleNamespace(id2label=dict(enumerate(labels)), problem_type=problem_type)


def headlines(count, seed=3):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 70))) for _ in range(count)]


def test_scores_are_those_of_the_definition(finbert, folder):
    polarity, confidence, names = finbert.classify(TEXTS)
    shares = np.array([probabilities(folder, text) for text in TEXTS])
    up, down = shares[:, LABELS.index("positive")], shares[:, LABELS.index("negative")]
    assert np.ptp(up) > 0.01
    np.testing.assert_allclose(polarity, up - down, atol=1e-6)
    np.testing.assert_allclose(confidence, np.maximum(up, down), atol=1e-6)
    assert names == tuple(LABELS[which] for which in shares.argmax(axis=1))


def test_a_text_has_the_same_bits_alone_in_any_order_and_in_any_batch(finbert):
    texts = [*headlines(5 * BATCH + 3), "", "crash " * 300]
    whole = finbert.score(texts)
    turned = finbert.score(texts[::-1])
    alone = [np.concatenate(part) for part in zip(*(finbert.score([t]) for t in texts), strict=True)]
    halves = [finbert.score(texts[:7]), finbert.score(texts[7:])]
    for k, values in enumerate(whole):
        np.testing.assert_array_equal(turned[k][::-1], values)
        np.testing.assert_array_equal(alone[k], values)
        np.testing.assert_array_equal(np.concatenate([half[k] for half in halves]), values)


def test_tokens_beyond_the_positions_are_cut_and_texts_beyond_a_thousand_characters(finbert):
    word = "bankruptcy "
    assert finbert.score([word * 64])[0] == finbert.score([word * 90 + "profit rose"])[0]
    spaces = "crash" + " " * 995
    assert finbert.score([spaces + "profit"])[0] == finbert.score(["crash"])[0]


@pytest.mark.parametrize("text", ["", " ", "?!...", "\U0001f680", "\x00", "\ud800"])
def test_a_text_that_says_nothing_is_not_read(finbert, text):
    polarity, confidence, names = finbert.classify([text])
    assert polarity[0] == confidence[0] == 0.0
    assert names == ("neutral",)


def test_threads_are_left_as_they_were(finbert):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        finbert.score(TEXTS)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_workers_score_alike(finbert, folder):
    choice = ScorerChoice("finbert", str(folder))
    texts = headlines(24)
    made = list(classify_chunks(texts, choice, jobs=2, chunk=10))
    for k, expected in enumerate(finbert.classify(texts)):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in made]), expected)


def test_nothing_is_fetched_and_nothing_is_said(folder, monkeypatch, capfd):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a network connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    scorer(ScorerChoice("finbert", str(folder))).score(TEXTS)
    with pytest.raises(ConfigError, match="nothing is downloaded"):
        FinbertScorer("nobody/has-this")
    assert capfd.readouterr() == ("", "")


def test_a_model_of_the_cache_is_found_by_name_and_revision(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    name, _, revision = DEFAULT.partition("@")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / f"models--{name.replace('/', '--')}"
    with pytest.raises(ConfigError) as error:
        FinbertScorer()
    told = f"hf download {name} --revision {revision}"
    assert told in str(error.value)
    assert str(tmp_path) in str(error.value)
    (home / "refs" / revision).parent.mkdir(parents=True)
    (home / "refs" / revision).write_text("0" * 40)
    (home / "snapshots").mkdir()
    (home / "snapshots" / ("0" * 40)).symlink_to(folder)
    np.testing.assert_array_equal(FinbertScorer().score(TEXTS), FinbertScorer(str(folder)).score(TEXTS))
    with pytest.raises(ConfigError, match=f"run `hf download {name}` once"):
        folder_of(name)


@pytest.mark.parametrize(
    ("labels", "moods"),
    [
        (("positive", "negative", "neutral"), (2, 0, 1)),
        (("Bearish", "BULLISH"), (0, 2)),
        (("NEG", "NEU", "POS"), (0, 1, 2)),
        (("Very Negative", "negative", "neutral", "positive", "very_positive"), (0, 0, 1, 2, 2)),
        (("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), (0, 0, 1, 2, 2)),
    ],
)
def test_outputs_are_known_by_their_names(labels, moods):
    assert tuple(mood_of_outputs(named(*labels), "m")) == moods


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            named("LABEL_0", "LABEL_1", "LABEL_2"),
            "does not say what they mean: write their names into id2label",
        ),
        (named("joy", "anger"), "called joy, anger: give a model whose outputs are called"),
        (named("positive", "neutral"), "called positive, neutral: give a model"),
        (named("1 star", "2 stars", "3 stars"), "called 1 star, 2 stars, 3 stars: give a model"),
        (named("LABEL_0"), "does not say what they mean"),
        (named(*"abcdefg"), r"called a, b, c, d, e, f, \.\.\.: give"),
        (
            named("positive", "negative", problem_type="multi_label_classification"),
            "fitted for multi_label_classification.*: give a classifier with one label a text",
        ),
    ],
)
def test_outputs_that_say_no_mood_are_refused(config, sentence):
    with pytest.raises(ConfigError, match=sentence):
        mood_of_outputs(config, "m")


def test_two_classes_are_summed_from_five(tmp_path):
    labels = ("very negative", "negative", "neutral", "positive", "very positive")
    found = FinbertScorer(str(write_model(tmp_path, labels))).probabilities(TEXTS)
    shares = np.array([probabilities(tmp_path, text) for text in TEXTS])
    expected = np.stack([shares[:, :2].sum(1), shares[:, 2], shares[:, 3:].sum(1)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_that_counts_positions_from_two_is_cut_in_time(tmp_path):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    write_model(tmp_path)
    made = json.loads((tmp_path / "config.json").read_text())
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size")
    config = RobertaConfig(
        **{name: made[name] for name in sizes},
        num_attention_heads=HEADS,
        max_position_embeddings=40,
        id2label=dict(enumerate(LABELS)),
    )
    config.pad_token_id = 1
    RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    polarity, _ = FinbertScorer(str(tmp_path)).score(["crash " * 90])
    assert np.isfinite(polarity).all()


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def no_weights(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_config(folder):
    (folder / "config.json").unlink()


def broken_config(folder):
    (folder / "config.json").write_text("{")


def unknown_architecture(folder):
    (folder / "config.json").write_text(
        json.dumps({"model_type": "oracle", "auto_map": {"AutoConfig": "a.B"}})
    )


def no_tokenizer(folder):
    for name in ("vocab.txt", "tokenizer_config.json"):
        (folder / name).unlink()


def no_head(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: values for name, values in weights.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def too_many_words(folder):
    with (folder / "vocab.txt").open("r+") as file:
        words = file.read().split()
        file.seek(0)
        file.write("\n".join([*words[:5], *("zero" + str(k) for k in range(99)), "profit", "rose"]) + "\n")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (cut_weights, "cannot be used"),
        (no_weights, "holds no model.safetensors, and weights in other forms are not read"),
        (no_config, "holds no config.json: give the folder"),
        (broken_config, "cannot be used"),
        (unknown_architecture, "cannot be used"),
        (no_tokenizer, "tokenizer of .* knows no word of 'Profit rose': give its files"),
        (no_head, "lack classifier.bias, which would be drawn at random"),
        (too_many_words, "cannot be used"),
    ],
)
def test_a_folder_that_is_no_sound_model_is_refused_in_one_sentence(tmp_path, damage, sentence, capfd):
    damage(write_model(tmp_path))
    capfd.readouterr()
    with pytest.raises(ConfigError, match=sentence) as error:
        FinbertScorer(str(tmp_path))
    assert "\n" not in str(error.value)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", ["/nowhere", "gone", "../a/b", "a/b@", "a b/c"])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(ConfigError, match="is no folder: give that of a Hugging Face model"):
        folder_of(name)


@pytest.mark.parametrize("package", ["transformers", "torch"])
def test_a_missing_package_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=rf'needs the package {package}: run `pip install "mlstrat\[tr'
    ):
        FinbertScorer()


def test_a_name_without_the_package_of_the_hub_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r'run `pip install "mlstrat\[transformers\]"`'):
        folder_of(DEFAULT)
