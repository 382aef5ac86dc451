"""Picture networks of 🤗 transformers, from a checkpoint or from sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, final

import torch

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.backbone import AbstractBackbone, Anatomy, Provenance
from pixelrec.items.backbones.checkpoint import Checkpoint, find_checkpoint
from pixelrec.items.backbones.draft import (
    Attention,
    BackboneOptions,
    Description,
    Draft,
    demand_family,
    draft,
    family_of,
)
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.picture_input import PictureInput, Preprocessing
from pixelrec.items.backbones.weights import demand_complete, quiet_transformers, read_weights

Sizes = Mapping[str, Any]  # entries of a transformers configuration
_NO_SIZES: Sizes = {}


@final
class TransformersBackbone(AbstractBackbone):
    """The parts of a model of transformers; other modules of it are dropped."""

    def __init__(self, anatomy: Anatomy, description: Description, provenance: Provenance) -> None:
        picture_input = PictureInput(description.size, description.mean, description.std)
        super().__init__(anatomy, picture_input, provenance)
        self.description = description

    def describe(self) -> dict[str, Any]:
        return asdict(self.description)


def load_backbone(
    source: str,
    *,
    family: str | None = None,
    revision: str | None = None,
    options: BackboneOptions | None = None,
) -> AbstractBackbone:
    """A pretrained network, in fp32 and eval mode.

    Args:
        source: a folder, or a name on the hub.
        family: the expected family; none: any.
        revision: a branch, tag or commit on the hub.
        options: options of the recipe.

    Raises:
        RecipeError: no checkpoint, another family, missing or foreign tensors, or unsuitable options.
    """
    _demand_transformers()
    checkpoint = find_checkpoint(source, revision=revision)
    plan = _draft_of(checkpoint, family, _NO_SIZES, options)
    model, report = read_weights(plan.family.model_class(), plan.config, checkpoint)
    backbone = _built(plan, model, Provenance(source, checkpoint.revision()))
    demand_complete(backbone, model, report, source)
    return backbone.eval()


def random_backbone(
    family: str | None = None,
    *,
    source: str | None = None,
    revision: str | None = None,
    sizes: Sizes = _NO_SIZES,
    options: BackboneOptions | None = None,
) -> AbstractBackbone:
    """A network with random weights, initialised as in its family, in eval mode.

    Args:
        family: one of `FAMILIES`; optional with a source.
        source: a folder, or a name on the hub, whose `config.json` is used; weights are not needed.
        revision: a branch, tag or commit on the hub.
        sizes: entries of the family's configuration, such as hidden_size; they override the source.
        options: options of the recipe.

    Raises:
        RecipeError: an unknown family or size, contradictory sizes, or unsuitable options.
    """
    _demand_transformers()
    if source is not None:
        try:
            checkpoint = find_checkpoint(source, revision=revision, weights=False)
        except RecipeError as error:
            raise RecipeError(
                f"{error}; with random weights items.source only gives the configuration: items.source null "
                "and items.family do as well"
            ) from error
        plan = _draft_of(checkpoint, family, sizes, options)
    elif family is not None:
        demand_family(family)
        plan = draft(family, _config(family, {}, sizes), Preprocessing(), options or BackboneOptions())
    else:
        raise RecipeError(f"which picture network? Give items.family ({', '.join(FAMILIES)}) or items.source")
    return _drawn(plan, source or "")


def rebuild_backbone(description: Mapping[str, Any], *, attention: Attention = "auto") -> AbstractBackbone:
    """The network of a `describe`, with random weights to be replaced by saved ones."""
    _demand_transformers()
    mean, std = tuple(description["mean"]), tuple(description["std"])
    options = BackboneOptions(description["pooling"], description["size"], attention=attention)
    config = _config(description["family"], description["config"], _NO_SIZES)
    plan = draft(description["family"], config, Preprocessing(None, mean, std), options)
    return _drawn(plan, "")


def _demand_transformers() -> None:
    if find_spec("transformers") is None:
        raise RecipeError(
            "picture networks need transformers, which is not installed; pip install 'pixelrec[pixels]'"
        )


def _draft_of(
    checkpoint: Checkpoint, family: str | None, sizes: Sizes, options: BackboneOptions | None
) -> Draft:
    written = checkpoint.config()
    name = family_of(written.get("model_type"), family, checkpoint.source)
    # CLIP and SigLIP have two towers; the configuration of the picture tower is nested.
    config = _config(name, written.get("vision_config") or written, sizes)
    return draft(name, config, checkpoint.preprocessing(), options or BackboneOptions())


def _config(family: str, written: Mapping[str, Any], sizes: Sizes) -> Any:
    """The family's configuration as written, with some entries replaced."""
    with quiet_transformers(), _sizes_agree(family):
        kind = FAMILIES[family].model_class().config_class
        known = kind().to_dict()
        for word in sizes:
            if word not in known:
                raise RecipeError(
                    f"items.sizes.{word} is no option of a {family} network; {nearest(word, known)}"
                )
        found = kind.from_dict({**written, **sizes})
    _demand_whole_stages(family, found)
    return found


def _demand_whole_stages(family: str, config: Any) -> None:
    """transformers silently drops the last entries of the longer list."""
    lists = {word: getattr(config, word, None) for word in ("depths", "hidden_sizes", "num_heads")}
    lengths = {word: len(value) for word, value in lists.items() if isinstance(value, list | tuple)}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{word} of {length}" for word, length in lengths.items())
        raise RecipeError(
            f"a {family} network has one of each for every stage, and this one would have {given}; "
            "correct items.sizes"
        )


def _drawn(plan: Draft, source: str) -> AbstractBackbone:
    size = plan.description.size
    with quiet_transformers(), _sizes_agree(plan.description.family):
        model = plan.family.model_class()(plan.config)
        backbone = _built(plan, model, Provenance(source, None)).eval()
        with torch.no_grad():
            backbone(torch.zeros(1, 3, size, size))  # an unusable network fails here, not in training
    return backbone


@contextmanager
def _sizes_agree(family: str) -> Iterator[None]:
    """Errors of transformers over a configuration become a `RecipeError`."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        yield
    except (StrictDataclassError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecipeError(
            f"a {family} network cannot have these sizes ({reason}); correct items.sizes"
        ) from error


def _built(plan: Draft, model: Any, provenance: Provenance) -> TransformersBackbone:
    anatomy = plan.family.anatomy(model, plan.description.pooling, plan.description.size)
    return TransformersBackbone(anatomy, plan.description, provenance)
