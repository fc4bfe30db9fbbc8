//! The loss: one term for each field of the prediction, summed within a head, weighted between heads.
//!
//! Each term is the mean over the batch, and over the labels where a field has several floats.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, relu};
use storyteller_ml::feature_schema::{
    NUM_ACTION_CONTEXTS, NUM_ACTION_TYPES, NUM_AWARENESS_LEVELS, NUM_PRIMARIES, NUM_SPEECH_REGISTERS,
};

/// What the heads' losses count in the whole, in wire order.
pub const HEAD_WEIGHTS: [f32; 4] = [0.35, 0.20, 0.20, 0.25];

/// How a field's outputs are compared with its labels.
enum Kind {
    /// Logits with labels that are a distribution; a row of zeros adds nothing.
    OneHot,
    /// Logits with labels of 0 or 1.
    Binary,
    Float,
}

/// Every field of a head, in wire order: its kind and its width.
const FIELDS: [&[(Kind, usize)]; 4] = [
    // action: type, confidence, target, valence, context
    &[
        (Kind::OneHot, NUM_ACTION_TYPES),
        (Kind::Float, 1),
        (Kind::Float, 1),
        (Kind::Float, 1),
        (Kind::OneHot, NUM_ACTION_CONTEXTS),
    ],
    // speech: occurs, register, confidence
    &[(Kind::Binary, 1), (Kind::OneHot, NUM_SPEECH_REGISTERS), (Kind::Float, 1)],
    // thought: awareness, dominant emotion
    &[(Kind::OneHot, NUM_AWARENESS_LEVELS), (Kind::Float, 1)],
    // emotion: deltas, shifts
    &[(Kind::Float, NUM_PRIMARIES), (Kind::Binary, NUM_PRIMARIES)],
];

/// The unweighted losses of the heads, in wire order, from outputs and labels [batch, 42].
pub fn head_losses(outputs: &Tensor<2>, labels: &Tensor<2>) -> [Tensor<1>; 4] {
    let mut start = 0;
    FIELDS.map(|fields| {
        fields
            .iter()
            .map(|(kind, width)| {
                let columns = start..start + width;
                start = columns.end;
                term(kind, slice(outputs, &columns), slice(labels, &columns))
            })
            .reduce(|sum, term| sum + term)
            .expect("a head has fields")
    })
}

/// The weighted sum of the heads' losses.
pub fn total(heads: [Tensor<1>; 4]) -> Tensor<1> {
    let [action, speech, thought, emotion] = heads;
    let [a, s, t, e] = HEAD_WEIGHTS;
    action * a + speech * s + thought * t + emotion * e
}

fn slice(values: &Tensor<2>, columns: &Range<usize>) -> Tensor<2> {
    values.clone().narrow(1, columns.start, columns.len())
}

fn term(kind: &Kind, raw: Tensor<2>, labels: Tensor<2>) -> Tensor<1> {
    match kind {
        Kind::OneHot => -(labels * log_softmax(raw, 1)).sum_dim(1).mean(),
        // max(x, 0) - x y + log(1 + exp(-|x|)): cannot overflow.
        Kind::Binary => (relu(raw.clone()) - raw.clone() * labels + (-raw.abs()).exp().log1p()).mean(),
        Kind::Float => (raw - labels).square().mean(),
    }
}
