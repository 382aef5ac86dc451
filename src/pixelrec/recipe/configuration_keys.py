"""The keys of the published code's configuration files, and the options of recipes that they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Kind = Literal["ids", "pictures", "vectors"]
TRAINING = {
    "MAX_ITEM_LIST_LENGTH": "length",
    "epochs": "training.epochs",
    "train_batch_size": "training.batch_size",
}
OPTIONAL = {"seed": "seed", "stopping_step": "training.patience", "valid_metric": "training.monitor"}
_WIDTH = {"embedding_size": "items.width"}
_TRANSFORMER = _WIDTH | {
    "n_layers": "users.layers",
    "n_heads": "users.heads",
    "inner_size": "users.expansion",
    "hidden_dropout_prob": "users.dropout",
    "attn_dropout_prob": "users.attention_dropout",
}
_GRU = {"num_layers": "users.layers", "hidden_size": "users.hidden", "dropout_prob": "users.dropout"}
_CONVOLUTIONS = {"kernel_size": "users.kernel", "block_num": "users.blocks", "dilations": "users.dilations"}


class Model(NamedTuple):
    recipe: str  # below published/, without the item encoder
    keys: Mapping[str, str]  # key of a file → option


_MODELS = {
    "MF": Model("mf", _WIDTH),
    "FM": Model("fm", _WIDTH),
    "DSSM": Model("dssm", _WIDTH),
    "SRGNN": Model("srgnn", _WIDTH | {"step": "users.steps"}),
    "GRU4Rec": Model("gru4rec", _WIDTH | _GRU),
    "BERT4Rec": Model("bert4rec", _TRANSFORMER | {"mask_ratio": "windowing.hide"}),
    "NextItNet": Model("nextitnet", _WIDTH | _CONVOLUTIONS),
    "SASRec": Model("sasrec", _TRANSFORMER),
    "LightSANs": Model("lightsans", _TRANSFORMER | {"k_interests": "users.interests"}),
}
OVER_IDS = _MODELS | {"LightGCN": Model("lightgcn", _WIDTH | {"n_layers": "users.layers"})}
OVER_PICTURES = {f"MO{name}": model for name, model in _MODELS.items()}
OVER_VECTORS = {
    "FSASRec": Model("sasrec", _TRANSFORMER),
    "VBPR": Model("vbpr", {"embedding_size": ""}),
    "ACF": Model("acf", _WIDTH),
    "VISRANK": Model("vis-rank", {"method": "", "top_num": ""}),
}
FROZEN = {"semantic_model": "sasrec-codes", "freeze_model": "sasrec-frozen"}
FROZEN |= {"hybrid_model": "sasrec-frozen-joined"}


class Encoder(NamedTuple):
    recipe: str  # published/sasrec-…
    trained: Mapping[int, int | str] | None  # first trained tensor → depth; none: always the same
    method: str | None = None  # the pooling that the recipe has; none: the published code has no other


_RESNET = "stages 3-4"
_SWIN: Mapping[int, int | str] = {78: _RESNET, 41: "stages 2-4"}
ENCODERS = {
    "RN50": Encoder("rn50", None, "cls"),
    "RN50x4": Encoder("rn50x4", None, "cls"),
    "RN50x16": Encoder("rn50x16", None, "cls"),
    "RN50x64": Encoder("rn50x64", None, "cls"),
    "clip-vit-base-patch32": Encoder("vit", {5 + 16 * k: 12 - k for k in range(12)}, "mean"),
    "swin-tiny-patch4-window7-224": Encoder("swin-t", _SWIN, "pool"),
    "swin-base-patch4-window7-224": Encoder("swin-b", _SWIN),
    "beit-base-patch16": Encoder("beit", {3 + 18 * k: 12 - k for k in range(12)}),
    "resnet50": Encoder("resnet50", {72: _RESNET, 33: "stages 2-4"}),
}
SOURCES = {name: "clip" if name.startswith("RN") else "transformers" for name in ENCODERS}
SOURCES["resnet50"] = "torchvision"
ONLY: Mapping[str, Any] = {  # keys whose other values no recipe has
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "final_layer": False,
    "dropout_prob": 0,
    "mlp_hidden_size": [],
    "data_augmentation": True,
    "eval_step": 1,
}
ENCODER_KEYS = ("encoder_name", "encoder_source", "fine_tune_arg")
TUNING = {"pre_trained": True, "activation": "relu", "dnn_layers": []}
WITHOUT_EFFECT = frozenset(  # on a recipe: logs, folders, tables of metrics
    {
        "state",
        "reproducibility",
        "checkpoint_dir",
        "show_progress",
        "log_wandb",
        "wandb_project",
        "data_path",
        "dataset",
        "image_path",
        "v_feat_path",
        "semantic_id_path",
        "eval_batch_size",
        "metric_decimal_place",
        "loss_decimal_place",
        "metrics",
        "topk",
    }
)
