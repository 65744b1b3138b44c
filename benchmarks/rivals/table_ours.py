"""A table by `twolayer predict`, then how many of its predictions are right. Arguments: MODEL TABLE OUT."""

import json
import sys

import duckdb

from twolayer.cli import run

model, table, out = sys.argv[1:]
run(["predict", model, table, "--out", out])
((right,),) = duckdb.sql(f"SELECT avg(CAST(prediction = y AS INTEGER)) FROM '{out}'").fetchall()  # noqa: S608
print(json.dumps({"test_accuracy": right}))
