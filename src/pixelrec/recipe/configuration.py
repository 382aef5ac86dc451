"""Configuration files of the published benchmark code, as recipes.

The structure of a model is that of the shipped recipe under `published/`; the keys of the files replace its
numbers. The published code merges its files, the last one first in precedence, and has no defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pixelrec.errors import RecipeError, nearest, similar
from pixelrec.recipe.configuration_keys import (
    ENCODER_KEYS,
    ENCODERS,
    FROZEN,
    ONLY,
    OPTIONAL,
    OVER_IDS,
    OVER_PICTURES,
    OVER_VECTORS,
    SOURCES,
    TRAINING,
    TUNING,
    WITHOUT_EFFECT,
    Encoder,
    Kind,
    Model,
)
from pixelrec.recipe.overrides import overridden
from pixelrec.recipe.recipe import Recipe, file_text, read_values, resolve
from pixelrec.recipe.yaml_text import read_yaml

_WHOLE = "give all files of the run: that of the model, such as IDNet/sasrec.yaml, and the one in overall/"


@final
@dataclass(frozen=True)
class ImportedRecipe:
    """A recipe, and what of its files it leaves out."""

    recipe: Recipe
    values: Mapping[str, Any]  # as a recipe file holds them, without defaults
    files: tuple[str, ...]
    without_effect: tuple[str, ...]  # keys about logs, folders and tables of metrics
    vectors: str | None = None  # the file of feature vectors or codes that they name


def import_configuration(files: Sequence[Path], name: str, *, devices: int = 1) -> ImportedRecipe:
    """The recipe called `name` of the files that the published code was given.

    Args:
        devices: the processes of the published run, each with a batch of `train_batch_size`.

    Raises:
        RecipeError: a key is unknown, missing, or has a value that no recipe can express.
    """
    config = _merged(files)
    reader = _Reader(config, " and ".join(map(str, files)))
    values = reader.values(devices)
    names = tuple(file.name for file in files)
    about = str(values.get("about", "")).partition(";")[0]
    values = values | {"about": f"{about}; imported from {' and '.join(names)}"}
    vectors = next((config[k] for k in ("v_feat_path", "semantic_id_path") if k in config), None)
    silent = tuple(key for key in config if key in WITHOUT_EFFECT or key in reader.unused)
    return ImportedRecipe(resolve(name, values, {}), values, names, silent, vectors)


def _merged(files: Sequence[Path]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for file in files:
        found = read_yaml(file_text(file), str(file), repeated=True)  # some published files name a key twice
        if not isinstance(found, dict):
            raise RecipeError(f"{file}: expected keys such as model: SASRec, got {found!r}")
        merged |= {str(key): value for key, value in found.items()}
    return merged


class _Reader:
    """One merged configuration; every key is used once, or refused."""

    def __init__(self, config: Mapping[str, Any], source: str) -> None:
        self._config, self._source = config, source
        self.unused: set[str] = set()  # keys of the published code that it does not use for this model

    def values(self, devices: int) -> dict[str, Any]:
        model, kind = self._model()
        encoder = self._encoder() if kind == "pictures" else None
        keys = {**TRAINING, **model.keys}
        missing = [key for key in (*keys, "optim_args") if key not in self._config]
        keys |= {key: option for key, option in OPTIONAL.items() if key in self._config}
        self._demand_known({*keys, *(ENCODER_KEYS if encoder else ())}, kind)  # which names misspelt ones
        if missing:
            raise self._error(f"no {', '.join(missing)}; {_WHOLE}")
        base = self._base(model, encoder)
        changes = {option: self._config[key] for key, option in keys.items() if option}
        if "parts" in base["items"]:  # whose widths differ
            changes.pop("items.width", None)
        changes["training.batch_size"] = self._whole("train_batch_size") * devices
        changes |= self._structure(base) | self._optimiser(base)
        if encoder is not None and (depth := self._trained(encoder)) is not None:
            changes["items.trainable"] = depth
        return {key: value for key, value in overridden(base, changes).items() if key != "published"}

    def _error(self, what: str) -> RecipeError:
        return RecipeError(f"{self._source}: {what}")

    def _model(self) -> tuple[Model, Kind]:
        if (name := self._config.get("model")) is None:
            meant = similar("model", self._config.keys() - {"model"})
            raise self._error(f"no key 'model'; {meant or _WHOLE}")
        kinds: dict[Kind, Mapping[str, Model]] = {
            "ids": OVER_IDS,
            "pictures": OVER_PICTURES,
            "vectors": OVER_VECTORS,
        }
        for kind, models in kinds.items():
            if name in models:
                return models[name], kind
        known = [each for models in kinds.values() for each in models]
        raise self._error(f"model is {name!r}; {nearest(str(name), known)}")

    def _base(self, model: Model, encoder: Encoder | None) -> dict[str, Any]:
        """The values of the shipped recipe with this structure."""
        if encoder is not None:
            _, base = read_values(f"published/{model.recipe}-vit")
            _, same = read_values(f"published/sasrec-{encoder.recipe}")
            pictures = str(same["about"]).partition(" over ")[2]
            about = f"{str(base['about']).partition(' over ')[0]} over {pictures}"
            return base | {"items": same["items"], "about": about}
        if self._config["model"] == "FSASRec":
            chosen = [key for key in FROZEN if self._config.get(key) is True]
            if len(chosen) != 1:
                raise self._error(f"expected one of {', '.join(FROZEN)} to be true, got {len(chosen)}")
            return read_values(f"published/{FROZEN[chosen[0]]}")[1]
        of_ids = self._config["model"] in OVER_IDS
        return read_values(f"published/{model.recipe}{'-id' if of_ids else ''}")[1]

    def _demand_known(self, used: set[str], kind: Kind) -> None:
        known = {*used, *WITHOUT_EFFECT, *ONLY, "model", "optim_args", "use_modality", "clip_grad_norm"}
        known |= {"decay_check_name", "need_training", *(FROZEN if kind == "vectors" else ())}
        if (reads := self._config.get("use_modality")) not in {None, kind == "pictures"}:
            raise self._error(
                f"use_modality is {reads}, but {self._config['model']} reads {kind}; models over "
                f"pictures are {', '.join(OVER_PICTURES)}"
            )
        for key in self._config:
            if key not in known:
                raise self._error(f"unknown key {key!r}; {nearest(key, known)}, or remove it")
        for key, only in ONLY.items():
            if key not in used and (value := self._config.get(key, only)) != only:
                raise self._error(f"{key} is {value!r}; recipes have {only!r} only")

    def _structure(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """The options that are not the value of one key."""
        changes: dict[str, Any] = {}
        if self._config["model"] == "VBPR":
            half = self._whole("embedding_size") // 2
            changes |= {"items.parts.ids.width": half, "items.parts.visual.width": half}
        elif self._config["model"] == "FSASRec" and "parts" in base["items"]:
            width = self._whole("embedding_size")
            changes |= {"items.head": width, "items.parts.ids.width": width}
        elif self._config["model"] == "VISRANK":
            nearest_ones = {"average_top_k": self._whole("top_num"), "maximum": 1, "average": None}
            if (method := self._config["method"]) not in nearest_ones:
                raise self._error(f"method is {method!r}; expected one of {', '.join(nearest_ones)}")
            self.unused.add("MAX_ITEM_LIST_LENGTH")  # the code has the latest 50 events instead
            changes |= {"users.nearest": nearest_ones[method], "length": base["length"]}
        if self._config.get("need_training", True) is False:
            changes["training.epochs"] = 0
        if clip := self._config.get("clip_grad_norm"):
            if not isinstance(clip, Mapping) or clip.get("norm_type", 2) != 2 or "max_norm" not in clip:
                raise self._error(f"clip_grad_norm is {clip!r}; expected {{max_norm: NUMBER, norm_type: 2}}")
            changes["training.clip"] = clip["max_norm"]
        return changes

    def _optimiser(self, base: Mapping[str, Any]) -> dict[str, Any]:
        given = self._config["optim_args"]
        keys = set(given) if isinstance(given, Mapping) else set()
        optimiser = base.get("optimiser", {})
        groups = optimiser.get("groups")
        backbone = "backbone_learning_rate" in optimiser
        if keys == {"learning_rate", "weight_decay"}:
            rate, decay = given["learning_rate"], given["weight_decay"]
            modal = (rate, decay)
        elif keys == {"modal_lr", "rec_lr", "modal_decay", "rec_decay"}:
            rate, decay = given["rec_lr"], given["rec_decay"]
            modal = (given["modal_lr"], given["modal_decay"])
        else:
            raise self._error(
                f"optim_args is {given!r}; expected learning_rate and weight_decay, or modal_lr, rec_lr, "
                "modal_decay and rec_decay"
            )
        if (check := self._config.get("decay_check_name")) not in {None, "projection"}:
            raise self._error(f"decay_check_name is {check!r}; recipes have 'projection' only")
        changes = {"optimiser.learning_rate": rate, "optimiser.weight_decay": decay}
        if backbone:
            changes |= {
                "optimiser.backbone_learning_rate": modal[0],
                "optimiser.backbone_weight_decay": modal[1],
            }
        elif groups:
            same = {"learning_rate": modal[0], "weight_decay": modal[1]}
            changes["optimiser.groups"] = {name: dict(same) for name in groups}
        return changes

    def _encoder(self) -> Encoder:
        name, source = self._config.get("encoder_name"), self._config.get("encoder_source")
        if name not in ENCODERS:
            raise self._error(f"encoder_name is {name!r}; {nearest(str(name), ENCODERS)}")
        if (source or "torchvision") != SOURCES[name]:
            raise self._error(f"encoder_source is {source!r}; {name} is of {SOURCES[name]!r}")
        return ENCODERS[name]

    def _trained(self, encoder: Encoder) -> int | str | None:
        """How deep the network is trained; none: as the recipe says."""
        given = self._config.get("fine_tune_arg")
        if not isinstance(given, Mapping):
            raise self._error(f"fine_tune_arg is {given!r}; expected keys such as tune_scale")
        for key, only in TUNING.items():
            if (value := given.get(key, only)) != only:
                raise self._error(f"fine_tune_arg.{key} is {value!r}; recipes have {only!r} only")
        if encoder.method is not None and (method := given.get("method") or "cls") != encoder.method:
            raise self._error(f"fine_tune_arg.method is {method!r}; recipes have {encoder.method!r} only")
        if unknown := given.keys() - TUNING.keys() - {"tune_scale", "method"}:
            raise self._error(f"unknown key 'fine_tune_arg.{sorted(unknown)[0]}'; remove it")
        scale: Any = given.get("tune_scale")
        if encoder.trained is None and scale != 0:
            return None  # the code trains the same tensors whatever the number
        if encoder.trained is None or scale not in encoder.trained:
            known = ", ".join(map(str, encoder.trained or {78: ""}))
            raise self._error(
                f"fine_tune_arg.tune_scale is {scale!r}, which is not where a block or stage of "
                f"{self._config['encoder_name']} begins; those are {known}"
            )
        return encoder.trained[scale]

    def _whole(self, key: str) -> int:
        value = self._config[key]
        if type(value) is not int or value < 1:
            raise self._error(f"{key} is {value!r}; expected a whole number of at least 1")
        return value
