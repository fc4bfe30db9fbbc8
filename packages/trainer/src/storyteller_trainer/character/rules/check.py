"""The check that labels follow the engine's rules (the contract's section on character training data).

What a rule leaves no choice in is compared, and one label that differs is enough. What it leaves to chance is tested by
counts in many groups of examples (groups.py) and by the likelihood of the labels (chance.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from storyteller_schema.contract.enums import ActionContext, ActionType, Primary, SpeechRegister

from storyteller_trainer.character.data.rows import Rows, take
from storyteller_trainer.character.rules import report
from storyteller_trainer.character.rules.array_views import Bool, Float32, Float64, Int, label
from storyteller_trainer.character.rules.axes import AxisPlaces, read_axes
from storyteller_trainer.character.rules.chance import (
    Finding,
    LabelDraw,
    count_surprises,
    impossible,
    likelihood_surprise,
)
from storyteller_trainer.character.rules.conditionals import (
    CONFIDENCE,
    SHIFT_ABOVE,
    SHIFT_PROBABILITY,
    VALENCE_NOISE,
    Conditionals,
    conditionals,
)
from storyteller_trainer.character.rules.groups import make_groups
from storyteller_trainer.character.rules.irreducible import accepted, delta_shares
from storyteller_trainer.character.rules.report import RulesReport, RuleVerdict, untold

#: The most examples that are looked at, and how many of them stand together in the file.
ROWS = 24_576
TOGETHER = 128
#: A rule is not said to hold by fewer examples than this.
ENOUGH = 500
#: The probability that data which follow the rules are said to differ is below this, for a whole data set.
FALSE_ALARM = 1e-4
#: Numbers may miss the ends of their range by this: rounding to float32, several times over.
ROUNDING = 2e-6
#: A number that is drawn uniformly is counted by these parts of its range.
PARTS = ("first quarter", "second quarter", "third quarter", "last quarter")

#: The axes that a rule reads.
READS: Mapping[str, tuple[str, ...]] = {
    report.ACTION_TYPE: ("empathy", "distance_management"),
    report.VALENCE: ("warmth_openness",),
    report.SPEECH_OCCURS: ("expression_silence",),
    report.AWARENESS: ("self_awareness",),
}
#: The rules whose labels decide, with the action type, on an example's coherence.
COHERENT = (report.ACTION_CONTEXT, report.DELTAS)


def sampled_rows(examples: int) -> Int:
    """Which examples are looked at: all of few; of many, runs of neighbours spread evenly over all of them."""
    if examples <= ROWS:
        return np.arange(examples)
    starts = np.linspace(0, examples - TOGETHER, ROWS // TOGETHER).astype(np.intp)
    return np.unique(starts[:, None] + np.arange(TOGETHER))


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The examples that are looked at."""

    features: Float32
    labels: Float32
    #: As `read_axes` gives them.
    axes: dict[str, Float32]
    given: Conditionals
    #: [n, 8], from `accepted`, as `given`.
    leaving: Float64
    #: By rule, the examples [n] for which it can be told whether what it leaves no choice in is so.
    decided: dict[str, Bool]
    #: By rule, the examples [n] for which it can be told how likely what it leaves to chance is.
    drawn: dict[str, Bool]


def check_rules(
    features: Rows, labels: Rows, archetypes: Int, places: AxisPlaces | None, min_coherence: float | None
) -> RulesReport:
    """Judges some of the examples.

    Args:
        features: [n, inputs]; labels: [n, outputs].
        archetypes: [n], as in `read_axes`.
        places: where the axes lie; None where no descriptors are known.
        min_coherence: examples below were rejected; None where that is not known.
    """
    rows = sampled_rows(len(features))
    if min_coherence is None:
        return untold(len(rows), "the files were made with different thresholds of coherence")
    examples = _examples(take(features, rows), take(labels, rows), archetypes[rows], places, min_coherence)
    findings: dict[str, list[Finding]] = {name: [] for name in report.RULES}
    for name, finding in _certainties(examples):
        findings[name].append(finding)
    groups = make_groups(examples.features, examples.axes, examples.given)
    draws = []
    for draw in _draws(examples):
        if found := impossible(draw):
            findings[draw.rule].append(found)
        elif draw.rows.any():
            draws.append(draw)
    tests = 0
    for draw, (worst, counts) in zip(draws, count_surprises(draws, groups), strict=True):
        likelihood = likelihood_surprise(draw)
        findings[draw.rule].extend(each for each in (worst, likelihood) if each)
        tests += counts + (likelihood is not None)
    # Either side of every test has its share of the false alarms.
    limit = np.log(2 * max(tests, 1) / FALSE_ALARM)
    return RulesReport(
        rows=len(rows),
        rules={name: _verdict(name, found, int(examples.drawn[name].sum()), limit) for name, found in findings.items()},
    )


def _verdict(rule: str, findings: list[Finding], known: int, limit: float) -> RuleVerdict:
    if findings and (worst := max(findings)).surprise > limit:
        return RuleVerdict(report.DIFFER, worst.sentence)
    if known >= ENOUGH:
        return RuleVerdict(report.FOLLOW)
    if known or rule not in READS:
        return RuleVerdict(report.UNTOLD, f"{known:,} rows are too few, {ENOUGH} are needed")
    axes = " and ".join(READS[rule])
    return RuleVerdict(report.UNTOLD, f"no descriptors say where the axes are that it reads: {axes}")


def _examples(
    features: Float32, labels: Float32, archetypes: Int, places: AxisPlaces | None, min_coherence: float
) -> Examples:
    axes = read_axes(features, archetypes, places)
    prior = conditionals(features, axes)
    given, leaving = accepted(features, labels, prior, min_coherence)
    unknown = {name: np.isnan(values) for name, values in axes.items()}
    nothing = np.zeros(len(features), np.bool_)

    def told(names: Iterable[str]) -> Bool:
        rows: Bool = ~np.logical_or.reduce([nothing, *(unknown[name] for name in names)])
        return rows

    decided = {rule: told(READS.get(rule, ())) for rule in report.RULES}
    drawn = dict(decided)
    if given is not prior:
        # Some may have been rejected for what the action is, and so by what the action reads.
        drawn |= {rule: decided[rule] & told(READS[report.ACTION_TYPE]) for rule in COHERENT}
    return Examples(
        features=features, labels=labels, axes=axes, given=given, leaving=leaving, decided=decided, drawn=drawn
    )


def _certainties(examples: Examples) -> list[tuple[str, Finding]]:
    """What contradicts a rule that leaves no choice."""
    given, labels = examples.given, examples.labels
    deltas = label(labels, "emotion.intensity_delta")
    shifts = label(labels, "emotion.awareness_shift") > 0
    target = label(labels, "action.target_index")[:, 0]
    position, within = _valence(examples)
    confidences = _confidences(labels)
    sizes = _delta_positions(examples)
    changed = given.raised | given.lowered
    wrong = {
        report.AWARENESS: [
            (
                label(labels, "thought.awareness").argmax(axis=1) != given.awareness,
                "is not that of the character's self_awareness",
            )
        ],
        report.DOMINANT: [
            (
                label(labels, "thought.dominant_emotion_index")[:, 0] != given.dominant,
                "is not the emotion of the highest intensity, the last one on a tie",
            )
        ],
        report.TARGET: [(target != -1, "is not -1")],
        report.VALENCE: [(within & _outside(position), f"is farther than {VALENCE_NOISE} from what the rules say")],
        report.CONFIDENCES: [(_outside(confidences).any(axis=1), f"is not from {CONFIDENCE[0]} to {CONFIDENCE[1]}")],
        report.DELTAS: [
            (((deltas > 0) & ~given.raised).any(axis=1), "raises an emotion that the register does not raise"),
            (((deltas < 0) & ~given.lowered).any(axis=1), "lowers an emotion that the register does not lower"),
            (
                (changed & (np.sign(deltas) != given.raised.astype(int) - given.lowered)).any(axis=1),
                "leaves an emotion as it is that the register changes",
            ),
            ((changed & _outside(sizes)).any(axis=1), "is smaller or larger than the rules make one"),
        ],
        report.SHIFTS: [
            (
                (shifts & ~(given.raised & (deltas > SHIFT_ABOVE))).any(axis=1),
                f"comes without a rise of more than {SHIFT_ABOVE}",
            )
        ],
    }
    found = []
    for rule, checks in wrong.items():
        known = examples.decided[rule]
        for broken, sentence in checks:
            if count := int((broken & known).sum()):
                told = f"{sentence} in {count:,} of {int(known.sum()):,} rows"
                found.append((rule, Finding(surprise=np.inf, sentence=told)))
    return found


def _draws(examples: Examples) -> list[LabelDraw]:
    """What the rules leave to chance."""
    given, labels, known = examples.given, examples.labels, examples.drawn

    def one_hot(rule: str, path: str, outcomes: tuple[str, ...], probabilities: Float64) -> LabelDraw:
        happened = label(labels, path).astype(np.float64)
        return LabelDraw(rule=rule, outcomes=outcomes, happened=happened, probabilities=probabilities, rows=known[rule])

    def yes(rule: str, name: str, happened: Bool, probability: Float64, rows: Bool) -> LabelDraw:
        return LabelDraw(
            rule=rule,
            outcomes=(name, f"no {name}"),
            happened=np.stack([happened, ~happened], axis=1).astype(np.float64),
            probabilities=np.stack([probability, 1 - probability], axis=1),
            rows=rows & known[rule],
        )

    def uniform(rule: str, name: str, positions: Float64, rows: Bool) -> LabelDraw:
        part = np.clip(positions * len(PARTS), 0, len(PARTS) - 1).astype(np.intp)
        return LabelDraw(
            rule=rule,
            outcomes=tuple(f"{name} in the {part} of its range" for part in PARTS),
            happened=np.eye(len(PARTS))[part],
            probabilities=np.full((len(positions), len(PARTS)), 1 / len(PARTS)),
            rows=rows & known[rule],
        )

    everywhere = np.ones(len(labels), np.bool_)
    speaks = label(labels, "speech.occurs")[:, 0] > 0
    valence, within = _valence(examples)
    deltas = label(labels, "emotion.intensity_delta")
    shifts = label(labels, "emotion.awareness_shift") > 0
    sizes, confidences = _delta_positions(examples), _confidences(labels)
    changed = (given.raised & (deltas > 0)) | (given.lowered & (deltas < 0))
    may_shift = given.raised & (deltas > SHIFT_ABOVE)
    shift = np.full(len(labels), SHIFT_PROBABILITY)
    return [
        one_hot(report.ACTION_TYPE, "action.type", ActionType.labels(), given.action_type),
        one_hot(report.ACTION_CONTEXT, "action.context", ActionContext.labels(), given.action_context),
        one_hot(report.SPEECH_REGISTER, "speech.register", SpeechRegister.labels(), given.speech_register),
        yes(report.SPEECH_OCCURS, "speech", speaks, given.speech_occurs, everywhere),
        uniform(report.VALENCE, "valence", valence, within),
        uniform(report.CONFIDENCES, "confidence of the action", confidences[:, 0], everywhere),
        uniform(report.CONFIDENCES, "confidence of the speech", confidences[:, 1], everywhere),
        *(
            draw
            for primary in Primary
            for draw in (
                uniform(
                    report.DELTAS,
                    f"the change of {primary}",
                    sizes[:, primary.position],
                    changed[:, primary.position],
                ),
                yes(
                    report.SHIFTS,
                    f"a shift of {primary}",
                    shifts[:, primary.position],
                    shift,
                    may_shift[:, primary.position],
                ),
            )
        ),
    ]


def _outside(positions: Float64) -> Bool:
    """Whether a position [...] in a range is not between 0 and 1."""
    outside: Bool = (positions < -ROUNDING / VALENCE_NOISE) | (positions > 1 + ROUNDING / VALENCE_NOISE)
    return outside


def _valence(examples: Examples) -> tuple[Float64, Bool]:
    """Where in the range of its noise each valence lies [n], from 0 to 1; and whether the range is not clamped."""
    low = examples.given.valence.astype(np.float64) - VALENCE_NOISE
    valence = label(examples.labels, "action.emotional_valence")[:, 0]
    within = (low >= -1) & (low + 2 * VALENCE_NOISE <= 1)
    return np.where(within, (valence - low) / (2 * VALENCE_NOISE), 0), within


def _confidences(labels: Float32) -> Float64:
    """Where in its range each confidence lies [n, 2], from 0 to 1: the action's, the speech's."""
    both = np.concatenate([label(labels, "action.confidence"), label(labels, "speech.confidence")], axis=1)
    low, high = CONFIDENCE
    return (both.astype(np.float64) - low) / (high - low)


def _delta_positions(examples: Examples) -> Float64:
    """Where in its range the size of each delta lies [n, 8], from 0 to 1, each part as likely as it is long."""
    sizes = np.abs(label(examples.labels, "emotion.intensity_delta").astype(np.float64))
    return delta_shares(examples.features, examples.given, examples.leaving, sizes)
