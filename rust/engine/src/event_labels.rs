//! The labels of the text pipeline, in the order of the model's outputs.

/// What a sentence tells; several may hold at once.
pub const EVENT_KIND_LABELS: [&str; 8] = [
    "StateAssertion",
    "ActionOccurrence",
    "SpatialChange",
    "EmotionalExpression",
    "InformationTransfer",
    "SpeechAct",
    "RelationalShift",
    "EnvironmentalChange",
];

/// One per token: outside, or the first or a later token of an entity.
pub const BIO_LABELS: [&str; 15] = [
    "O",
    "B-CHARACTER",
    "I-CHARACTER",
    "B-OBJECT",
    "I-OBJECT",
    "B-LOCATION",
    "I-LOCATION",
    "B-GESTURE",
    "I-GESTURE",
    "B-SENSORY",
    "I-SENSORY",
    "B-ABSTRACT",
    "I-ABSTRACT",
    "B-COLLECTIVE",
    "I-COLLECTIVE",
];

/// Tokens per text, special tokens included; shorter texts are padded to it.
pub const MAX_SEQ_LENGTH: usize = 128;

/// An event kind holds when its sigmoid is strictly above this.
pub const EVENT_THRESHOLD: f32 = 0.5;
