"""Reading the JSON object that describes a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pixelrec.errors import RunError
from pixelrec.files.regular import demand_regular

MEND = "put it back from a copy, or train again"
LARGEST = 16 << 20  # bytes, hundreds of times the usual


def read_object(path: Path, owner: str, absent: str) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: of the file.
        owner: whose description it is, for messages: "run".
        absent: the message if there is no such file.

    Raises:
        RunError: it is missing, cannot be read, or holds no object.
    """
    try:
        demand_regular(path)
        if path.stat().st_size > LARGEST:
            raise RunError(f"{path}: too large, over {LARGEST >> 20} MB; {_damaged(owner)}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(absent) from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8, or of nesting
        raise RunError(f"{path}: not JSON ({error}); {_damaged(owner)}") from None
    if not isinstance(found, dict):
        raise RunError(f"{path}: expected an object; {_damaged(owner)}")
    return found


def _damaged(owner: str) -> str:
    return f"the {owner} is damaged: {MEND}"


def digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of an object, however it is written."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
