mod support;
use support::*;
#[test]
fn probe() {
    for text in std::fs::read_to_string("/tmp/probe.txt").unwrap().split("-----\n") {
        println!("### {text}");
        match flagged(&user(text), &Default::default()) {
            Ok(c) => println!("OK {:?}", c.warnings),
            Err(e) => println!("{}\n   => {}", told(&e), e.message()),
        }
        println!();
    }
}
