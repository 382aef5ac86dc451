"""Validation within a training: processes share the encoding and the ranking, and get the same metrics."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch

from pixelrec.data.split import EvaluationCases
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.training.loop import Validation
from pixelrec.training.processes import Processes


def validate(
    recommender: Recommender, cases: EvaluationCases, processes: Processes, bank: bool
) -> Validation:
    """Metrics over all cases, each process ranking its shard; the catalogue's vectors refill the bank."""
    started = perf_counter()
    processes.share_buffers(recommender)
    catalogue = sharded_catalogue(recommender, processes)
    encoded = perf_counter()
    recommender.bank = catalogue.encoded if bank else None
    index, count = processes.index, processes.count
    mine = TrainedRanker(recommender, catalogue).rank(cases.some(slice(index, None, count)))
    ranks = np.empty(len(cases), np.int64)
    for part, found in enumerate(processes.gather_objects(mine)):
        ranks[part::count] = found
    return Validation(metrics(ranks), perf_counter() - started, encoded - started, catalogue.alike)


def sharded_catalogue(recommender: Recommender, processes: Processes) -> Catalogue:
    """The catalogue; where items are expensive to encode, each process encodes its shard of them."""
    if processes.count == 1 or not recommender.items.expensive:
        return recommender.catalogue()
    items = recommender.spec.items + 1
    length = -(-items // processes.count)  # equal for all, as gathering needs: the last item may come twice
    mine = torch.arange(length) + processes.index * length
    encoded = torch.cat(list(recommender.encode(mine.clamp(max=items - 1))))
    return recommender.catalogue(encoded=processes.gather(encoded)[:items])
