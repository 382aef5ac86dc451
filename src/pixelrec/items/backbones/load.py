"""The door to picture networks of 🤗 transformers: a checkpoint, or sizes, in; a backbone out.

Whatever is wrong with a checkpoint or a recipe is said here, in one line and before any training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.backbone import AbstractBackbone, Provenance
from pixelrec.items.backbones.checkpoint import Checkpoint, find_checkpoint
from pixelrec.items.backbones.draft import Attention, BackboneOptions, Draft, demand_family, draft, family_of
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.picture_input import Preprocessing
from pixelrec.items.backbones.quiet import quiet_transformers
from pixelrec.items.backbones.transformers_backbone import TransformersBackbone
from pixelrec.items.backbones.weights import demand_complete, read_weights

Sizes = Mapping[str, Any]  # words of a transformers configuration
_NO_SIZES: Sizes = {}


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
        family: what it must be; none: what it says it is.
        revision: a branch, tag or commit of the hub.
        options: of the recipe.

    Raises:
        RecipeError: no checkpoint, of another family, with missing or foreign tensors, or options it lacks.
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
    """A network in eval mode whose weights are drawn from torch's generator, as its family does.

    Args:
        family: one of `FAMILIES`; may be left out where there is a source.
        source: a folder, or a name on the hub, whose `config.json` is taken; no weights are needed.
        revision: a branch, tag or commit of the hub.
        sizes: words of the family's configuration, such as hidden_size; they win over those of the source.
        options: of the recipe.

    Raises:
        RecipeError: an unknown family or size, sizes that contradict each other, or options it lacks.
    """
    _demand_transformers()
    if source is not None:
        try:
            checkpoint = find_checkpoint(source, revision=revision, weights=False)
        except RecipeError as error:
            raise RecipeError(
                f"{error}; random weights take from items.source only what the network is like: "
                "items.source null and items.family say it too"
            ) from error
        plan = _draft_of(checkpoint, family, sizes, options)
    elif family is not None:
        demand_family(family)
        plan = draft(family, _config(family, {}, sizes), Preprocessing(), options or BackboneOptions())
    else:
        raise RecipeError(f"which picture network? Give items.family ({', '.join(FAMILIES)}) or items.source")
    return _drawn(plan, source or "")


def rebuild_backbone(description: Mapping[str, Any], *, attention: Attention = "auto") -> AbstractBackbone:
    """The network that `describe` has written down, with random weights to be replaced by saved ones."""
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
    # CLIP and SigLIP are two towers; the pictures' is described within.
    config = _config(name, written.get("vision_config") or written, sizes)
    return draft(name, config, checkpoint.preprocessing(), options or BackboneOptions())


def _config(family: str, written: Mapping[str, Any], sizes: Sizes) -> Any:
    """The family's configuration as written, with some words replaced."""
    with quiet_transformers(), _sizes_agree(family):
        kind = FAMILIES[family].model_class().config_class
        known = kind().to_dict()
        for word in sizes:
            if word not in known:
                raise RecipeError(
                    f"items.sizes.{word} is no word of a {family} network; {nearest(word, known)}"
                )
        found = kind.from_dict({**written, **sizes})
    _demand_whole_stages(family, found)
    return found


def _demand_whole_stages(family: str, config: Any) -> None:
    """transformers takes the first stages of the longer list, and says nothing."""
    lists = {word: getattr(config, word, None) for word in ("depths", "hidden_sizes", "num_heads")}
    lengths = {word: len(value) for word, value in lists.items() if isinstance(value, list | tuple)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{word} of {length}" for word, length in lengths.items())
        raise RecipeError(
            f"a {family} network has one of each for every stage, and this one would have {told}; "
            "correct items.sizes"
        )


def _drawn(plan: Draft, source: str) -> AbstractBackbone:
    size = plan.description.size
    with quiet_transformers(), _sizes_agree(plan.description.family):
        model = plan.family.model_class()(plan.config)
        backbone = _built(plan, model, Provenance(source, None)).eval()
        with torch.no_grad():
            backbone(torch.zeros(1, 3, size, size))  # what cannot see a picture fails here, not in training
    return backbone


@contextmanager
def _sizes_agree(family: str) -> Iterator[None]:
    """Whatever transformers raises over its configuration becomes a `RecipeError`."""
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
