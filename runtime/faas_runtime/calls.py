"""The types of foreign functions that are needed to load a function: the little of `_ctypes` that every start takes.

The package `ctypes` takes five times as long to import as `_ctypes`, the module beneath it.
"""

from _ctypes import CFuncPtr, _SimpleCData

ABI_VERSION = 1
CDECL = 1  # FUNCFLAG_CDECL: call without the GIL


class Int32(_SimpleCData):  # type: ignore[type-arg]
    """`int32_t`."""

    _type_ = "i"


class UInt32(_SimpleCData):  # type: ignore[type-arg]
    """`uint32_t`."""

    _type_ = "I"


class HandlerFunction(CFuncPtr):
    """A handler, or a hook, which takes the response alone; the arguments are made by `byref`, once."""

    _flags_ = CDECL
    _restype_ = Int32


class VersionFunction(CFuncPtr):
    """`faas_abi_version`."""

    _flags_ = CDECL
    _restype_ = UInt32


class Procedure(CFuncPtr):
    """A function that returns nothing: `faas_shutdown`, or a response's `release`."""

    _flags_ = CDECL
    _restype_ = None
