//! Loads `character_predictor.onnx` and runs it.

use std::error::Error;
use std::path::Path;

use ort::environment::Environment;
use ort::inputs;
use ort::session::Session;
use ort::value::TensorRef;

use crate::feature_schema::{TOTAL_INPUT_FEATURES, TOTAL_OUTPUT_FEATURES, output_regions};

/// The character model, ready to predict.
pub struct CharacterModel {
    session: Session,
    heads: Vec<&'static str>,
}

impl CharacterModel {
    /// Loads one ONNX file with one intra-op thread.
    pub fn load(environment: &Environment, path: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            session: open(environment, path)?,
            heads: output_regions().iter().map(|region| region.name).collect(),
        })
    }

    /// Runs one example: 453 features to the 42 outputs of the four heads, joined.
    pub fn run(&mut self, features: &[f32]) -> Result<Vec<f32>, Box<dyn Error>> {
        if features.len() != TOTAL_INPUT_FEATURES {
            return Err(format!("expected {TOTAL_INPUT_FEATURES} features, got {}", features.len()).into());
        }
        let input = TensorRef::from_array_view(([1, TOTAL_INPUT_FEATURES], features))?;
        let outputs = self.session.run(inputs!["features" => input])?;
        let mut joined = Vec::with_capacity(TOTAL_OUTPUT_FEATURES);
        for head in &self.heads {
            joined.extend_from_slice(outputs[*head].try_extract_tensor::<f32>()?.1);
        }
        Ok(joined)
    }
}

/// A session as the engine makes one.
pub fn open(environment: &Environment, path: &Path) -> Result<Session, Box<dyn Error>> {
    Ok(Session::builder(environment)?.with_intra_threads(1)?.commit_from_file(path)?)
}
