"""The ctypes of foreign functions that every start needs: those for loading a function.

They are made of `_ctypes`, the module beneath `ctypes`, which takes a fifth of the time to import.
"""

from _ctypes import CFuncPtr

ABI_VERSION = 1
CDECL = 1  # FUNCFLAG_CDECL: the C calling convention, called without the GIL


class NativeFunction(CFuncPtr):
    """A function that returns a 32-bit number, or nothing: then the number has no meaning.

    Each class of ctypes takes as long to make as a module to import, so this one is for nearly all foreign functions.
    Without a type for its result, that is an `int`. Its arguments are numbers of that type, and pointers by `byref`.
    """

    _flags_ = CDECL
