//! The layout of the 453 inputs and the 42 outputs: sizes, regions and one-hots.

use crate::enums::{
    ActionType, AwarenessLevel, EmotionalRegister, EventType, Provenance, SceneType, SpeechRegister, TemporalLayer,
    TopologicalRole,
};

// --- sizes of what a region is made of

pub const NUM_ACTION_TYPES: usize = 6;
pub const NUM_ACTION_CONTEXTS: usize = 5;
pub const NUM_SPEECH_REGISTERS: usize = 4;
pub const NUM_AWARENESS_LEVELS: usize = 5;
/// Plutchik's primary emotions.
pub const NUM_PRIMARIES: usize = 8;

const RANGE: usize = 4; // central tendency, variance, range low, range high

// --- inputs

/// Axes of a personality; further ones are cut.
pub const MAX_TENSOR_AXES: usize = 16;
pub const FEATURES_PER_AXIS: usize = RANGE
    + 4 // temporal layer
    + 5; // provenance
/// Relations to other characters; further ones are cut.
pub const MAX_EDGES: usize = 5;
pub const FEATURES_PER_EDGE: usize = 5 * RANGE + /* topological role */ 4;
pub const FEATURES_PER_PRIMARY: usize = 1 + NUM_AWARENESS_LEVELS;
pub const SELF_EDGE_FEATURES: usize = 7;
pub const SCENE_FEATURES: usize = 4 + 2;
pub const EVENT_FEATURES: usize = (7 + 7) + 2;
pub const FEATURES_PER_HISTORY: usize = NUM_ACTION_TYPES + NUM_SPEECH_REGISTERS + NUM_AWARENESS_LEVELS + 1;
pub const HISTORY_DEPTH: usize = 3;

/// Everything that one prediction is made from.
pub const TOTAL_INPUT_FEATURES: usize = (MAX_TENSOR_AXES * FEATURES_PER_AXIS)
    + (NUM_PRIMARIES * FEATURES_PER_PRIMARY)
    + SELF_EDGE_FEATURES
    + (MAX_EDGES * FEATURES_PER_EDGE)
    + SCENE_FEATURES
    + EVENT_FEATURES
    + (HISTORY_DEPTH * FEATURES_PER_HISTORY);

// --- outputs

pub const ACTION_OUTPUTS: usize = NUM_ACTION_TYPES + 3 + NUM_ACTION_CONTEXTS;
pub const SPEECH_OUTPUTS: usize = 1 + NUM_SPEECH_REGISTERS + 1;
pub const THOUGHT_OUTPUTS: usize = NUM_AWARENESS_LEVELS + 1;
pub const EMOTION_OUTPUTS: usize = 2 * NUM_PRIMARIES;

/// The four heads, one after the other.
pub const TOTAL_OUTPUT_FEATURES: usize = ACTION_OUTPUTS + SPEECH_OUTPUTS + THOUGHT_OUTPUTS + EMOTION_OUTPUTS;

/// A run of floats with a name.
pub struct Region {
    pub name: &'static str,
    pub offset: usize,
    pub length: usize,
    /// For people.
    pub description: &'static str,
}

/// The regions of the input, in order.
pub fn input_regions() -> Vec<Region> {
    lay_out(&[
        ("tensor", MAX_TENSOR_AXES * FEATURES_PER_AXIS, "personality axes, by name"),
        ("emotional_state", NUM_PRIMARIES * FEATURES_PER_PRIMARY, "primary emotions: intensity and awareness"),
        ("self_edge", SELF_EDGE_FEATURES, "the relation to oneself"),
        ("relational_edges", MAX_EDGES * FEATURES_PER_EDGE, "relations to others"),
        ("scene_context", SCENE_FEATURES, "the scene"),
        ("player_event", EVENT_FEATURES, "what the player did"),
        ("history", HISTORY_DEPTH * FEATURES_PER_HISTORY, "earlier turns, newest first"),
    ])
}

/// The regions of the output: the four heads, in the order in which they are joined.
pub fn output_regions() -> Vec<Region> {
    lay_out(&[
        ("action", ACTION_OUTPUTS, "type logits, confidence, target, valence, context logits"),
        ("speech", SPEECH_OUTPUTS, "occurs, register logits, confidence"),
        ("thought", THOUGHT_OUTPUTS, "awareness logits, dominant emotion"),
        ("emotion", EMOTION_OUTPUTS, "intensity deltas, awareness shifts"),
    ])
}

fn lay_out(sizes: &[(&'static str, usize, &'static str)]) -> Vec<Region> {
    let mut offset = 0;
    let mut regions = Vec::new();
    for &(name, length, description) in sizes {
        regions.push(Region { name, offset, length, description });
        offset += length;
    }
    regions
}

// --- one-hots

pub fn one_hot_temporal_layer(layer: TemporalLayer) -> [f32; 4] {
    match layer {
        TemporalLayer::Topsoil => [1.0, 0.0, 0.0, 0.0],
        TemporalLayer::Sediment => [0.0, 1.0, 0.0, 0.0],
        TemporalLayer::Bedrock => [0.0, 0.0, 1.0, 0.0],
        TemporalLayer::Primordial => [0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_provenance(provenance: Provenance) -> [f32; 5] {
    match provenance {
        Provenance::Authored => [1.0, 0.0, 0.0, 0.0, 0.0],
        Provenance::Inferred => [0.0, 1.0, 0.0, 0.0, 0.0],
        Provenance::Generated => [0.0, 0.0, 1.0, 0.0, 0.0],
        Provenance::Confirmed => [0.0, 0.0, 0.0, 1.0, 0.0],
        Provenance::Overridden => [0.0, 0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_awareness_level(level: AwarenessLevel) -> [f32; NUM_AWARENESS_LEVELS] {
    match level {
        AwarenessLevel::Articulate => [1.0, 0.0, 0.0, 0.0, 0.0],
        AwarenessLevel::Recognizable => [0.0, 1.0, 0.0, 0.0, 0.0],
        AwarenessLevel::Preconscious => [0.0, 0.0, 1.0, 0.0, 0.0],
        AwarenessLevel::Defended => [0.0, 0.0, 0.0, 1.0, 0.0],
        AwarenessLevel::Structural => [0.0, 0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_topological_role(role: TopologicalRole) -> [f32; 4] {
    match role {
        TopologicalRole::Gate => [1.0, 0.0, 0.0, 0.0],
        TopologicalRole::Bridge => [0.0, 1.0, 0.0, 0.0],
        TopologicalRole::Hub => [0.0, 0.0, 1.0, 0.0],
        TopologicalRole::Periphery => [0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_scene_type(scene: SceneType) -> [f32; 4] {
    match scene {
        SceneType::Gravitational => [1.0, 0.0, 0.0, 0.0],
        SceneType::Connective => [0.0, 1.0, 0.0, 0.0],
        SceneType::Gate => [0.0, 0.0, 1.0, 0.0],
        SceneType::Threshold => [0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_event_type(event: EventType) -> [f32; 7] {
    match event {
        EventType::Speech => [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        EventType::Action => [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        EventType::Movement => [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        EventType::Observation => [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        EventType::Interaction => [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        EventType::Emote => [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        EventType::Inquiry => [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_emotional_register(register: EmotionalRegister) -> [f32; 7] {
    match register {
        EmotionalRegister::Aggressive => [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        EmotionalRegister::Vulnerable => [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        EmotionalRegister::Playful => [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        EmotionalRegister::Guarded => [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        EmotionalRegister::Neutral => [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        EmotionalRegister::Tender => [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        EmotionalRegister::Inquisitive => [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_action_type(action: ActionType) -> [f32; NUM_ACTION_TYPES] {
    match action {
        ActionType::Perform => [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ActionType::Speak => [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        ActionType::Move => [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        ActionType::Examine => [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        ActionType::Wait => [0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        ActionType::Resist => [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    }
}

pub fn one_hot_speech_register(register: SpeechRegister) -> [f32; NUM_SPEECH_REGISTERS] {
    match register {
        SpeechRegister::Whisper => [1.0, 0.0, 0.0, 0.0],
        SpeechRegister::Conversational => [0.0, 1.0, 0.0, 0.0],
        SpeechRegister::Declamatory => [0.0, 0.0, 1.0, 0.0],
        SpeechRegister::Internal => [0.0, 0.0, 0.0, 1.0],
    }
}
