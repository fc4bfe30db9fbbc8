"""How the set is drawn that chooses the epoch: by a name that a user can give."""

from __future__ import annotations

from enum import StrEnum


class Strategy(StrEnum):
    """How the set is drawn that chooses the epoch."""

    #: Single examples; their skeletons are in training too.
    RANDOM = "random"
    #: Whole skeletons, none of them in training nor among the unseen ones.
    SKELETON = "skeleton"
