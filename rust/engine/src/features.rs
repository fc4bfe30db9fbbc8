//! Writes a scenario into the 453 floats of the model's input.

use crate::enums::{Primary, TopologicalRole};
use crate::feature_schema::*;
use crate::scenario::{Axis, HistoryEntry, PrimaryState, RelationalEdge, Scenario, Substrate};

/// The primary emotions in the order of their slots.
pub const PRIMARIES: [Primary; NUM_PRIMARIES] = [
    Primary::Joy,
    Primary::Trust,
    Primary::Fear,
    Primary::Surprise,
    Primary::Sadness,
    Primary::Disgust,
    Primary::Anger,
    Primary::Anticipation,
];

/// Encodes a scenario: slots that nothing fills are zero, and what exceeds the slots is cut.
pub fn encode_features(scenario: &Scenario) -> Vec<f32> {
    let mut floats = Vec::with_capacity(TOTAL_INPUT_FEATURES);

    fill(&mut floats, MAX_TENSOR_AXES, FEATURES_PER_AXIS, scenario.tensor.values(), axis);

    for primary in PRIMARIES {
        let state = scenario.emotional_state.get(&primary);
        fill(&mut floats, 1, FEATURES_PER_PRIMARY, state.into_iter(), primary_state);
    }

    let own = &scenario.self_edge;
    floats.extend([own.trust.competence, own.trust.intentions, own.trust.reliability]);
    floats.extend([own.affection, own.debt, own.history_weight, own.projection_accuracy]);

    fill(&mut floats, MAX_EDGES, FEATURES_PER_EDGE, scenario.relational_edges.iter(), edge);

    let scene = &scenario.scene_context;
    floats.extend(one_hot_scene_type(scene.scene_type));
    floats.extend([scene.cast_size as f32, scene.tension]);

    let event = &scenario.player_event;
    floats.extend(one_hot_event_type(event.event_type));
    floats.extend(one_hot_emotional_register(event.emotional_register));
    floats.extend([event.confidence, event.target_count as f32]);

    fill(&mut floats, HISTORY_DEPTH, FEATURES_PER_HISTORY, scenario.history.iter().rev(), history_entry);

    assert_eq!(floats.len(), TOTAL_INPUT_FEATURES);
    floats
}

/// Writes up to `slots` things and pads with zeros to the end of the region.
fn fill<'a, T: 'a>(
    floats: &mut Vec<f32>,
    slots: usize,
    per_slot: usize,
    things: impl Iterator<Item = &'a T>,
    write: fn(&mut Vec<f32>, &T),
) {
    let end = floats.len() + slots * per_slot;
    for thing in things.take(slots) {
        write(floats, thing);
    }
    floats.resize(end, 0.0);
}

fn axis(floats: &mut Vec<f32>, axis: &Axis) {
    floats.extend([axis.central_tendency, axis.variance, axis.range_low, axis.range_high]);
    floats.extend(one_hot_temporal_layer(axis.temporal_layer));
    floats.extend(one_hot_provenance(axis.provenance));
}

fn primary_state(floats: &mut Vec<f32>, state: &PrimaryState) {
    floats.push(state.intensity);
    floats.extend(one_hot_awareness_level(state.awareness));
}

fn substrate(floats: &mut Vec<f32>, substrate: &Substrate) {
    floats.extend([substrate.central_tendency, substrate.variance, substrate.range_low, substrate.range_high]);
}

fn edge(floats: &mut Vec<f32>, edge: &RelationalEdge) {
    substrate(floats, &edge.trust_reliability);
    substrate(floats, &edge.trust_competence);
    substrate(floats, &edge.trust_benevolence);
    substrate(floats, &edge.affection);
    substrate(floats, &edge.debt);
    floats.extend(one_hot_topological_role(edge.topological_role.unwrap_or(TopologicalRole::Periphery)));
}

fn history_entry(floats: &mut Vec<f32>, entry: &HistoryEntry) {
    floats.extend(one_hot_action_type(entry.action_type));
    floats.extend(one_hot_speech_register(entry.speech_register));
    floats.extend(one_hot_awareness_level(entry.awareness));
    floats.push(entry.emotional_valence);
}
