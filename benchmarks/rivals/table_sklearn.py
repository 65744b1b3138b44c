"""A table with pandas and scikit-learn. Arguments: train TABLE OUT PASSES (of Adam), or predict MODEL TABLE OUT."""

import json
import sys

import joblib
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def read(path):
    """Return features and labels."""
    table = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
    return table.drop(columns="y"), table["y"]


if sys.argv[1] == "train":
    X, y = read(sys.argv[2])
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    model = make_pipeline(
        StandardScaler(), MLPClassifier((64,), batch_size=256, max_iter=int(sys.argv[4]), random_state=0)
    )
    accuracy = model.fit(X, y).score(X_test, y_test)
    joblib.dump(model, sys.argv[3])
else:
    model = joblib.load(sys.argv[2])
    X, y = read(sys.argv[3])
    probabilities = model.predict_proba(X)
    found = pd.DataFrame(probabilities, columns=[f"probability_{label}" for label in model.classes_])
    found.insert(0, "prediction", model.classes_[probabilities.argmax(1)])
    found["y"] = y
    found.to_csv(sys.argv[4], index=False)
    accuracy = (found["prediction"] == y).mean()
print(json.dumps({"test_accuracy": float(accuracy)}))
