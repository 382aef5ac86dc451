"""Configuration files of the published code: each pair gives the recipe of the same model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixelrec import import_recipe
from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import Recipe, read_recipe

OVERALL = {
    "seed": 2020,
    "state": "INFO",
    "reproducibility": True,
    "checkpoint_dir": "saved",
    "show_progress": False,
    "log_wandb": False,
    "wandb_project": "REC",
    "MAX_ITEM_LIST_LENGTH": 10,
    "data_path": "../dataset/",
    "dataset": "Pixel200K",
    "epochs": 200,
    "eval_batch_size": 1024,
    "topk": [5, 10],
    "metrics": ["Recall", "NDCG"],
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 7,
    "eval_step": 1,
    "stopping_step": 30,
}
TRANSFORMER = {
    "n_layers": 2,
    "n_heads": 4,
    "embedding_size": 512,
    "inner_size": 2,
    "hidden_dropout_prob": 0.1,
    "attn_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
}
DILATED = {
    "embedding_size": 1024,
    "kernel_size": 3,
    "block_num": 3,
    "dilations": [1, 4],
    "final_layer": False,
}
MODELS: dict[str, dict[str, Any]] = {
    "MF": {"embedding_size": 4096, "dropout_prob": 0, "mlp_hidden_size": []},
    "FM": {"embedding_size": 4096, "dropout_prob": 0},
    "DSSM": {"embedding_size": 4096, "dropout_prob": 0, "mlp_hidden_size": []},
    "SRGNN": {"embedding_size": 512, "step": 2, "data_augmentation": True},
    "GRU4Rec": {"embedding_size": 2048, "hidden_size": 1, "num_layers": 1, "dropout_prob": 0},
    "BERT4Rec": TRANSFORMER | {"inner_size": 1, "mask_ratio": 0.6},
    "NextItNet": DILATED,
    "SASRec": TRANSFORMER,
    "LightSANs": TRANSFORMER | {"n_layers": 1, "k_interests": 3, "data_augmentation": True},
    "LightGCN": {"embedding_size": 256, "n_layers": 2},
}
TUNED = {  # learning rate, batch, weight decay of the table in the published read-me file, over ids
    "MF": (1e-4, 512, 0),
    "FM": (5e-5, 64, 0),
    "DSSM": (1e-4, 64, 0),
    "SRGNN": (5e-5, 64, 0.01),
    "GRU4Rec": (1e-4, 64, 0.01),
    "BERT4Rec": (5e-5, 64, 0.1),
    "NextItNet": (5e-4, 64, 0.01),
    "SASRec": (5e-5, 64, 0.1),
    "LightSANs": (5e-5, 512, 0.1),
    "LightGCN": (5e-4, 1024, 0.01),
}
ENCODERS = {  # shipped name → encoder_name, encoder_source, tune_scale, method, decay of the encoder
    "rn50": ("RN50", "clip", 78, "cls", 0.01),
    "rn50x4": ("RN50x4", "clip", 78, "cls", 0.01),
    "rn50x16": ("RN50x16", "clip", 78, "cls", 0.01),
    "rn50x64": ("RN50x64", "clip", 78, "cls", 0.01),
    "vit": ("clip-vit-base-patch32", "transformers", 165, "mean", 0),
    "swin-t": ("swin-tiny-patch4-window7-224", "transformers", 78, "pool", 0),
    "swin-b": ("swin-base-patch4-window7-224", "transformers", 78, "pool", 0),
    "beit": ("beit-base-patch16", "transformers", 183, "cls", 0),
    "resnet50": ("resnet50", "torchvision", 72, "cls", 0.01),
}
FROZEN = TRANSFORMER | {"model": "FSASRec", "v_feat_path": "features/RN50.npy"}
TWO_RATES = {"modal_lr": 1e-4, "rec_lr": 1e-3, "modal_decay": 0.1, "rec_decay": 0}
VECTORS: dict[str, dict[str, Any]] = {  # shipped name → the whole file, but for what all have
    "sasrec-frozen": FROZEN | {"freeze_model": True, "optim_args": TWO_RATES},
    "sasrec-frozen-joined": FROZEN | {"hybrid_model": True, "optim_args": TWO_RATES},
    "sasrec-codes": FROZEN | {"semantic_model": True, "optim_args": TWO_RATES},
    "vbpr": {
        "model": "VBPR",
        "embedding_size": 4096,
        "dropout_prob": 0,
        "decay_check_name": "projection",
        "optim_args": TWO_RATES,
    },
    "acf": {
        "model": "ACF",
        "embedding_size": 128,
        "train_batch_size": 64,
        "optim_args": {"learning_rate": 1e-4, "weight_decay": 0.1},
    },
    "vis-rank": {
        "model": "VISRANK",
        "method": "average_top_k",
        "top_num": 1,
        "need_training": False,
        "stopping_step": 20,
        "epochs": 1,
        "train_batch_size": 64,
        "optim_args": {"learning_rate": 1e-3, "weight_decay": 0},
    },
}


def imported(folder: Path, *files: Mapping[str, Any], devices: int = 1) -> Recipe:
    paths = []
    for number, values in enumerate(files):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")
    out = folder / "mine.yaml"
    found = import_recipe(paths, out=out, devices=devices, overwrite=True)
    assert read_recipe(out) == found.recipe, "the file holds another recipe than was returned"
    return found.recipe


def configured(recipe: Recipe) -> dict[str, Any]:
    """All that bears on the model, flat."""
    return _flat({key: value for key, value in recipe.config.items() if key not in {"about", "seed"}})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
        flat |= inner
    return flat


def differences(one: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    a, b = configured(one), configured(other)
    return {key: (a.get(key), b.get(key)) for key in a.keys() | b.keys() if a.get(key) != b.get(key)}


def over_ids(name: str) -> list[dict[str, Any]]:
    rate, batch, decay = TUNED[name]
    optimiser = {"learning_rate": rate, "weight_decay": decay}
    return [
        {"model": name, **MODELS[name]},
        OVERALL | {"use_modality": False, "train_batch_size": batch, "optim_args": optimiser},
    ]


def over_pictures(name: str, encoder: str, rec_lr: float, rec_decay: float) -> list[dict[str, Any]]:
    network, source, scale, method, decay = ENCODERS[encoder]
    tuning = {
        "tune_scale": scale,
        "pre_trained": True,
        "activation": "relu",
        "dnn_layers": [],
        "method": method,
    }
    rates = {"modal_lr": 1e-4, "rec_lr": rec_lr, "modal_decay": decay, "rec_decay": rec_decay}
    overall = OVERALL | {"use_modality": True, "train_batch_size": 16, "image_path": "image.lmdb"}
    overall |= {
        "encoder_name": network,
        "encoder_source": source,
        "fine_tune_arg": tuning,
        "optim_args": rates,
    }
    return [{"model": f"MO{name}", **MODELS[name]}, overall]


@pytest.mark.parametrize("name", MODELS)
def test_a_pair_over_ids_gives_the_shipped_recipe(name: str, tmp_path: Path) -> None:
    recipe = imported(tmp_path, *over_ids(name))
    expected = {"users.hidden": (1, 2.0)} if name == "GRU4Rec" else {}  # 2 in the paper, 1 in the file
    assert differences(recipe, read_recipe(f"published/{name.lower()}-id")) == expected
    assert recipe["seed"] == 2020


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_pair_over_pictures_gives_the_shipped_recipe(encoder: str, tmp_path: Path) -> None:
    recipe = imported(tmp_path, *over_pictures("SASRec", encoder, 1e-4, 0.1), devices=4)
    assert differences(recipe, read_recipe(f"published/sasrec-{encoder}")) == {}
    assert recipe["about"].startswith(read_recipe(f"published/sasrec-{encoder}")["about"].split(";")[0])


@pytest.mark.parametrize("encoder", ["rn50", "vit"])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in {"LightGCN", "SASRec"}])
def test_every_model_over_pictures(name: str, encoder: str, tmp_path: Path) -> None:
    shipped = read_recipe(f"published/{name.lower()}-{encoder}")
    rates = shipped["optimiser"]
    pair = over_pictures(name, encoder, rates["learning_rate"], rates["weight_decay"])
    pair[0]["embedding_size"] = shipped["items"]["width"]
    recipe = imported(tmp_path, *pair, {"train_batch_size": shipped["training"]["batch_size"]})
    assert differences(recipe, shipped) == ({"users.hidden": (1, 2.0)} if name == "GRU4Rec" else {})


@pytest.mark.parametrize("name", VECTORS)
def test_files_over_vectors(name: str, tmp_path: Path) -> None:
    values = OVERALL | {"use_modality": False, "train_batch_size": 512} | VECTORS[name]
    assert differences(imported(tmp_path, values), read_recipe(f"published/{name}")) == {}


def test_the_last_file_counts_and_so_does_the_last_of_two_keys(tmp_path: Path) -> None:
    recipe = imported(tmp_path, *over_ids("SASRec"), {"MAX_ITEM_LIST_LENGTH": 20, "n_layers": 3})
    assert recipe["length"] == 20 and recipe["users"]["layers"] == 3
    twice = tmp_path / "twice.yaml"
    text = "".join(yaml.safe_dump(each) for each in over_ids("SASRec"))
    twice.write_text(text + "MAX_ITEM_LIST_LENGTH: 30\n", encoding="utf-8")
    assert import_recipe(twice, out=tmp_path / "out.yaml").recipe["length"] == 30


def test_keys_without_effect_are_named(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("sasrec.yaml", "ID.yaml")]
    for path, values in zip(paths, over_ids("SASRec"), strict=True):
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
    found = import_recipe(paths, out=tmp_path / "mine.yaml")
    assert {"state", "checkpoint_dir", "topk", "dataset"} <= set(found.without_effect)
    assert not {"n_layers", "epochs", "seed", "model", "optim_args"} & set(found.without_effect)
    assert found.recipe["about"] == "SASRec over ids; imported from sasrec.yaml and ID.yaml"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "SASRecs"}, "model is 'SASRecs'; did you mean 'SASRec'?"),
        ({"model": "DIN"}, "model is 'DIN'"),
        ({"model": None}, "no key 'model'; give all files of the run: that of the model, such as IDNet/sas"),
        ({"model": None, "modle": "SASRec"}, "no key 'model'; did you mean 'modle'?"),
        ({"n_layer": 3}, "unknown key 'n_layer'; did you mean 'n_layers'?"),
        ({"loss": "nce"}, "unknown key 'loss'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'; recipes have 'gelu' only"),
        ({"eval_step": 5}, "eval_step is 5"),
        ({"use_modality": True}, "use_modality is True, but SASRec reads ids"),
        ({"encoder_name": "RN50"}, "unknown key 'encoder_name'"),
        ({"optim_args": {"lr": 1}}, "optim_args is {'lr': 1}"),
        ({"optim_args": 3}, "optim_args is 3"),
        ({"n_heads": "four"}, "users.heads"),
        ({"train_batch_size": 0}, "train_batch_size is 0"),
        ({"clip_grad_norm": 5}, "clip_grad_norm is 5"),
        ({"decay_check_name": "visual"}, "decay_check_name is 'visual'"),
    ],
)
def test_what_no_recipe_can_express_is_refused_by_name(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as raised:
        imported(tmp_path, *over_ids("SASRec"), change)
    assert says in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoder_name": "resnet18", "encoder_source": "torchvision"}, "encoder_name is 'resnet18'"),
        ({"encoder_source": "torchvision"}, "clip-vit-base-patch32 is of 'transformers'"),
        ({"fine_tune_arg": {"tune_scale": 100, "method": "mean"}}, "tune_scale is 100"),
        ({"fine_tune_arg": {"tune_scale": 165, "method": "cls"}}, "method is 'cls'"),
        (
            {"fine_tune_arg": {"tune_scale": 165, "method": "mean", "pre_trained": False}},
            "pre_trained is False",
        ),
        ({"fine_tune_arg": {"tune_scale": 165, "method": "mean", "depth": 1}}, "'fine_tune_arg.depth'"),
        ({"fine_tune_arg": None}, "fine_tune_arg is None"),
        ({"use_modality": False}, "use_modality is False, but MOSASRec reads pictures"),
    ],
)
def test_networks_that_no_recipe_has(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as raised:
        imported(tmp_path, *over_pictures("SASRec", "vit", 1e-4, 0.1), change)
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_more_blocks_are_trained_where_the_boundary_lies_lower(tmp_path: Path) -> None:
    deeper = {"fine_tune_arg": {"tune_scale": 149, "method": "mean"}}
    recipe = imported(tmp_path, *over_pictures("SASRec", "vit", 1e-4, 0.1), deeper)
    assert recipe["items"]["trainable"] == 3


def test_half_a_pair_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match="no MAX_ITEM_LIST_LENGTH, epochs, train_batch_size, optim_args; give"
    ):
        imported(tmp_path, over_ids("SASRec")[0])
    with pytest.raises(RecipeError, match="no key 'model'; give all files of the run"):
        imported(tmp_path, over_ids("SASRec")[1])


def test_a_misspelt_key_is_named_before_the_one_that_is_missing(tmp_path: Path) -> None:
    model, overall = over_ids("SASRec")
    model["n_layer"] = model.pop("n_layers")
    with pytest.raises(RecipeError, match="unknown key 'n_layer'; did you mean 'n_layers'"):
        imported(tmp_path, model, overall)


def test_an_existing_recipe_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("length: 3\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="exists already"):
        import_recipe(path, out=path)
    assert path.read_text(encoding="utf-8") == "length: 3\n"
