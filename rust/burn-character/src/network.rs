//! The network: a shared trunk and one small head for each region of the prediction, layer by layer as PyTorch has it.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, Relu};
use burn::tensor::{Device, Tensor};
use storyteller_ml::feature_schema::{
    ACTION_OUTPUTS, EMOTION_OUTPUTS, SPEECH_OUTPUTS, THOUGHT_OUTPUTS, TOTAL_INPUT_FEATURES,
};

/// Widths of the trunk's layers and of each head's hidden layer.
const TRUNK: [usize; 3] = [384, 256, 256];
const HEAD_HIDDEN: usize = 64;

/// One layer of a sequence. Layers without weights count too, so that a layer's place in its sequence is its number in
/// the names of the tensors (`trunk.3.weight`), as in PyTorch.
#[derive(Module, Debug)]
pub enum Layer {
    Linear(Linear),
    Relu(Relu),
    Dropout(Dropout),
}

impl Layer {
    fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        match self {
            Layer::Linear(layer) => layer.forward(values),
            Layer::Relu(layer) => layer.forward(values),
            Layer::Dropout(layer) => layer.forward(values),
        }
    }
}

/// The four heads, in wire order.
#[derive(Module, Debug)]
pub struct Heads {
    action: Vec<Layer>,
    speech: Vec<Layer>,
    thought: Vec<Layer>,
    emotion: Vec<Layer>,
}

/// Raw inputs to raw outputs.
#[derive(Module, Debug)]
pub struct Network {
    trunk: Vec<Layer>,
    heads: Heads,
}

impl Network {
    /// With the first weights that burn draws: uniform within one over the root of the inputs, as PyTorch has them.
    pub fn new(dropout: f64, device: &Device) -> Self {
        let linear = |from, to| Layer::Linear(LinearConfig::new(from, to).init(device));
        let relu = || Layer::Relu(Relu::new());
        let dropout = || Layer::Dropout(DropoutConfig::new(dropout).init());
        let [first, second, third] = TRUNK;
        let head = |outputs| vec![linear(third, HEAD_HIDDEN), relu(), linear(HEAD_HIDDEN, outputs)];
        Self {
            trunk: vec![
                linear(TOTAL_INPUT_FEATURES, first),
                relu(),
                dropout(),
                linear(first, second),
                relu(),
                dropout(),
                linear(second, third),
                relu(),
            ],
            heads: Heads {
                action: head(ACTION_OUTPUTS),
                speech: head(SPEECH_OUTPUTS),
                thought: head(THOUGHT_OUTPUTS),
                emotion: head(EMOTION_OUTPUTS),
            },
        }
    }

    /// The four heads' raw outputs [batch, 42], one after the other, from features [batch, 453].
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let hidden = sequence(&self.trunk, features);
        let Heads { action, speech, thought, emotion } = &self.heads;
        Tensor::cat([action, speech, thought, emotion].map(|head| sequence(head, hidden.clone())).to_vec(), 1)
    }
}

fn sequence(layers: &[Layer], values: Tensor<2>) -> Tensor<2> {
    layers.iter().fold(values, |values, layer| layer.forward(values))
}
