//! The stand-in's command line: JSON lines in on stdin, JSON lines out on stdout.
//!
//!     engine encode          a scenario per line      ->  453 features
//!     engine decode          42 outputs per line      ->  the prediction (null stands for NaN)
//!     engine predict MODEL   453 features per line    ->  {"outputs": 42 floats, "prediction": ...}
//!     engine events FOLDER   a sentence per line      ->  its kinds and its entities, in bytes
//!     engine bench MODEL N   nothing                  ->  one object of measurements over N predictions
//!
//! ONNX Runtime is loaded from the library that ORT_DYLIB_PATH names.

use std::env;
use std::error::Error;
use std::path::Path;

use ort::environment::Environment;
use serde_json::json;
use storyteller_ml::bench;
use storyteller_ml::events::EventClassifier;
use storyteller_ml::features::encode_features;
use storyteller_ml::lines::{each_line, print_line};
use storyteller_ml::model::CharacterModel;
use storyteller_ml::prediction::decode_outputs;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["encode"] => each_line(|scenario| Ok(encode_features(&scenario))),
        ["decode"] => each_line(|outputs: Vec<Option<f32>>| {
            let outputs: Vec<f32> = outputs.into_iter().map(|output| output.unwrap_or(f32::NAN)).collect();
            Ok(decode_outputs(&outputs)?)
        }),
        ["predict", model] => {
            let environment = environment()?;
            let mut model = CharacterModel::load(&environment, Path::new(model))?;
            each_line(|features: Vec<f32>| {
                let outputs = model.run(&features)?;
                let prediction = decode_outputs(&outputs)?;
                Ok(json!({"outputs": outputs, "prediction": prediction}))
            })
        }
        ["events", folder] => {
            let environment = environment()?;
            let mut classifier = EventClassifier::load(&environment, Path::new(folder))?;
            each_line(|sentence: String| classifier.read(&sentence))
        }
        ["bench", model, predictions] => {
            let environment = environment()?;
            let load = || CharacterModel::load(&environment, Path::new(model));
            print_line(&bench::measure(load, CharacterModel::run, predictions.parse()?)?)
        }
        _ => Err("usage: engine encode | decode | predict MODEL | events FOLDER | bench MODEL N".into()),
    }
}

/// ONNX Runtime, from the library that the variable names.
fn environment() -> Result<Environment, Box<dyn Error>> {
    let library = env::var("ORT_DYLIB_PATH").map_err(|_| "set ORT_DYLIB_PATH to the ONNX Runtime library")?;
    Ok(ort::init_from(library)?.build()?)
}
