//! Reads the 42 floats of the model's output.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::enums::{ActionContext, ActionType, AwarenessLevel, Primary, SpeechRegister};
use crate::feature_schema::*;
use crate::features::PRIMARIES;

/// A binary output counts as true strictly above this. The value is a raw output, not a probability.
pub const BINARY_CUT: f32 = 0.5;
/// A delta whose absolute value is not above this is dropped.
pub const DELTA_FLOOR: f32 = 0.01;

const ACTION_TYPES: [ActionType; NUM_ACTION_TYPES] = [
    ActionType::Perform,
    ActionType::Speak,
    ActionType::Move,
    ActionType::Examine,
    ActionType::Wait,
    ActionType::Resist,
];

const ACTION_CONTEXTS: [ActionContext; NUM_ACTION_CONTEXTS] = [
    ActionContext::SharedHistory,
    ActionContext::CurrentScene,
    ActionContext::EmotionalReaction,
    ActionContext::RelationalDynamic,
    ActionContext::WorldResponse,
];

const SPEECH_REGISTERS: [SpeechRegister; NUM_SPEECH_REGISTERS] =
    [SpeechRegister::Whisper, SpeechRegister::Conversational, SpeechRegister::Declamatory, SpeechRegister::Internal];

const AWARENESS_LEVELS: [AwarenessLevel; NUM_AWARENESS_LEVELS] = [
    AwarenessLevel::Articulate,
    AwarenessLevel::Recognizable,
    AwarenessLevel::Preconscious,
    AwarenessLevel::Defended,
    AwarenessLevel::Structural,
];

#[derive(Debug, Serialize)]
pub struct ActionPrediction {
    pub r#type: ActionType,
    pub confidence: f32,
    pub emotional_valence: f32,
    pub context: ActionContext,
}

#[derive(Debug, Serialize)]
pub struct SpeechPrediction {
    pub occurs: bool,
    pub register: SpeechRegister,
    pub confidence: f32,
}

#[derive(Debug, Serialize)]
pub struct ThoughtPrediction {
    pub awareness: AwarenessLevel,
    pub dominant_emotion: Primary,
}

#[derive(Debug, Serialize)]
pub struct EmotionPrediction {
    pub intensity_delta: BTreeMap<Primary, f32>,
    pub awareness_shift: Vec<Primary>,
}

/// One predicted turn of a character; whom the action is done to is left unresolved.
#[derive(Debug, Serialize)]
pub struct Prediction {
    pub action: ActionPrediction,
    pub speech: SpeechPrediction,
    pub thought: ThoughtPrediction,
    pub emotion: EmotionPrediction,
}

/// Decodes the four heads' raw outputs, one after the other.
pub fn decode_outputs(outputs: &[f32]) -> Result<Prediction, String> {
    if outputs.len() != TOTAL_OUTPUT_FEATURES {
        return Err(format!("expected {TOTAL_OUTPUT_FEATURES} outputs, got {}", outputs.len()));
    }
    let (action, rest) = outputs.split_at(ACTION_OUTPUTS);
    let (speech, rest) = rest.split_at(SPEECH_OUTPUTS);
    let (thought, emotion) = rest.split_at(THOUGHT_OUTPUTS);
    let (types, action_rest) = action.split_at(NUM_ACTION_TYPES);
    let (deltas, shifts) = emotion.split_at(NUM_PRIMARIES);
    // A shift is a part of its delta's entry: without the one there is no other. NaN is above nothing.
    let entries = PRIMARIES.into_iter().zip(deltas.iter().copied()).zip(shifts.iter().copied());
    let kept: Vec<_> = entries.filter(|((_, delta), _)| delta.abs() > DELTA_FLOOR).collect();
    Ok(Prediction {
        action: ActionPrediction {
            r#type: ACTION_TYPES[last_argmax(types)],
            confidence: action_rest[0],
            // action_rest[1] is the target's place in the cast, which training never resolves.
            emotional_valence: action_rest[2],
            context: ACTION_CONTEXTS[last_argmax(&action_rest[3..])],
        },
        speech: SpeechPrediction {
            occurs: speech[0] > BINARY_CUT,
            register: SPEECH_REGISTERS[last_argmax(&speech[1..1 + NUM_SPEECH_REGISTERS])],
            confidence: speech[1 + NUM_SPEECH_REGISTERS],
        },
        thought: ThoughtPrediction {
            awareness: AWARENESS_LEVELS[last_argmax(&thought[..NUM_AWARENESS_LEVELS])],
            // `round` goes half away from zero; the cast saturates, and makes 0 of NaN.
            dominant_emotion: PRIMARIES[(thought[NUM_AWARENESS_LEVELS].round() as u8).min(7) as usize],
        },
        emotion: EmotionPrediction {
            intensity_delta: kept.iter().map(|(entry, _)| *entry).collect(),
            awareness_shift: kept
                .iter()
                .filter(|(_, shift)| *shift > BINARY_CUT)
                .map(|((primary, _), _)| *primary)
                .collect(),
        },
    })
}

/// The position of the largest value; of several equal ones the last, as `max_by` has it. NaN compares as equal to
/// everything: a later number takes its place, and a later NaN that of a number.
pub fn last_argmax(values: &[f32]) -> usize {
    let best = values.iter().enumerate().max_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    best.map_or(0, |(position, _)| position)
}
