"""Machine instructions that numba does not offer: unaligned words, prefetching, 64 bytes at once.

Each becomes LLVM's own operation, so it is compiled for whatever processor runs it.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

PADDING = 64  # bytes that must be readable behind the last one of interest

_BIT, _BYTE, _INT, _WORD = (ir.IntType(n) for n in (1, 8, 32, 64))
_BLOCK = ir.VectorType(_BYTE, PADDING)


def byte_set(characters):
    """A function (data, at) -> uint64: bit k tells whether data[at + k] is one of `characters`.

    data: uint8. The characters must be ASCII, so that UTF-8 has their bytes nowhere else.
    """
    ranges = _ranges(sorted(characters.encode("ascii")))

    @intrinsic
    def where(_typing, data, at):
        def generate(context, builder, signature, args):
            address = builder.bitcast(
                _address(context, builder, signature, args), _BLOCK.as_pointer()
            )
            block = builder.load(address, align=1)
            found = ir.Constant(ir.VectorType(_BIT, PADDING), [0] * PADDING)
            for first, last in ranges:
                shifted = builder.sub(block, _repeated(first))
                inside = builder.icmp_unsigned("<=", shifted, _repeated(last - first))
                found = builder.or_(found, inside)
            return builder.bitcast(found, _WORD)

        return types.uint64(data, types.int64), generate

    return where


@intrinsic
def load_word(_typing, data, at):
    """The 8 bytes of `data` (uint8) from `at` on, as a little-endian uint64."""

    def generate(context, builder, signature, args):
        address = builder.bitcast(_address(context, builder, signature, args), _WORD.as_pointer())
        return builder.load(address, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def prefetch(_typing, array, at):
    """Ask for the cache line of array[at]; it may lie anywhere, nothing is read yet."""

    def generate(context, builder, signature, args):
        address = builder.bitcast(_address(context, builder, signature, args), _BYTE.as_pointer())
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT, _INT, _INT]),
            "llvm.prefetch.p0",
        )
        to_read, keep, data_cache = _INT(0), _INT(3), _INT(1)
        builder.call(function, [address, to_read, keep, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def lowest_bit(_typing, word):
    """Position of the lowest bit set in a uint64 that is not 0."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], _BIT(1))

    return types.int64(types.uint64), generate


def _address(context, builder, signature, args):
    array = make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _repeated(byte):
    return ir.Constant(_BLOCK, [byte] * PADDING)


def _ranges(values):
    ranges: list[list[int]] = []
    for value in values:
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ranges
