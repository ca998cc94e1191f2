"""The sequence model: a stateful LSTM layer (Hochreiter and Schmidhuber 1997), trained by PyTorch.

It is trained by truncated back-propagation on contiguous segments with the state carried over, and
predicts one step a bar, so that live, batch and script run the same recursion.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.config import ModelsConfig
from mlstrat.errors import MissingExtraError, ModelError

STREAMS = 32  # contiguous segments trained side by side
TRUNCATION = 64  # bars of back-propagation
WEIGHT_DECAY = 0.01


class Lstm(NamedTuple):
    """Weights of one layer; gates stand in PyTorch's order: input, forget, cell, output.

    `inputs` are the feature columns used, `half` half the number of their edges: the input is the
    bin's place in [-1, 1]. Shapes: `w_x` (n_inputs, 4 units), `w_h` (units, 4 units), `bias` (4 units,),
    `w_out` (units,).
    """

    inputs: IntArray
    half: FloatArray
    w_x: FloatArray
    w_h: FloatArray
    bias: FloatArray
    w_out: FloatArray
    b_out: float


def lstm_inputs(
    importances: FloatArray, edges: FloatArray, config: ModelsConfig
) -> tuple[IntArray, FloatArray]:
    """Choose the LSTM's features by the forest's importance within the training window.

    Returns
    -------
    (n_inputs,) int64, (n_inputs,) float64
        Columns, ascending, and half their number of edges.

    Raises
    ------
    ModelError
        No feature varies.
    """
    count = np.isfinite(edges).sum(axis=1)
    usable = np.flatnonzero(count > 0)
    if not len(usable):
        raise ModelError(
            f"none of the {len(edges)} features varies in the training window: "
            "check the bars, or choose other features."
        )
    best = usable[np.argsort(-importances[usable], kind="stable")[: config.lstm_inputs]]
    columns = np.sort(best).astype(np.int64)
    return columns, count[columns] / 2.0


def silent_lstm(inputs: IntArray, half: FloatArray) -> Lstm:
    """Return a layer of one cell that says 0: what stands where the LSTM is replaced or left out."""
    none = np.zeros((len(inputs), 4)), np.zeros((1, 4)), np.zeros(4), np.zeros(1)
    return Lstm(inputs, half, *none, b_out=0.0)


def scaled_inputs(bins: IntArray, inputs: IntArray, half: FloatArray) -> FloatArray:
    """Return (n_rows, n_inputs) bins scaled to [-1, 1]."""
    return np.asarray(bins[:, inputs] / half - 1.0)


def fit_lstm(
    bins: IntArray,
    target: FloatArray,
    inputs: IntArray,
    half: FloatArray,
    config: ModelsConfig,
    seed: int,
    weight: FloatArray | None = None,
    start: Lstm | None = None,
) -> Lstm:
    """Train the LSTM on a contiguous sequence.

    Parameters
    ----------
    bins : (n_bars, n_features) int64
        Binned features of every bar of the sequence, purged ones too.
    target : (n_bars,) float64
        Standardised return; NaN where the label may not train.
    inputs, half : arrays
        From `lstm_inputs`.
    config : ModelsConfig
        Units, epochs, learning rate.
    seed : int
        Seed of the initial weights.
    weight : (n_bars,) float64, optional
        How much each target counts; default 1 each.
    start : Lstm, optional
        Weights to begin with, of as many units; an input that it does not have begins at random.

    Raises
    ------
    MissingExtraError
        PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", "The LSTM") from error
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads are not reproducible
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            counts = np.isfinite(target).astype(np.float64) if weight is None else weight
            x = scaled_inputs(bins, inputs, half)
            return _train(torch, x, target, counts, inputs, half, config, start)
    finally:
        torch.set_num_threads(threads)


def _train(
    torch: Any,
    x: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    inputs: IntArray,
    half: FloatArray,
    config: ModelsConfig,
    start: Lstm | None,
) -> Lstm:
    # Weights are drawn on the CPU, so that a seed means the same everywhere; sums differ in their last bits.
    device = "cuda" if config.device == "auto" and torch.cuda.is_available() else "cpu"
    net = torch.nn.LSTM(x.shape[1], config.lstm_units).to(device)
    head = torch.nn.Linear(config.lstm_units, 1).to(device)
    if start is not None:
        with torch.no_grad():
            _begin(torch, net, head, inputs, start)
    weights = [*net.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=config.lstm_learning_rate, weight_decay=WEIGHT_DECAY)
    parts = _segments(x, target, weight)
    sequence, wanted, counts = (torch.from_numpy(part).to(device) for part in parts)
    for _ in range(config.lstm_epochs):
        state = None
        for begin in range(0, len(sequence), TRUNCATION):
            part = slice(begin, begin + TRUNCATION)
            output, state = net(sequence[part], state)
            error = head(output)[..., 0] - wanted[part]
            loss = (counts[part] * error**2).sum() / counts[part].sum().clamp(min=1.0)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            state = tuple(part_state.detach() for part_state in state)
    return _arrays(net, head, inputs, half)


def _begin(torch: Any, net: Any, head: Any, inputs: IntArray, start: Lstm) -> None:
    """Put the weights of `start` in the place of the random ones, by input."""
    _, here, there = np.intersect1d(inputs, start.inputs, return_indices=True)
    net.weight_ih_l0[:, torch.from_numpy(here)] = torch.from_numpy(start.w_x[there].T).float()
    net.weight_hh_l0.copy_(torch.from_numpy(start.w_h.T))
    net.bias_ih_l0.copy_(torch.from_numpy(start.bias))
    net.bias_hh_l0.zero_()
    head.weight[0] = torch.from_numpy(start.w_out).float()
    head.bias.fill_(start.b_out)


def _segments(x: FloatArray, target: FloatArray, weight: FloatArray) -> tuple[NDArray[np.float32], ...]:
    """Cut the sequence into streams: (steps, streams, inputs), target and weight (steps, streams)."""
    streams = max(1, min(STREAMS, len(x) // TRUNCATION))
    steps = len(x) // streams
    used = slice(len(x) - steps * streams, len(x))

    def lay(values: FloatArray) -> NDArray[np.float32]:
        shaped = values[used].reshape(streams, steps, -1).swapaxes(0, 1)
        return np.ascontiguousarray(shaped, np.float32)

    known = np.isfinite(target)
    return lay(x), lay(np.where(known, target, 0.0))[..., 0], lay(np.where(known, weight, 0.0))[..., 0]


def _arrays(net: Any, head: Any, inputs: IntArray, half: FloatArray) -> Lstm:
    def plain(tensor: Any) -> FloatArray:
        return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(np.float64))

    return Lstm(
        inputs=inputs,
        half=half,
        w_x=plain(net.weight_ih_l0.T),
        w_h=plain(net.weight_hh_l0.T),
        bias=plain(net.bias_ih_l0) + plain(net.bias_hh_l0),
        w_out=plain(head.weight[0]),
        b_out=float(head.bias[0].item()),
    )


@njit
def lstm_step(
    bins: IntArray,
    state: FloatArray,
    gates: FloatArray,
    inputs: IntArray,
    half: FloatArray,
    w_x: FloatArray,
    w_h: FloatArray,
    bias: FloatArray,
    w_out: FloatArray,
    b_out: float,
) -> float:
    """Carry the state through one bar and return the output.

    Parameters
    ----------
    bins : (n_features,) int64
        The bar's bins.
    state : (2, units) float64
        h and c; changed in place.
    gates : (4 units,) float64
        Work space.
    """
    units = len(w_out)
    for k in range(4 * units):
        gates[k] = bias[k]
    for i in range(len(inputs)):
        x = bins[inputs[i]] / half[i] - 1.0
        for k in range(4 * units):
            gates[k] += w_x[i, k] * x
    for j in range(units):
        h = state[0, j]
        for k in range(4 * units):
            gates[k] += w_h[j, k] * h
    output = b_out
    for j in range(units):
        cell = _sigmoid(gates[units + j]) * state[1, j] + _sigmoid(gates[j]) * _tanh(gates[2 * units + j])
        hidden = _sigmoid(gates[3 * units + j]) * _tanh(cell)
        state[0, j] = hidden
        state[1, j] = cell
        output += w_out[j] * hidden
    return output


@njit
def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@njit
def _tanh(x: float) -> float:
    # Pine has no tanh; every engine uses this form.
    return 2.0 / (1.0 + math.exp(-2.0 * x)) - 1.0
