//! Replays the committed corpus of the fuzz target: what once crashed must not crash again, on any compiler.

#[path = "../../../fuzz/signals.rs"]
mod signals;

use std::path::Path;

#[test]
fn the_corpus_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/signals");
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "the corpus of `signals`");
    for input in inputs {
        let bytes = std::fs::read(&input).unwrap();
        let outcome = std::panic::catch_unwind(|| signals::signals(&bytes));
        assert!(outcome.is_ok(), "{}", input.display());
    }
}
