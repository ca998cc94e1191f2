"""After how many bars an LSTM has forgotten with what state it began: measured on a run's own bars."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.capsule import Capsule
from mlstrat.models.binning import bin_block
from mlstrat.models.lstm import Lstm, scaled_inputs

EVERY = 13  # bars between two starts that are tried
WITHIN = 1e-11  # of the state: far below what moves a probability by 1e-9
# By how much the worst start found is exceeded: between those tried lie others.
MARGIN = 2.0


def settling_bars(capsule: Capsule, x: FloatArray) -> int | None:
    """Return the bars that the worst start takes, with a margin.

    A chart that begins within a window hands its LSTM a state of another time. From starts all over the
    window's bars, with its stored state, with zeros and with the state of another time, the LSTM runs beside
    the one that has seen every bar.

    Parameters
    ----------
    capsule : Capsule
        The window.
    x : (n_bars, n_features) float64
        Features of the bars that it speaks for, finite.

    Returns
    -------
    int or None
        0 without an LSTM; None where the bars do not tell: too few, or a start that never settles.
    """
    lstm = capsule.ensemble.models.lstm
    if not (lstm.w_out.any() or lstm.b_out):
        return 0
    inputs = scaled_inputs(bin_block(x, capsule.ensemble.models.edges), lstm.inputs, lstm.half)
    true = _states(inputs, capsule.state, lstm)
    found = [
        _until_same(inputs, true, other, lstm)
        for other in (capsule.state, np.zeros_like(capsule.state), true[len(true) // 2])
    ]
    return None if None in found else int(np.ceil(MARGIN * max(bars or 0 for bars in found)))


def _states(inputs: FloatArray, state: FloatArray, lstm: Lstm) -> FloatArray:
    """(n_bars + 1, 2, units) state before each bar and after the last one."""
    states = np.empty((len(inputs) + 1, *state.shape))
    states[0] = state
    for t in range(len(inputs)):
        states[t + 1] = _step(inputs[t], states[t][:, None], lstm)[:, 0]
    return states


def _until_same(inputs: FloatArray, true: FloatArray, other: FloatArray, lstm: Lstm) -> int | None:
    """Return the longest way to the true state from the first half of the bars; None = not found."""
    starts = np.arange(0, len(inputs) // 2, EVERY)
    if not len(starts):
        return None
    states = np.repeat(other[:, None], len(starts), axis=1)
    for bars in range(len(inputs) - int(starts[-1])):
        gap = np.abs(states - true[starts + bars].swapaxes(0, 1)).max(axis=(0, 2))
        if (gap < WITHIN).all():
            return bars
        states = _step(inputs[starts + bars], states, lstm)
    return None


def _step(inputs: FloatArray, states: FloatArray, lstm: Lstm) -> FloatArray:
    """Carry states (2, n, units) through one bar of inputs (n, n_inputs) or (n_inputs,)."""
    gates = lstm.bias + inputs @ lstm.w_x + states[0] @ lstm.w_h
    enter, forget, cell, shown = np.split(gates, 4, axis=-1)
    c = _sigmoid(forget) * states[1] + _sigmoid(enter) * np.tanh(cell)
    return np.stack([_sigmoid(shown) * np.tanh(c), c])


def _sigmoid(z: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-z)))
