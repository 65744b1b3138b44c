"""The one native part: a C kernel that may be missing. Everything else about the package stands in pyproject.toml."""

from setuptools import Extension, setup

kernel = Extension(
    "twolayer.engines._kernel",
    ["src/twolayer/engines/kernel.c"],
    define_macros=[("PYTHON_MODULE", None)],
    extra_compile_args=["-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"],
    py_limited_api=True,
    optional=True,  # without a compiler that knows vectors the install goes on, and NumPy computes
)
setup(ext_modules=[kernel], options={"bdist_wheel": {"py_limited_api": "cp311"}})
