"""The verb that publishes a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, as_dataset, as_run, checked
from pixelrec.console.progress import activity, shown_on
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.runs.publication import Published
    from pixelrec.runs.run import Run


@checked
def publish(
    run: Run | Place,
    folder: Place | None = None,
    *,
    push: str | None = None,
    private: bool = False,
    licence: str | None = None,
    data_licence: str | None = None,
    encoder: bool = True,
    overwrite: bool = False,
    data: Dataset | Place | None = None,
    console: Console | None = None,
) -> Published:
    """Publish a run in one folder, or on the Hugging Face hub.

    It recommends for histories of item ids and for covers of new items, with no data set at hand, and holds
    nothing about users: `pixelrec.from_pretrained` loads it. A picture network is included.

    Args:
        run: run folder.
        folder: folder to write, new or empty.
        push: OWNER/NAME on the hub, instead of a folder; `hf auth login` comes first.
        private: make a new repository on the hub private.
        licence: of the weights, for the model card: an id that the hub knows, such as mit, or any name.
        data_licence: the same of the data.
        encoder: include the weights of the item encoder, such as a picture network: new covers need them.
        overwrite: replace a published run in the folder.
        data: data set folder, if it has moved since.
        console: for progress; without one, nothing is printed.

    Returns:
        `place`, which loads: the folder, or hf://OWNER/NAME; `sizes` by file, in bytes; `url` of a page on
        the hub.

    Raises:
        RequestError: the user model needs more than the items of a history.
        RunError: it is a blend, no epoch has ended, the folder is not empty, or the hub refuses.
    """
    if (folder is None) == (push is None):
        raise RequestError("publish where? Give a folder, or --push OWNER/NAME (push in Python)")
    opened, dataset = as_run(run), None if data is None else as_dataset(data)
    with shown_on(console) as screen, activity("publishing", screen) as told:
        if push is not None:
            return opened.push_to_hub(
                push,
                private=private,
                licence=licence,
                data_licence=data_licence,
                encoder=encoder,
                data=dataset,
                on_progress=told,
            )
        assert folder is not None, "one of the two"
        return opened.save_pretrained(
            Path(folder),
            licence=licence,
            data_licence=data_licence,
            encoder=encoder,
            overwrite=overwrite,
            data=dataset,
            on_progress=told,
        )
