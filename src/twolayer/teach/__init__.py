"""A student's own code is checked formula by formula: each function by itself, and the wrong term is named."""

from twolayer.teach.marking import Mark as Mark
from twolayer.teach.marking import Marks as Marks
from twolayer.teach.marking import check_file as check_file
from twolayer.teach.notebook import assert_right as assert_right
from twolayer.teach.notebook import check as check
from twolayer.teach.notebook import check_notebook as check_notebook
from twolayer.teach.notebook import show_figures as show_figures
from twolayer.teach.sandbox import Limits as Limits
