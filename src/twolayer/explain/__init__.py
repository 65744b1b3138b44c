"""What a network does, why it predicts what it predicts, and whether its gradients are right."""

from twolayer.explain.account import Account as Account
from twolayer.explain.account import UnitAccount as UnitAccount
from twolayer.explain.account import attribute as attribute
from twolayer.explain.account import attribute_units as attribute_units
from twolayer.explain.importance import Effect as Effect
from twolayer.explain.importance import Importance as Importance
from twolayer.explain.importance import measure_effect as measure_effect
from twolayer.explain.importance import measure_importance as measure_importance
