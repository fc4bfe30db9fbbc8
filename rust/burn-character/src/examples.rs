//! Training data: the engine's JSONL, and the file that says which of its examples are trained on.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use storyteller_ml::feature_schema::{TOTAL_INPUT_FEATURES, TOTAL_OUTPUT_FEATURES};

/// The part of a line that is trained on.
#[derive(Deserialize)]
struct Example {
    features: Vec<f32>,
    labels: Vec<f32>,
}

/// Every example of a file, in its order.
pub struct Examples {
    features: Vec<f32>,
    labels: Vec<f32>,
}

impl Examples {
    /// Reads a file; blank lines count as none. Judging the data is left to `train-character-model --validate-only`.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut found = Self { features: Vec::new(), labels: Vec::new() };
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let place = || format!("{}: line {}", path.display(), index + 1);
            let example: Example = serde_json::from_str(&line).map_err(|error| format!("{}: {error}", place()))?;
            for (name, values, expected) in [
                ("features", &example.features, TOTAL_INPUT_FEATURES),
                ("labels", &example.labels, TOTAL_OUTPUT_FEATURES),
            ] {
                if values.len() != expected {
                    let found = values.len();
                    return Err(format!("{}: {name} are {found} numbers, {expected} are expected", place()).into());
                }
            }
            found.features.extend(example.features);
            found.labels.extend(example.labels);
        }
        Ok(found)
    }

    pub fn len(&self) -> usize {
        self.labels.len() / TOTAL_OUTPUT_FEATURES
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Some examples as features [batch, 453] and labels [batch, 42].
    pub fn batch(&self, positions: &[usize], device: &Device) -> (Tensor<2>, Tensor<2>) {
        let gather = |values: &[f32], width: usize| {
            let rows = positions.iter().flat_map(|row| &values[row * width..(row + 1) * width]);
            let data = TensorData::new(rows.copied().collect::<Vec<f32>>(), [positions.len(), width]);
            Tensor::from_data(data, device)
        };
        (gather(&self.features, TOTAL_INPUT_FEATURES), gather(&self.labels, TOTAL_OUTPUT_FEATURES))
    }
}

/// What `train-character-model --write-split` writes.
#[derive(Deserialize)]
pub struct Split {
    /// The data files; positions count through them in this order.
    pub files: Vec<SplitFile>,
    pub seed: u64,
    pub val_fraction: f64,
    /// Positions of examples, from 0.
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
}

#[derive(Deserialize)]
pub struct SplitFile {
    pub path: String,
    /// SHA-256, hex, of the file's bytes.
    pub hash: String,
}

impl Split {
    /// Reads the file and the data that it divides.
    pub fn read(path: &Path) -> Result<(Self, Examples), Box<dyn Error>> {
        let name = path.display();
        let text = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let split: Self = serde_json::from_slice(&text).map_err(|error| format!("{name}: {error}"))?;
        let [file] = split.files.as_slice() else {
            return Err(format!("{name}: divides {} data files; this program trains on one", split.files.len()).into());
        };
        let bytes = fs::read(&file.path).map_err(|error| format!("{}: {error}", file.path))?;
        let found = hex(&Sha256::digest(bytes));
        if found != file.hash {
            return Err(format!(
                "{}: has SHA-256 {found}, but {name} was written for {}: write it again",
                file.path, file.hash
            )
            .into());
        }
        let examples = Examples::read(Path::new(&file.path))?;
        let beyond = split.train.iter().chain(&split.validation).find(|position| **position >= examples.len());
        if let Some(position) = beyond {
            return Err(format!("{name}: names example {position}, but there are {}", examples.len()).into());
        }
        if split.train.is_empty() || split.validation.is_empty() {
            return Err(format!("{name}: one side of the split is empty").into());
        }
        Ok((split, examples))
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
