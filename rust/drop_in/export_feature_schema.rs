//! Prints the contract of this crate as JSON, for `storyteller-schema check FILE` in the training workspace.
//!
//! Copy this file to `crates/storyteller-ml/src/bin/export_feature_schema.rs`, adapt the part between the two ADAPT
//! lines, and run `cargo run -p storyteller-ml --bin export_feature_schema > schema.json`. It needs `serde` (with
//! `derive`) and `serde_json`.
//!
//! Besides sizes and names the JSON holds golden vectors: fixed inputs, and what this crate's own encode and decode
//! functions make of them. The workspace runs its own functions on the same inputs and compares every float. JSON has
//! no NaN: serde_json writes null, and so it is read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

/// An enum's variants in wire order, and their one-hots (empty without a one-hot function).
struct WireEnum {
    name: &'static str,
    order: Vec<&'static str>,
    one_hots: Vec<(&'static str, Vec<f32>)>,
}

macro_rules! wire_enum {
    ($enum:ident, $one_hot:ident: $($variant:ident)+) => { wire_enum!(@ $enum, |v| $one_hot(v).to_vec(), $($variant)+) };
    ($enum:ident: $($variant:ident)+) => { wire_enum!(@ $enum, |_| vec![], $($variant)+) };
    (@ $enum:ident, $floats:expr, $($variant:ident)+) => {{
        let _every_variant_is_listed = |value: $enum| match value { $($enum::$variant => ()),+ };
        let floats: fn($enum) -> Vec<f32> = $floats;
        let mut variants = [$((stringify!($variant), $enum::$variant)),+];
        variants.sort_by_key(|(_, variant)| *variant as usize);
        WireEnum {
            name: stringify!($enum),
            order: variants.iter().map(|(name, _)| *name).collect(),
            one_hots: variants.iter().map(|(name, variant)| (*name, floats(*variant))).collect(),
        }
    }};
}

// ---- ADAPT: everything that depends on how this crate names its modules, types and functions ----------------------

use storyteller_ml::enums::*;
use storyteller_ml::event_labels::{BIO_LABELS, EVENT_KIND_LABELS, MAX_SEQ_LENGTH};
use storyteller_ml::feature_schema::*;
use storyteller_ml::prediction::{BINARY_CUT, DELTA_FLOOR};

/// Encodes a scenario given as JSON (see `scenario` below for its form) with this crate's encode function. If the
/// crate's own types do not read this JSON, build them here field by field.
fn encode(scenario: &Value) -> Vec<f32> {
    let scenario = serde_json::from_value(scenario.clone()).expect("the scenarios below have the form of Scenario");
    storyteller_ml::features::encode_features(&scenario)
}

/// Decodes 42 outputs with this crate's decode function. What is returned must serialize to this form:
///
/// ```json
/// {"action": {"type": "Speak", "confidence": 0.5, "emotional_valence": 0.1, "context": "CurrentScene"},
///  "speech": {"occurs": true, "register": "Whisper", "confidence": 0.5},
///  "thought": {"awareness": "Defended", "dominant_emotion": "Joy"},
///  "emotion": {"intensity_delta": {"Joy": 0.1}, "awareness_shift": ["Joy"]}}
/// ```
fn decode(outputs: &[f32]) -> impl Serialize {
    storyteller_ml::prediction::decode_outputs(outputs).expect("42 outputs are given")
}

/// The regions of both vectors: name, offset, length, description.
fn regions() -> [Vec<(String, usize, usize, String)>; 2] {
    [input_regions(), output_regions()].map(|regions| {
        let row = |r: Region| (r.name.to_owned(), r.offset, r.length, r.description.to_owned());
        regions.into_iter().map(row).collect()
    })
}

/// Every enum that reaches the wire, with its one-hot function where there is one. A variant that is missing here
/// does not compile.
fn wire_enums() -> Vec<WireEnum> {
    vec![
        wire_enum!(TemporalLayer, one_hot_temporal_layer: Topsoil Sediment Bedrock Primordial),
        wire_enum!(Provenance, one_hot_provenance: Authored Inferred Generated Confirmed Overridden),
        wire_enum!(AwarenessLevel, one_hot_awareness_level:
            Articulate Recognizable Preconscious Defended Structural),
        wire_enum!(TopologicalRole, one_hot_topological_role: Gate Bridge Hub Periphery),
        wire_enum!(SceneType, one_hot_scene_type: Gravitational Connective Gate Threshold),
        wire_enum!(EventType, one_hot_event_type: Speech Action Movement Observation Interaction Emote Inquiry),
        wire_enum!(EmotionalRegister, one_hot_emotional_register:
            Aggressive Vulnerable Playful Guarded Neutral Tender Inquisitive),
        wire_enum!(ActionType, one_hot_action_type: Perform Speak Move Examine Wait Resist),
        wire_enum!(SpeechRegister, one_hot_speech_register: Whisper Conversational Declamatory Internal),
        wire_enum!(ActionContext: SharedHistory CurrentScene EmotionalReaction RelationalDynamic WorldResponse),
        wire_enum!(Primary: Joy Trust Fear Surprise Sadness Disgust Anger Anticipation),
    ]
}

/// The thresholds of decoding. Without constants for them, return an empty map: the golden vectors show them too.
fn decode_rules() -> BTreeMap<&'static str, f32> {
    BTreeMap::from([("binary_cut", BINARY_CUT), ("delta_floor", DELTA_FLOOR)])
}

// ---- ADAPT ends: nothing below depends on names other than those of the contract ----------------------------------

macro_rules! constants {
    ($($name:ident)+) => { BTreeMap::from([$((stringify!($name), $name)),+]) };
}

fn main() {
    let [inputs, outputs] = regions();
    let row = |(name, offset, length, description): &(String, usize, usize, String)| json!({"name": name, "offset": offset, "length": length, "description": description});
    let enums = wire_enums();
    let orders: BTreeMap<_, _> = enums.iter().map(|e| (e.name, &e.order)).collect();
    let one_hots: BTreeMap<_, BTreeMap<_, _>> = enums
        .iter()
        .filter(|e| e.one_hots.iter().all(|(_, floats)| !floats.is_empty()))
        .map(|e| (e.name, e.one_hots.iter().cloned().collect()))
        .collect();
    let constants = constants![
        MAX_TENSOR_AXES FEATURES_PER_AXIS MAX_EDGES FEATURES_PER_EDGE NUM_PRIMARIES FEATURES_PER_PRIMARY
        SELF_EDGE_FEATURES SCENE_FEATURES EVENT_FEATURES FEATURES_PER_HISTORY HISTORY_DEPTH TOTAL_INPUT_FEATURES
        NUM_ACTION_TYPES NUM_ACTION_CONTEXTS NUM_SPEECH_REGISTERS NUM_AWARENESS_LEVELS TOTAL_OUTPUT_FEATURES
    ];
    let events = json!({
        "event_kinds": EVENT_KIND_LABELS, "bio_labels": BIO_LABELS, "max_seq_length": MAX_SEQ_LENGTH,
    });
    let to_decode = outputs_to_decode();
    let entries = [
        entry("input_size", &TOTAL_INPUT_FEATURES),
        entry("output_size", &TOTAL_OUTPUT_FEATURES),
        list("input_regions", inputs.iter().map(row)),
        list("output_regions", outputs.iter().map(row)),
        entry("constants", &constants),
        entry("enums", &orders),
        entry("one_hots", &one_hots),
        entry("decode_rules", &decode_rules()),
        entry("events", &events),
        list(
            "golden_encode",
            scenarios().into_iter().map(|scenario| Encoded { features: encode(&scenario), scenario }),
        ),
        list("golden_decode", to_decode.iter().map(|outputs| Decoded { outputs, prediction: decode(outputs) })),
    ];
    println!("{{\n  {}\n}}", entries.join(",\n  "));
}

#[derive(Serialize)]
struct Encoded {
    scenario: Value,
    features: Vec<f32>,
}

#[derive(Serialize)]
struct Decoded<'a, P> {
    outputs: &'a [f32],
    prediction: P,
}

/// A key and its value in one line.
fn entry(key: &str, value: &impl Serialize) -> String {
    format!("\"{key}\": {}", serde_json::to_string(value).expect("plain data"))
}

/// A key and a list with one element a line, so that a changed vector is one changed line.
fn list<T: Serialize>(key: &str, values: impl Iterator<Item = T>) -> String {
    let lines: Vec<_> = values.map(|value| serde_json::to_string(&value).expect("plain data")).collect();
    format!("\"{key}\": [\n    {}\n  ]", lines.join(",\n    "))
}

// ---- golden inputs: fixed, and together they use every variant, every cut and every padding ------------------------

fn scenarios() -> Vec<Value> {
    // (axes, primaries, relations, earlier turns): less than there are slots, as many, more; the longest enum has 8.
    let shapes = [
        (0, 0, 0, 0),
        (1, 8, 1, 1),
        (3, 7, 2, 3),
        (5, 8, 5, 4),
        (7, 1, 3, 2),
        (16, 2, 6, 0),
        (18, 8, 0, 3),
        (2, 3, 7, 5),
    ];
    shapes.iter().enumerate().map(|(seed, shape)| scenario(seed, *shape)).collect()
}

/// Names whose order is that of their bytes: digits, capitals, underscore, small letters, then what is not ASCII.
const AXES: [&str; 18] = [
    "warmth",
    "Warmth",
    "warmth_openness",
    "warmth-openness",
    "warm",
    "2nd_nature",
    "_private",
    "empathy",
    "zeal",
    "Zeal",
    "écart",
    "Élan",
    "ß",
    "軸",
    "🎭",
    "expression_silence",
    "self_awareness",
    "distance_management",
];
const LAYERS: [&str; 4] = ["Topsoil", "Sediment", "Bedrock", "Primordial"];
const PROVENANCES: [&str; 5] = ["Authored", "Inferred", "Generated", "Confirmed", "Overridden"];
const AWARENESS: [&str; 5] = ["Articulate", "Recognizable", "Preconscious", "Defended", "Structural"];
const PRIMARIES: [&str; 8] = ["Joy", "Trust", "Fear", "Surprise", "Sadness", "Disgust", "Anger", "Anticipation"];
/// The last stands for a relation without a role.
const ROLES: [Option<&str>; 5] = [Some("Gate"), Some("Bridge"), Some("Hub"), Some("Periphery"), None];
const SCENES: [&str; 4] = ["Gravitational", "Connective", "Gate", "Threshold"];
const EVENTS: [&str; 7] = ["Speech", "Action", "Movement", "Observation", "Interaction", "Emote", "Inquiry"];
const TONES: [&str; 7] = ["Aggressive", "Vulnerable", "Playful", "Guarded", "Neutral", "Tender", "Inquisitive"];
const ACTIONS: [&str; 6] = ["Perform", "Speak", "Move", "Examine", "Wait", "Resist"];
const REGISTERS: [&str; 4] = ["Whisper", "Conversational", "Declamatory", "Internal"];

fn scenario(seed: usize, (axes, primaries, relations, turns): (usize, usize, usize, usize)) -> Value {
    // Hundredths from -1.00 to 1.00, different for every place in a scenario and for every scenario.
    let number = |place: usize| json!((((place * 37 + seed * 53) % 201) as f64 - 100.0) / 100.0);
    let range = |place: usize| {
        json!({"central_tendency": number(place), "variance": number(place + 1),
               "range_low": number(place + 2), "range_high": number(place + 3)})
    };
    let pick = |place: usize, count: usize| (place + seed) % count;
    let axis = |i: usize| {
        let mut axis = range(i * 5);
        axis["temporal_layer"] = json!(LAYERS[pick(i, 4)]);
        axis["provenance"] = json!(PROVENANCES[pick(i, 5)]);
        (AXES[i].to_owned(), axis)
    };
    let primary = |i: usize| {
        let state = json!({"intensity": number(i + 100), "awareness": AWARENESS[pick(i, 5)]});
        (PRIMARIES[pick(i, 8)].to_owned(), state)
    };
    let relation = |i: usize| {
        json!({"trust_reliability": range(i * 23 + 2), "trust_competence": range(i * 23 + 6),
               "trust_benevolence": range(i * 23 + 10), "affection": range(i * 23 + 14), "debt": range(i * 23 + 18),
               "topological_role": ROLES[pick(i, 5)]})
    };
    let turn = |i: usize| {
        json!({"action_type": ACTIONS[pick(i, 6)], "speech_register": REGISTERS[pick(i, 4)],
               "awareness": AWARENESS[pick(i, 5)], "emotional_valence": number(i + 150)})
    };
    json!({
        "tensor": (0..axes).map(axis).collect::<serde_json::Map<_, _>>(),
        "emotional_state": (0..primaries).map(primary).collect::<serde_json::Map<_, _>>(),
        "self_edge": {
            "trust": {"competence": number(31), "intentions": number(32), "reliability": number(33)},
            "affection": number(34), "debt": number(35), "history_weight": number(36), "projection_accuracy": number(38),
        },
        "relational_edges": (0..relations).map(relation).collect::<Vec<_>>(),
        "scene_context": {"scene_type": SCENES[pick(0, 4)], "cast_size": seed * 3, "tension": number(41)},
        "player_event": {
            "event_type": EVENTS[pick(0, 7)], "emotional_register": TONES[pick(3, 7)],
            "confidence": number(42), "target_count": seed,
        },
        "history": (0..turns).map(turn).collect::<Vec<_>>(),
    })
}

fn outputs_to_decode() -> Vec<Vec<f32>> {
    // All equal: every tie; at the cuts, one step of float32 below and above; far out.
    let levels = [0.0, 0.5, 0.50000006, 0.49999997, 0.01, 0.010000001, -0.01, -0.010000001, 1.0, -1.0, 3.0e38, -3.0e38];
    let mut vectors: Vec<Vec<f32>> = levels.iter().map(|level| vec![*level; TOTAL_OUTPUT_FEATURES]).collect();
    // Each position in turn is the highest, the cut lies between neighbours, and signs alternate.
    for seed in 0..8 {
        let value = |place: usize| ((place * 29 + seed * 17) % 41) as f32 / 20.0 - 1.0;
        vectors.push((0..TOTAL_OUTPUT_FEATURES).map(value).collect());
    }
    // The dominant emotion's index, the last number of the thought head: rounding, both ends, no index at all.
    for index in [0.5, 1.5, 2.5, 6.4999995, 6.5, 7.5, 255.0, 256.0, -0.5, -7.0] {
        let mut outputs = vec![0.0; TOTAL_OUTPUT_FEATURES];
        outputs[25] = index;
        vectors.push(outputs);
    }
    // Every awareness shift is asked for, and every second delta is dropped: with it goes the shift.
    for (kept, dropped) in [(0.2, 0.0), (-0.2, 0.01), (0.011, -0.005), (3.0, f32::NAN)] {
        let mut outputs = vec![0.0; TOTAL_OUTPUT_FEATURES];
        for primary in 0..NUM_PRIMARIES {
            outputs[26 + primary] = if primary % 2 == 0 { kept } else { dropped };
            outputs[34 + primary] = 1.0 + primary as f32;
        }
        vectors.push(outputs);
    }
    // NaN at the start, inside and at the end of a categorical slice, before and after its maximum; in a binary slot.
    for step in [2, 3, 4, 5] {
        for first in 0..2 {
            let value = |place: usize| ((place * 29 + step * 17) % 41) as f32 / 20.0 - 1.0;
            let mut outputs: Vec<f32> = (0..TOTAL_OUTPUT_FEATURES).map(value).collect();
            for slice in [0..6, 9..14, 14..19, 20..25, 25..26, 34..42] {
                slice.skip(first).step_by(step).for_each(|place| outputs[place] = f32::NAN);
            }
            vectors.push(outputs);
        }
    }
    vectors.push(vec![f32::NAN; TOTAL_OUTPUT_FEATURES]);
    vectors
}
