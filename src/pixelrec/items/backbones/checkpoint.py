"""Where a checkpoint lies and what its files say, before any weight is read.

A checkpoint is a folder with `config.json`, weights, and mostly `preprocessor_config.json`; one on the hub
is brought into the hub's own cache first, so that the rest is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.picture_input import Preprocessing

SAFETENSORS = "model*.safetensors"
TORCH_FILES = "pytorch_model*.bin"
WRITTEN = ("config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Checkpoint:
    """A folder that holds one."""

    source: str  # as the recipe names it
    folder: Path
    commit: str | None = None  # of the hub

    def config(self) -> Mapping[str, Any]:
        """What `config.json` says."""
        return self._read("config.json")

    def preprocessing(self) -> Preprocessing:
        """What `preprocessor_config.json` says; nothing where there is none."""
        name = "preprocessor_config.json"
        return Preprocessing.of(self._read(name)) if (self.folder / name).is_file() else Preprocessing()

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            written = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecipeError(
                f"{self.source} is no checkpoint: it has no {name}; give a folder that transformers' "
                "save_pretrained has written, or a model's name on the hub"
            ) from error
        except (OSError, ValueError) as error:
            raise RecipeError(
                f"{self.source}: {name} cannot be read ({error}); copy the checkpoint again"
            ) from error
        if not isinstance(written, dict):
            raise RecipeError(f"{self.source}: {name} holds no object; copy the checkpoint again")
        return written

    def weights(self) -> list[Path]:
        """Its files of weights: safetensors where there are any, else what `torch.save` wrote.

        Raises:
            RecipeError: none.
        """
        for pattern in (SAFETENSORS, TORCH_FILES):
            found = sorted(self.folder.glob(pattern))
            if found:
                return found
        raise RecipeError(
            f"{self.source} has no weights ({SAFETENSORS}); put them there, or start from random weights "
            "with items.pretrained false"
        )

    def revision(self) -> str:
        """The hub's commit, or a hash of the weights."""
        if self.commit:
            return self.commit
        content = hashlib.sha256()
        for path in self.weights():
            with path.open("rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
        return f"sha256:{content.hexdigest()}"


def find_checkpoint(source: str, *, revision: str | None = None, weights: bool = True) -> Checkpoint:
    """The checkpoint in a folder, or on the hub under that name.

    Args:
        source: a folder, or a name such as `openai/clip-vit-base-patch32`.
        revision: a branch, tag or commit of the hub.
        weights: whether they are wanted; otherwise they are not downloaded.

    Raises:
        RecipeError: neither, or the hub cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise RecipeError(f"items.revision is {revision!r}, and {source} is a folder: leave it out")
        return Checkpoint(source, folder)
    if folder.exists():
        raise RecipeError(f"{source} is a file; give the folder of the checkpoint")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise RecipeError(f"there is no folder {source}; correct the path, or give a model's name on the hub")
    found = _downloaded(
        source, revision, [*WRITTEN, *([SAFETENSORS, f"{SAFETENSORS}.index.json"] if weights else [])]
    )
    if weights and not list(found.glob(SAFETENSORS)):
        found = _downloaded(source, revision, [*WRITTEN, TORCH_FILES, f"{TORCH_FILES}.index.json"])
    return Checkpoint(source, found, commit=found.name)


def _downloaded(name: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except GatedRepoError as error:
        raise RecipeError(
            f"{name} is gated on the hub: accept its terms there, then log in with hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise RecipeError(
            f"{name} has no revision {revision!r} on the hub; give a branch, tag or commit of it"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise RecipeError(
            f"{name} is neither a folder here nor a model on the hub; correct the name"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise RecipeError(
            f"{name} is no folder here, and the hub cannot be reached; give a folder, or connect first"
        ) from error
