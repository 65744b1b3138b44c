"""Samples for a model that is trained already: read and brought into the form that it takes."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.data.catalogue import ReadOptions, Samples, is_table, load_dataset, open_table
from twolayer.data.split import hold_out
from twolayer.data.survey import code_target
from twolayer.data.tables import Table
from twolayer.errors import DataError
from twolayer.model import Model


def open_samples(
    model: Model, name: str, *, part: Any = None, encoding: str = "utf-8", labelled: bool = False
) -> tuple[Samples, Table | None]:
    """Open samples for a model.

    Parameters
    ----------
    model : Model
    name : str
        As `load_dataset` and `open_table` know it.
    part : "train" or "test", optional
        Of a source that has both, or of the one that the model was trained on, which held some out.
    encoding : str
        Of the text in CSV files.
    labelled : bool
        Whether the labels are needed.

    Returns
    -------
    samples : Samples
        X is rows that `Model.predict` takes; y is there where the source has labels, for a table on request only.
    table : Table or None
        The table that they came from, if it is one; all of its rows, not a part.

    Raises
    ------
    DataError
        If the samples are not of the kind that the model takes.
    """
    own = _held_out_share(model) if _is_same(name, model.settings.get("data")) else None
    if is_table(name) is not (model.table is not None):
        wanted = "the columns of a table" if model.table else "samples such as images, not a table"
        raise DataError(f"{name} cannot be used: the model was trained on {wanted}.")
    if model.table is not None:
        return _from_table(model, name, part, encoding, own, labelled=labelled)
    options = ReadOptions(size=_image_size(model), colour="rgb" if len(model.input_shape) == 3 else "grey")
    dataset = load_dataset(name, options)
    model.check_scale(dataset.scale, name)
    if dataset.test is None and own and dataset.train.y is not None and (part is not None or labelled):
        rest, out = hold_out(dataset.train.y, own, _seed(model))
        return dataset.train.some(rest if part == "train" else out), None
    return dataset.part(part), None


def _from_table(
    model: Model, name: str, part: Any, encoding: str, own: Any, *, labelled: bool
) -> tuple[Samples, Table | None]:
    assert model.table is not None
    table, _ = open_table(name, ReadOptions(encoding=encoding))
    rows = model.table.rows(table, dtype=model.parameters["W1"].dtype)
    if not labelled and part is None:
        return Samples(rows, None), table
    codes = code_target(table, model.table.target, model.classes)
    chosen = np.flatnonzero(codes >= 0)
    if own and part != "train":
        _, out = hold_out(codes[chosen], own, _seed(model))
        chosen = chosen[out]
    elif part is not None and own:
        rest, _ = hold_out(codes[chosen], own, _seed(model))
        chosen = chosen[rest]
    elif part == "test":
        raise DataError(f"{name} has no test part: use --part train.")
    if not len(chosen):
        raise DataError(f"{name} has no labels in {model.table.target!r}: name a table that has.")
    from twolayer.data.rows import SomeRows

    return Samples(SomeRows(rows, chosen), np.asarray(model.classes)[codes[chosen]]), None


def _is_same(name: str, data: Any) -> bool:
    """Tell whether two names are of the same data, however a path is spelled."""
    with contextlib.suppress(OSError, ValueError):
        return isinstance(data, str) and (name == data or Path(name).samefile(data))
    return False


def _held_out_share(model: Model) -> float | None:
    share = model.settings.get("hold_out")
    return share if isinstance(share, float) and 0 < share < 1 else None


def _seed(model: Model) -> int:
    seed = model.settings.get("random_state", 0)
    return seed if type(seed) is int and seed >= 0 else 0


def _image_size(model: Model) -> Any:
    return model.input_shape[:2] if len(model.input_shape) > 1 else None
