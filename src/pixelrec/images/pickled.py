"""Pictures in pickles, read without unpickling: nothing that a pickle asks for is imported or called.

A pickle is a program that builds objects. Its values are collected here, with notes of the objects that it
asks for; a NumPy array, or a picture of the published benchmark code, is then put together from these. A
pickle that asks for anything else is refused by the name of that.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from pixelrec.errors import ImageError
from pixelrec.images.decode import MAX_PIXELS, Refused

_PICTURE = "LMDB_Image"  # the class of the published code, in whatever module it was written
_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy.core.numeric", "_frombuffer"): "buffer",
    ("numpy._core.numeric", "_frombuffer"): "buffer",
    ("numpy", "ndarray"): "class",
    ("numpy", "dtype"): "dtype",
    ("copyreg", "_reconstructor"): "object",  # as protocols 0 and 1 ask for any object
    ("copy_reg", "_reconstructor"): "object",
    ("builtins", "object"): "class",
    ("__builtin__", "object"): "class",
    ("_codecs", "encode"): "encode",  # as protocols 0 to 2 write bytes
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_VALUES = frozenset({"INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "FLOAT", "BINFLOAT"})
_VALUES |= {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"}
_VALUES |= {"BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_MARK = object()  # where a tuple, a list or a dict begins on the stack
_FAULTS = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)


@final
@dataclass(eq=False)
class _Asked:
    """An object that a pickle asks for, by the kind of what should make it."""

    kind: str  # of _KNOWN, or "picture"
    arguments: Any = None
    state: Any = None


def unpickled_picture(data: bytes, place: str) -> np.ndarray:
    """uint8[height, width, 3] of a pickle that holds such an array, or a picture of the published code.

    Raises:
        ImageError: it asks for something else; `place` begins the message.
        Refused: it is damaged, or holds no such picture.
    """
    try:
        pixels = _pixels(_value(data, place))
    except _FAULTS as error:
        raise Refused("damaged", f"no readable pickle ({str(error)[:80] or type(error).__name__})") from None
    if pixels is None:
        raise Refused("not-a-picture", "the pickle holds no uint8 array of height × width × 3")
    return pixels


def _value(data: bytes, place: str) -> Any:
    """The value of a pickle, with `_Asked` for its objects."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for code, argument, _ in pickletools.genops(data):
        name = code.name
        if name == "STOP":
            return stack.pop()
        if name in _VALUES:
            stack.append(argument)
        elif name in {"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"}:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in {"BINGET", "LONG_BINGET", "GET"}:
            stack.append(memo[argument])
        elif not _step(name, argument, stack, place):
            raise Refused("not-a-picture", f"the pickle has the instruction {name}, which no picture needs")
    raise ValueError("it is cut off")


def _step(name: str, argument: Any, stack: list[Any], place: str) -> bool:
    """Carries out an instruction on the stack; False: it is none that a picture needs."""
    match name:
        case "PROTO" | "FRAME":
            pass
        case _ if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        case _ if name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        case "MARK":
            stack.append(_MARK)
        case "EMPTY_DICT":
            stack.append({})
        case "DICT":
            values = _marked(stack)
            stack.append(dict(zip(values[::2], values[1::2], strict=True)))
        case "TUPLE":
            stack.append(tuple(_marked(stack)))
        case "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        case "SETITEMS":
            values = _marked(stack)
            stack[-1].update(zip(values[::2], values[1::2], strict=True))
        case "GLOBAL":
            stack.append(_asked(*argument.split(" ", 1), place=place))
        case "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_asked(module, attribute, place=place))
        case "REDUCE" | "NEWOBJ":
            arguments = stack.pop()
            stack[-1] = _made(stack[-1].kind, arguments)
        case "BUILD":
            state = stack.pop()
            stack[-1].state = state
        case _:
            return False
    return True


def _marked(stack: list[Any]) -> list[Any]:
    """Takes all values above the last mark."""
    values: list[Any] = []
    while (value := stack.pop()) is not _MARK:
        values.append(value)
    return values[::-1]


def _asked(module: str, name: str, *, place: str) -> _Asked:
    kind = "picture" if name == _PICTURE else _KNOWN.get((module, name))
    if kind is None:
        raise ImageError(
            f"{place}: the pickle asks for {module}.{name}, which no picture needs, so it is not read and "
            "nothing of it was run; do not open it with other programs"
        )
    return _Asked(kind)


def _made(kind: str, arguments: Any) -> Any:
    """The object, or the bytes that an old protocol spells as letters."""
    if kind == "encode":
        text, encoding = arguments
        if encoding != "latin1":
            raise ValueError(f"bytes are written as {encoding!r}")
        return text.encode("latin-1")
    return _Asked(arguments[0].kind if kind == "object" else kind, arguments)


def _pixels(value: Any) -> np.ndarray | None:
    match value:
        case _Asked("picture", _, {"image": raw, "size": size, "channels": channels}):
            return _shaped(raw, (*size, channels), order="C")
        case _Asked("array", _, (_, shape, _Asked("dtype", ("u1", *_)), fortran, raw)):
            return _shaped(raw, shape, order="F" if fortran else "C")
        case _Asked("buffer", (raw, _Asked("dtype", ("u1", *_)), shape, "C" | "F" as order)):
            return _shaped(raw, shape, order=order)
    return None


def _shaped(raw: Any, shape: Any, *, order: Any) -> np.ndarray | None:
    if len(shape) != 3 or any(type(side) is not int or side < 1 for side in shape) or shape[2] != 3:
        return None
    height, width, _ = shape
    if height * width > MAX_PIXELS:
        raise Refused("too-large", f"{width} × {height} pixels, at most {MAX_PIXELS:,} are read")
    content = raw.encode("latin-1") if isinstance(raw, str) else raw  # text of Python 2
    if len(content) != height * width * 3:
        raise ValueError(f"{len(content):,} bytes for {height} × {width} × 3")
    return np.frombuffer(content, np.uint8).reshape(shape, order=order).copy("C")  # PyTorch wants to write
