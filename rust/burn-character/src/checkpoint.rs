//! A run's checkpoint: weights in a safetensors file, with what is known about them as JSON in its header.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::examples::hex;
use crate::network::Network;

/// Of the contract for which the layout of this crate was written: `storyteller-schema export` prints it.
pub const SCHEMA_FINGERPRINT: &str = "afc515d0ca1797cfa0595a10b927d3a8800c3a452a14bcb74e2e8199871113c7";

/// The key of the header under which the JSON stands.
const KEY: &str = "storyteller";
/// What only training needs stands beside the weights in `last.safetensors`, under names that begin with this.
const STATE_PREFIX: &str = "training.";

/// What is read of a checkpoint's metadata.
#[derive(Deserialize)]
struct Told {
    schema_fingerprint: String,
    /// Of the whole content; files of earlier versions have none.
    sha256: Option<String>,
}

/// What a checkpoint says about its weights; the trainer's `CheckpointMetadata` says what each means.
#[derive(Serialize)]
pub struct Metadata {
    pub schema_fingerprint: &'static str,
    pub epoch: usize,
    pub val_loss: f32,
    pub head_losses: HeadLosses,
    pub data_hash: String,
    pub parameters: usize,
    pub config: serde_json::Value,
    pub versions: BTreeMap<&'static str, &'static str>,
}

/// In wire order, as the trainer writes them.
#[derive(Serialize)]
pub struct HeadLosses {
    pub action: f32,
    pub speech: f32,
    pub thought: f32,
    pub emotion: f32,
}

/// Reads the network of `best.safetensors` or `last.safetensors`, with this share of units to be left out in training.
pub fn load(path: &Path, dropout: f64, device: &Device) -> Result<Network, Box<dyn Error>> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    check(&bytes).map_err(|error| format!("{name}: {error}"))?;
    let mut store =
        SafetensorsStore::from_bytes(Some(bytes)).with_from_adapter(PyTorchToBurnAdapter).skip_enum_variants(true);
    let mut network = Network::new(dropout, device);
    let found = network.load_from(&mut store).map_err(|error| format!("{name}: {error}"))?;
    if let Some(tensor) = found.unused.iter().find(|tensor| !tensor.starts_with(STATE_PREFIX)) {
        return Err(format!("{name}: its tensor {tensor} belongs to another network").into());
    }
    Ok(network)
}

/// Whether the file is whole and made for this contract, and its weights are finite numbers of the network's type.
fn check(bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let metadata = metadata.ok_or("a safetensors file, but not a checkpoint of the trainer")?;
    let told: Told = serde_json::from_str(metadata)?;
    if let Some(noted) = &told.sha256 {
        let found = checksum(metadata, noted, &tensors)?;
        if found != *noted {
            return Err(
                format!("damaged or changed: the SHA-256 of its content is {found}, and {noted} was noted").into()
            );
        }
    }
    if told.schema_fingerprint != SCHEMA_FINGERPRINT {
        let found = told.schema_fingerprint;
        return Err(format!("made for the contract {found}, but this program speaks {SCHEMA_FINGERPRINT}").into());
    }
    for (name, tensor) in tensors.iter().filter(|(name, _)| !name.starts_with(STATE_PREFIX)) {
        if tensor.dtype() != Dtype::F32 {
            return Err(format!("{name} holds {:?}, and the network has F32 there", tensor.dtype()).into());
        }
        let values = tensor.data().as_chunks::<4>().0;
        let faults = values.iter().filter(|value| !f32::from_le_bytes(**value).is_finite()).count();
        if faults > 0 {
            return Err(format!("{faults} of {} values of {name} are not finite numbers", values.len()).into());
        }
    }
    Ok(())
}

/// SHA-256, hex, of metadata and tensors, as the trainer's `tensor_file.py` has it: the JSON without the checksum, then
/// every tensor's name, type, shape and values, by name.
fn checksum(metadata: &str, noted: &str, tensors: &SafeTensors) -> Result<String, Box<dyn Error>> {
    // The text is taken as it is, since another encoder would write its numbers otherwise.
    let content = metadata
        .strip_suffix(&format!(",\"sha256\":\"{noted}\"}}"))
        .ok_or("its checksum does not stand where the trainer writes it, at the end of the metadata")?;
    let mut digest = Sha256::new();
    digest.update(content);
    digest.update("}");
    for (name, tensor) in tensors.iter().collect::<BTreeMap<_, _>>() {
        let kind = match tensor.dtype() {
            Dtype::F32 => "float32",
            Dtype::F64 => "float64",
            Dtype::BF16 => "bfloat16",
            Dtype::I64 => "int64",
            other => return Err(format!("{name} holds {other:?}, which no checkpoint does").into()),
        };
        digest.update(format!("\0{name} torch.{kind} {:?}\0", tensor.shape()));
        digest.update(tensor.data());
    }
    Ok(hex(&digest.finalize()))
}

/// Writes a checkpoint that the trainer and the exporter read as one of their own; an old file is replaced atomically.
///
/// It has no checksum: that is taken of the JSON as Python's encoder writes it, which serde_json does not always do.
pub fn save(path: &Path, network: &Network, metadata: &Metadata) -> Result<(), Box<dyn Error>> {
    let mut store = SafetensorsStore::from_file(path)
        .with_to_adapter(BurnToPyTorchAdapter)
        .skip_enum_variants(true)
        .clear_metadata()
        .metadata(KEY, serde_json::to_string(metadata)?)
        .overwrite(true);
    network.save_into(&mut store).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(())
}
