"""A model as an ONNX graph with its preprocessing and its classes, for onnxruntime in whichever language."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.tables import MISSING
from twolayer.data.tables.encoding import CategoryColumn, NumberColumn, TableEncoding
from twolayer.equations import ACTIVATIONS
from twolayer.errors import DataError, SettingError
from twolayer.export.description import THRESHOLD, fill_of, summarize
from twolayer.export.samples import SPACES, make_samples
from twolayer.model import Model

PLAIN_INPUT, LABEL, PROBABILITIES = "X", "label", "probabilities"
MAX_BYTES = 2**31 - 2**20  # of the parameters; protobuf ends at 2 GiB
_VERSIONS = (17, 8)  # operators and format: onnxruntime 1.15, of May 2023, reads them, and so do all later ones
_TEXT_VERSIONS = (20, 9)  # the first with RegexFullMatch: onnxruntime 1.17, of January 2024, and later
_NOTHING = r"[^\x{0}-\x{10ffff}]"  # matches no text


def to_onnx(model: Model, name: str) -> bytes:  # noqa: ARG001 - every target takes the name of the file
    """Return the content of an ONNX file of a model, which was run on some samples.

    A plain model has one input, `X` of shape (n, n_features), in the type of its parameters and before division by
    `scale`. A model of a table has one input of shape (n, 1) for each column, with the column's name: double for
    numbers, NaN where missing, and string for categories, as docs/model-format.md says of "Tables". The outputs are
    `label` of shape (n,), int64 or string, and `probabilities` of shape (n, n_classes); if a column has one of these
    names, the output has an underscore more. Unlike the model itself, the graph predicts for numbers that are infinite.
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
        number = onnx.helper.np_dtype_to_tensor_dtype(model.parameters["W1"].dtype)
        return [describe_input(PLAIN_INPUT, number, ["n", model.n_features])]
    kinds = {NumberColumn: types.DOUBLE, CategoryColumn: types.STRING}
    return [describe_input(column.name, kinds[type(column)], ["n", 1]) for column in model.table.columns]


def _add_outputs(graph: _Graph, model: Model, index: str, values: str) -> list[Any]:
    """Add the outputs, the class at its place and the probabilities, and return their descriptions."""
    helper, types = graph.onnx.helper, graph.onnx.TensorProto
    dtype, kind = (object, types.STRING) if isinstance(model.classes[0], str) else (np.int64, types.INT64)
    label = graph.give(graph.add("Gather", graph.constant(model.classes, dtype, "classes"), index), LABEL)
    probabilities = graph.give(values, PROBABILITIES)
    number = helper.np_dtype_to_tensor_dtype(model.parameters["W1"].dtype)
    return [
        helper.make_tensor_value_info(label, kind, ["n"]),
        helper.make_tensor_value_info(probabilities, number, ["n", len(model.classes)]),
    ]


def _add_values(graph: _Graph, model: Model) -> str:
    """Add what makes the values that enter the network, (n, n_features), and return its name."""
    dtype = model.parameters["W1"].dtype
    if model.table is not None:
        return _add_encoding(graph, model.table, dtype)
    return PLAIN_INPUT if model.scale == 1 else graph.add("Div", PLAIN_INPUT, graph.constant(model.scale, dtype))


def _add_encoding(graph: _Graph, table: TableEncoding, dtype: Any) -> str:
    """Add the encoding of a table: its numbers all at once, each category, then every value to its place."""
    numbers = [column for column in table.columns if isinstance(column, NumberColumn)]
    parts, names = _add_numbers(graph, numbers) if numbers else ([], [])
    for column in table.columns:
        if isinstance(column, CategoryColumn):
            parts.append(_add_category(graph, column))
            names += [(column.name, k) for k in range(len(column.value_names))]
    number = graph.onnx.helper.np_dtype_to_tensor_dtype(dtype)
    values = graph.add("Concat", *(graph.add("Cast", part, to=number) for part in parts), axis=1)
    wanted = [(column.name, k) for column in table.columns for k in range(len(column.value_names))]
    place_of = {name: place for place, name in enumerate(names)}
    places = graph.constant([place_of[name] for name in wanted], np.int64, "places")
    return graph.add("Gather", values, places, axis=1)


def _add_numbers(graph: _Graph, columns: Sequence[NumberColumn]) -> tuple[list[str], list[tuple[str, int]]]:
    """Add the values of numbers and whether they are missing; return their names, and those of their columns."""
    numbers = graph.add("Concat", *(column.name for column in columns), axis=1)
    mean = graph.constant([column.mean for column in columns], np.float64, "mean")
    deviation = graph.constant([column.deviation for column in columns], np.float64, "deviation")
    missing = graph.add("IsNaN", numbers)
    standardized = graph.add("Div", graph.add("Sub", numbers, mean), deviation)
    fill = graph.constant([fill_of(column) for column in columns], np.float64, "fill")
    values = graph.add("Where", missing, fill, standardized)
    return [values, missing], [(column.name, k) for k in (0, 1) for column in columns]


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
        labels, probabilities = session.run(None, _feeds(model, samples.rows))
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
        return {PLAIN_INPUT: np.array(rows, model.parameters["W1"].dtype)}
    feeds = {}
    for column in model.table.columns:
        dtype, missing = (np.float64, math.nan) if isinstance(column, NumberColumn) else (object, "")
        values = [missing if row[column.name] is None else row[column.name] for row in rows]
        feeds[column.name] = np.array(values, dtype)[:, None]
    return feeds
