"""Instructions that numba does not offer: unaligned loads, prefetching, 64 bytes at once.

Each becomes an LLVM operation, which is compiled for the processor at hand.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

PADDING = 64  # bytes that must be readable after the last byte of interest

_BIT, _BYTE, _INT, _WORD = (ir.IntType(n) for n in (1, 8, 32, 64))
_BLOCK = ir.VectorType(_BYTE, PADDING)


def byte_set(characters):
    """Make a function (data, at) -> uint64: bit k is set if data[at + k] is in `characters`.

    data: uint8. The characters must be ASCII, whose bytes are in no other character of UTF-8.
    """
    ranges = _ranges(sorted(characters.encode("ascii")))

    @intrinsic
    def mask_of_characters(_typing, data, at):
        def generate(context, builder, signature, args):
            address = builder.bitcast(
                _address(context, builder, signature, args), _BLOCK.as_pointer()
            )
            block = builder.load(address, align=1)
            is_in_set = ir.Constant(ir.VectorType(_BIT, PADDING), [0] * PADDING)
            for first, last in ranges:
                shifted = builder.sub(block, _repeated(first))
                is_in_range = builder.icmp_unsigned("<=", shifted, _repeated(last - first))
                is_in_set = builder.or_(is_in_set, is_in_range)
            return builder.bitcast(is_in_set, _WORD)

        return types.uint64(data, types.int64), generate

    return mask_of_characters


@intrinsic
def load_word(_typing, data, at):
    """Load the 8 bytes of `data` (uint8) from `at` on as a little-endian uint64."""

    def generate(context, builder, signature, args):
        address = builder.bitcast(_address(context, builder, signature, args), _WORD.as_pointer())
        return builder.load(address, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def prefetch(_typing, array, at):
    """Prefetch the cache line of array[at]; an index out of bounds does no harm."""

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
    """Index of the lowest set bit of a uint64 that is not 0."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], _BIT(1))

    return types.int64(types.uint64), generate


def _address(context, builder, signature, args):
    array = make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _repeated(byte):
    return ir.Constant(_BLOCK, [byte] * PADDING)


def _ranges(values):
    """Merge ascending integers to ranges [first, last]."""
    ranges: list[list[int]] = []
    for value in values:
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ranges
