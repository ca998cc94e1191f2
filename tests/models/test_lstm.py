"""The LSTM's arrays against PyTorch in float64, and its training against chance."""

import numpy as np
import pytest
import torch

from mlstrat.config import ModelsConfig
from mlstrat.errors import ModelError
from mlstrat.models.lstm import fit_lstm, lstm_inputs, lstm_step, scaled_inputs

SIZES = ModelsConfig(lstm_units=5, lstm_epochs=4)


@pytest.fixture(scope="module")
def sequence():
    rng = np.random.default_rng(8)
    bins = rng.integers(0, 16, size=(3000, 4)).astype(np.int64)
    x = bins / 7.5 - 1.0
    target = np.r_[0.0, 0.0, x[1:-1, 0] * x[2:, 1]] + 0.1 * rng.normal(size=3000)  # needs one bar of memory
    return bins, target


def fitted(bins, target, config=SIZES, seed=4):
    return fit_lstm(bins, target, np.array([0, 1, 3]), np.full(3, 7.5), config, seed)


def run(model, bins):
    state, gates = np.zeros((2, len(model.w_out))), np.empty(4 * len(model.w_out))
    return np.array([lstm_step(row, state, gates, *model) for row in bins]), state


def test_steps_equal_pytorch_in_float64(sequence):
    bins, target = sequence
    model = fitted(bins, target)
    net = torch.nn.LSTM(3, 5).double()
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.from_numpy(model.w_x.T))
        net.weight_hh_l0.copy_(torch.from_numpy(model.w_h.T))
        net.bias_ih_l0.copy_(torch.from_numpy(model.bias))
        net.bias_hh_l0.zero_()
        x = torch.from_numpy(scaled_inputs(bins, model.inputs, model.half))[:, None]
        hidden, (h, c) = net(x)
    expected = hidden[:, 0].numpy() @ model.w_out + model.b_out
    output, state = run(model, bins)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(state, np.stack([h[0, 0].numpy(), c[0, 0].numpy()]), rtol=0, atol=1e-12)


def test_it_learns_what_needs_memory(sequence):
    bins, target = sequence
    model = fitted(
        bins[:2000], target[:2000], ModelsConfig(lstm_units=8, lstm_epochs=60, lstm_learning_rate=0.02)
    )
    output, _ = run(model, bins)
    assert np.corrcoef(output[2000:], target[2000:])[0, 1] > 0.5


def test_the_same_seed_gives_the_same_bits_whatever_ran_before(sequence):
    bins, target = sequence
    first = fitted(bins, target)
    torch.manual_seed(99)
    torch.rand(10)
    again, other = fitted(bins, target), fitted(bins, target, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.w_x, other.w_x)


def test_training_leaves_the_users_torch_as_it_was(sequence):
    bins, target = sequence
    torch.manual_seed(1)
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    fitted(bins[:500], target[:500])
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_purged_bar_feeds_the_state_but_not_the_loss(sequence):
    bins, target = sequence
    purged = target.copy()
    purged[1050] = np.nan
    without = fitted(bins, purged)
    other_bins = bins.copy()
    other_bins[1050] = 15 - other_bins[1050]
    assert not np.array_equal(without.w_x, fitted(other_bins, purged).w_x)
    assert not np.array_equal(without.w_x, fitted(bins, target).w_x)


def test_features_that_never_vary_are_refused():
    with pytest.raises(ModelError, match="none of the 3 features varies in the training window"):
        lstm_inputs(np.zeros(3), np.full((3, 4), np.inf), ModelsConfig())


def test_inputs_are_the_most_important_usable_features():
    edges = np.full((4, 3), np.inf)
    edges[0, :2], edges[2, :3], edges[3, :1] = [1.0, 2.0], [1.0, 2.0, 3.0], [5.0]
    columns, half = lstm_inputs(np.array([0.2, 0.9, 0.3, 0.1]), edges, ModelsConfig(lstm_inputs=2))
    np.testing.assert_array_equal(columns, [0, 2])  # feature 1 never varies
    np.testing.assert_array_equal(half, [1.0, 1.5])
