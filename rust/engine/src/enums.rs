//! The enums of the contract. The order of the variants is the order on the wire.

use serde::{Deserialize, Serialize};

/// How deep in a character an axis lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemporalLayer {
    Topsoil,
    Sediment,
    Bedrock,
    Primordial,
}

/// Where the value of an axis comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provenance {
    Authored,
    Inferred,
    Generated,
    Confirmed,
    Overridden,
}

/// How far a character can name what moves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AwarenessLevel {
    Articulate,
    Recognizable,
    Preconscious,
    Defended,
    Structural,
}

/// A character's place in the web of relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopologicalRole {
    Gate,
    Bridge,
    Hub,
    Periphery,
}

/// What a scene does in the narrative graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SceneType {
    Gravitational,
    Connective,
    Gate,
    Threshold,
}

/// What the player did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    Speech,
    Action,
    Movement,
    Observation,
    Interaction,
    Emote,
    Inquiry,
}

/// The tone in which the player did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EmotionalRegister {
    Aggressive,
    Vulnerable,
    Playful,
    Guarded,
    Neutral,
    Tender,
    Inquisitive,
}

/// What a character does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionType {
    Perform,
    Speak,
    Move,
    Examine,
    Wait,
    Resist,
}

/// How a character speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpeechRegister {
    Whisper,
    Conversational,
    Declamatory,
    Internal,
}

/// What a character's action answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionContext {
    SharedHistory,
    CurrentScene,
    EmotionalReaction,
    RelationalDynamic,
    WorldResponse,
}

/// Plutchik's eight primary emotions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Primary {
    Joy,
    Trust,
    Fear,
    Surprise,
    Sadness,
    Disgust,
    Anger,
    Anticipation,
}
