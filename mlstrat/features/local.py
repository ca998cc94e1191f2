"""How compiled steps reach their state: local copies and views, in place of numba's own indexing.

A loop over bars that carries its state through an array waits for memory at each bar. A local array that is
reached by constant indices only is kept in registers; the njit loop of `program` takes the front of the state
into one before its bars, and puts it back after them.
"""

from typing import Any


def intrinsic(function: Any) -> Any:
    """Make numba compile a call of this function into the instructions that it returns."""
    from numba.extending import intrinsic as register

    return register(function)


def _row(split: bool = False) -> Any:
    """Return the type of a row of numbers; numba tells a split one from a whole one by the alignment."""
    from numba import types

    return types.Array(types.float64, 1, "C", aligned=not split)


def _view(context: Any, builder: Any, kind: Any, data: Any, length: Any, rest: Any = None) -> Any:
    """Return a row at an address, without an owner: counting references takes longer than most steps."""
    from numba.core import cgutils
    from numba.np.arrayobj import populate_array

    view = context.make_array(kind)(context, builder)
    eight = cgutils.intp_t(8)
    populate_array(view, data, shape=[length], strides=[eight], itemsize=eight, meminfo=None, parent=rest)
    return view._getvalue()


@intrinsic
def head_at(typing: Any, array: Any, at: Any) -> Any:
    """The state from `at` on, which is not negative: numba would look after that at each bar."""
    from numba import types

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.make_array(array)(context, builder, arguments[0])
        data = builder.gep(given.data, [arguments[1]], inbounds=True)
        return _view(context, builder, signature.return_type, data, given.nitems)

    return _row()(array, types.intp), generate


@intrinsic
def values_at(typing: Any, array: Any, at: Any) -> Any:
    """As `head_at`, for values that a changing index reaches: they are never in the local array."""
    from numba import types

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.make_array(array)(context, builder, arguments[0])
        whole = given.data if array.aligned else builder.bitcast(given.parent, given.data.type)
        data = builder.gep(whole, [arguments[1]], inbounds=True)
        return _view(context, builder, signature.return_type, data, given.nitems)

    return _row()(array, types.intp), generate


def local_copy(count: int, split: bool = False) -> tuple[Any, Any]:
    """Return two compiled functions: one takes the first `count` numbers of a row into a local array, the
    other puts them back. With 0 the row itself is used.

    Parameters
    ----------
    count : int
        How many.
    split : bool
        Whether the row has numbers beyond these; `values_at` finds them where they were.
    """

    @intrinsic
    def enter(typing: Any, array: Any) -> Any:
        from numba.core import cgutils

        kind = _row(split) if count else array

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if count == 0:
                return arguments[0]
            given = context.make_array(array)(context, builder, arguments[0])
            data = cgutils.alloca_once(builder, given.data.type.pointee, cgutils.intp_t(count))
            _copy(builder, given.data, data, count)
            rest = builder.bitcast(given.data, cgutils.voidptr_t) if split else None
            return _view(context, builder, kind, data, cgutils.intp_t(count), rest)

        return kind(array), generate

    @intrinsic
    def leave(typing: Any, local: Any, array: Any) -> Any:
        from numba import types

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            own = context.make_array(local)(context, builder, arguments[0])
            given = context.make_array(array)(context, builder, arguments[1])
            _copy(builder, own.data, given.data, count)
            return context.get_dummy_value()

        return types.none(local, array), generate

    return enter, leave


def _copy(builder: Any, source: Any, target: Any, count: int) -> None:
    from numba.core import cgutils

    for i in range(count):
        place = [cgutils.intp_t(i)]
        builder.store(builder.load(builder.gep(source, place)), builder.gep(target, place))
