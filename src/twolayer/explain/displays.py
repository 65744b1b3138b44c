"""Pictures as objects, as scikit-learn has them: made from an estimator or a model, drawn on an axis of one's own.

Curves of predictions are scikit-learn's: `RocCurveDisplay.from_estimator` and the others take a `TwoLayerClassifier`.
"""

from typing import TYPE_CHECKING, Any, Self

from twolayer.explain.account import Account, attribute
from twolayer.explain.importance import Effect, Importance, measure_effect, measure_importance
from twolayer.explain.pictures import draw_account, draw_effect, draw_importance
from twolayer.model import Model
from twolayer.plots import draw_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Display:
    """What all displays have: `plot`, and after it `ax_` and `figure_`."""

    ax_: "Axes"
    figure_: Any

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axis, optional
            A new one when not given.

        Returns
        -------
        self
            With `ax_` and `figure_`.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(layout="constrained")
        self._draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw(self, ax: "Axes") -> None:
        """Draw on an axis."""
        raise NotImplementedError


class AccountDisplay(_Display):
    """How the shares of the features lead from the logit at the baseline to that of a sample.

    Parameters
    ----------
    account : Account
    sample, output : int
        Which of its samples and logits.
    """

    def __init__(self, account: Account, sample: int = 0, output: int = 0) -> None:
        self.account, self.sample, self.output = account, sample, output

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, sample: int = 0, output: int = 0, ax: "Axes | None" = None, **how: Any
    ) -> Self:
        """Share out the logits of samples, and draw those of one.

        Parameters
        ----------
        estimator : TwoLayerClassifier or Model
        X : samples
        sample, output : int
            Which of them is drawn, and which logit.
        ax : matplotlib axis, optional
        **how
            As for `attribute`: baseline, method, data, labels.
        """
        return cls(attribute(_to_model(estimator), X, **how), sample, output).plot(ax)

    def _draw(self, ax: "Axes") -> None:
        """Draw on an axis."""
        draw_account(ax, self.account, sample=self.sample, output=self.output)


class ImportanceDisplay(_Display):
    """The mean absolute share of the features that matter most, with 95 % intervals.

    Parameters
    ----------
    importance : Importance
    """

    def __init__(self, importance: Importance) -> None:
        self.importance = importance

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any = None, *, ax: "Axes | None" = None, **how: Any) -> Self:
        """Measure what matters, and draw it.

        Parameters
        ----------
        estimator : TwoLayerClassifier or Model
        X, y : samples and, optionally, their classes
        ax : matplotlib axis, optional
        **how
            As for `measure_importance`.
        """
        return cls(measure_importance(_to_model(estimator), X, y, **how)).plot(ax)

    def _draw(self, ax: "Axes") -> None:
        """Draw on an axis."""
        draw_importance(ax, self.importance)


class EffectDisplay(_Display):
    """The mean probability of each class over the values of a column.

    Parameters
    ----------
    effect : Effect
    """

    def __init__(self, effect: Effect) -> None:
        self.effect = effect

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, feature: str | int, *, ax: "Axes | None" = None) -> Self:
        """Measure the effect of a column, and draw it.

        Parameters
        ----------
        estimator : TwoLayerClassifier or Model
        X : samples
        feature : str or int
            Name or place of the column.
        ax : matplotlib axis, optional
        """
        return cls(measure_effect(_to_model(estimator), X, feature)).plot(ax)

    def _draw(self, ax: "Axes") -> None:
        """Draw on an axis."""
        draw_effect(ax, self.effect)


class UnitsDisplay(_Display):
    """The weights of the hidden units, as images or columns.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: "Axes | None" = None) -> Self:
        """Draw the hidden units of a TwoLayerClassifier or a Model."""
        return cls(_to_model(estimator)).plot(ax)

    def _draw(self, ax: "Axes") -> None:
        """Draw on an axis."""
        draw_units(ax, self.model)


def _to_model(estimator: Any) -> Model:
    """Return the model of an estimator."""
    if isinstance(estimator, Model):
        return estimator
    model: Model = estimator.to_model()
    return model
