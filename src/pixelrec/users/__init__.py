"""User models: rows of the table in, a vector for every target out.

The room knows sequences of events; it must not know what an item looks like. A model is a file here and a
line below, or a class of another package (`pixelrec.register`, entry points of the group `pixelrec.users`).
"""

from pixelrec.registry import Registry
from pixelrec.users.user_model import AbstractUserModel

USER_MODELS: Registry[AbstractUserModel] = Registry(
    "user model",
    "pixelrec.users",
    AbstractUserModel,  # type: ignore[type-abstract]
    {
        "acf": "pixelrec.users.acf:ACF",
        "bert4rec": "pixelrec.users.bert4rec:BERT4Rec",
        "curatornet": "pixelrec.users.curatornet:CuratorNet",
        "din": "pixelrec.users.din:DIN",
        "dssm": "pixelrec.users.dssm:DSSM",
        "fm": "pixelrec.users.fm:FM",
        "gru4rec": "pixelrec.users.gru4rec:GRU4Rec",
        "hstu": "pixelrec.users.hstu:HSTU",
        "lightgcn": "pixelrec.users.lightgcn:LightGCN",
        "lightsans": "pixelrec.users.lightsans:LightSANs",
        "mf": "pixelrec.users.mf:MF",
        "nextitnet": "pixelrec.users.nextitnet:NextItNet",
        "sasrec": "pixelrec.users.sasrec:SASRec",
        "srgnn": "pixelrec.users.srgnn:SRGNN",
        "vbpr": "pixelrec.users.vbpr:VBPR",
        "visrank": "pixelrec.users.visrank:VisRank",
        "wide_deep": "pixelrec.users.wide_deep:WideDeep",
    },
)
