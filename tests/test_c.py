"""The C header: strict C99 and C++, one prefix, and a self test that can fail."""

import math
import re
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exports import (
    HOSTILE,
    SANITIZERS,
    STRICT_C,
    change_number,
    check,
    find,
    make_array_model,
    make_model,
    make_rows,
    make_table_model,
    run_c,
)
from twolayer.data.encoding import DATE_PARTS, CategoryColumn, Curve, NumberColumn, UnusedColumn
from twolayer.export.c import c_text, field_names, identifier, to_c

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE)
TABLE = make_table_model(
    1, [NumberColumn("a", 1.0, 2.0, flagged=True), CategoryColumn("b", ("x", "y"), rare=True)], 3, ("p", "q", "r")
)
PLAIN = make_model(1, 4, 3, (0, 1), scale=2.0)
CURVES = (Curve("a", (0.0, 2.0, 8.0), (0.0, 3.0, 1.0), 0.5), Curve("b", (1.0,), (2.0,)))
BENT = NumberColumn("a", 1.0, 2.0, flagged=True, clip=3.0, curves=CURVES)
ARRAY = make_array_model(1, [BENT, UnusedColumn("b"), NumberColumn("c", 0.0, 1.0)], 3, "abc", output="softmax")
DATES = make_table_model(1, [BENT, *(NumberColumn("when", 1.0, 9.0, part=part) for part in DATE_PARTS)], 3, (0, 1))


def build(folder, sources, flags=STRICT_C, program="gcc"):
    """Compile files and return what the program prints and its exit code; no warning is let pass."""
    for name, text in sources.items():
        (folder / name).write_text(text)
    files = [folder / name for name in sources if not name.endswith(".h")]
    command = [find(program), *flags, *files, "-o", folder / "out", "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.stderr == ""
    run = subprocess.run([folder / "out"], capture_output=True, text=True, check=False)
    return run.stdout, run.returncode


@pytest.mark.parametrize("model", [PLAIN, TABLE, ARRAY, DATES], ids=["plain", "table", "array", "dates"])
@pytest.mark.parametrize(
    ("program", "flags"),
    [
        ("gcc", (*STRICT_C, "-Wshadow", "-Wstrict-prototypes", "-Wc++-compat", "-O2")),
        ("gcc", ("-std=c17", *STRICT_C[1:], *SANITIZERS)),
        ("g++", ("-std=c++11", *STRICT_C[1:])),
        ("g++", ("-std=c++20", *STRICT_C[1:], "-Wshadow")),
    ],
)
def test_it_tests_itself(tmp_path, model, program, flags):
    """As a program of its own, in each version of C and C++, without a warning."""
    language = "c++" if program == "g++" else "c"
    (tmp_path / "my-net.h").write_text(to_c(model, "my-net"))
    command = [find(program), *flags, "-x", language, "-DMY_NET_MAIN", "my-net.h", "-lm", "-o", "out"]

    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    run = subprocess.run([tmp_path / "out"], capture_output=True, text=True, check=False)

    assert built.stderr == ""
    assert (run.returncode, run.stderr) == (0, "")
    assert float(run.stdout.removeprefix("worst deviation of 10 samples: ")) <= 1e-12


@pytest.mark.parametrize("part", ["_W1[", "_b1[", "_W2[", "_b2[", "_threshold"])
def test_a_changed_number_fails_the_self_test(tmp_path, part):
    """The program exits with 1; the threshold alone is not part of any probability."""
    source = to_c(PLAIN, "net")
    start = source.index(" = ", source.index(f"net{part}"))
    changed = change_number(source[start:], " = ")

    _, code = build(tmp_path, {"net.h": source[:start] + changed, "main.c": '#define NET_MAIN\n#include "net.h"\n'})

    assert code == (0 if part == "_threshold" else 1)


def test_probabilities_that_are_not_numbers_fail_the_self_test(tmp_path):
    """One NaN among those that are expected is enough."""
    source = to_c(PLAIN, "net")
    place = source.index("{0.", source.index("net_test_shares["))
    changed = f"{source[: place + 1]}NAN, {source[source.index(', ', place) + 2 :]}"

    out, code = build(tmp_path, {"net.h": changed, "main.c": '#define NET_MAIN\n#include "net.h"\n'})

    assert (out, code) == ("worst deviation of 10 samples: nan\n", 1)


def test_several_models_live_in_several_files(tmp_path):
    """Each included in both, more than once, with nothing of it used in one of them."""
    headers = '#include "one.h"\n#include "two.h"\n#include "one.h"\n'
    main = (
        f"{headers}int other(void);\n"
        "int main(void) { double row[4] = {1, 2, 3, 4}; two_row r = {1.0, 0};\n"
        "  return one_class(row) + two_predict(&r) + other() > 9; }\n"
    )
    sources = {"one.h": to_c(PLAIN, "one"), "two.h": to_c(TABLE, "two"), "main.c": main}
    sources["other.c"] = f"{headers}int other(void) {{ return 0; }}\n"

    assert build(tmp_path, sources) == ("", 0)


def test_all_names_have_the_prefix():
    """Whatever is defined outside a function, a struct's fields aside."""
    for model in (PLAIN, TABLE):
        source = to_c(model, "3 Nets!")
        functions = re.findall(r"^static inline .*?(\w+)\(", source, re.MULTILINE)
        constants = re.findall(r"^static const .*?(\w+)(?:\[| =)", source, re.MULTILINE)
        types = re.findall(r"^\} (\w+);", source, re.MULTILINE)
        macros = re.findall(r"^#(?:define|ifndef|ifdef) (\w+)", source, re.MULTILINE)
        assert len(functions) > 8
        assert all(name.startswith("model_3_nets_") for name in (*functions, *constants, *types))
        assert all(name.startswith("MODEL_3_NETS_") for name in macros)
        assert not re.findall(r"^static (?!inline|const)", source, re.MULTILINE)


@pytest.mark.parametrize(
    ("classes", "kind", "literals"),
    [
        ((-(2**31) + 1, 2**31 - 1), "int ", "{-2147483647,\n    2147483647}"),
        ((-(2**31), 0), "long long ", "{-2147483648LL,\n    0LL}"),
        ((0, 2**63 - 1), "long long ", "{0LL,\n    9223372036854775807LL}"),
        ((-(2**63), 0), "const char *", '{"-9223372036854775808",\n    "0"}'),
        (("a", "b\n"), "const char *", '{"a",\n    "b\\012"}'),
    ],
)
def test_labels_have_the_type_that_holds_them(tmp_path, classes, kind, literals):
    """Numbers where they fit, else texts; the header compiles with each."""
    source = to_c(make_model(1, 2, 2, classes), "net")

    assert f"typedef {kind}net_label;" in source
    assert f"static const net_label net_classes[net_n_classes] = {literals};" in source
    main = '#define NET_MAIN\n#include "net.h"\n'
    assert build(tmp_path, {"net.h": source, "main.c": main})[1] == 0


def test_parameters_are_exact(tmp_path):
    """Each constant is the very number of the model, in its own type."""
    for dtype, real in (("float32", "float"), ("float64", "double")):
        model = make_model(1, 7, 3, (0, 1, 2), dtype=dtype)
        names = ("W1", "b1", "W2", "b2")
        loops = "".join(
            f"for (size_t i = 0; i < sizeof net_{name} / sizeof({real}); i++)\n"
            f'  printf("%.17g\\n", (double)((const {real} *)net_{name})[i]);\n'
            for name in names
        )
        main = f'#include "net.h"\n#include <stdio.h>\nint main(void) {{\n{loops}return 0; }}\n'

        flags = (*STRICT_C, "-Wfloat-conversion")
        out, _ = build(tmp_path, {"net.h": to_c(model, "net"), "main.c": main}, flags)

        expected = np.concatenate([model.parameters[name].ravel() for name in names])
        np.testing.assert_array_equal(np.array(out.split(), float), expected)


@pytest.mark.parametrize(
    ("classes", "probabilities", "place"),
    [
        ((0, 1), "{0.5, 0.5}", "0"),
        ((0, 1), "{0.49999, 0.50001}", "1"),
        ((0, 1, 2), "{0.2, 0.4, 0.4}", "1"),
        ((0, 1, 2), "{0.2, 0.3, 0.5}", "2"),
    ],
)
def test_classes_are_decided_as_the_model_does(tmp_path, classes, probabilities, place):
    """Beyond the threshold it is the second; of equal probabilities of several classes it is the first."""
    main = (
        '#include "net.h"\n#include <stdio.h>\n'
        f'int main(void) {{ const double shares[] = {probabilities}; printf("%d", net_decide(shares)); return 0; }}\n'
    )

    assert build(tmp_path, {"net.h": to_c(make_model(1, 2, 2, classes), "net"), "main.c": main}) == (place, 0)


def test_long_texts_compile(tmp_path):
    """Beyond the length that the standard promises, without a warning from here on or for what follows."""
    source = to_c(make_model(1, 2, 2, ("x" * 5000, "y")), "net")

    assert build(tmp_path, {"net.h": source, "main.c": '#define NET_MAIN\n#include "net.h"\n'})[1] == 0
    assert "#define NET_LONG_TEXTS 1\n" in source
    assert "#define NET_LONG_TEXTS 0\n" in to_c(make_model(1, 2, 2, ("x", "y")), "net")


def test_a_row_that_is_not_a_number_has_no_probabilities(tmp_path):
    """With the rectifier, too, which would hide it: NAN in a row of plain numbers is NAN in the answer."""
    model = make_model(1, 2, 2, (0, 1), activation="relu")

    answer = run_c(model, [[math.nan, 1.0]], tmp_path)

    assert np.isnan(answer[0][0]).all()


def test_hostile_models_compile_as_cpp(tmp_path):
    """Without a warning, and with the model's answers."""
    columns = [NumberColumn(f"n{text}", 1.0, 2.0) for text in HOSTILE]
    columns += [CategoryColumn(text, tuple(HOSTILE[:3]), flagged=True) for text in HOSTILE]
    model = make_table_model(2, columns, 2, HOSTILE, weight=0.1)
    rows = make_rows(model, 10)

    check(model, rows, run_c(model, rows, tmp_path, compiler="g++", flags=("-std=c++17", *STRICT_C[1:])))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wide_network_compiles(tmp_path, dtype):
    """Of 784 inputs and 300 hidden units, as strictly as a small one."""
    model = make_model(1, 784, 300, tuple(range(10)), dtype=dtype, weight=0.1, scale=255.0)
    rows = make_rows(model, 20)

    check(model, rows, run_c(model, rows, tmp_path, flags=(*STRICT_C, "-O2")))


def read_literal(literal):
    """Return the text of a C literal, read by the rules of the language."""
    assert literal[0] == literal[-1] == '"'
    parts = re.findall(r'\\[0-7]{3}|\\["?\\]|[^"\\]', literal[1:-1])
    assert "".join(parts) == literal[1:-1]
    codes = [int(part[1:], 8) if len(part) == 4 else ord(part[-1]) for part in parts]
    return bytes(codes).decode()


@given(TEXTS)
def test_the_literal_of_a_text_is_that_text(text):
    """In printable ASCII, without two question marks, which begin a trigraph."""
    literal = c_text(text)

    assert read_literal(literal) == text
    assert literal.isascii()
    assert literal.isprintable()
    assert "??" not in literal


@given(st.lists(TEXTS, unique=True, max_size=20))
def test_each_column_has_a_field_of_its_own(names):
    """An identifier, whatever the name is."""
    fields = field_names(names)

    assert len(set(fields)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field) for field in fields)


def test_fields_are_distinct():
    """Names that read alike get numbers, and words of the language as well."""
    names = ["Age", "age", "age 2", "AGE", "class", "Int", "errno", "1st", "?", "!", "linux"]
    fields = field_names(names)

    assert fields[:4] == ["age", "age_2", "age_2_2", "age_3"]
    assert fields[4:] == ["class_2", "int_2", "errno_2", "column_1st", "column", "column_2", "linux_2"]


@pytest.mark.parametrize("flags", [("-std=c99",), ("-std=gnu17",)])
def test_fields_named_like_words_compile(tmp_path, flags):
    """Also where the compiler has macros of its own, such as linux."""
    names = [
        "class",
        "int",
        "errno",
        "linux",
        "unix",
        "i386",
        "stdin",
        "assert",
        "bool",
        "NULL",
        "EOF",
        "INFINITY",
        "inline",
    ]
    model = make_table_model(1, [NumberColumn(name, 0.0, 1.0) for name in names], 2, (0, 1))

    answer = run_c(
        model, [dict.fromkeys(names, 0.5)], tmp_path, flags=(*flags, "-Wall", "-Wextra", "-Werror", "-pedantic")
    )

    assert len(answer) == 1


def test_a_level_with_nul_is_another_than_its_beginning(tmp_path):
    """A text of C ends at NUL, so that it is never that level."""
    model = make_table_model(3, [CategoryColumn("c", ("a\0b", "b"), rare=True)], 2, (0, 1))

    (same, _), (other, _), (level, _) = run_c(model, [{"c": "a"}, {"c": "z"}, {"c": "b"}], tmp_path)

    assert same == other != level


def test_an_empty_text_is_missing(tmp_path):
    """As NULL is, and as white space alone; no byte beyond a text is read."""
    model = make_table_model(3, [CategoryColumn("c", ("b",), rare=True, flagged=True)], 2, (0, 1))
    texts = [None, "", " ", "\N{IDEOGRAPHIC SPACE}\t\N{NO-BREAK SPACE}", "?", "b", "z"]

    found = [probabilities for probabilities, _ in run_c(model, [{"c": text} for text in texts], tmp_path)]

    assert found[0] == found[1] == found[2] == found[3] == found[4]
    assert found[0] != found[5] != found[6] != found[0]


@given(TEXTS)
def test_an_identifier_is_one_in_each_language(name):
    """Letters, digits and single underscores, beginning with a letter."""
    assert re.fullmatch(r"[a-z]([a-z0-9]|_(?!_))*(?<!_)", identifier(name, "model"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist-0-1", "mnist_0_1"),
        ("Petal length (cm)", "petal_length_cm"),
        ("H\N{LATIN SMALL LETTER O WITH DIAERESIS}he", "hohe"),
        ("Stra\N{LATIN SMALL LETTER SHARP S}e", "strasse"),
        ("3rd", "model_3rd"),
        ("\N{CJK UNIFIED IDEOGRAPH-5E74}", "model"),
        ("", "model"),
    ],
)
def test_an_identifier_keeps_what_can_be_read(name, expected):
    """Accents go, other signs become underscores."""
    assert identifier(name, "model") == expected
