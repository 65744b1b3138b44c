"""The JavaScript module: sentences for wrong rows, what counts as a text, and a self test that can fail."""

import json
import subprocess

import numpy as np
import pytest

from tests.exports import change_number, find, make_array_model, make_model, make_table_model, run_js
from twolayer.data.encoding import DATE_PARTS, CategoryColumn, Curve, NumberColumn, UnusedColumn
from twolayer.data.tables import MISSING
from twolayer.export.programs import to_js

COLUMNS = (NumberColumn("age", 40.0, 10.0, flagged=True), CategoryColumn("tree", ("ash", "3", "true"), rare=True))


def run(source, code):
    """Return what code prints behind a module's own text, as JSON values, a line each."""
    command = [find("node"), "--input-type=module", "-e", f"{source}\nconst print = (x) => console.log(x);\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(source, rows):
    """Return kind and sentence of the error that each row, as code, raises."""
    return run(
        source,
        f"for (const make of [{', '.join(f'() => ({row})' for row in rows)}]) {{\n"
        "  try { predict(make()); print('null'); }\n"
        "  catch (error) { print(JSON.stringify([error.name, error.message])); }\n}",
    )


def test_wrong_rows_of_numbers_are_refused():
    """In one sentence each, without a class for any of them."""
    rows = {
        "[1, 2]": ["RangeError", "A row must have 3 numbers, this one has 2."],
        "new Float32Array(4)": ["RangeError", "A row must have 3 numbers, this one has 4."],
        "[1, 2, NaN]": ["RangeError", "A row must have finite numbers only."],
        "[1, 2, Infinity]": ["RangeError", "A row must have finite numbers only."],
        "[1, 2, null]": ["RangeError", "A row must have finite numbers only."],
        "[1, 2, '3']": ["RangeError", "A row must have finite numbers only."],
        "[1, 2, true]": ["RangeError", "A row must have finite numbers only."],
        "[1, 2, 3n]": ["RangeError", "A row must have finite numbers only."],
        "[1, , 3]": ["RangeError", "A row must have finite numbers only."],
        "'abc'": ["TypeError", "A row must be an array of numbers."],
        "null": ["TypeError", "A row must be an array of numbers."],
        "undefined": ["TypeError", "A row must be an array of numbers."],
        "{}": ["TypeError", "A row must be an array of numbers."],
    }

    assert refused(to_js(make_model(1, 3, 2, (0, 1)), "net"), rows) == list(rows.values())


def test_wrong_rows_of_a_table_are_refused():
    """In one sentence each, which names the column."""
    no_number, no_text = 'Column "age" takes a number, not', 'Column "tree" takes a text, not'
    rows = {
        "{ age: 1 }": ["RangeError", 'The row has no column "tree".'],
        "[1, 'ash']": ["RangeError", 'The row has no column "age".'],
        "null": ["TypeError", "A row must be an object with a value for each column."],
        "'age'": ["TypeError", "A row must be an object with a value for each column."],
        "{ age: 'old', tree: '' }": ["TypeError", f'{no_number} "old".'],
        "{ age: '0x10', tree: '' }": ["TypeError", f'{no_number} "0x10".'],
        "{ age: '1\\n2', tree: '' }": ["TypeError", f'{no_number} "1\\n2".'],
        "{ age: true, tree: '' }": ["TypeError", f'{no_number} "true".'],
        "{ age: 1n, tree: '' }": ["TypeError", f'{no_number} "1".'],
        "{ age: [1], tree: '' }": ["TypeError", f'{no_number} "1".'],
        "{ age: Infinity, tree: '' }": ["RangeError", 'Column "age" takes a number within range, not Infinity.'],
        "{ age: '1e999', tree: '' }": ["RangeError", 'Column "age" takes a number within range, not 1e999.'],
        "{ age: 1, tree: 1.5 }": ["TypeError", f'{no_text} "1.5".'],
        "{ age: 1, tree: 2 ** 60 }": ["TypeError", f'{no_text} "1152921504606847000".'],
        "{ age: 1, tree: ['ash'] }": ["TypeError", f'{no_text} "ash".'],
    }

    assert refused(to_js(make_table_model(1, COLUMNS, 2, (0, 1)), "net"), rows) == list(rows.values())


def test_rows_of_an_encoded_array_are_arrays():
    """Of numbers, some of them missing; nobody looks at what is not used."""
    curve = Curve("bin 1", (0.0, 8.0), (0.0, 1.0), 0.5)
    columns = [NumberColumn("a", 1.0, 2.0, flagged=True, clip=3.0, curves=(curve,)), UnusedColumn("b")]
    source = to_js(make_array_model(1, columns, 2, (0, 1)), "net")
    rows = {
        "[1]": ["RangeError", "A row must have 2 numbers, this one has 1."],
        "7": ["TypeError", "A row must be an array of numbers."],
        "['x', 2]": ["TypeError", 'Column "a" takes a number, not "x".'],
        "[-Infinity, 2]": ["RangeError", 'Column "a" takes a number within range, not -Infinity.'],
        "[new Date(0), 2]": ["TypeError", None],
    }
    values = ["[3, 0]", "new Float64Array([3, NaN])", "['3', null]", "[null, 0]", "[NaN, 0]", "[-1e308, 0]"]

    *sentences, (kind, _) = refused(source, rows)
    assert (*sentences, [kind, None]) == tuple(rows.values())
    found = run(source, "\n".join(f"print(JSON.stringify(encode({value})));" for value in values))
    three, missing = [1 / np.sqrt(1 + 1 / 9), 0.375, 0], [0, 0.5, 1]
    np.testing.assert_allclose(found, [three, three, three, missing, missing, [-3, 0, 0]], rtol=1e-15)


def test_dates_come_in_several_forms():
    """As seconds since 1970 or as a Date; what is neither is refused, and an invalid Date is missing."""
    columns = [NumberColumn("when", 0.0, 1.0, part=part) for part in DATE_PARTS]
    source = to_js(make_table_model(1, columns, 2, (0, 1)), "net")
    values = ["new Date('2020-02-29T22:30Z')", "1583015400", "'1583015400'", "-0.25", "new Date(NaN)", "null"]
    code = "\n".join(f"print(JSON.stringify(encode({{ when: {value} }})));" for value in values)
    leap_day = [2020, 2, 29, 5, 22, 18321.9375]

    assert run(source, code) == [*[leap_day] * 3, [1969, 12, 31, 2, 23, -0.25 / 86400], *[[0] * 6] * 2]
    wrong = ["{ when: 'soon' }", "{ when: true }", "{ when: Infinity }", "{ when: '2020-01-01' }"]
    assert all('Column "when" takes a' in sentence for _, sentence in refused(source, wrong))


def test_values_come_in_several_forms():
    """Numbers as text, whole numbers and truth values as categories, each way of missing; inherited names are none."""
    present = ["50", "'50'", "' +5e1 '", "'50.'"]
    missing = ["null", "undefined", "NaN", *map(json.dumps, (*MISSING, " NA\t"))]
    trees = {"'ash'": 0, "3": 1, "3n": 1, "'3'": 1, "true": 2, "'true '": 2, "4": 3, "false": 3, "'ASH'": 3, "-0": 3}
    rows = [f"{{ age: {age}, tree: 'ash', more: 1 }}" for age in present]
    rows += [f"{{ age: {value}, tree: {value} }}" for value in missing]
    rows += [f"{{ age: null, tree: {tree} }}" for tree in trees]
    source = to_js(make_table_model(1, COLUMNS, 2, (0, 1)), "net")

    encoded = run(source, "\n".join(f"print(JSON.stringify(encode({row})));" for row in rows))

    expected = [[1, 0, 1, 0, 0, 0]] * len(present) + [[0, 1, 0, 0, 0, 0]] * len(missing)
    expected += [[0, 1, *(int(k == place) for k in range(4))] for place in trees.values()]
    assert encoded == expected


def test_a_column_may_have_the_name_of_what_every_object_has(tmp_path):
    """It must be the row's own all the same."""
    names = ("__proto__", "constructor", "toString", "hasOwnProperty")
    model = make_table_model(1, [NumberColumn(name, 0.0, 1.0) for name in names], 2, (0, 1))

    assert len(run_js(model, [dict.fromkeys(names, 1.0)], tmp_path)) == 1
    sentence = 'The row has no column "__proto__".'
    assert refused(to_js(model, "net"), ["{ constructor: 1, toString: 1, hasOwnProperty: 1 }"]) == [
        ["RangeError", sentence]
    ]


def test_typed_arrays_are_rows():
    """As the pixels of a canvas are."""
    source = to_js(make_model(1, 3, 2, (0, 1), scale=255.0), "net")

    plain, typed = run(
        source,
        "for (const row of [[0, 51, 255], new Uint8ClampedArray([0, 51, 255])]) print(JSON.stringify(encode(row)));",
    )

    assert plain == typed == [0, 0.2, 1]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((-3, 4, 2**53 - 1), "[-3,4,9007199254740991]"),
        ((-3, 4, 2**53), "[-3n,4n,9007199254740992n]"),
        (("a", '"'), '["a","\\""]'),
    ],
)
def test_labels_are_exact(classes, expected):
    """All are BigInt if a number would lose digits."""
    code = "const write = (x) => (typeof x === 'bigint' ? `${x}n` : JSON.stringify(x));"
    source = to_js(make_model(1, 2, 2, classes), "net")

    assert run(source, f"{code} print(JSON.stringify(`[${{classes.map(write)}}]`));") == [expected]


def test_a_file_can_stand_in_a_page():
    """No text of a model and no name of a file ends the script tag."""
    model = make_table_model(1, [CategoryColumn("</script>", ("</script>", "<!--"))], 2, ("</script>", "<script"))
    source = to_js(model, "</script>")

    assert "</" not in source
    assert "<!" not in source
    assert "<script" not in source


@pytest.mark.parametrize("part", ["W1", "b1", "W2", "b2"])
def test_a_changed_number_fails_the_self_test(part):
    """The deviation is far beyond rounding."""
    source = to_js(make_model(1, 3, 2, (0, 1, 2)), "net")
    assert run(source, "print(selfTest());")[0] <= 1e-12
    assert run(change_number(source, f'"{part}": '), "print(selfTest());")[0] > 1e-6


def test_classes_are_decided_as_the_model_does():
    """Beyond the threshold it is the second; of equal probabilities of several classes it is the first."""
    source = to_js(make_model(1, 2, 2, (0, 1)), "net")

    assert run(source, "for (const p of [[0.5, 0.5], [0.49999, 0.50001], [0.2, 0.4, 0.4]]) print(decide(p));") == [
        0,
        1,
        1,
    ]


def test_a_deviation_that_is_not_a_number_is_not_hidden():
    """One NaN among the probabilities is the result of the self test."""
    source = to_js(make_model(1, 2, 2, (0, 1)), "net")

    assert run(source, "MODEL.test_vectors[3].shares[0] = NaN; print(Number.isNaN(selfTest()));") == [True]


def test_parameters_keep_their_type():
    """Typed arrays round nine digits to the very float32."""
    model = make_model(1, 3, 2, (0, 1))
    source = to_js(model, "net")

    read = run(source, "print(JSON.stringify([W1, [b1], W2, [b2]].map((rows) => rows.map((row) => [...row]))));")
    for values, name in zip(read[0], ("W1", "b1", "W2", "b2"), strict=True):
        np.testing.assert_array_equal(np.ravel(values), model.parameters[name].ravel().astype(float))
