//! Measures what the engine would feel of a model.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ort::environment::Environment;
use serde::Serialize;

use crate::feature_schema::TOTAL_INPUT_FEATURES;
use crate::model::CharacterModel;

/// Times in microseconds, memory in KiB.
#[derive(Serialize)]
pub struct Measurements {
    load_us: f64,
    single: Latency,
    /// Two threads that share one session behind a mutex; a time includes waiting for the lock.
    shared_by_two: Latency,
    /// Resident memory of the process before and after the measured predictions.
    resident_before_kib: u64,
    resident_after_kib: u64,
}

#[derive(Serialize)]
struct Latency {
    predictions: usize,
    p50_us: f64,
    p99_us: f64,
    /// Over all threads together.
    per_second: f64,
}

/// Loads the model and predicts `predictions` times alone, then as often again from two threads.
pub fn measure(environment: &Environment, path: &Path, predictions: usize) -> Result<Measurements, Box<dyn Error>> {
    let start = Instant::now();
    let mut model = CharacterModel::load(environment, path)?;
    let load = start.elapsed();

    // Warm up: the first runs allocate what the later ones use again.
    run_alone(&mut model, 1_000.min(predictions))?;
    let resident_before_kib = resident_kib()?;
    let start = Instant::now();
    let alone = run_alone(&mut model, predictions)?;
    let single = latency(alone, start.elapsed());

    let shared = Mutex::new(model);
    let start = Instant::now();
    let times = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| run_shared(&shared, predictions / 2))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker panicked")).collect()
    });
    let shared_by_two = latency(times, start.elapsed());
    Ok(Measurements {
        load_us: micros(load),
        single,
        shared_by_two,
        resident_before_kib,
        resident_after_kib: resident_kib()?,
    })
}

fn run_alone(model: &mut CharacterModel, predictions: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(predictions);
    for index in 0..predictions {
        let features = example(index);
        let start = Instant::now();
        black_box(model.run(&features)?);
        times.push(start.elapsed());
    }
    Ok(times)
}

fn run_shared(model: &Mutex<CharacterModel>, predictions: usize) -> Vec<Duration> {
    (0..predictions)
        .map(|index| {
            let features = example(index);
            let start = Instant::now();
            black_box(model.lock().expect("a worker panicked").run(&features).expect("the model ran before"));
            start.elapsed()
        })
        .collect()
}

/// Features in 0..1 that differ from one prediction to the next.
fn example(index: usize) -> Vec<f32> {
    (0..TOTAL_INPUT_FEATURES).map(|column| ((index * 31 + column * 17) % 100) as f32 / 100.0).collect()
}

fn latency(mut times: Vec<Duration>, total: Duration) -> Latency {
    times.sort_unstable();
    let at = |share: f64| micros(times[((times.len() - 1) as f64 * share).round() as usize]);
    Latency {
        predictions: times.len(),
        p50_us: at(0.50),
        p99_us: at(0.99),
        per_second: times.len() as f64 / total.as_secs_f64(),
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Resident memory of this process, as `ps` says it (Linux and macOS alike).
fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let pid = std::process::id().to_string();
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
