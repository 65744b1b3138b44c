"""The lessons are the courses' own functions, and no mistake gives the right numbers."""

import numpy as np
import pytest

from twolayer import course
from twolayer.teach.lessons import COURSES, make_parameters
from twolayer.teach.returned import SEEDS, first_wrong

LESSONS = [(name, lesson) for name, lessons in COURSES.items() for lesson in lessons]
IDS = [f"{name}-{lesson.name}" for name, lesson in LESSONS]


@pytest.mark.parametrize(("name", "lesson"), LESSONS, ids=IDS)
def test_every_mistake_gives_other_numbers(name, lesson):  # noqa: ARG001
    """For some seed; where shapes do not fit, none at all."""
    true = [lesson.compute(seed) for seed in SEEDS]
    for edit in lesson.edits:
        assert edit.step in dict(lesson.steps)
        found = [lesson.compute(seed, (edit,)) for seed in SEEDS]
        assert None in found or first_wrong(lesson, found, true) is not None, edit


def test_the_steps_of_the_assignment_are_its_functions():
    """Forward, cost and gradient, to the last digits."""
    lessons = {lesson.name: lesson for lesson in COURSES["homework2"]}
    v = make_parameters(1)
    parameters = {name: v[name] for name in ("W1", "b1", "W2", "b2")}
    A2, cache = course.forward_propagation(v["X"], parameters)
    grads = course.back_propagation(v["X"], v["Y"], parameters, cache)

    for name, value in lessons["forward_propagation"].compute(1).items():
        np.testing.assert_allclose(value, cache[name], rtol=1e-12)
    assert lessons["compute_cost"].compute(1)["cost"] == pytest.approx(float(course.compute_cost(A2, v["Y"])))
    for name, value in lessons["back_propagation"].compute(1).items():
        np.testing.assert_allclose(value, grads[name], rtol=1e-10)
    np.random.seed(1)
    v = {**v, "n": 5}
    trained = course.train_loop(v["X"], v["Y"], v["n_h"], v["learning_rate"], 5, print_cost=False)
    for name, value in lessons["train_loop"].compute(1).items():
        np.testing.assert_allclose(value, trained[name.removeprefix("end_")], rtol=1e-10)
