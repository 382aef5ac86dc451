"""User models: histories in, vectors out. A new one is a file here and a line below."""

from collections.abc import Mapping

from pixelrec.users.mf import MF
from pixelrec.users.sasrec import SASRec
from pixelrec.users.user_model import AbstractUserModel

USER_MODELS: Mapping[str, type[AbstractUserModel]] = {
    "mf": MF,
    "sasrec": SASRec,
}
