//! A run's checkpoint: weights in a safetensors file, with what is known about them as JSON in its header.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::ops::Range;
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
/// What stands in the place of the checksum while it is taken.
pub const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is read of a checkpoint's metadata.
#[derive(Deserialize)]
struct Told {
    schema_fingerprint: String,
    /// Of the whole file; files of earlier versions have none.
    file_sha256: Option<String>,
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
    /// `ZEROS`, in whose place `save` writes the checksum.
    pub file_sha256: &'static str,
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
    if let Some(noted) = &told.file_sha256 {
        let found = checksum(bytes, noted)?;
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

/// SHA-256, hex, of a file's bytes with zeros where its header has this note, as the trainer's `tensor_file.py` has it.
fn checksum(bytes: &[u8], noted: &str) -> Result<String, Box<dyn Error>> {
    let place = place(bytes, noted)?;
    let mut digest = Sha256::new();
    digest.update(&bytes[..place.start]);
    digest.update(ZEROS);
    digest.update(&bytes[place.end..]);
    Ok(hex(&digest.finalize()))
}

/// Where in a safetensors file the checksum stands.
fn place(bytes: &[u8], noted: &str) -> Result<Range<usize>, Box<dyn Error>> {
    let (size, _) = SafeTensors::read_metadata(bytes)?;
    // In the header, which is JSON, the JSON of the metadata is a string.
    let key = "\\\"file_sha256\\\":\\\"";
    let text = format!("{key}{noted}\\\"");
    let begin = bytes[8..8 + size].windows(text.len()).position(|part| part == text.as_bytes());
    let begin = begin.ok_or("its checksum does not stand where the trainer writes it")? + 8 + key.len();
    Ok(begin..begin + noted.len())
}

/// Writes a checkpoint that the trainer and the exporter read as one of their own; an old file is replaced atomically.
pub fn save(path: &Path, network: &Network, metadata: &Metadata) -> Result<(), Box<dyn Error>> {
    let name = path.display();
    let mut store = SafetensorsStore::from_bytes(None)
        .with_to_adapter(BurnToPyTorchAdapter)
        .skip_enum_variants(true)
        .clear_metadata()
        .metadata(KEY, serde_json::to_string(metadata)?);
    network.save_into(&mut store).map_err(|error| format!("{name}: {error}"))?;
    let mut bytes = store.get_bytes()?;
    let place = place(&bytes, ZEROS)?;
    let found = checksum(&bytes, ZEROS)?;
    bytes[place].copy_from_slice(found.as_bytes());
    let temporary = path.with_extension("part");
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| format!("{name}: {error}").into())
}
