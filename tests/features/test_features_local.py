"""Keeping the front of a state in registers changes nothing but the time it takes."""

from dataclasses import replace

import numpy as np
import pytest

from mlstrat.data.synthetic import random_walk
from mlstrat.features.lookup import registered
from mlstrat.features.program import compile_program

ROWS = random_walk(700, 3, step_ticks=4000.0).matrix
# A window, a ring, sums with a pivot, several windows, a ring with an age, and states of one size.
NAMES = ("sma_20", "ret_5", "cci_20", "bb_width", "autocorr_20", "stoch_d_14", "aroon_25", "rsi_14", "adx_14")


def values(f, lengths):
    program = compile_program([f])
    state, out = program.start(), np.empty((len(ROWS), 1))
    for last in np.cumsum(lengths):
        first = last - lengths[0]
        program.advance(state, ROWS[first:last], out[first:last])
    return out[:, 0], state


@pytest.mark.parametrize("name", NAMES)
def test_a_local_state_gives_the_bits_of_one_in_memory(name):
    f = registered()[name]
    assert f.local > 0
    local, state = values(f, [700])
    memory, left = values(replace(f, local=0), [700])
    assert local.tobytes() == memory.tobytes()
    assert state.tobytes() == left.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_local_state_is_put_back_after_each_stretch_of_bars(name):
    f = registered()[name]
    whole, state = values(f, [700])
    pieces, left = values(f, [7] * 100)
    assert pieces.tobytes() == whole.tobytes()
    assert left.tobytes() == state.tobytes()


def test_a_state_is_local_up_to_its_values_at_most():
    for f in registered().values():
        assert 0 <= f.local <= f.state_size, f.name
