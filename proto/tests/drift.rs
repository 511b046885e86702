//! The checked-in generated code is what the .proto files say.

#[path = "../examples/generate.rs"]
mod generate;

use std::path::Path;

#[test]
fn generated_code_is_up_to_date() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().expect("a folder");
    generate::generate(dir, out.path()).expect("the .proto files compile");
    for name in ["h8lio.v1.rs", "descriptor.rs"] {
        let fresh = std::fs::read_to_string(out.path().join(name)).expect("generated");
        let kept = std::fs::read_to_string(dir.join("src/gen").join(name)).expect("checked in");
        assert!(
            fresh == kept,
            "src/gen/{name} is stale: run `cargo run -p h8lio-proto --example generate` and commit"
        );
    }
}
