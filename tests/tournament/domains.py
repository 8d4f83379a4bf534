"""What is negotiated: scenarios of NegMAS, what can be reached in them, and the policy that says what a side wants.

It never negotiates.
"""

import itertools
import math
from pathlib import Path

import numpy as np
from negmas import CartesianOutcomeSpace, Scenario, make_issue
from negmas.outcomes import ContiguousIssue
from negmas.preferences import HyperRectangleUtilityFunction, LinearAdditiveUtilityFunction
from negmas.preferences.value_fun import TableFun

OUTCOMES_MAX = 200_000  # of larger spaces so many outcomes are drawn to measure by
TABLE_MAX = 20_000  # interactions that a policy can have
POINTS_MAX = 1_000  # points that the curve of a term can have
LEVELS = 20  # that a continuous issue is cut into
ROUNDING = 1e-9


class Domain:
    """A scenario of two sides with a measure of what can be reached in it."""

    def __init__(self, name, scenario):
        if any(not issue.is_finite() for issue in scenario.outcome_space.issues):
            scenario.discretize(levels=LEVELS, recalculate_stats=False)
        self.name, self.space, self.utilities = name, scenario.outcome_space, list(scenario.ufuns[:2])
        if len(scenario.ufuns) < 2:
            raise ValueError(f"{name} has not two sides")
        self.issues = list(self.space.issues)
        self.cardinality = math.prod(issue.cardinality for issue in self.issues)
        if self.cardinality <= OUTCOMES_MAX:
            outcomes = itertools.product(*(list(issue.all) for issue in self.issues))
        else:
            outcomes = self.space.sample(OUTCOMES_MAX, with_replacement=True, fail_if_not_enough=False)
        self.outcomes = [tuple(outcome) for outcome in outcomes]
        self.raw = [np.array([number(u(outcome)) for outcome in self.outcomes]) for u in self.utilities]
        finite = [raw[np.isfinite(raw)] for raw in self.raw]
        self.low = [raw.min() for raw in finite]
        self.span = [max(raw.max() - raw.min(), 1e-12) for raw in finite]
        self.reserved = [self.scaled(side, reservation(u)) for side, u in enumerate(self.utilities)]
        points = np.stack([(raw - low) / span for raw, low, span in zip(self.raw, self.low, self.span)], axis=1)
        points = points[np.isfinite(points).all(axis=1)]
        gains = points - np.array(self.reserved)
        both = (gains >= -ROUNDING).all(axis=1) & (gains > ROUNDING).any(axis=1)
        self.can_agree = bool(both.any())
        products = np.where(both, gains.prod(axis=1), -1.0)
        best = products >= products.max() - 1e-12
        self.nash = points[best] if self.can_agree else np.array([self.reserved])
        self.pareto = frontier(points)

    def scaled(self, side, utility):
        """A utility of a side, where 0 is its worst and 1 its best."""
        return float((utility - self.low[side]) / self.span[side]) if math.isfinite(utility) else 0.0

    def measure(self, agreement):
        """Scaled utilities of both sides, and their distances to the Pareto frontier and to the nearest Nash point."""
        if agreement is None:
            point = np.array(self.reserved)
        else:
            point = np.array([self.scaled(side, number(u(agreement))) for side, u in enumerate(self.utilities)])
        distance = lambda points: float(np.hypot(*(points - point).T).min())
        return point, distance(self.pareto), distance(self.nash)

    def is_number(self, issue):
        return isinstance(issue, ContiguousIssue) and issue.is_integer() and abs(issue.max_value) < 1e9

    def term(self, place, value):
        """A value of an issue as a term of an offer."""
        issue = self.issues[place]
        if self.is_number(issue):
            return {"name": term_name(place), "number": str(int(value))}
        return {"name": term_name(place), "text": self.texts(place)[value]}

    def offer(self, outcome):
        return [self.term(place, value) for place, value in enumerate(outcome)]

    def outcome(self, terms):
        """The outcome that the terms of an offer say."""
        said = {term["name"]: term for term in terms}
        values = []
        for place, issue in enumerate(self.issues):
            term = said[term_name(place)]
            if "number" in term:
                values.append(int(float(term["number"])))
            else:
                values.append({text: value for value, text in self.texts(place).items()}[term["text"]])
        return tuple(values)

    def texts(self, place):
        return {value: f"{number}: {value}"[:64] for number, value in enumerate(self.issues[place].all)}

    def policy(self, side):
        """What a side wants, as the input of set-policy, and whether that is exact.

        A utility that is a sum over the issues is told as one, any other as a table; where that would be too long, the
        sum that comes nearest is told.
        """
        u, issues = self.utilities[side], [list(issue.all) for issue in self.issues]
        raw = self.raw[side]
        usual = self.outcomes[int(np.nanargmax(np.where(np.isfinite(raw), raw, -np.inf)))]
        base = number(u(usual))
        worth = [
            [number(u(usual[:place] + (value,) + usual[place + 1 :])) - base for value in values]
            for place, values in enumerate(issues)
        ]
        places = [{value: at for at, value in enumerate(values)} for values in issues]
        total = lambda outcome: base + sum(w[p[v]] for w, p, v in zip(worth, places, outcome))
        is_sum = all(abs(total(outcome) - at) <= 1e-6 for outcome, at in zip(self.outcomes, raw))
        table, infeasible = [], []
        if not is_sum and self.cardinality <= TABLE_MAX:
            base, worth = 0.0, [[0.0] * len(values) for values in issues]
            for at, (outcome, utility) in enumerate(zip(self.outcomes, raw)):
                entry = {"name": f"{at}", "condition": [self.condition(*one) for one in enumerate(outcome)]}
                if math.isfinite(utility):
                    table.append({**entry, "utility": decimal(utility)})
                else:
                    infeasible.append(entry)
        elif not is_sum:
            base, worth = nearest_sum(self.outcomes, raw, places)
        terms = []
        for place, values in enumerate(issues):
            term = {"name": term_name(place)}
            # What all outcomes are worth anyway is counted with the first term.
            told = [decimal(w + (base if place == 0 else 0.0)) for w in worth[place]]
            if self.is_number(self.issues[place]):
                step = -(-len(values) // POINTS_MAX)
                points = [{"at": str(v), "worth": w} for v, w in zip(values, told)][::step]
                if points[-1]["at"] != str(values[-1]):
                    points[-1] = {"at": str(values[-1]), "worth": told[-1]}
                term["number"] = {"min": str(values[0]), "max": str(values[-1]), "step": "1", "point": points}
            else:
                term["option"] = [{"text": self.texts(place)[v], "worth": w} for v, w in zip(values, told)]
            terms.append(term)
        policy = {"term": terms}
        if table:
            policy["interaction"] = table
        if infeasible:
            policy["infeasible"] = infeasible
        reserved = reservation(u)
        if math.isfinite(reserved):
            policy["reservation"] = decimal(reserved)
        return policy, is_sum or bool(table)

    def condition(self, place, value):
        if self.is_number(self.issues[place]):
            return {"term": term_name(place), "min": str(value), "max": str(value)}
        return {"term": term_name(place), "text": [self.texts(place)[value]]}


def term_name(place):
    return f"issue-{place}"


def number(utility):
    """A utility as a number; NegMAS can say None for what cannot be."""
    return -math.inf if utility is None else float(utility)


def reservation(utility):
    reserved = getattr(utility, "reserved_value", None)
    return -math.inf if reserved is None or math.isnan(reserved) else float(reserved)


def decimal(value):
    return f"{value:.9f}"


def frontier(points):
    """The points of which none is better for both."""
    ordered = points[np.lexsort((-points[:, 1], -points[:, 0]))]
    best = np.maximum.accumulate(ordered[:, 1])
    return ordered[np.concatenate(([True], ordered[1:, 1] > best[:-1] + 1e-12))]


def nearest_sum(outcomes, raw, places):
    """The sum over the issues that comes nearest to utilities, as what is common to all and what each value adds."""
    starts = np.cumsum([0] + [len(p) for p in places])
    rows = np.zeros((len(outcomes), starts[-1]))
    for row, outcome in zip(rows, outcomes):
        for start, place, value in zip(starts, places, outcome):
            row[start + place[value]] = 1.0
    known = np.isfinite(raw)
    solved = np.linalg.lstsq(rows[known], raw[known], rcond=None)[0]
    return 0.0, [list(solved[a:b]) for a, b in zip(starts, starts[1:])]


def load(folder):
    """The domains in a folder: itself, or all below it. They are in any form that NegMAS reads."""
    found = []
    for path in sorted([Path(folder), *(p for p in Path(folder).rglob("*") if p.is_dir())]):
        try:
            scenario = Scenario.load(path, ignore_discount=True, load_stats=False, load_info=False)
        except Exception as error:  # a folder of something else
            print(f"{path}: not read ({type(error).__name__}: {error})")
            continue
        if scenario is not None and len(scenario.ufuns) >= 2:
            found.append(Domain(str(path.relative_to(folder)) if path != Path(folder) else path.name, scenario))
    return found


def generate(name, seed, sizes, opposition, numeric=False, together=False, reserved=(0.0, 0.0)):
    """A scenario from a seed. With an opposition of 1 what is good for one is bad for the other, with -1 good for both."""
    chance = np.random.default_rng(seed)
    issues = [
        make_issue((0, size - 1) if numeric else [f"v{at}" for at in range(size)], f"issue{place}")
        for place, size in enumerate(sizes)
    ]
    space = CartesianOutcomeSpace(issues, name=name)
    mixed = lambda one: (1 - abs(opposition)) * chance.random(len(one)) + abs(opposition) * (
        1 - one if opposition > 0 else one
    )
    if together:
        return Scenario(space, tuple(rectangles(space, chance, f"side-{at}", r) for at, r in enumerate(reserved)))
    tables = [[], []]
    for size in sizes:
        one = np.linspace(0, 1, size) if numeric else chance.random(size)
        tables[0].append(unit(one))
        tables[1].append(unit(mixed(one)))
    utilities = []
    for at, (values, r) in enumerate(zip(tables, reserved)):
        weights = chance.dirichlet(np.full(len(sizes), 2.0))
        values = {
            issue.name: TableFun({v: round(float(w), 4) for v, w in zip(issue.all, worth)})
            for issue, worth in zip(issues, values)
        }
        weights = {issue.name: round(float(w), 4) for issue, w in zip(issues, weights)}
        utilities.append(
            LinearAdditiveUtilityFunction(
                values, weights=weights, outcome_space=space, reserved_value=r, name=f"side-{at}"
            )
        )
    return Scenario(space, tuple(utilities))


def rectangles(space, chance, name, reserved):
    """A utility that is no sum: regions of the outcomes add to it."""
    ranges = []
    for _ in range(12):
        ends = [sorted(int(at) for at in chance.integers(0, issue.cardinality, 2)) for issue in space.issues]
        ranges.append({place: tuple(end) for place, end in enumerate(ends)})
    utilities = [round(float(u), 4) for u in chance.random(len(ranges)) / 4]
    return HyperRectangleUtilityFunction(ranges, utilities, outcome_space=space, reserved_value=reserved, name=name)


def unit(values):
    return (values - values.min()) / max(values.max() - values.min(), 1e-12)
