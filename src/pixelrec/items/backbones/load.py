"""Picture networks of 🤗 transformers, from a checkpoint or from sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, final

import torch

from pixelrec.console.numbers import with_prefix
from pixelrec.errors import RecipeError, demand_library, nearest
from pixelrec.files.memory import memory_limit
from pixelrec.items.backbones.backbone import AbstractBackbone, Provenance
from pixelrec.items.backbones.checkpoint import (
    Checkpoint,
    demand_complete,
    find_checkpoint,
    quiet_transformers,
    read_weights,
)
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.picture_input import DEFAULT_SIZE, HALF, Colour, PictureInput, Preprocessing
from pixelrec.items.backbones.pooling import Pooling, checked

Attention: TypeAlias = Literal["auto", "eager", "sdpa"]
Statistics: TypeAlias = Literal["own", "half"]
Sizes = Mapping[str, Any]  # entries of a transformers configuration
_NO_SIZES: Sizes = {}
_MOST_LAYERS = 1000


@dataclass(frozen=True)
class BackboneOptions:
    """Options that every network has."""

    pooling: Pooling | None = None  # from tokens to features; none: as in the family's paper
    size: int | None = None  # of pictures, in pixels; none: that of pretraining
    statistics: Statistics = "own"  # mean and std of colours: the checkpoint's, or half: 0.5, as published
    # Matrix products and softmax, torch's fused kernel, or auto: fused on an accelerator, eager on a CPU,
    # where bf16 steps are 1.1 to 1.4 times as fast.
    attention: Attention = "auto"


_DEFAULTS = BackboneOptions()


@dataclass(frozen=True)
class Description:
    """Everything needed to rebuild a network, as JSON can hold it."""

    family: str
    config: dict[str, Any]  # as transformers writes it
    pooling: Pooling
    size: int  # pixels along a side
    mean: Colour
    std: Colour


@final
class TransformersBackbone(AbstractBackbone):
    """The parts of a model of transformers; other modules of it are dropped."""

    def __init__(self, model: Any, description: Description, provenance: Provenance) -> None:
        anatomy = FAMILIES[description.family].anatomy(model, description.pooling, description.size)
        super().__init__(
            anatomy, PictureInput(description.size, description.mean, description.std), provenance
        )
        self.description = description

    def describe(self) -> dict[str, Any]:
        return asdict(self.description)


def load_backbone(
    source: str,
    *,
    family: str | None = None,
    revision: str | None = None,
    options: BackboneOptions = _DEFAULTS,
) -> AbstractBackbone:
    """A pretrained network, in fp32 and eval mode.

    source: a folder, or a name on the hub, with its `revision`. family: the expected one; none: any.

    Raises:
        RecipeError: no checkpoint, another family, missing or foreign tensors, or unsuitable options.
    """
    _demand_transformers()
    checkpoint = find_checkpoint(source, revision=revision)
    config, description = _plan_of(checkpoint, family, _NO_SIZES, options)
    _demand_memory(description.family, config)
    model, report = read_weights(FAMILIES[description.family].model_class(), config, checkpoint)
    backbone = TransformersBackbone(model, description, Provenance(source, checkpoint.revision()))
    demand_complete(backbone, model, report, source)
    return backbone.eval()


def random_backbone(
    family: str | None = None,
    *,
    source: str | None = None,
    revision: str | None = None,
    sizes: Sizes = _NO_SIZES,
    options: BackboneOptions = _DEFAULTS,
) -> AbstractBackbone:
    """A network with random weights, initialised as in its family, in eval mode.

    source: as above; only its `config.json` is used. family: optional with a source. sizes: entries of the
    family's configuration, such as hidden_size; they override the source.

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
        return _with_random_weights(*_plan_of(checkpoint, family, sizes, options), source)
    if family is None:
        raise RecipeError(f"which picture network? Give items.family ({', '.join(FAMILIES)}) or items.source")
    _demand_known("items.family", family, tuple(FAMILIES))
    return _with_random_weights(*_plan(family, _config(family, {}, sizes), Preprocessing(), options), "")


def rebuild_backbone(description: Mapping[str, Any], *, attention: Attention = "auto") -> AbstractBackbone:
    """The network of a `describe`, with random weights to be replaced by saved ones."""
    _demand_transformers()
    mean, std = tuple(description["mean"]), tuple(description["std"])
    options = BackboneOptions(description["pooling"], description["size"], attention=attention)
    config = _config(description["family"], description["config"], _NO_SIZES)
    plan = _plan(description["family"], config, Preprocessing(None, mean, std), options)
    return _with_random_weights(*plan, "")


def _demand_transformers() -> None:
    demand_library("transformers", need="a picture network", extra="pixels", error=RecipeError)


def _demand_known(key: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise RecipeError(f"{key} is {word!r}; {nearest(word, known)}")


def _plan_of(
    checkpoint: Checkpoint, family: str | None, sizes: Sizes, options: BackboneOptions
) -> tuple[Any, Description]:
    written = checkpoint.config()
    name = _family_of(written.get("model_type"), family, checkpoint.source)
    with _sizes_agree(name, f"restore the config.json of {checkpoint.source}, or correct items.sizes"):
        # CLIP and SigLIP have two towers; the configuration of the picture tower is nested.
        config = _config(name, written.get("vision_config") or written, sizes)
        return _plan(name, config, checkpoint.preprocessing(), options)


def _plan(
    name: str, config: Any, preprocessing: Preprocessing, options: BackboneOptions
) -> tuple[Any, Description]:
    """The configuration of a network, with the kernel to use, and its description; both checked."""
    family, network = FAMILIES[name], f"this {name} network"
    pooling = checked(options.pooling, family.poolings, family.pooling, network)
    _demand_known("items.statistics", options.statistics, ("own", "half"))
    written = config.to_dict()
    if written.get("num_channels", 3) != 3:
        raise RecipeError(f"{network} takes pictures with {written['num_channels']} channels; expected 3")
    native = written.get("image_size") or DEFAULT_SIZE
    native = preprocessing.size or (native if isinstance(native, int) else int(native[0]))
    size = native if options.size is None else options.size
    family.sizes(config).check(size, network)
    mean, std = HALF, HALF
    if options.statistics == "own":
        mean, std = preprocessing.mean or family.colours[0], preprocessing.std or family.colours[1]
    if family.attends:
        _demand_known("items.attention", options.attention, ("auto", "eager", "sdpa"))
        fastest = "sdpa" if torch.accelerator.is_available() else "eager"
        config._attn_implementation = fastest if options.attention == "auto" else options.attention
    return config, Description(name, written, pooling, size, mean, std)


def _family_of(model_type: object, wanted: str | None, source: str) -> str:
    """The family whose checkpoints have this `model_type`; `RecipeError` if it is not the wanted one."""
    if wanted is not None:
        _demand_known("items.family", wanted, tuple(FAMILIES))
    of_type = {known: name for name, family in FAMILIES.items() for known in family.model_types}
    name = of_type.get(str(model_type))
    if name is None:
        what = f"is a model of type {model_type!r}" if model_type else "has no model_type in its config.json"
        hint = nearest(str(model_type), of_type)
        raise RecipeError(
            f"{source} {what}; expected a picture network of one of the families {', '.join(FAMILIES)}"
            f"{f'; {hint}' if hint.startswith('did') else ''}"
        )
    if wanted not in (None, name):
        raise RecipeError(f"{source} is a {name} network, and items.family is {wanted!r}; make them agree")
    return name


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
    # transformers silently drops the last entries of the longer list.
    lists = {word: getattr(found, word, None) for word in ("depths", "hidden_sizes", "num_heads")}
    lengths = {word: len(value) for word, value in lists.items() if isinstance(value, list | tuple)}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{word} of {length}" for word, length in lengths.items())
        raise RecipeError(
            f"a {family} network has one of each for every stage, and this one would have {given}; "
            "correct items.sizes"
        )
    return found


def _with_random_weights(config: Any, description: Description, source: str) -> AbstractBackbone:
    _demand_memory(description.family, config)
    with quiet_transformers(), _sizes_agree(description.family):
        model = FAMILIES[description.family].model_class()(config)
        backbone = TransformersBackbone(model, description, Provenance(source, None)).eval()
        with torch.no_grad():  # an unusable network fails here, not in training
            backbone(torch.zeros(1, 3, description.size, description.size))
    return backbone


def _demand_memory(family: str, config: Any) -> None:
    """Raises `RecipeError` for a network of more layers or weights than this machine can hold."""
    with _sizes_agree(family):
        for layers in (getattr(config, "num_hidden_layers", 1), sum(getattr(config, "depths", (1,)))):
            if not 1 <= layers <= _MOST_LAYERS:
                raise ValueError(f"{layers:,} layers, expected 1 to {_MOST_LAYERS:,}")
        with quiet_transformers(), torch.device("meta"):
            model = FAMILIES[family].model_class()(config)
        needed = sum(tensor.nbytes for tensor in model.parameters())
        if needed > (memory := memory_limit()):
            raise ValueError(f"its weights take {with_prefix(needed)} of {with_prefix(memory)} of memory")


@contextmanager
def _sizes_agree(family: str, remedy: str = "correct items.sizes") -> Iterator[None]:
    """Errors of transformers over a configuration become a `RecipeError`."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # an odd configuration makes transformers raise almost anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecipeError(f"a {family} network cannot have these sizes ({reason}); {remedy}") from error
