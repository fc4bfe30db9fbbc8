//! Training by the reference recipe, but for its schedule: the learning rate stays, and the last epoch's weights count.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Int, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::checkpoint::{self, HeadLosses, Metadata, SCHEMA_FINGERPRINT, ZEROS};
use crate::examples::{Examples, Split};
use crate::losses::{HEAD_WEIGHTS, head_losses, total};
use crate::network::Network;

/// Rows of the validation side that are run at once.
const EVALUATION_BATCH: usize = 8192;

/// What is asked for, as a JSON file; the defaults are the reference recipe's values. The seed is the split's.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What `train-character-model --write-split` wrote.
    pub split: PathBuf,
    /// The checkpoint to write.
    pub output: PathBuf,
    /// A checkpoint whose weights are the first ones; drawn where there is none.
    pub weights: Option<PathBuf>,
    /// Whether every epoch takes the examples in a new order, or all in that of the split's file.
    #[serde(default = "yes")]
    pub shuffle: bool,
    #[serde(default = "one")]
    pub epochs: usize,
    #[serde(default = "batch_size")]
    pub batch_size: usize,
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
    #[serde(default = "weight_decay")]
    pub weight_decay: f32,
    #[serde(default = "dropout")]
    pub dropout: f64,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn batch_size() -> usize {
    256
}

fn learning_rate() -> f64 {
    1e-3
}

fn weight_decay() -> f32 {
    1e-4
}

fn dropout() -> f64 {
    0.3
}

impl Job {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.display();
        let text = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let job: Self = serde_json::from_slice(&text).map_err(|error| format!("{name}: {error}"))?;
        for (field, sound, expected) in [
            ("epochs", job.epochs >= 1, "1 or more"),
            ("batch_size", job.batch_size >= 1, "1 or more"),
            ("learning_rate", job.learning_rate > 0.0, "above 0"),
            ("weight_decay", job.weight_decay >= 0.0, "0 or more"),
            ("dropout", (0.0..1.0).contains(&job.dropout), "from 0 to below 1"),
        ] {
            if !sound {
                return Err(format!("{name}: {field} must be {expected}").into());
            }
        }
        Ok(job)
    }
}

/// What is told while training, a JSON line each.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// Unweighted losses of the heads before the step, with dropout, and their weighted sum.
    Step { epoch: usize, step: usize, heads: [f32; 4], loss: f32 },
    /// On the validation side, without dropout; the seconds of the steps alone.
    Epoch { epoch: usize, seconds: f64, heads: [f32; 4], loss: f32 },
}

/// Trains and writes the checkpoint.
pub fn train(job: &Job, tell: &mut dyn FnMut(News) -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let (split, examples) = Split::read(&job.split)?;
    let device = Device::flex().autodiff();
    device.seed(split.seed);
    let mut network = match &job.weights {
        Some(path) => checkpoint::load(path, job.dropout, &device)?,
        None => Network::new(job.dropout, &device),
    };
    // Of burn's own values only epsilon is another than in PyTorch.
    let mut optimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(job.weight_decay).init();
    let mut judged = ([0.0; 4], 0.0);
    for epoch in 1..=job.epochs {
        let start = Instant::now();
        let order = if job.shuffle { shuffled(&split.train, &device)? } else { split.train.clone() };
        for (index, positions) in order.chunks(job.batch_size).enumerate() {
            let step = index + 1;
            let (heads, loss);
            (network, heads, loss) = update(network, &mut optimizer, &examples, positions, job, &device)
                .map_err(|error| format!("epoch {epoch}, step {step}: {error}"))?;
            tell(News::Step { epoch, step, heads, loss })?;
        }
        let seconds = start.elapsed().as_secs_f64();
        judged = validate(&network.valid(), &examples, &split.validation)?;
        tell(News::Epoch { epoch, seconds, heads: judged.0, loss: judged.1 })?;
    }
    checkpoint::save(&job.output, &network.valid(), &metadata(job, &split, &network, judged))
}

/// One step; returns the heads' losses before it, and their weighted sum.
fn update(
    network: Network,
    optimizer: &mut ModuleOptimizer,
    examples: &Examples,
    positions: &[usize],
    job: &Job,
    device: &Device,
) -> Result<(Network, [f32; 4], f32), Box<dyn Error>> {
    let (features, labels) = examples.batch(positions, device);
    let losses = head_losses(&network.forward(features), &labels);
    let loss = total(losses.clone());
    let heads = losses.map(Tensor::into_scalar::<f32>);
    let value: f32 = loss.clone().into_scalar();
    if !value.is_finite() {
        return Err(
            format!("the losses of the heads are {heads:?}; lower the learning rate, or look at the data").into()
        );
    }
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    Ok((optimizer.step(job.learning_rate, network, gradients), heads, value))
}

/// The same positions in an order that the device's seed decides.
fn shuffled(positions: &[usize], device: &Device) -> Result<Vec<usize>, Box<dyn Error>> {
    let keys = Tensor::<1>::random([positions.len()], Distribution::Default, &device.clone().inner());
    let order: Tensor<1, Int> = keys.argsort(0);
    Ok(order.into_data().iter::<i64>().map(|index| positions[index as usize]).collect())
}

/// The heads' losses over all these examples, and their weighted sum.
fn validate(network: &Network, examples: &Examples, positions: &[usize]) -> Result<([f32; 4], f32), Box<dyn Error>> {
    let device = Device::flex();
    let mut heads = [0.0; 4];
    for part in positions.chunks(EVALUATION_BATCH) {
        let (features, labels) = examples.batch(part, &device);
        let losses = head_losses(&network.forward(features), &labels);
        for (sum, loss) in heads.iter_mut().zip(losses) {
            *sum += loss.into_scalar::<f32>() * part.len() as f32 / positions.len() as f32;
        }
    }
    let loss: f32 = heads.iter().zip(HEAD_WEIGHTS).map(|(loss, weight)| loss * weight).sum();
    if !loss.is_finite() {
        return Err(format!("the validation losses of the heads are {heads:?}").into());
    }
    Ok((heads, loss))
}

fn metadata(job: &Job, split: &Split, network: &Network, (heads, loss): ([f32; 4], f32)) -> Metadata {
    let [action, speech, thought, emotion] = heads;
    Metadata {
        schema_fingerprint: SCHEMA_FINGERPRINT,
        epoch: job.epochs,
        val_loss: loss,
        head_losses: HeadLosses { action, speech, thought, emotion },
        data_hash: split.files[0].hash.clone(),
        parameters: network.num_params(),
        // By the trainer's names. Seed and fraction tell the exporter how the data was divided.
        config: json!({
            "optimizer": "adamw",
            "epochs": job.epochs,
            "batch_size": job.batch_size,
            "learning_rate": job.learning_rate,
            "weight_decay": job.weight_decay,
            "dropout": job.dropout,
            "seed": split.seed,
            "val_fraction": split.val_fraction,
        }),
        versions: BTreeMap::from([("burn-character", env!("CARGO_PKG_VERSION"))]),
        file_sha256: ZEROS,
    }
}
