"""The contract of user models and item encoders: promises, each a function of a `Case`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Batch, DatasetSpec, Events, Histories, Regions
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.sampling import NEGATIVES
from pixelrec.data.views import VIEWS, Reader, Windowing, latest
from pixelrec.recommender import Config, Recommender
from pixelrec.users import USER_MODELS

LENGTH = 8  # L of the generated world
LARGE = 0.3  # deviation of weights that are far from 0 at the start
_NAME = "class-under-test"


def generated_spec(users: int = 80, items: int = 600, seed: int = 0) -> DatasetSpec:
    """A data set in memory with 4 to 25 random training events of each user."""
    rng = np.random.default_rng(seed)
    lengths = np.concatenate([[0], rng.integers(4, 26, users)])
    stops = np.cumsum(lengths)
    events = rng.integers(1, items + 1, stops[-1], dtype=np.int32)
    times = 1_700_000_000 + np.cumsum(rng.integers(60, 100_000, stops[-1]))
    histories = Histories(events, times, stops - lengths, stops)
    return DatasetSpec(users, items, LENGTH, history=histories, item_ids=[f"i{n + 1}" for n in range(items)])


@dataclass(frozen=True)
class Case:
    """An item encoder, a user model and a scoring over training events."""

    items: Config
    users: Config
    scoring: Config
    spec: DatasetSpec
    reads_all_events: bool = True

    def build(self) -> Recommender:
        """The recommender, in float64, with weights far from their small start, so that differences show."""
        torch.manual_seed(0)
        made = Recommender(self.items, self.users, self.scoring, self.spec).double().eval()
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                # Pictures differ as they are, and a softmax over larger weights has one winner.
                if parameter.dim() > 1 and "backbone" not in name and parameter.std() < LARGE:
                    parameter.mul_(20 if "project" not in name else 3)
        return made

    @property
    def history(self) -> Histories:
        if self.spec.history is None:
            raise AssertionError("the spec has no training events; pass dataset.spec(length, events)")
        return self.spec.history

    def events(self, more_than: int, length: int) -> Events:
        """The latest events of twenty users with more training events than `more_than`."""
        users = np.flatnonzero(self.history.stops - self.history.starts > more_than)[:20]
        _demand(len(users) > 5, f"the data set has {len(users)} users with more than {more_than} events")
        return Events.of_numbers(users, *latest(self.history, users, length))

    def batch(self, made: Recommender, negatives: str = "per_target", rows: int = 32) -> Batch:
        reader = Reader.over(VIEWS[made.users.view], self.history, self.spec.length, Windowing())
        sampler = NEGATIVES[negatives](reader, self.spec.items)  # type: ignore[call-arg]
        batcher = Batcher(
            reader,
            sampler,
            made.items.load,
            self.spec.items,
            Batching(rows),
            whole_catalogue=made.users.needs_catalogue,
            load_regions=made.load_regions,
        )
        return next(batcher.epoch(0))


def table_of_a_batch_is_the_table_of_the_catalogue(case: Case) -> None:
    """Training encodes the items of a batch, evaluation the catalogue: scores must be the same."""
    made = case.build()
    batch = case.batch(made, rows=32 if made.users.view == "pairs" else 6)
    ids = batch.items.ids
    few = len(ids) <= case.spec.items or made.users.needs_catalogue
    _demand(few, "a batch holds all items: the data set has too few for this check")
    whole = Batch(
        items=made.load(torch.arange(case.spec.items + 1)),
        events=replace(batch.events, history=ids[batch.events.history]),
        target=ids[batch.target],
        negative=ids[batch.negative],
    )
    found, expected = made(batch), made(whole)
    _demand(len(found.positive) > 10, f"a batch has {len(found.positive)} targets, too few for this check")
    _same(found.positive, expected.positive, rtol=1e-9, atol=1e-9)
    _same(found.negative, expected.negative, rtol=1e-9, atol=1e-9)


def vectors_follow_the_target_mask(case: Case) -> None:
    """A vector for each true place, row by row, and none depends on the other users of the batch."""
    made = case.build()
    batch = case.batch(made)
    events = batch.events
    whole = replace(events, history=batch.items.ids[events.history], target_mask=batch.target != 0)
    table = made.catalogue().table.double()
    with torch.no_grad():
        together = _vectors(made, table, whole)
        alone = [_vectors(made, table, row) for row in whole.split(1)]
    targets = int((batch.target != 0).sum())
    _demand(len(together) == targets, f"{len(together)} vectors for {targets} targets")
    _same(together, torch.cat(alone))


def padding_on_the_left_changes_nothing(case: Case) -> None:
    made = case.build()
    length = case.spec.length
    short, padded = case.events(4, 3), case.events(4, length)
    history = torch.where(torch.arange(length) < length - 3, 0, padded.history)
    padded = replace(padded, history=history, times=torch.where(history == 0, 0, padded.times))
    table = made.catalogue(chunk=50).table.double()
    with torch.no_grad():
        _same(_vectors(made, table, short), _vectors(made, table, padded))


def a_vector_depends_on_the_events_that_its_view_shows(case: Case) -> None:
    """Changing an event changes the vectors that may depend on it, and no others."""
    view = USER_MODELS[case.users["name"]].view
    if view == "pairs":  # reads no events
        return
    made = case.build()
    length = case.spec.length
    width = length if view == "next_item" else length + 1
    now = case.events(width, width)
    place = torch.arange(width)
    changed = 4 if view == "cloze" else 5
    mask = (place >= 2) & ((place % 2 == 1) | (view != "cloze"))
    history = now.history.masked_fill(mask, 0) if view == "cloze" else now.history
    now = replace(now, history=history, target_mask=mask.expand_as(history).clone())
    later = replace(now, history=history.clone())
    later.history[:, changed] = later.history[:, changed] % case.spec.items + 1
    table = made.catalogue().table.double()
    with torch.no_grad():
        difference = _vectors(made, table, now) - _vectors(made, table, later)
        difference = difference.flatten(1).abs().amax(1)
    difference = difference.view(len(now.users), -1)
    may = {"next_item": place >= changed, "rest_of_window": place != changed, "cloze": place >= 0}[view][mask]
    changes = difference[:, may] > 1e-9
    reads = changes.all() if case.reads_all_events else changes.any()
    hint = "; if that is meant, give reads_all_events=False" if changes.any() else ""
    _demand(bool(reads), f"a vector ignores an event that its view shows{hint}")
    leak = difference[:, ~may]
    _demand(not leak.numel() or float(leak.max()) < 1e-9, "a vector depends on an event hidden from it")


def the_latest_events_of_a_longer_history_count(case: Case) -> None:
    made = case.build()
    length = case.spec.length
    catalogue = made.catalogue()
    latest, longer = (made.vectors(catalogue, case.events(length + 2, length + more)) for more in (0, 4))
    _demand(bool(latest.any()), "vectors of whole histories are zero")
    _same(latest, longer)


def an_empty_history_has_the_same_finite_vector_for_everyone(case: Case) -> None:
    made = case.build()
    if made.users.needs_known_user:
        return
    nothing = torch.zeros(2, case.spec.length, dtype=torch.int64)
    vectors = made.vectors(made.catalogue(), Events(torch.tensor([0, 1]), nothing, nothing))
    _demand(bool(torch.isfinite(vectors).all()), "the vector of an empty history is not finite")
    _demand(torch.equal(vectors[0], vectors[1]), "vectors of empty histories differ between users")


def training_scores_are_ranking_scores(case: Case) -> None:
    """The event after L others scores the same as a training target and as an evaluation target."""
    made = case.build()
    length = case.spec.length
    line = case.events(length + 2, length + 1)
    before = Events(line.users, line.history[:, :-1], line.times[:, :-1])
    target = line.history[:, -1]
    last = torch.arange(length + 1) == length
    history, mask = {
        "pairs": (line.history[:, :0], torch.ones(1, dtype=torch.bool)),
        "next_item": (before.history, last[1:]),
        "rest_of_window": (line.history, last),
        "cloze": (line.history.masked_fill(last, 0), last),
    }[made.users.view]
    mask = mask.expand(len(target), -1).clone()
    events = Events(line.users, history, line.times[:, : history.shape[1]], mask)
    if made.load_regions is not None:
        events = replace(events, regions=Regions.of(history.numpy(), made.load_regions))
    everything = made.load(torch.arange(case.spec.items + 1))
    batch = Batch(everything, events, torch.where(mask, target[:, None], 0), torch.ones(1, dtype=torch.int64))
    scores = made.scores(catalogue := made.catalogue(), made.vectors(catalogue, before))
    with torch.no_grad():
        expected = scores.gather(1, target[:, None])[:, 0]
        _same(made(batch).positive, expected, rtol=1e-4, atol=1e-4)


def a_saved_model_loads_as_it_was(case: Case) -> None:
    made = case.build().float()
    with TemporaryDirectory() as folder:
        made.save(Path(folder) / "saved")
        loaded = Recommender.from_pretrained(Path(folder) / "saved", data=case.spec)
    weights, again = made.state_dict(), loaded.state_dict()
    _demand(weights.keys() == again.keys(), "the loaded model has other weights")
    for name, weight in weights.items():
        _demand(torch.equal(weight, again[name]), f"{name} is another after loading")
    events = case.events(0, case.spec.length)
    vectors = [each.vectors(each.catalogue(), events) for each in (made, loaded)]
    _demand(torch.equal(*vectors), "the loaded model computes other vectors")
    _same(loaded.catalogue(chunk=7).table, made.catalogue().table, rtol=1e-4, atol=1e-4)


def gradients_reach_every_weight_but_padding(case: Case) -> None:
    for negatives in NEGATIVES:
        made = case.build()
        scores = made(case.batch(made, negatives))
        (scores.positive.sum() - scores.negative[scores.negative.isfinite()].sum()).backward()
        for name, parameter in made.named_parameters():
            if not parameter.requires_grad:
                continue
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            _demand(bool(gradient.any()), f"{negatives}: {name} has no gradient")
            padded = name.endswith("rows.weight") and bool(gradient[0].any())
            _demand(not padded, f"{negatives}: the padding row of {name} has a gradient")


def scores_have_full_precision_under_autocast(case: Case) -> None:
    for negatives in NEGATIVES:
        made = case.build().float()
        batch = case.batch(made, negatives)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            scores = made(batch)
        _demand(scores.positive.dtype == scores.negative.dtype == torch.float32, "scores are not float32")
        rounded = scores.positive.bfloat16().float()
        _demand(bool((rounded != scores.positive).any()), "scores were rounded to bfloat16")


def a_target_does_not_compete_with_itself(case: Case) -> None:
    made = case.build()
    batch = replace(case.batch(made, "shared"), log_q=None)
    targets = batch.target[batch.target != 0]
    itself = torch.eq(batch.negative, targets[:, None])  # type: ignore[arg-type]
    _demand(bool(itself.any()), "no negative is a target: the data set has too many items for this check")
    negative = made(batch).negative
    _demand(bool((negative[itself] == -torch.inf).all()), "a target competes with itself")
    _demand(bool(negative[~itself].isfinite().all()), "a score is not finite")


def a_softmax_over_many_negatives_is_their_log_sum_exp(case: Case) -> None:
    """The whole catalogue, and a corrected sample, come as one negative with the same sum."""
    made = case.build()
    everything = case.batch(made, "catalogue")
    shared = replace(everything, negative=torch.arange(1, case.spec.items + 1))
    _same(made(everything).negative[:, 0], made(shared).negative.logsumexp(1))
    sample = case.batch(made, "shared")
    plain = made(replace(sample, log_q=None)).negative - sample.log_q
    _same(made(sample).negative.logsumexp(1), plain.logsumexp(1))


CONTRACT: Mapping[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        table_of_a_batch_is_the_table_of_the_catalogue,
        vectors_follow_the_target_mask,
        padding_on_the_left_changes_nothing,
        a_vector_depends_on_the_events_that_its_view_shows,
        the_latest_events_of_a_longer_history_count,
        an_empty_history_has_the_same_finite_vector_for_everyone,
        training_scores_are_ranking_scores,
        a_saved_model_loads_as_it_was,
        gradients_reach_every_weight_but_padding,
        scores_have_full_precision_under_autocast,
        a_target_does_not_compete_with_itself,
        a_softmax_over_many_negatives_is_their_log_sum_exp,
    )
}


def _vectors(made: Recommender, table: Tensor, events: Events) -> Tensor:
    """Of the user model, for histories of item numbers."""
    return made.users(table, made.with_regions(events))


def _demand(kept: bool, message: str) -> None:
    """An assertion that `python -O` keeps."""
    if not kept:
        raise AssertionError(message)


def _same(found: Tensor, expected: Tensor, rtol: float = 1e-7, atol: float = 1e-7) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)
