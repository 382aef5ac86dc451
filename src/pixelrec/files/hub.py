"""Folders on the Hugging Face hub, or on a server like it that HF_ENDPOINT names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixelrec.errors import RunError, demand_library, first_line

PREFIX = "hf://"
_NAME = r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?"
_ADDRESS = re.compile(
    rf"(hf:/{{1,2}})?({_NAME})(?:@([\w./-]{{1,250}}))?"
)  # a path has lost one of the slashes


def is_address(place: Path | str) -> bool:
    """Whether a place is one on the hub: hf://OWNER/NAME, or with @REVISION behind it."""
    return str(place).startswith("hf:")


def local(place: Path | str, files: Sequence[str] = ()) -> Path:
    """A folder of this machine: as it is, or downloaded from the hub, unless it was before.

    Args:
        place: a folder, hf://OWNER/NAME, or OWNER/NAME if there is no such folder.
        files: patterns of the files to download.

    Raises:
        RunError: it cannot be downloaded.
    """
    found = _ADDRESS.fullmatch(str(place))
    if found is None or (not found[1] and (Path(place).exists() or "/" not in found[2])):
        if is_address(place):
            raise RunError(f"{place}: no address on the hub; expected {PREFIX}OWNER/NAME")
        return Path(place)
    with _explained(found[2], "no such folder, and "):
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(
                found[2],
                revision=found[3],
                allow_patterns=list(files) or None,
                cache_dir=_cache(),
                **_server(),
            )
        )


def upload(folder: Path, name: str, *, private: bool) -> str:
    """Makes the repository if it is missing, and replaces its files by those of `folder`; its address.

    Raises:
        RunError: it cannot be uploaded.
    """
    if not re.fullmatch(_NAME, name):
        raise RunError(f"{name!r} is no name on the hub; expected OWNER/NAME")
    with _explained(name):
        from huggingface_hub import HfApi

        hub = HfApi(**_server())
        made = hub.create_repo(name, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            delete_patterns="*",
            commit_message="Published by pixelrec",
        )
        return str(made)


def _server() -> dict[str, Any]:
    return {"endpoint": os.environ.get("HF_ENDPOINT")}


def _cache() -> str | None:
    return os.environ.get("HF_HUB_CACHE")


@contextmanager
def _explained(name: str, before: str = "") -> Iterator[None]:
    """Turns errors of the client, of the server and of the network into lines; `before` their reason."""
    demand_library("huggingface_hub", need="the hub", extra="hub")
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError as error:
        raise RunError(f"{name!r} is no name on the hub: {first_line(error)}") from None
    except errors.GatedRepoError:
        raise RunError(
            f"{name}: access must be granted on its page on the hub, and `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise RunError(
            f"{name}: {before}none of this name on the hub that you may use; check the name, or "
            "`hf auth login` for a private one"
        ) from None
    except errors.RevisionNotFoundError:
        raise RunError(f"{name}: no such revision on the hub; leave it out for the latest") from None
    except errors.HfHubHTTPError as error:
        raise RunError(f"{name}: the hub refuses: {_reason(error)}; have you done `hf auth login`?") from None
    except (OSError, *errors.HfHubHTTPError.__bases__) as error:  # of the client: no network
        raise RunError(
            f"{name}: {before}the hub cannot be reached ({_reason(error)}); check the network, "
            "or use a folder"
        ) from None


def _reason(error: Exception) -> str:
    return first_line(error.__cause__ if isinstance(error.__cause__, Exception) else error).rstrip(".")
