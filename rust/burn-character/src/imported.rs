//! The command line of the network that burn's importer made of an ONNX file, whose weights lie in the program.
//!
//!     imported-character predict    453 features per line  ->  {"outputs": 42 floats, "prediction": ...}
//!     imported-character bench N    nothing                ->  one object of measurements over N predictions

use std::env;
use std::error::Error;

use burn_character::imported_predictor::ImportedPredictor;
use burn_character::predictor::predict_lines;
use storyteller_ml::bench;
use storyteller_ml::lines::print_line;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["predict"] => {
            let mut model = ImportedPredictor::load()?;
            predict_lines(|features| model.run(features))
        }
        ["bench", predictions] => {
            print_line(&bench::measure(ImportedPredictor::load, ImportedPredictor::run, predictions.parse()?)?)
        }
        _ => Err("usage: imported-character predict | bench N".into()),
    }
}
