"""A model as an ONNX graph with its preprocessing and its classes, for onnxruntime in whichever language."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.encoding import FAR, MAX_NUMBER, CategoryColumn, Encoding, NumberColumn
from twolayer.data.tables import MISSING
from twolayer.equations import ACTIVATIONS
from twolayer.errors import DataError, SettingError
from twolayer.export.description import THRESHOLD, fill_of, summarize
from twolayer.export.samples import SPACES, make_samples
from twolayer.model import Model

PLAIN_INPUT, LABEL, PROBABILITIES, SET = "X", "label", "probabilities", "set"
MAX_BYTES = 2**31 - 2**20  # of the parameters; protobuf ends at 2 GiB
_VERSIONS = (17, 8)  # operators and format: onnxruntime 1.15, of May 2023, reads them, and so do all later ones
_TEXT_VERSIONS = (20, 9)  # the first with RegexFullMatch: onnxruntime 1.17, of January 2024, and later
_NOTHING = r"[^\x{0}-\x{10ffff}]"  # matches no text


def to_onnx(model: Model, name: str) -> bytes:  # noqa: ARG001 - every target takes the name of the file
    """Return the content of an ONNX file of a model, which was run on some samples.

    A plain model has one input, `X` of shape (n, n_features), in the type of its parameters and before division by
    `scale`; with an encoding, `X` is double, NaN where missing. A model of a table has one input of shape (n, 1) for
    each column, with the column's name: double for numbers and for dates, which are seconds since 1970 in UTC, NaN
    where missing, and string for categories, as docs/model-format.md says of "Tables". The outputs are
    `label` of shape (n,), int64 or string, `probabilities` of shape (n, n_classes) and, where the model has prediction
    sets, `set` of bool of the same shape; if a column has one of these names, the output has an underscore more. Unlike
    the model itself, the graph predicts for numbers that are infinite.
    """
    onnx, onnxruntime = _import_libraries()
    _check_writable(model)
    content: bytes = _to_proto(onnx, model).SerializeToString(deterministic=True)
    _check(onnxruntime, model, content)
    return content


def _import_libraries() -> tuple[Any, Any]:
    """Return the modules onnx and onnxruntime."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise SettingError("ONNX needs two more packages: pip install 'twolayer[onnx]'.") from None
    return onnx, onnxruntime


def _check_writable(model: Model) -> None:
    """Check that ONNX can hold the numbers and names of a model."""
    if sum(value.nbytes for value in model.parameters.values()) > MAX_BYTES:
        raise DataError("An ONNX file is limited to 2 GiB, and this model is larger: choose another target.")
    if any(isinstance(label, int) and not -(2**63) <= label < 2**63 for label in model.classes):
        raise DataError("A class of this model does not fit into the 64-bit integers of ONNX: train on other labels.")
    names = [] if model.table is None else [column.name for column in model.table.columns]
    odd = next((name for name in names if not name or "\0" in name), None)
    if odd is not None:
        raise DataError(f"An input of ONNX cannot have the name {odd!r}: rename that column and train again.")


class _Graph:
    """Operators and constants, none of which has the name of an input."""

    def __init__(self, onnx: Any, inputs: Iterable[str]) -> None:
        self.onnx, self._taken = onnx, set(inputs)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.axis = self.constant([1], np.int64, "axis")

    def name(self, wanted: str) -> str:
        """Return a name that nothing has yet: the one that is wanted, or one with underscores."""
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output."""
        output = self.name(f"{operator}{len(self.nodes)}")
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def add_unique(self, value: str) -> tuple[str, str]:
        """Add the different entries of a value, (u, 1), and which of them each entry is, (n,); return both names."""
        entries, inverse = self.name(f"Unique{len(self.nodes)}"), self.name(f"inverse{len(self.nodes)}")
        self.nodes.append(self.onnx.helper.make_node("Unique", [value], [entries, "", inverse]))
        return self.add("Unsqueeze", entries, self.axis), inverse

    def constant(self, value: Any, dtype: Any, name: str = "constant") -> str:
        """Add a constant and return its name; the type `object` is for texts."""
        name = self.name(name)
        self.constants.append(self.onnx.numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def give(self, value: str, wanted: str) -> str:
        """Give a value a name of its own, for an output, and return it."""
        name = self.name(wanted)
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        return name


@dataclass(frozen=True)
class _Term:
    """A value of a graph in float64: what is computed with it becomes operators of the graph."""

    graph: _Graph
    name: str

    def of(self, operator: str, *others: Any) -> "_Term":
        """Return what an operator makes of it and of other terms, or constants."""
        names = [other.name if isinstance(other, _Term) else self.graph.constant(other, np.float64) for other in others]
        return _Term(self.graph, self.graph.add(operator, self.name, *names))

    def __add__(self, other: Any) -> "_Term":
        return self.of("Add", other)

    def __sub__(self, other: Any) -> "_Term":
        return self.of("Sub", other)

    def __mul__(self, other: Any) -> "_Term":
        return self.of("Mul", other)

    def __truediv__(self, other: Any) -> "_Term":
        return self.of("Div", other)

    def __floordiv__(self, other: Any) -> "_Term":
        return self.of("Div", other).of("Floor")


def _to_proto(onnx: Any, model: Model) -> Any:
    """Return the ONNX model."""
    from importlib.metadata import version

    inputs = _inputs(onnx, model)
    graph = _Graph(onnx, [value.name for value in inputs])
    index, probabilities = _add_decision(graph, model, _add_network(graph, model, _add_values(graph, model)))
    outputs = _add_outputs(graph, model, index, probabilities)
    opset, ir_version = _TEXT_VERSIONS if any(node.op_type == "RegexFullMatch" for node in graph.nodes) else _VERSIONS
    text = "\n".join(summarize(model))
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "twolayer", inputs, outputs, graph.constants),
        producer_name="twolayer",
        producer_version=version("twolayer"),
        doc_string=text,
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=ir_version,
    )
    onnx.helper.set_model_props(proto, {"classes": json.dumps(model.classes), "computes": text})
    return proto


def _inputs(onnx: Any, model: Model) -> list[Any]:
    """Return the descriptions of the inputs."""
    describe_input, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    if model.table is None:
        own = onnx.helper.np_dtype_to_tensor_dtype(model.parameters["W1"].dtype)
        number = own if model.encoding is None else types.DOUBLE
        return [describe_input(PLAIN_INPUT, number, ["n", model.n_features])]
    kinds = {NumberColumn: types.DOUBLE, CategoryColumn: types.STRING}
    return [describe_input(columns[0].name, kinds[type(columns[0])], ["n", 1]) for columns in model.table.fields]


def _add_outputs(graph: _Graph, model: Model, index: str, values: str) -> list[Any]:
    """Add the outputs, the class at its place and the probabilities, and return their descriptions."""
    helper, types = graph.onnx.helper, graph.onnx.TensorProto
    dtype, kind = (object, types.STRING) if isinstance(model.classes[0], str) else (np.int64, types.INT64)
    label = graph.give(graph.add("Gather", graph.constant(model.classes, dtype, "classes"), index), LABEL)
    probabilities = graph.give(values, PROBABILITIES)
    number = helper.np_dtype_to_tensor_dtype(model.parameters["W1"].dtype)
    sets = []
    if model.sets is not None:
        least = graph.constant(model.sets.least, model.parameters["W1"].dtype, "least_in_set")
        inside = graph.give(graph.add("GreaterOrEqual", probabilities, least), SET)
        sets = [helper.make_tensor_value_info(inside, types.BOOL, ["n", len(model.classes)])]
    return [
        helper.make_tensor_value_info(label, kind, ["n"]),
        helper.make_tensor_value_info(probabilities, number, ["n", len(model.classes)]),
        *sets,
    ]


def _add_values(graph: _Graph, model: Model) -> str:
    """Add what makes the values that enter the network, (n, n_inputs), and return its name."""
    dtype = model.parameters["W1"].dtype
    if model.encoding is not None:
        return _add_encoding(graph, model.encoding, dtype)
    return PLAIN_INPUT if model.scale == 1 else graph.add("Div", PLAIN_INPUT, graph.constant(model.scale, dtype))


def _add_encoding(graph: _Graph, encoding: Encoding, dtype: Any) -> str:
    """Add an encoding: its numbers all at once, the curves of each, each category, then every value to its place."""
    parts, names = _add_numbers(graph, encoding)
    for k, column in enumerate(encoding.columns):
        if isinstance(column, CategoryColumn):
            parts.append(_add_category(graph, column))
            names += [(k, j) for j in range(column.n_values)]
    number = graph.onnx.helper.np_dtype_to_tensor_dtype(dtype)
    values = graph.add("Concat", *(graph.add("Cast", part, to=number) for part in parts), axis=1)
    place_of = {name: place for place, name in enumerate(names)}
    wanted = [place_of[k, j] for k, column in enumerate(encoding.columns) for j in range(column.n_values)]
    return graph.add("Gather", values, graph.constant(wanted, np.int64, "places"), axis=1)


def _add_numbers(graph: _Graph, encoding: Encoding) -> tuple[list[str], list[tuple[int, int]]]:
    """Add the values of numbers; return their names, and the places of their columns with those of the values there."""
    columns = {k: column for k, column in enumerate(encoding.columns) if isinstance(column, NumberColumn)}
    if not columns:
        return [], []
    numbers = _add_raw_numbers(graph, encoding, list(columns))
    missing = graph.add("IsNaN", numbers)
    fill = graph.constant([fill_of(column) for column in columns.values()], np.float64, "fill")
    standardized = _add_standardized(_Term(graph, numbers), list(columns.values()))
    parts, names = [graph.add("Where", missing, fill, standardized), missing], [(k, 0) for k in columns]
    names += [(k, column.n_values - 1 if column.flagged else -1) for k, column in columns.items()]
    for place, (k, column) in enumerate(columns.items()):
        if column.curves:
            x = graph.add("Gather", numbers, graph.constant([place], np.int64), axis=1)
            parts.append(_add_curves(_Term(graph, x), column))
            names += [(k, j + 1) for j in range(len(column.curves))]
    return parts, names


def _add_raw_numbers(graph: _Graph, encoding: Encoding, places: list[int]) -> str:
    """Add the numbers of the columns at some places, (n, their number), and return their name."""
    if encoding.target is None:
        return graph.add("Gather", PLAIN_INPUT, graph.constant(places, np.int64), axis=1)
    numbers = []
    for columns in encoding.fields:
        parts = [column.part for column in columns if isinstance(column, NumberColumn)]
        dates = _date_parts(_Term(graph, columns[0].name)) if any(parts) else {}
        numbers += [dates[part].name if part else columns[0].name for part in parts]
    return graph.add("Concat", *numbers, axis=1)


def _date_parts(seconds: "_Term") -> dict[str, "_Term"]:
    """Return the parts of a date; years begin in March while they are computed, so that a leap day is the last one."""
    days = seconds // 86_400
    march = days + 719_468  # from the first of March of the year 0
    century = (march * 4 + 3) // 146_097
    rest = march - century * 146_097 // 4
    year = (rest * 4 + 3) // 1461
    rest = rest - year * 1461 // 4
    month = (rest * 5 + 2) // 153
    late = month // 10  # 1 for January and February, of the year that follows
    return {
        "year": century * 100 + year + late,
        "month": month + 3 - late * 12,
        "day": rest - (month * 153 + 2) // 5 + 1,
        "weekday": days + 3 - (days + 3) // 7 * 7,
        "hour": (seconds - days * 86_400) // 3600,
        "age": seconds / 86_400,
    }


def _add_standardized(numbers: "_Term", columns: Sequence[NumberColumn]) -> str:
    """Add numbers in standard deviations from their means, clipped where they have a bound, and return their name."""
    u = (numbers - [column.mean for column in columns]) / [column.deviation for column in columns]
    if not any(column.clip for column in columns):
        return u.name
    bound = np.array([column.clip or MAX_NUMBER for column in columns])  # which bounds nothing
    with np.errstate(over="ignore"):
        far = FAR * bound
    u = u.of("Min", far).of("Max", -far)
    v = u / bound
    return (u / (v * v + 1).of("Sqrt")).name


def _add_curves(x: "_Term", column: NumberColumn) -> str:
    """Add the curves of a number, (n, their number), and return their name.

    The knots of all of them are those of each: one index finds the line of every curve.
    """
    graph, knots = x.graph, np.unique([each for curve in column.curves for each in curve.x])
    y = np.array([np.interp(knots, curve.x, curve.y) for curve in column.curves]).T
    slope = np.zeros_like(y)
    with np.errstate(over="ignore"):
        slope[:-1] = (np.diff(y, axis=0) / np.diff(knots)[:, None]).clip(-MAX_NUMBER, MAX_NUMBER)
    inside = x.of("Min", knots[-1]).of("Max", knots[0])
    passed = graph.add("Cast", inside.of("GreaterOrEqual", knots).name, to=graph.onnx.TensorProto.INT64)
    n_passed = graph.add("ReduceSum", passed, graph.axis, keepdims=0)
    index = graph.add("Sub", n_passed, graph.constant(1, np.int64))
    start, first, rise = (
        _Term(graph, graph.add("Gather", graph.constant(table, np.float64), index, axis=0))
        for table in (knots[:, None], y, slope)
    )
    missing = graph.constant([curve.missing for curve in column.curves], np.float64)
    return graph.add("Where", x.of("IsNaN").name, missing, (first + rise * (inside - start)).name)


def _add_category(graph: _Graph, column: CategoryColumn) -> str:
    """Add the values of a category, (n, its number of values), true or false, and return its name.

    A text is compared with each level by a regular expression, which passes over white space at its ends; each text
    that is there just once.
    """
    texts, inverse = graph.add_unique(column.name)
    levels = [level for level in column.levels if level.strip(SPACES) == level and level not in MISSING]
    patterns = [_pattern([level] if level in levels else []) for level in column.levels]
    matches = [graph.add("RegexFullMatch", texts, pattern=pattern) for pattern in patterns]
    if column.rare:
        known = _pattern([*levels, *MISSING])
        matches.append(graph.add("Not", graph.add("RegexFullMatch", texts, pattern=known)))
    if column.flagged:
        matches.append(graph.add("RegexFullMatch", texts, pattern=_pattern(MISSING)))
    return graph.add("Gather", graph.add("Concat", *matches, axis=1), inverse, axis=0)


def _pattern(texts: Sequence[str]) -> str:
    """Return the regular expression of some texts with white space at their ends; no text matches that of none."""
    space = f"[{_literal(SPACES)}]*"
    return f"{space}(?:{'|'.join(map(_literal, texts))}){space}" if texts else _NOTHING


def _literal(text: str) -> str:
    """Return the regular expression of just this text."""
    return "".join(c if c.isascii() and c.isalnum() else f"\\x{{{ord(c):x}}}" for c in text)


def _add_network(graph: _Graph, model: Model, values: str) -> str:
    """Add the network and return the name of Z2, (n, n_y).

    The biases are added by operators of their own: onnxruntime 1.17 makes one operator of a Gemm with biases and the
    activation behind it, which it cannot compute in float64.
    """
    arrays = {name: value[:, 0] if name in ("b1", "b2") else value for name, value in model.parameters.items()}
    W1, b1, W2, b2 = (graph.constant(arrays[name], arrays[name].dtype, name) for name in ("W1", "b1", "W2", "b2"))
    A1 = graph.add(ACTIVATIONS[model.activation].onnx, graph.add("Add", graph.add("Gemm", values, W1, transB=1), b1))
    return graph.add("Add", graph.add("Gemm", A1, W2, transB=1), b2)


def _add_decision(graph: _Graph, model: Model, Z2: str) -> tuple[str, str]:
    """Add the probabilities of the classes, (n, n_classes), and the place of the predicted one, (n,)."""
    dtype = model.parameters["W1"].dtype
    if model.output == "softmax":
        probabilities = graph.add("Softmax", Z2, axis=1)
        return graph.add("ArgMax", probabilities, axis=1, keepdims=0), probabilities
    A2 = _add_sigmoid(graph, Z2, dtype)
    if len(model.classes) == 2:
        second = graph.add("Greater", A2, graph.constant(THRESHOLD, dtype, "threshold"))
        index = graph.add("Cast", graph.add("Squeeze", second, graph.axis), to=graph.onnx.TensorProto.INT64)
        return index, graph.add("Concat", graph.add("Sub", graph.constant(1, dtype), A2), A2, axis=1)
    positive = graph.add("Max", A2, graph.constant(np.finfo(dtype).tiny, dtype))  # all outputs may round to 0
    probabilities = graph.add("Div", positive, graph.add("ReduceSum", positive, graph.axis, keepdims=1))
    return graph.add("ArgMax", A2, axis=1, keepdims=0), probabilities


def _add_sigmoid(graph: _Graph, z: str, dtype: Any) -> str:
    """Add the sigmoid as the blackboard writes it: onnxruntime's own is never smaller than 1e-8."""
    zero, one = graph.constant(0, dtype), graph.constant(1, dtype)
    e = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    return graph.add("Div", graph.add("Where", graph.add("Less", z, zero), e, one), graph.add("Add", one, e))


def _check(onnxruntime: Any, model: Model, content: bytes) -> None:
    """Check that onnxruntime gives the labels and probabilities of the model."""
    samples = make_samples(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are reported in a sentence below
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        labels, probabilities, *_ = session.run(None, _feeds(model, samples.rows))
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no base of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"onnxruntime {onnxruntime.__version__} cannot run this model: {reason}.") from None
    places = [model.classes.index(label) for label in labels.tolist()]
    expected = samples.probabilities
    behind = expected.max(axis=1) - expected[np.arange(len(places)), places]
    difference = max(np.abs(probabilities - expected).max(), behind.max() / 2)
    if not difference <= samples.tolerance:  # NaN is not
        message = (
            f"onnxruntime {onnxruntime.__version__} differs by {difference:.1e} from the probabilities of the model"
        )
        raise DataError(f"{message}: update onnxruntime, or choose another target.")


def _feeds(model: Model, rows: Sequence[Any]) -> dict[str, Array]:
    """Return the inputs of samples."""
    if model.table is None:
        dtype = model.parameters["W1"].dtype if model.encoding is None else np.float64
        return {PLAIN_INPUT: np.array(rows, dtype)}
    feeds = {}
    for column, *_ in model.table.fields:
        dtype, missing = (np.float64, math.nan) if isinstance(column, NumberColumn) else (object, "")
        values = [missing if row[column.name] is None else row[column.name] for row in rows]
        feeds[column.name] = np.array(values, dtype)[:, None]
    return feeds
