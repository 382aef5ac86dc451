"""Finding a checkpoint of transformers, and reading its configuration and weights.

A checkpoint is a folder with `config.json`, weights, and usually `preprocessor_config.json`; one on the hub
is first downloaded into the hub's own cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from pixelrec.errors import RecipeError, first_line, some_of
from pixelrec.files.digests import file_digest
from pixelrec.files.regular import demand_regular
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.picture_input import Preprocessing

_LONG = 100  # characters of a path in a message
SAFETENSORS = "model*.safetensors"
TORCH_FILES = "pytorch_model*.bin"
WRITTEN = ("config.json", "preprocessor_config.json")
# Tensors of older checkpoints that newer models compute, or that only pre-training needs.
HARMLESS = ("mask_token", "position_ids", "relative_position_index", "num_batches_tracked")


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
            demand_regular(self.folder / name)
            written = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecipeError(
                f"{self.source} is no checkpoint: it has no {name}; give a folder written by transformers' "
                "save_pretrained, or a model's name on the hub"
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RecipeError(
                f"{self.source}: {name} cannot be read ({reason}); copy the checkpoint again"
            ) from error
        if not isinstance(written, dict):
            raise RecipeError(f"{self.source}: {name} holds no object; copy the checkpoint again")
        return written

    def weights(self) -> list[Path]:
        """Its weight files: safetensors if there are any, otherwise those of `torch.save`."""
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
        content = sha256()
        for path in self.weights():
            content.update(bytes.fromhex(file_digest(path)))
        return f"sha256:{content.hexdigest()}"


def find_checkpoint(source: str, *, revision: str | None = None, weights: bool = True) -> Checkpoint:
    """The checkpoint in a folder, or on the hub under a name such as `openai/clip-vit-base-patch32`.

    revision: a branch, tag or commit on the hub. weights: whether to download weights.
    """
    folder = as_path(source)
    if folder.is_dir():
        _demand_files(folder)
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


def as_path(source: str) -> Path:
    """The path that `source` may be; `RecipeError` if it cannot be one."""
    try:
        path = Path(source).expanduser()
        path.exists()
        path.resolve()
        return path
    except (OSError, RuntimeError, ValueError) as error:  # too long, ~somebody unknown here, NUL
        reason = error.strerror if isinstance(error, OSError) else error
        shown = source if len(source) < _LONG else f"{source[:_LONG]}…"
        raise RecipeError(f"items.source is {shown!r}, which is no path: {reason}; correct it") from None


def _demand_files(folder: Path) -> None:
    """Raises `RecipeError` if the folder holds something that readers would wait for, such as a pipe."""
    for path in sorted(folder.iterdir()):
        try:
            if not path.is_dir():
                demand_regular(path)
        except OSError as error:
            raise RecipeError(
                f"{path}: cannot be read: {error.strerror or error}; copy the checkpoint again"
            ) from None


def _downloaded(name: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError as error:
        raise RecipeError(
            f"{name} is gated on the hub: accept its terms there, then log in with hf auth login"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise RecipeError(
            f"{name} has no revision {revision!r} on the hub; give a branch, tag or commit of it"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise RecipeError(
            f"{name} is neither a folder here nor a model on the hub; correct the name"
        ) from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
        raise RecipeError(
            f"{name} is no folder here, and the hub cannot be reached; set items.source to a folder, "
            "or connect first"
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without the messages of transformers below errors, and without its progress bars."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def read_weights(model_class: Any, config: Any, checkpoint: Checkpoint) -> tuple[Any, dict[str, Any]]:
    """A model in fp32 with the checkpoint's weights, and the loading report of transformers."""
    safe = checkpoint.weights()[0].suffix == ".safetensors"
    try:
        with quiet_transformers():
            model, report = model_class.from_pretrained(
                checkpoint.folder,
                config=config,
                local_files_only=True,
                use_safetensors=safe,
                weights_only=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # a broken file makes its reader raise almost anything
        reason = first_line(error)
        if "weights_only" in str(error):  # torch would advise to load with less safety
            reason = "they are no tensors alone, but a pickle that names other types"
        raise RecipeError(
            f"{checkpoint.source}: its weights cannot be read ({reason}); copy the checkpoint again"
        ) from error
    mismatched = report["mismatched_keys"]
    if wrong := sorted(f"{name} of shape {tuple(has)}, expected {tuple(it)}" for name, has, it in mismatched):
        raise RecipeError(
            f"{checkpoint.source} holds {some_of(wrong, '; ')}: its config.json and its weights disagree; "
            "restore the config.json that belongs to the weights"
        )
    for tensor in chain(model.parameters(), model.buffers()):
        # Mapped tensors are not aligned: sums would differ in late digits from those of a resumed run.
        tensor.data = tensor.data.clone()
    return model, report


def demand_complete(backbone: AbstractBackbone, model: Any, report: dict[str, Any], source: str) -> None:
    """Check that the checkpoint has every tensor of the backbone, and the model every encoder tensor.

    Heads of classifiers, decoders and text towers may be left over, and parts of `model` that the backbone
    does not use.
    """
    used = {id(tensor) for tensor in chain(backbone.parameters(), backbone.buffers())}
    tensors = chain(
        model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    )
    named = {name for name, tensor in tensors if id(tensor) in used}
    missing = sorted(name for name in report["missing_keys"] if name in named and not name.endswith(HARMLESS))
    if missing:
        poolers = all(name.startswith(("pooler.", "head.")) for name in missing)
        why = " for items.pooling pooler (choose cls or mean)" if poolers else ""
        raise RecipeError(
            f"{source} lacks {some_of(missing)}, which this network needs{why}; "
            "use the checkpoint of the whole encoder"
        )
    foreign = sorted(name for name in report["unexpected_keys"] if _is_encoders(name, model))
    if foreign:
        raise RecipeError(
            f"{source} holds {some_of(foreign)}, which its config.json has no place for; "
            "restore the config.json that belongs to the weights"
        )


def _is_encoders(name: str, model: Any) -> bool:
    if name.endswith(HARMLESS):
        return False
    within = name.split(".")
    if within[0] == model.base_model_prefix:
        within = within[1:]
    return within[0] in dict(model.named_children())
