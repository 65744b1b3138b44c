"""A run as one page of HTML that needs nothing else."""

from twolayer.report.page import make_report as make_report
