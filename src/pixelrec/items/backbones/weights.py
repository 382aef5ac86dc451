"""Reading a checkpoint's weights into a model of transformers, and checking that they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch

from pixelrec.errors import RecipeError, some_of
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.checkpoint import Checkpoint

# Tensors of older checkpoints that newer models compute, or that only pre-training needs.
HARMLESS = ("mask_token", "position_ids", "relative_position_index", "num_batches_tracked")


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
    """A model in fp32 with the checkpoint's weights, and the loading report of transformers.

    Raises:
        RecipeError: weights cannot be read, or have other shapes than the configuration.
    """
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
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise RecipeError(
            f"{checkpoint.source}: its weights cannot be read ({reason}); copy the checkpoint again"
        ) from error
    _demand_shapes(report["mismatched_keys"], checkpoint.source)
    for tensor in chain(model.parameters(), model.buffers()):
        # Mapped tensors are not aligned: sums would differ in late digits from those of a resumed run.
        tensor.data = tensor.data.clone()
    return model, report


def demand_complete(backbone: AbstractBackbone, model: Any, report: dict[str, Any], source: str) -> None:
    """Check that the checkpoint has every tensor of the backbone, and the model every encoder tensor.

    Heads of classifiers, decoders and text towers may be left over, and parts of `model` that the backbone
    does not use.

    Raises:
        RecipeError: with the names of the tensors.
    """
    used = {id(tensor) for tensor in chain(backbone.parameters(), backbone.buffers())}
    tensors = chain(
        model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    )
    named = {name for name, tensor in tensors if id(tensor) in used}
    missing = sorted(name for name in report["missing_keys"] if name in named and not name.endswith(HARMLESS))
    if missing:
        raise RecipeError(
            f"{source} lacks {some_of(missing)}, which this network needs{_why(missing)}; "
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


def _demand_shapes(mismatched: Iterable[Any], source: str) -> None:
    wrong = sorted(
        f"{name} of shape {tuple(there)}, expected {tuple(here)}" for name, there, here in mismatched
    )
    if wrong:
        raise RecipeError(
            f"{source} holds {some_of(wrong, '; ')}: its config.json and its weights disagree; "
            "restore the config.json that belongs to the weights"
        )


def _why(missing: list[str]) -> str:
    poolers = all(name.startswith(("pooler.", "head.")) for name in missing)
    return " for items.pooling pooler (choose cls or mean)" if poolers else ""
