"""Array types, and the one way this package compiles a function with numba."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
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


def njit(function: Callable[P, R], inline: bool = False, also: str = "") -> Callable[P, R]:
    """Compile with numba: cached on disk, IEEE division, and never a reordered sum.

    `fastmath` stays off, so that batch and one-bar-at-a-time give the same bits. `inline` makes LLVM put the
    function into its callers. Numba renews a cached function only when the file that defines it changes,
    though code of other files is compiled into it; here it is renewed when any compiled file changes, or
    the file `also`, which lies outside this package.
    """
    import numba

    compiled: Any = numba.njit(
        cache=True, error_model="numpy", fastmath=False, nogil=True, forceinline=inline
    )(function)
    compiled._cache._cache_file._source_stamp = _source_stamp() + (_hash_of(also) if also else "")
    return compiled  # type: ignore[no-any-return]


@cache
def _source_stamp() -> str:
    """Return the hash of this package's files that define compiled functions."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        content = path.read_bytes()
        if b"njit" in content or b"@feature" in content:
            digest.update(content)
    return digest.hexdigest()


def _hash_of(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous copy that cannot be written to."""
    out = np.array(array, order="C", copy=True)
    out.setflags(write=False)
    return out
