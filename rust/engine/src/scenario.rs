//! What the engine knows when it predicts a character. The JSON has the same keys as the fields.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::enums::{
    ActionType, AwarenessLevel, EmotionalRegister, EventType, Primary, Provenance, SceneType, SpeechRegister,
    TemporalLayer, TopologicalRole,
};

/// A value with its spread and the range it is plausible in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substrate {
    pub central_tendency: f32,
    pub variance: f32,
    pub range_low: f32,
    pub range_high: f32,
}

/// One axis of a personality.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    pub central_tendency: f32,
    pub variance: f32,
    pub range_low: f32,
    pub range_high: f32,
    pub temporal_layer: TemporalLayer,
    pub provenance: Provenance,
}

/// How strongly a primary emotion is felt, and how aware of it the character is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrimaryState {
    pub intensity: f32,
    pub awareness: AwarenessLevel,
}

/// How far a character trusts themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTrust {
    pub competence: f32,
    pub intentions: f32,
    pub reliability: f32,
}

/// A character's relation to themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfEdge {
    pub trust: SelfTrust,
    pub affection: f32,
    pub debt: f32,
    pub history_weight: f32,
    pub projection_accuracy: f32,
}

/// A character's relation to another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationalEdge {
    pub trust_reliability: Substrate,
    pub trust_competence: Substrate,
    pub trust_benevolence: Substrate,
    pub affection: Substrate,
    pub debt: Substrate,
    pub topological_role: Option<TopologicalRole>,
}

/// The scene in which the character is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    pub scene_type: SceneType,
    pub cast_size: u32,
    pub tension: f32,
}

/// What the player just did.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayerEvent {
    pub event_type: EventType,
    pub emotional_register: EmotionalRegister,
    pub confidence: f32,
    pub target_count: u32,
}

/// What was predicted for the character at an earlier turn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    pub action_type: ActionType,
    pub speech_register: SpeechRegister,
    pub awareness: AwarenessLevel,
    pub emotional_valence: f32,
}

/// Everything that one prediction is made from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// By name; a BTreeMap, so that the axes come in ascending order of their name.
    pub tensor: BTreeMap<String, Axis>,
    pub emotional_state: BTreeMap<Primary, PrimaryState>,
    pub self_edge: SelfEdge,
    #[serde(default)]
    pub relational_edges: Vec<RelationalEdge>,
    pub scene_context: Scene,
    pub player_event: PlayerEvent,
    /// The oldest first.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
}
