//! The network that burn's importer made of `character_predictor.onnx`.

use std::error::Error;

use burn::tensor::{Device, Tensor};

use crate::predictor::row;

// Not all that is generated is used.
#[allow(dead_code)]
mod generated {
    include!(env!("CHARACTER_NETWORK"));
}

/// The imported model, ready to predict.
pub struct ImportedPredictor {
    network: generated::Model,
    device: Device,
}

impl ImportedPredictor {
    /// The model whose weights lie in the program.
    pub fn load() -> Result<Self, Box<dyn Error>> {
        let device = Device::flex();
        Ok(Self { network: generated::Model::from_embedded(&device), device })
    }

    /// 453 features to the 42 outputs of the four heads, joined.
    pub fn run(&mut self, features: &[f32]) -> Result<Vec<f32>, Box<dyn Error>> {
        let (action, speech, thought, emotion) = self.network.forward(row(features, &self.device)?);
        Ok(Tensor::cat(vec![action, speech, thought, emotion], 1).into_data().try_to_vec()?)
    }
}
