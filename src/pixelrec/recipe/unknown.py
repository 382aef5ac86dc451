"""Hints for words that no recipe has: the field's other names of options, before any class is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from pixelrec.errors import RecipeError, similar

# Sections without a class to choose: their options are known.
OWN = ("windowing", "optimiser", "fit", "training")
SECTIONS = ("items", "users", "scoring", "negatives", "loss", *OWN)
TOP = ("about", "seed", "length", "published")
FEW = 8  # known words that one line can list
_OTHER_NAMES = {
    "about": "description comment",
    "items.name": "encoder item_encoder",
    "items.source": "backbone checkpoint pretrained_model model_path source",
    "items.width": "dim width embedding_size embedding_dim emb_dim emb_size hidden_size hidden_dim "
    "hidden_units latent_dim d_model factors n_factors",
    "length": "max_len maxlen max_length max_seq_length max_seq_len seq_len seq_length history_length window",
    "loss.name": "loss_type loss_function criterion",
    "negatives.drawn": "num_negatives n_negatives num_neg neg_num neg_samples train_neg_sample_num",
    "optimiser.learning_rate": "lr learning_rate eta rate",
    "optimiser.weight_decay": "wd weight_decay decay l2 l2_reg reg reg_weight regularization",
    "scoring.temperature": "temp tau temperature",
    "seed": "random_seed random_state rng",
    "training.accumulate": "accumulate_grad_batches gradient_accumulation_steps",
    "training.batch_size": "batch_size bs batch train_batch_size per_device_train_batch_size",
    "training.clip": "clip_grad_norm grad_clip gradient_clip_val max_grad_norm",
    "training.device": "device gpu gpu_id gpus cuda accelerator use_gpu",
    "training.epochs": "epochs epoch n_epochs num_epochs max_epochs num_train_epochs",
    "training.loader_threads": "workers num_workers threads",
    "training.monitor": "monitor valid_metric metric",
    "training.patience": "patience early_stopping early_stop stopping_step",
    "training.precision": "precision amp fp16 bf16 mixed_precision dtype",
    "training.schedule": "scheduler lr_scheduler schedule",
    "training.warm_start": "warm_start resume_from init_from pretrained finetune",
    "training.warmup": "warmup warmup_steps num_warmup_steps",
    "users.dropout": "dropout dropout_rate dropout_prob hidden_dropout_prob",
    "users.heads": "heads n_heads num_heads nhead num_attention_heads",
    "users.layers": "layers n_layers num_layers num_blocks n_blocks num_hidden_layers",
    "users.name": "model model_name user_model architecture",
}
_MEANT = {name: key for key, names in _OTHER_NAMES.items() for name in names.split()}
_NOTES = {"training.device": ", which is auto (a GPU where there is one) or cpu"}


def plain_sections() -> dict[str, type]:
    """The sections of `OWN`, each with the class of its options; none of them loads PyTorch."""
    from pixelrec.data.views import Windowing
    from pixelrec.training.config import FitConfig, OptimiserConfig, TrainingConfig

    return {
        "windowing": Windowing,
        "optimiser": OptimiserConfig,
        "fit": FitConfig,
        "training": TrainingConfig,
    }


def demand_known(values: Mapping[str, Any], overrides: Iterable[str]) -> None:
    """Raises `RecipeError` for keys that no recipe can have, without loading the classes of a recipe."""
    inner = [f"{name}.{key}" for name in OWN if isinstance(values.get(name), Mapping) for key in values[name]]
    for key in map(str, [*values, *overrides, *inner]):
        section, _, word = key.partition(".")
        strange = section not in (*SECTIONS, *TOP) or (section in TOP[:-1] and word)
        own = _own_options() if section in OWN else frozenset()
        if strange or (section in OWN and key not in own and _MEANT.get(word, key) != key):
            raise RecipeError(f"unknown key {key!r}; {hint(key, ())}")
        if section in OWN and word and f"{section}.{word.partition('.')[0]}" not in own:
            raise RecipeError(f"unknown key {key!r}; {hint(key, sorted({*own, *_OTHER_NAMES}))}")


@cache
def _own_options() -> frozenset[str]:
    from pixelrec.recipe.options import options_of

    chosen = plain_sections().items()
    return frozenset(f"{section}.{option.key}" for section, each in chosen for option in options_of(each))


def hint(key: str, known: Iterable[str]) -> str:
    """The option that an unknown key stands for, or the way to find it.

    known: the options of a recipe, if its classes are known.
    """
    known, path = list(known), key.lower().replace("-", "_").split(".")
    inside, last = _inside(key, known), path[-1]
    if "." in key and (slips := get_close_matches(key, inside, n=1, cutoff=0.85)):
        return f"did you mean {slips[0]!r}?"
    meant = _MEANT.get(last)
    if meant is not None and (not known or meant in known) and meant != key:
        return f"did you mean {meant!r}{_NOTES.get(meant, '')}?"
    same = [option for option in known if option.rpartition(".")[2] == last]
    if same:
        return f"did you mean {' or '.join(map(repr, same[:3]))}?"
    if near := similar(key, inside):
        return near
    if not known and (close := get_close_matches(last, [*_MEANT, *SECTIONS, *TOP], n=1)):
        return f"did you mean {_MEANT.get(close[0], close[0])!r}?"
    if known and len(inside) <= FEW:
        return f"known: {', '.join(sorted(inside))}"
    sections = f"options are called SECTION.WORD, with the sections {', '.join(SECTIONS)}; "
    return f"{'' if '.' in key else sections}`pixelrec train RECIPE --help` lists all options"


def _inside(key: str, known: list[str]) -> list[str]:
    """The options of the innermost section or part of `key` that exists."""
    above = key
    while above:
        above = above.rpartition(".")[0]
        if inside := [option for option in known if option.startswith(f"{above}.")]:
            return inside
    return known if "." in key else sorted({option.partition(".")[0] for option in known})
