//! With the feature `onnx`: burn's importer makes Rust code and weights of the ONNX file that CHARACTER_ONNX names.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "onnx")]
    import();
}

#[cfg(feature = "onnx")]
fn import() {
    use std::{env, path::Path};

    println!("cargo::rerun-if-env-changed=CHARACTER_ONNX");
    let file = env::var("CHARACTER_ONNX").expect("set CHARACTER_ONNX to the path of character_predictor.onnx");
    println!("cargo::rerun-if-changed={file}");
    burn_onnx::ModelGen::new()
        .input(&file)
        .out_dir("onnx/")
        .load_strategy(burn_onnx::LoadStrategy::Embedded)
        .run_from_script();
    let stem = Path::new(&file).file_stem().expect("the name of a file").to_string_lossy();
    let folder = env::var("OUT_DIR").expect("cargo sets it");
    println!("cargo::rustc-env=CHARACTER_NETWORK={folder}/onnx/{stem}.rs");
}
