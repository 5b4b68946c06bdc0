//! The documentation shows the example that is built.

#[test]
fn the_documentation_shows_the_example_that_is_built() {
    let example = include_str!("../../../examples/plugins/rust/src/lib.rs");
    let shown = include_str!("../README.md");
    assert!(
        shown.contains(&format!("```rust\n{}\n```\n", example.trim_end())),
        "copy the example into README.md"
    );
}
