"""Results of methods on tables: what they are called, which figures they have, and the files that hold them."""

import json
from pathlib import Path
from typing import Any

from twolayer.errors import FileFormatError

Result = dict[str, Any]

FIGURES = ("error", "logloss", "auc", "ece", "seconds")  # of a result
RECORDED = "rivals.jsonl"  # in a folder of tables: results that were made earlier
OURS = "twolayer"
TITLES = {
    OURS: "twolayer",
    "twolayer_est": "TwoLayerClassifier",
    "twolayer_plain": "twolayer, one plain network",
    "lr": "LogisticRegression",
    "mlp": "MLPClassifier",
    "rf": "RandomForest",
    "hgb": "HistGradientBoosting",
    "lgbm": "LightGBM",
    "xgb": "XGBoost",
    "catboost": "CatBoost",
    "realmlp_s": "RealMLP-TD-S",
    "realmlp": "RealMLP-TD",
    "ebm": "EBM",
}
# The recipe was tuned on every other table in the order of the manifest of its development, beginning with the first.
TUNED_ON = (
    *("credit_g", "vehicle", "attrition", "phoneme", "hpc", "vowel"),
    *("ad_data", "mammographic", "segment", "stackoverflow", "income", "airbags"),
)


def title_of(method: str) -> str:
    """Return what a method is called; those that are only recorded have no other name."""
    return TITLES.get(method, method)


def read_results(path: Path) -> list[Result]:
    """Return the results in a file, one a line; none where there is no file.

    Raises
    ------
    FileFormatError
        If a line is damaged.
    """
    results = []
    lines = path.read_text().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            result = json.loads(line)
            float(sum(result[name] for name in ("split", *FIGURES)))
            results.append({**result, "table": str(result["table"]), "method": str(result["method"])})
        except (ValueError, TypeError, KeyError):
            raise FileFormatError(f"Line {number} of {path} is not a result: remove the line.") from None
    return results
