"""Names of types that many modules share."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Label = int | str
ClassWeight = Mapping[Any, float] | str | None
