//! The same plugin as an executable, with `protocol = "events"` in ee-auth.toml.

fn main() -> std::process::ExitCode {
    ee_auth_plugin::serve_events::<ee_auth_example_plugin::Broker>()
}
