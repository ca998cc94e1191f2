"""Running many steps in one compiled call: what batch and stream share.

Each step is compiled into a driver of one signature, which takes it over a block of bars; one compiled loop
runs any list of drivers through their addresses. Calling the steps themselves through addresses cost 5 to 20
ns a cell more. Numba's own first-class functions are unpacked in Python whenever they are passed: 50
microseconds a step, where all features of a bar take 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.errors import DataError
from mlstrat.features.local import intrinsic, local_copy
from mlstrat.features.registry import HIGHER_PARAMS, HIGHER_STATE, Feature

AddressArray = NDArray[np.intp]

# Bars in which all features are computed before the next: the block of the output stays in the second cache,
# and states are taken into registers once a block.
_BLOCK = 512
# Features that a thread takes at once: three cache lines of an output row.
_GROUP = 24
# Cells below which starting threads takes longer than they save.
_WORTH_THREADS = 100_000


@dataclass(frozen=True, eq=False)
class Program:
    """A list of features, ready to run.

    Parameters
    ----------
    address : (n_features,) intp
        Where each compiled step lies; valid in this process only.
    state_at, params_at : (n_features + 1,) int64
        Where each feature's part of the flat state and of the flat parameters begins.
    params : (n_params,) float64
        Parameters of all steps.
    width : int
        Numbers in a row: 6, or 12 for pairs.
    """

    address: AddressArray
    state_at: IntArray
    params_at: IntArray
    params: FloatArray
    width: int

    def start(self) -> FloatArray:
        """Return the state before the first bar."""
        return np.zeros(int(self.state_at[-1]))

    def advance(self, state: FloatArray, rows: FloatArray, out: FloatArray, threads: int = 1) -> None:
        """Take bars in time order, changing `state` and filling `out`.

        Parameters
        ----------
        state : (n_state,) float64
            From `start`, or as an earlier call left it.
        rows : (n_bars, width) float64
            Rows of `Bars.matrix`; for pairs each followed by a row of the other symbol.
        out : (n_bars, n_features) float64
            Row t receives the values known at the close of bar t.
        threads : int
            Threads that share the features; the bits are the same for any number.

        Raises
        ------
        DataError
            An array has another shape or type; compiled steps would read or write past its end.
        """
        wanted = ((len(rows), self.width), (len(rows), len(self.address)), (int(self.state_at[-1]),))
        for array, shape in zip((rows, out, state), wanted, strict=True):
            if array.shape != shape or array.dtype != np.float64 or not array.flags.c_contiguous:
                raise DataError(
                    f"an array of shape {array.shape} and type {array.dtype} cannot be used: "
                    f"give a contiguous float64 array of shape {shape}."
                )
        fixed = rows.view()
        # Read-only and writable arrays are two types to numba: one of them keeps it at one compilation.
        fixed.flags.writeable = False
        count = len(self.address)

        def some(first: int, size: int = _GROUP) -> None:
            end = min(first + size, count)
            _run(self.address, state, self.state_at, self.params, self.params_at, fixed, out, first, end)

        if threads == 1 or out.size < _WORTH_THREADS:
            some(0, count)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, range(0, count, _GROUP)))


def compile_program(features: Sequence[Feature]) -> Program:
    """Compile the steps of these features (or load them from numba's cache) and lay out their state.

    The features are bound to a length of bar; all are pairs, or none is.
    """
    return Program(
        address=np.array([_address(_Driven.of(f)) for f in features], np.intp),
        state_at=_offsets([f.state_size for f in features]),
        params_at=_offsets([len(f.params) for f in features]),
        params=np.array([value for f in features for value in f.params], np.float64),
        width=12 if any(f.pair for f in features) else 6,
    )


def _offsets(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


@dataclass(frozen=True)
class _Driven:
    """What a compiled loop over one step depends on: see `Feature` and `local_copy`."""

    step: Any
    origin: str
    higher: bool
    n_params: int
    local: int
    split: bool

    @classmethod
    def of(cls, f: Feature) -> _Driven:
        return cls(f.step, f.origin, f.period > 0, len(f.params), f.local, 0 < f.local < f.state_size)

    @property
    def name(self) -> str:
        """A name of its own: numba keeps compiled functions by name."""
        parts = [self.step.__module__.rpartition(".")[2], self.step.py_func.__name__]
        return "_".join([*parts, *map(str, (self.n_params, self.local, int(self.split)))])


@cache
def _address(driven: _Driven) -> int:
    from numba import types

    row, table = types.Array(types.float64, 1, "C"), types.Array(types.float64, 2, "C")
    bars = types.Array(types.float64, 2, "C", readonly=True)
    signature = (row, bars, row, table, types.intp)
    dispatcher = _driver(driven)
    dispatcher.compile(signature)
    compiled = dispatcher.overloads[signature]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name))


def _driver(driven: _Driven) -> Any:
    """Return the loop over one step."""
    import numba

    inlined = numba.njit(error_model="numpy", fastmath=False, nogil=True, forceinline=True)(
        driven.step.py_func
    )
    enter, leave = local_copy(driven.local, driven.split)
    own_names = {"_step": inlined, "_enter": enter, "_leave": leave, "_fix": local_copy(driven.n_params)[0]}
    drive = _drive_higher if driven.higher else _drive
    name = f"{drive.__name__}_{driven.name}"
    own = FunctionType(drive.__code__, {**drive.__globals__, **own_names}, name)
    own.__qualname__ = name
    return njit(own, also=driven.origin)


@intrinsic
def _unowned(typing: Any, array: Any) -> Any:
    """The same array without its owner: counting references at each bar takes longer than most steps."""
    from llvmlite import ir  # type: ignore[import-untyped]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()

    return array(array), generate


@intrinsic
def _call(typing: Any, address: Any, state: Any, rows: Any, params: Any, out: Any, k: Any) -> Any:
    """Call the driver at an address, by the calling convention of numba's C wrappers."""
    from llvmlite import ir
    from numba import types

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = context.get_value_type(types.none)
        kinds = [context.get_value_type(kind) for kind in signature.args[1:]]
        function = ir.FunctionType(result, kinds)
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.none(address, state, rows, params, out, k), generate


def _drive(state: FloatArray, rows: FloatArray, params: FloatArray, out: FloatArray, k: int) -> None:
    state, rows, params, out = _unowned(state), _unowned(rows), _unowned(params), _unowned(out)
    # `_driver` gives each copy of this function its own `_step`, `_enter`, `_leave` and `_fix`.
    own, fixed = _enter(state), _fix(params)  # type: ignore[name-defined]  # noqa: F821
    for t in range(len(rows)):
        out[t, k] = _step(own, rows[t], fixed)  # type: ignore[name-defined]  # noqa: F821
    _leave(own, state)  # type: ignore[name-defined]  # noqa: F821


def _drive_higher(state: FloatArray, rows: FloatArray, params: FloatArray, out: FloatArray, k: int) -> None:
    """Gather bars of a period and give each to the step when it is complete (`higher_timeframe`).

    State: 0 the current period + 1, or 0 before the first; 1 whether its bar is open; 2 bars seen; 3 the
    last value; 4 to 9 the bar. Parameters: seconds of the period and of a bar, lookback in bars.
    """
    state, rows, params, out = _unowned(state), _unowned(rows), _unowned(params), _unowned(out)
    bar, inner, own = state[4:10], state[HIGHER_STATE:], params[HIGHER_PARAMS:]
    for t in range(len(rows)):
        row = rows[t]
        period = np.floor(row[5] / params[0])
        if state[0] != period + 1.0:
            if state[1] == 1.0:
                state[3] = _step(inner, bar, own)  # type: ignore[name-defined]  # noqa: F821
            whole = state[0] > 0.0 or row[5] == period * params[0]
            state[0], state[1] = period + 1.0, 1.0 if whole else 0.0
            bar[0], bar[1], bar[2], bar[4], bar[5] = row[0], row[1], row[2], 0.0, period * params[0]
        bar[1], bar[2], bar[3] = max(bar[1], row[1]), min(bar[2], row[2]), row[3]
        bar[4] += row[4]
        if row[5] + params[1] >= (period + 1.0) * params[0]:
            if state[1] == 1.0:
                state[3] = _step(inner, bar, own)  # type: ignore[name-defined]  # noqa: F821
            state[1] = 0.0
        state[2] += 1.0
        out[t, k] = state[3] if state[2] >= params[2] else np.nan


@njit
def _run(
    address: AddressArray,
    state: FloatArray,
    state_at: IntArray,
    params: FloatArray,
    params_at: IntArray,
    rows: FloatArray,
    out: FloatArray,
    begin: int,
    end: int,
) -> None:
    n_bars = len(rows)
    for first in range(0, n_bars, _BLOCK):
        last = min(first + _BLOCK, n_bars)
        for k in range(begin, end):
            own_state = state[state_at[k] : state_at[k + 1]]
            own_params = params[params_at[k] : params_at[k + 1]]
            _call(address[k], own_state, rows[first:last], own_params, out[first:last], k)
