"""How good a model is: figures with their intervals, two models compared, its mistakes, and better use of it."""

from twolayer.evaluation.comparison import Comparison as Comparison
from twolayer.evaluation.comparison import compare as compare
from twolayer.evaluation.decisions import Threshold as Threshold
from twolayer.evaluation.decisions import calibrate as calibrate
from twolayer.evaluation.decisions import choose_threshold as choose_threshold
from twolayer.evaluation.decisions import with_threshold as with_threshold
from twolayer.evaluation.figures import Evaluation as Evaluation
from twolayer.evaluation.figures import Figure as Figure
from twolayer.evaluation.figures import evaluate as evaluate
from twolayer.evaluation.mistakes import find_hardest as find_hardest
from twolayer.evaluation.mistakes import find_mislabelled as find_mislabelled
from twolayer.evaluation.scores import Scores as Scores
from twolayer.evaluation.scores import score_predictions as score_predictions
from twolayer.evaluation.scores import wilson_interval as wilson_interval
from twolayer.evaluation.sets import SetFigures as SetFigures
from twolayer.evaluation.sets import find_sets as find_sets
from twolayer.evaluation.sets import jackknife_plus_sets as jackknife_plus_sets
from twolayer.evaluation.sets import judge_sets as judge_sets
from twolayer.evaluation.sets import least_samples as least_samples
from twolayer.evaluation.sets import try_sets as try_sets
from twolayer.evaluation.sets import with_sets as with_sets
