"""nbgrader's settings for the assignment: one notebook, each function a test of ten points that twolayer judges."""

c = get_config()  # noqa: F821 - nbgrader gives it
c.CourseDirectory.course_id = "networks"
c.ClearSolutions.code_stub = {"python": "### Code start here ###\n\n### End code here ###"}
c.ExecutePreprocessor.timeout = 120  # seconds a cell
