"""User models: rows of the table in, a vector for every target out.

The room knows sequences of events; it must not know what an item looks like. A model is a file here and a
line below, or a class of another package (`pixelrec.register`, entry points of the group `pixelrec.users`).
"""

from pixelrec.registry import Registry
from pixelrec.users.acf import ACF
from pixelrec.users.bert4rec import BERT4Rec
from pixelrec.users.curatornet import CuratorNet
from pixelrec.users.din import DIN
from pixelrec.users.dssm import DSSM
from pixelrec.users.fm import FM
from pixelrec.users.gru4rec import GRU4Rec
from pixelrec.users.hstu import HSTU
from pixelrec.users.lightgcn import LightGCN
from pixelrec.users.lightsans import LightSANs
from pixelrec.users.mf import MF
from pixelrec.users.nextitnet import NextItNet
from pixelrec.users.sasrec import SASRec
from pixelrec.users.srgnn import SRGNN
from pixelrec.users.user_model import AbstractUserModel
from pixelrec.users.vbpr import VBPR
from pixelrec.users.wide_deep import WideDeep

USER_MODELS: Registry[AbstractUserModel] = Registry(
    "user model",
    "pixelrec.users",
    AbstractUserModel,  # type: ignore[type-abstract]
    {
        "acf": ACF,
        "bert4rec": BERT4Rec,
        "curatornet": CuratorNet,
        "din": DIN,
        "dssm": DSSM,
        "fm": FM,
        "gru4rec": GRU4Rec,
        "hstu": HSTU,
        "lightgcn": LightGCN,
        "lightsans": LightSANs,
        "mf": MF,
        "nextitnet": NextItNet,
        "sasrec": SASRec,
        "srgnn": SRGNN,
        "vbpr": VBPR,
        "wide_deep": WideDeep,
    },
)
