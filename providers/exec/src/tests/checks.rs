//! What `ee-auth plugin check` says.

use std::time::Duration;

use ee_auth_core::OptionValue;
use ee_auth_plugin_host::conformance;

use super::machine::Machine;

#[test]
fn a_check_does_not_wait_again_for_what_gives_no_answer() {
    let machine = Machine::new();
    let plugin =
        machine.plugin("sleep 1000").set("timeout", OptionValue::Duration(Duration::from_millis(500)));
    let (provider, host) = (plugin.provider(), machine.host());
    let report = pollster::block_on(conformance::check(&provider, &host));
    assert!(!report.is_conformant());
    assert_eq!(report.checks.len(), 2, "{report:?}");
    assert!(report.checks[1].verdict.words().contains("no answer within"), "{report:?}");

    // Nor where it says what it is, and no more.
    let describes = r#"case $(cat) in *describe*) echo '{"version":1,"success":true,"name":"x","ops":["get"]}' ;; *) sleep 1000 ;; esac"#;
    let plugin = machine.plugin(describes).set("timeout", OptionValue::Duration(Duration::from_secs(2)));
    let report = pollster::block_on(conformance::check(&plugin.provider(), &host));
    let timeouts =
        report.checks.iter().filter(|check| check.verdict.words().contains("no answer within")).count();
    assert_eq!((timeouts, report.checks.len()), (1, 6), "{report:?}");

    // What goes wrong each time is said once.
    let provider = machine.plugin("echo 'no store here' >&2\nexit 3").provider();
    let report = pollster::block_on(conformance::check(&provider, &host));
    let said =
        |words: &str| report.checks.iter().filter(|check| check.verdict.words().contains(words)).count();
    assert_eq!((said("no store here"), said("the same as above")), (1, 3), "{report:?}");
}
