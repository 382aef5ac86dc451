"""User models: histories in, vectors out. A new one is a file here and a line below."""

from collections.abc import Mapping

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
from pixelrec.users.wide_deep import WideDeep

USER_MODELS: Mapping[str, type[AbstractUserModel]] = {
    "gru4rec": GRU4Rec,
    "hstu": HSTU,
    "lightgcn": LightGCN,
    "bert4rec": BERT4Rec,
    "lightsans": LightSANs,
    "mf": MF,
    "nextitnet": NextItNet,
    "sasrec": SASRec,
    "srgnn": SRGNN,
    "curatornet": CuratorNet,
    "din": DIN,
    "dssm": DSSM,
    "fm": FM,
    "wide_deep": WideDeep,
}
