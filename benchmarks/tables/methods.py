"""The methods that are compared, all with their defaults: each as its users would give it a table.

A method is prepared for the training rows, then fitted, which is timed: treating the columns is part of it, loading
libraries is not. The treatments are those of the recorded results, which they reproduce.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from benchmarks.tables.folder import TARGET, Frame, is_number
from benchmarks.tables.records import OURS
from twolayer import TwoLayerClassifier
from twolayer.aliases import Array
from twolayer.data import sources  # noqa: F401 - loaded before anything is timed
from twolayer.data.request import DataRequest
from twolayer.runs.request import Request
from twolayer.runs.run import run
from twolayer.settings import Settings

Predict = Callable[[Frame], Array]
Fit = Callable[[], Predict]

_MISSING = "missing"  # the level of values that are


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes
    ----------
    prepare : callable
        Takes the training rows, an empty folder and the number of threads; returns what fits and returns what predicts:
        the probabilities of a frame, a column a class in the order of their names.
    package : str, optional
        What it needs beside twolayer and scikit-learn.
    module : str, optional
        What that is imported as.
    """

    prepare: Callable[[Frame, Path, int], Fit]
    package: str | None = None
    module: str | None = None

    @property
    def is_installed(self) -> bool:
        """Whether it can be run here."""
        return self.module is None or find_spec(self.module) is not None


@dataclass(frozen=True)
class _Layout:
    """What an estimator is made for: so many threads, numbers in the first columns and categories in the others."""

    n_threads: int
    n_numbers: int
    n_categories: int

    @property
    def categories(self) -> list[int]:
        """The places of the categories."""
        return list(range(self.n_numbers, self.n_numbers + self.n_categories))


def _ours(**settings: Any) -> Callable[[Frame, Path, int], Fit]:
    """Return a method that trains as the command does: on a file with the table as it is."""

    def prepare(train: Frame, folder: Path, n_threads: int) -> Fit:
        table = folder / "table.parquet"
        train.to_parquet(table, index=False)
        # the test rows are elsewhere; the classes of one table differ in upper and lower case
        data = DataRequest(data=str(table), target=TARGET, hold_out=0.0, keep_spellings=True)
        request = Request(data, Settings(n_threads=n_threads, **settings), pictures=False)
        return lambda: run(request, folder / "run").model.predict_proba

    return prepare


def _one_hot(numbers: Sequence[str], _: Sequence[str]) -> list[Any]:
    """Return median, standardization and one-hot, for methods of numbers alone."""
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return [ColumnTransformer([("numbers", make_pipeline(_median(), StandardScaler()), numbers)], remainder=one_hot)]


def _codes(numbers: Sequence[str], categories: Sequence[str]) -> list[Any]:
    """Return numbers as they are, missing or not, and categories by their number."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return [ColumnTransformer([("numbers", "passthrough", numbers), ("categories", codes, categories)])]


def _filled_codes(numbers: Sequence[str], categories: Sequence[str]) -> list[Any]:
    """Return the same, numbers without missing values."""
    codes = _codes(numbers, categories)
    return [*codes, ColumnTransformer([("numbers", _median(), slice(len(numbers)))], remainder="passthrough")]


def _frame_of_codes(numbers: Sequence[str], categories: Sequence[str]) -> list[Any]:
    """Return the same as a frame, in which categories are whole numbers."""
    places = range(len(numbers), len(numbers) + len(categories))
    frame = FunctionTransformer(lambda X: pd.DataFrame(X).astype(dict.fromkeys(places, int)))
    return [*_codes(numbers, categories), frame]


def _median() -> SimpleImputer:
    return SimpleImputer(strategy="median")


def _fill(frame: Frame) -> Frame:
    """Return features whose categories are text, missing ones too."""
    categories = frame.columns.difference(_numbers(frame))
    texts = {name: frame[name].astype(object).where(frame[name].notna(), _MISSING).astype(str) for name in categories}
    return frame.assign(**texts)


def _numbers(frame: Frame) -> list[str]:
    return [name for name in frame if is_number(frame[name])]


def _estimator(
    make: Callable[[_Layout], Any],
    treat: Callable[[Sequence[str], Sequence[str]], list[Any]] = _one_hot,
    told: Callable[[_Layout], dict[str, Any]] = lambda _: {},
) -> Callable[[Frame, Path, int], Fit]:
    """Return a method that is a scikit-learn estimator behind a treatment; `told` gives more arguments of its fit."""

    def prepare(train: Frame, _: Path, n_threads: int) -> Fit:
        X, y = train.drop(columns=TARGET), np.unique(train[TARGET], return_inverse=True)[1]
        numbers = _numbers(X)
        categories = [name for name in X if name not in numbers]
        layout = _Layout(n_threads, len(numbers), len(categories))
        estimator = make(layout)

        def fit() -> Predict:
            steps = make_pipeline(FunctionTransformer(_fill), *treat(numbers, categories))
            estimator.fit(steps.fit_transform(X), y, **told(layout))
            return lambda frame: estimator.predict_proba(steps.transform(frame))

        return fit

    return prepare


def _lightgbm(layout: _Layout) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(random_state=0, n_jobs=layout.n_threads, verbose=-1)


def _xgboost(layout: _Layout) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(random_state=0, n_jobs=layout.n_threads)


def _catboost(layout: _Layout) -> Any:
    from catboost import CatBoostClassifier

    quiet = {"verbose": 0, "allow_writing_files": False}
    categories = layout.categories or None
    return CatBoostClassifier(random_state=0, thread_count=layout.n_threads, cat_features=categories, **quiet)


def _realmlp(name: str) -> Callable[[_Layout], Any]:
    def make(layout: _Layout) -> Any:
        import pytabkit

        return getattr(pytabkit, name)(random_state=0, device="cpu", n_threads=layout.n_threads)

    return make


def _is_category(layout: _Layout) -> dict[str, Any]:
    return {"cat_indicator": [False] * layout.n_numbers + [True] * layout.n_categories}


def _ebm(layout: _Layout) -> Any:
    from interpret.glassbox import ExplainableBoostingClassifier

    kinds = ["continuous"] * layout.n_numbers + ["nominal"] * layout.n_categories
    return ExplainableBoostingClassifier(feature_types=kinds, n_jobs=layout.n_threads)


METHODS = {
    OURS: Method(_ours()),
    "twolayer_est": Method(_estimator(lambda made: TwoLayerClassifier(n_threads=made.n_threads))),
    "twolayer_plain": Method(_ours(recipe="none")),
    "lr": Method(_estimator(lambda _: LogisticRegression())),
    "mlp": Method(_estimator(lambda _: MLPClassifier(random_state=0))),
    "rf": Method(_estimator(lambda made: RandomForestClassifier(random_state=0, n_jobs=made.n_threads))),
    "hgb": Method(
        _estimator(
            lambda made: HistGradientBoostingClassifier(random_state=0, categorical_features=made.categories), _codes
        )
    ),
    "lgbm": Method(
        _estimator(_lightgbm, _codes, lambda made: {"categorical_feature": made.categories}), "lightgbm", "lightgbm"
    ),
    "xgb": Method(_estimator(_xgboost, _codes), "xgboost", "xgboost"),
    "catboost": Method(_estimator(_catboost, _frame_of_codes), "catboost", "catboost"),
    "realmlp_s": Method(
        _estimator(_realmlp("RealMLP_TD_S_Classifier"), _filled_codes, _is_category), "pytabkit", "pytabkit"
    ),
    "realmlp": Method(
        _estimator(_realmlp("RealMLP_TD_Classifier"), _filled_codes, _is_category), "pytabkit", "pytabkit"
    ),
    "ebm": Method(_estimator(_ebm, _codes), "interpret-core", "interpret"),
}


def add_variant(settings: str) -> str:
    """Let twolayer with some settings, such as "members=1 n_hidden=128", be a method, too; return its name."""
    given = dict(part.partition("=")[::2] for part in settings.split())
    Settings.make(given)  # SettingError if one is invalid
    name = f"{OURS} {settings}"
    METHODS[name] = Method(_ours(**given))
    return name
