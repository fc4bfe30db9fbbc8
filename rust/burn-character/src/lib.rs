//! The character network in burn: read from a run, predicting, trained, and made of an ONNX file.

pub mod checkpoint;
pub mod examples;
#[cfg(feature = "onnx")]
pub mod imported_predictor;
pub mod losses;
pub mod network;
pub mod predictor;
pub mod training;
