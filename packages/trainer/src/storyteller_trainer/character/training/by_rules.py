"""What a run does because of what was found of its data's labels: the recipe that is kept, and what is claimed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.data.manifest import MIN_COHERENCE, Ceiling
from storyteller_trainer.character.rules.axes import AxisPlaces, archetypes_of
from storyteller_trainer.character.rules.expected import Rules
from storyteller_trainer.character.rules.report import RulesReport
from storyteller_trainer.character.training.recipe import Recipe


def rules_of(data: CharacterDataset, places: AxisPlaces | None) -> Rules:
    """The label rules for a data set.

    Args:
        places: where the axes of its archetypes lie; None where no descriptors are known.
    """
    names = np.full(len(data.cell_names), -1) if places is None else archetypes_of(data.cell_names, places)
    threshold = data.ceiling.min_coherence
    return Rules(
        archetypes=names[data.cells],
        places=places,
        min_coherence=MIN_COHERENCE if threshold is None else threshold,
    )


def settled(recipe: Recipe, found: RulesReport, options: Mapping[str, object], notify: Callable[[str], None]) -> Recipe:
    """The recipe without what rests on rules that do not hold, each with a line to the user.

    Args:
        options: what the user gave by name: `augment` is obeyed.

    Raises:
        StorytellerError: the user asked for expected labels, which need labels that follow every rule.
    """
    if recipe.expected_labels and not found.follow:
        if options.get("expected_labels"):
            raise StorytellerError(f"no labels can be expected where not all rules are known to hold: {found.line()}")
        notify("Expected labels are off: they need labels that are known to follow every rule")
        recipe = recipe.with_options(expected_labels=False)
    if recipe.augment and found.differ:
        if options.get("augment"):
            notify("Augmentation stays on as asked, though it rests on rules that these labels do not follow")
        else:
            notify("Augmentation is off: it rests on rules that these labels do not follow; --augment keeps it on")
            recipe = recipe.with_options(augment=False)
    return recipe


def claimed_ceiling(data: CharacterDataset, rules: Rules, found: RulesReport) -> Ceiling:
    """What no model can go beyond: as the manifest says, else computed where every rule holds.

    Nothing where a rule does not hold, whatever the manifest says.
    """
    if found.differ:
        return Ceiling()
    if data.ceiling.terms is None and found.follow:
        return rules.ceiling(data.features, data.labels)
    return data.ceiling
