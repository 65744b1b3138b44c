"""What a network does, why it predicts what it predicts, and whether its gradients are right."""

from twolayer.explain.account import Account as Account
from twolayer.explain.account import UnitAccount as UnitAccount
from twolayer.explain.account import attribute as attribute
from twolayer.explain.account import attribute_units as attribute_units
from twolayer.explain.doctor import Diagnosis as Diagnosis
from twolayer.explain.doctor import Finding as Finding
from twolayer.explain.doctor import diagnose as diagnose
from twolayer.explain.importance import Effect as Effect
from twolayer.explain.importance import Importance as Importance
from twolayer.explain.importance import measure_effect as measure_effect
from twolayer.explain.importance import measure_importance as measure_importance
from twolayer.explain.interactions import Interactions as Interactions
from twolayer.explain.interactions import measure_interactions as measure_interactions
from twolayer.explain.nearest import Change as Change
from twolayer.explain.nearest import Nearest as Nearest
from twolayer.explain.nearest import find_change as find_change
from twolayer.explain.nearest import find_nearest as find_nearest
from twolayer.explain.robustness import Robustness as Robustness
from twolayer.explain.robustness import check_robustness as check_robustness
from twolayer.explain.units import Pruning as Pruning
from twolayer.explain.units import UnitCard as UnitCard
from twolayer.explain.units import describe_units as describe_units
from twolayer.explain.units import measure_pruning as measure_pruning
from twolayer.explain.units import merge_twins as merge_twins
from twolayer.explain.units import prune as prune
from twolayer.explain.watch import Watch as Watch
