"""Finding a checkpoint and reading its configuration.

A checkpoint is a folder with `config.json`, weights, and usually `preprocessor_config.json`; one on the hub
is first downloaded into the hub's own cache.
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
    """A folder with a checkpoint."""

    source: str  # as in the recipe
    folder: Path
    commit: str | None = None  # on the hub

    def config(self) -> Mapping[str, Any]:
        """The content of `config.json`."""
        return self._read("config.json")

    def preprocessing(self) -> Preprocessing:
        """The content of `preprocessor_config.json`, if there is one."""
        name = "preprocessor_config.json"
        return Preprocessing.of(self._read(name)) if (self.folder / name).is_file() else Preprocessing()

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            written = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecipeError(
                f"{self.source} is no checkpoint: it has no {name}; give a folder written by transformers' "
                "save_pretrained, or a model's name on the hub"
            ) from error
        except (OSError, ValueError) as error:
            raise RecipeError(
                f"{self.source}: {name} cannot be read ({error}); copy the checkpoint again"
            ) from error
        if not isinstance(written, dict):
            raise RecipeError(f"{self.source}: {name} holds no object; copy the checkpoint again")
        return written

    def weights(self) -> list[Path]:
        """Its weight files: safetensors if there are any, otherwise those of `torch.save`.

        Raises:
            RecipeError: there are none.
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
        """The commit on the hub, or a hash of the weights."""
        if self.commit:
            return self.commit
        content = hashlib.sha256()
        for path in self.weights():
            with path.open("rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
        return f"sha256:{content.hexdigest()}"


def find_checkpoint(source: str, *, revision: str | None = None, weights: bool = True) -> Checkpoint:
    """The checkpoint in a folder, or on the hub.

    Args:
        source: a folder, or a name such as `openai/clip-vit-base-patch32`.
        revision: a branch, tag or commit on the hub.
        weights: whether to download weights.

    Raises:
        RecipeError: there is no such checkpoint, or the hub cannot be reached.
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
