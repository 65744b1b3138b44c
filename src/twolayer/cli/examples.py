"""Two examples at the end of each command's help."""

EXAMPLES = {
    "sweep": (
        "twolayer sweep people.csv --target income --hidden 5,10 --seeds 2",
        "twolayer sweep --hidden 5..50 --learning-rate 0.01..10 --recipe none --iterations 10 --draws 6 --budget 8",
    ),
    "predict": (
        "twolayer predict runs/people new.csv --out classes.csv",
        "twolayer predict runs/people people.csv --part test --json",
    ),
    "evaluate": (
        "twolayer evaluate runs/people people.csv",
        "twolayer evaluate runs/people people.csv --hardest 10 --threshold cost:5 --out curves.png",
    ),
    "compare": (
        "twolayer compare runs/people runs/people-2 people.csv",
        "twolayer compare runs/people runs/people-2 new.csv --json",
    ),
    "calibrate": (
        "twolayer calibrate runs/people people.csv",
        "twolayer calibrate runs/people new.csv --threshold recall:0.9 --out calibrated.safetensors",
    ),
    "explain": (
        "twolayer explain runs/people people.csv --row 3 --out why.png",
        "twolayer explain runs/people people.csv --column age",
    ),
    "doctor": ("twolayer doctor runs/people", "twolayer doctor runs/people new.csv --json"),
    "report": ("twolayer report runs/people", "twolayer report runs/people --data new.csv --out new.html"),
    "prune": ("twolayer prune runs/people", "twolayer prune runs/people --units 10 --out small.safetensors"),
    "export": ("twolayer export runs/people --to js", "twolayer export runs/people --to python --out scorer.py"),
    "plot": ("twolayer plot runs/people", "twolayer plot runs/people --format svg --out pictures"),
    "proof": ("twolayer proof", "twolayer proof --json"),
    "check": (
        "twolayer check course/homework2-solution.ipynb --hint 3",
        "twolayer check course/ --out grades.csv --html pages",
    ),
    "homework": ("twolayer homework course", "twolayer homework course --solution"),
}


def epilog_of(command: str) -> str:
    """Return the examples as the end of a command's help, in lines that are not wrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[command])])
