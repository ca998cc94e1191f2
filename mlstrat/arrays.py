"""Array types, and the one way this package compiles a function with numba."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SideArray = NDArray[np.int8]
BoolArray = NDArray[np.bool_]
TimeArray = NDArray[np.datetime64]

P = ParamSpec("P")
R = TypeVar("R")


def njit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba: cached on disk, IEEE division, and never a reordered sum.

    `fastmath` stays off, so that batch and one-bar-at-a-time give the same bits.
    """
    import numba

    compiled: Any = numba.njit(cache=True, error_model="numpy", fastmath=False, nogil=True)
    return compiled(function)  # type: ignore[no-any-return]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous copy that cannot be written to."""
    out = np.array(array, order="C", copy=True)
    out.setflags(write=False)
    return out
