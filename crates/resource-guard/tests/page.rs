//! The page shows the lines of the example, and no others.

const EXAMPLE: &str = include_str!("../examples/guarded_api.rs");
const PAGE: &str = include_str!("../../../docs/how-to/protect-an-api.md");

#[test]
fn the_page_shows_the_example() {
    let shown = PAGE.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = EXAMPLE.find("async fn orders").map(|at| &EXAMPLE[at..]);
    assert!(example.is_some());
    assert_eq!(shown, example);
}
