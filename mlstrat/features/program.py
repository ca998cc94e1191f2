"""Running many steps in one compiled call: what batch and stream share.

All steps have one signature, so one compiled loop runs any list of them through their addresses. Calling
through an address costs what a direct call costs. Numba's own first-class functions are unpacked in Python
whenever they are passed: 50 microseconds a step, where all features of a bar take 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.errors import DataError
from mlstrat.features.registry import Feature, Step

AddressArray = NDArray[np.intp]

# Bars in which all features are computed before the next: the block of the output stays in the cache.
_BLOCK = 256


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
    """

    address: AddressArray
    state_at: IntArray
    params_at: IntArray
    params: FloatArray

    def start(self) -> FloatArray:
        """Return the state before the first bar."""
        return np.zeros(int(self.state_at[-1]))

    def advance(self, state: FloatArray, rows: FloatArray, out: FloatArray) -> None:
        """Take bars in time order, changing `state` and filling `out`.

        Parameters
        ----------
        state : (n_state,) float64
            From `start`, or as an earlier call left it.
        rows : (n_bars, 6) float64
            Rows of `Bars.matrix`.
        out : (n_bars, n_features) float64
            Row t receives the values known at the close of bar t.

        Raises
        ------
        DataError
            An array has another shape or type; compiled steps would read or write past its end.
        """
        wanted = ((len(rows), 6), (len(rows), len(self.address)), (int(self.state_at[-1]),))
        for array, shape in zip((rows, out, state), wanted, strict=True):
            if array.shape != shape or array.dtype != np.float64 or not array.flags.c_contiguous:
                raise DataError(
                    f"an array of shape {array.shape} and type {array.dtype} cannot be used: "
                    f"give a contiguous float64 array of shape {shape}."
                )
        fixed = rows.view()
        # Read-only and writable arrays are two types to numba: one of them keeps it at one compilation.
        fixed.flags.writeable = False
        _run(self.address, state, self.state_at, self.params, self.params_at, fixed, out)


def compile_program(features: Sequence[Feature]) -> Program:
    """Compile the steps of these features (or load them from numba's cache) and lay out their state."""
    return Program(
        address=np.array([_address(f.step) for f in features], np.intp),
        state_at=_offsets([f.state_size for f in features]),
        params_at=_offsets([len(f.params) for f in features]),
        params=np.array([value for f in features for value in f.params], np.float64),
    )


def _offsets(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


@cache
def _address(step: Step) -> int:
    from numba import types

    row = types.Array(types.float64, 1, "C")
    dispatcher: Any = step
    dispatcher.compile((row, row, row))
    compiled = dispatcher.overloads[(row, row, row)]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name))


def _intrinsic(function: Any) -> Any:
    from numba.extending import intrinsic

    return intrinsic(function)


@_intrinsic
def _call(typing: Any, address: Any, state: Any, bar: Any, params: Any) -> Any:
    """Call the step at an address, by the calling convention of numba's C wrappers.

    The arrays are passed without their owner: the caller keeps them alive, and counting references at each
    bar would take longer (atomic, 35 ns) than most steps.
    """
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba import types

    def unowned(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = ir.Constant(array.meminfo.type, None)
        return array._getvalue()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args[1:]
        result = context.get_value_type(types.float64)
        function = ir.FunctionType(result, [context.get_value_type(kind) for kind in kinds])
        arrays = [unowned(context, builder, *pair) for pair in zip(kinds, arguments[1:], strict=True)]
        return builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arrays)

    return types.float64(address, state, bar, params), generate


@njit
def _run(
    address: AddressArray,
    state: FloatArray,
    state_at: IntArray,
    params: FloatArray,
    params_at: IntArray,
    rows: FloatArray,
    out: FloatArray,
) -> None:
    n_bars = len(rows)
    for first in range(0, n_bars, _BLOCK):
        last = min(first + _BLOCK, n_bars)
        for k in range(len(address)):
            own_state = state[state_at[k] : state_at[k + 1]]
            own_params = params[params_at[k] : params_at[k + 1]]
            for t in range(first, last):
                out[t, k] = _call(address[k], own_state, rows[t], own_params)
