//! A stand-in for the part of the engine that meets this workspace's exports.

pub mod bench;
pub mod enums;
pub mod event_labels;
#[cfg(feature = "onnx")]
pub mod events;
pub mod feature_schema;
pub mod features;
pub mod lines;
#[cfg(feature = "onnx")]
pub mod model;
pub mod prediction;
pub mod scenario;
