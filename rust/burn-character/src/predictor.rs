//! One example to one prediction's 42 outputs.

use std::error::Error;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::json;
use storyteller_ml::feature_schema::TOTAL_INPUT_FEATURES;
use storyteller_ml::lines::each_line;
use storyteller_ml::prediction::decode_outputs;

use crate::checkpoint;
use crate::network::Network;

/// The character model, ready to predict.
pub struct Predictor {
    network: Network,
    device: Device,
}

impl Predictor {
    /// Reads a run's checkpoint.
    pub fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        let device = Device::flex();
        Ok(Self { network: checkpoint::load(path, 0.0, &device)?, device })
    }

    /// 453 features to the 42 outputs of the four heads, joined.
    pub fn run(&mut self, features: &[f32]) -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(self.network.forward(row(features, &self.device)?).into_data().try_to_vec()?)
    }
}

/// One example as [1, 453].
pub fn row(features: &[f32], device: &Device) -> Result<Tensor<2>, Box<dyn Error>> {
    if features.len() != TOTAL_INPUT_FEATURES {
        return Err(format!("expected {TOTAL_INPUT_FEATURES} features, got {}", features.len()).into());
    }
    Ok(Tensor::from_data(TensorData::new(features.to_vec(), [1, TOTAL_INPUT_FEATURES]), device))
}

/// Features per line of stdin to outputs, and what they mean, per line of stdout.
pub fn predict_lines(mut run: impl FnMut(&[f32]) -> Result<Vec<f32>, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    each_line(|features: Vec<f32>| {
        let outputs = run(&features)?;
        let prediction = decode_outputs(&outputs)?;
        Ok(json!({"outputs": outputs, "prediction": prediction}))
    })
}
