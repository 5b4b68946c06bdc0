//! Libraries that are built for a test, and what comes of asking them.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests build libraries and look at files, and end where that fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::{
    Error, Exchange, Finding, Host, OptionValue, Options, Provider, Search, Settings, SkipReason,
};
use ee_auth_dynamic::{KIND, PROGRAM_OPTION};
use ee_auth_plugin_host::trust::Pin;
use tempfile::TempDir;

/// The C compiler of this machine, where it has one.
pub(crate) const COMPILERS: [&str; 2] = ["cc", "c++"];

pub(crate) fn has(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Libraries, each built once, in a directory of their own.
pub(crate) struct Libraries(TempDir);

impl Libraries {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("ee-auth-dynamic-").unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `tests/plugins/odd.c`, built with these flags.
    pub(crate) fn odd(&self, flags: &[&str]) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/odd.c");
        self.build(&source, flags)
    }

    /// A library from a C source.
    pub(crate) fn build(&self, source: &Path, flags: &[&str]) -> PathBuf {
        let name: String = flags.concat().chars().filter(char::is_ascii_alphanumeric).take(100).collect();
        let stem = source.file_stem().unwrap().to_string_lossy();
        let library = self.0.path().join(format!("lib{stem}{name}.so"));
        if library.exists() {
            return library;
        }
        let output = Command::new("cc")
            .args([
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-shared",
                "-fPIC",
                "-fvisibility=hidden",
                "-O1",
            ])
            .arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include"))
            .args(flags)
            .arg(source)
            .args(["-o".as_ref(), library.as_os_str()])
            .args(["-pthread"])
            .output()
            .expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    }
}

/// A provider's table.
#[derive(Clone)]
pub(crate) struct Table {
    options: Options,
    pub(crate) host: Host,
}

impl Table {
    /// For the library at `path`, with its pin, and 5 s.
    pub(crate) fn new(path: &Path) -> Self {
        let pin =
            std::fs::read(path).map(|bytes| Pin::of(&bytes).to_string()).unwrap_or_else(|_| "0".repeat(64));
        let table = Self { options: Options::default(), host: ee_auth_host::system() };
        table
            .with("path", OptionValue::Path(path.to_owned()))
            .with("sha256", OptionValue::String(pin))
            .timeout(Duration::from_secs(5))
    }

    pub(crate) fn with(mut self, name: &str, value: OptionValue) -> Self {
        self.options.set(name, value);
        self
    }

    pub(crate) fn in_process(self) -> Self {
        self.with("isolation", OptionValue::String("in_process".to_owned()))
    }

    /// In a process of the program that runs.
    pub(crate) fn isolated(self) -> Self {
        self.with(PROGRAM_OPTION, OptionValue::Path(std::env::current_exe().unwrap()))
    }

    pub(crate) fn timeout(self, timeout: Duration) -> Self {
        self.with("timeout", OptionValue::Duration(timeout))
    }

    /// `config = { do = "…" }`
    pub(crate) fn does(self, what: &str) -> Self {
        self.config(serde_json::json!({ "do": what }))
    }

    pub(crate) fn config(self, config: serde_json::Value) -> Self {
        let serde_json::Value::Object(config) = config else { panic!("a table") };
        self.with("config", OptionValue::Table(config))
    }

    pub(crate) fn build(&self) -> Result<Arc<dyn Provider>, Error> {
        (KIND.build)("odd", &self.options)
    }

    pub(crate) fn provider(&self) -> Arc<dyn Provider> {
        self.build().unwrap()
    }

    /// What it comes to: `token …`, `skipped not_found: …`, or the error's code and message.
    pub(crate) fn outcome(&self) -> String {
        match self.build() {
            Ok(provider) => self.ask(&provider),
            Err(error) => format!("{}: {}", error.code(), error.message()),
        }
    }

    pub(crate) fn ask(&self, provider: &Arc<dyn Provider>) -> String {
        let search = Search::new(self.host.clone(), Settings::default());
        match pollster::block_on(provider.find(&search)) {
            Finding::Found(found) => {
                let exchange = Exchange { host: self.host.clone(), settings: Settings::default() };
                match pollster::block_on(found.source.exchange(&exchange)) {
                    Ok(token) => format!("token {}", token.secret()),
                    Err(error) => format!("{}: {}", error.code(), error.message()),
                }
            }
            Finding::Skipped(skip) => {
                assert_ne!(skip.reason, SkipReason::InteractionRequired);
                format!("skipped {}: {}", skip.reason.name(), skip.message)
            }
            Finding::Failed(error) => {
                assert!(error.next_step().is_some(), "no hint: {error:?}");
                format!("{}: {}", error.code(), error.message())
            }
            other => panic!("{other:?}"),
        }
    }
}
