//! The command line: JSON lines in on stdin, JSON lines out on stdout.
//!
//!     burn-character predict CHECKPOINT    453 features per line  ->  {"outputs": 42 floats, "prediction": ...}
//!     burn-character bench CHECKPOINT N    nothing                ->  one object of measurements over N predictions
//!     burn-character train JOB             nothing                ->  an object a step and an epoch

use std::env;
use std::error::Error;
use std::path::Path;

use burn_character::predictor::{Predictor, predict_lines};
use burn_character::training::{Job, train};
use storyteller_ml::bench;
use storyteller_ml::lines::print_line;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["predict", checkpoint] => {
            let mut model = Predictor::load(Path::new(checkpoint))?;
            predict_lines(|features| model.run(features))
        }
        ["bench", checkpoint, predictions] => print_line(&bench::measure(
            || Predictor::load(Path::new(checkpoint)),
            Predictor::run,
            predictions.parse()?,
        )?),
        ["train", job] => train(&Job::read(Path::new(job))?, &mut |news| print_line(&news)),
        _ => Err("usage: burn-character predict CHECKPOINT | bench CHECKPOINT N | train JOB".into()),
    }
}
