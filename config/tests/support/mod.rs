//! Kinds of provider with realistic options that find nothing, and short ways to load.
#![allow(dead_code, reason = "each test program uses a part of it")]

use ee_auth_config::{Config, Flags, load};
use ee_auth_core::{Error, Kind, OptionSpec, OptionType, Outcome};
use ee_auth_fake::Fake;

/// Where the user's own file is.
pub(crate) const USER_FILE: &str = "/home/user/.config/ee-auth/ee-auth.toml";
/// Where the system's file is.
pub(crate) const SYSTEM_FILE: &str = "/etc/ee-auth/ee-auth.toml";
/// Where the project file is: in the working directory.
pub(crate) const PROJECT_FILE: &str = "/project/ee-auth.toml";

const fn kind(name: &'static str, declared_only: bool, options: &'static [OptionSpec]) -> Kind {
    Kind {
        name,
        summary: "for tests",
        interactive: false,
        declared_only,
        options,
        build: |_, _| Err(Error::internal("not for use")),
    }
}

const fn option(name: &'static str, value: OptionType) -> OptionSpec {
    OptionSpec { name, value, summary: "for tests" }
}

static EXPLICIT: Kind = kind("explicit", false, &[]);
static ENVIRONMENT: Kind = kind("environment", false, &[]);
static SERVICE_ACCOUNT: Kind = kind(
    "service_account",
    false,
    &[
        option("key_file", OptionType::Path),
        option("email", OptionType::String),
        option("subject", OptionType::String),
    ],
);
static PERSISTENT: Kind = kind("persistent", false, &[]);
static APPLICATION_DEFAULT: Kind = kind("application_default", false, &[]);
static GCLOUD: Kind = kind("gcloud", false, &[]);
static METADATA: Kind = kind("metadata", false, &[]);
static NOTEBOOK: Kind = kind("notebook", false, &[]);
static LOCALHOST: Kind =
    kind("localhost", false, &[option("port", OptionType::Port), option("timeout", OptionType::Duration)]);
static EXEC: Kind = kind(
    "exec",
    true,
    &[
        option("command", OptionType::Strings),
        option("protocol", OptionType::String),
        option("timeout", OptionType::Duration),
        option("sha256", OptionType::String),
        option("env", OptionType::Strings),
        option("config", OptionType::Table),
    ],
);
static DYNAMIC: Kind = kind(
    "dynamic",
    true,
    &[
        option("path", OptionType::Path),
        option("sha256", OptionType::String),
        option("isolation", OptionType::String),
        option("config", OptionType::Table),
    ],
);
static IMPERSONATE: Kind = kind(
    "impersonate",
    true,
    &[
        option("source", OptionType::Provider),
        option("target", OptionType::String),
        option("delegates", OptionType::Strings),
        option("lifetime", OptionType::Duration),
    ],
);
static EXTERNAL_ACCOUNT: Kind = kind(
    "external_account",
    true,
    &[option("audience", OptionType::String), option("from_environment", OptionType::Bool)],
);

pub(crate) static KINDS: [&Kind; 13] = [
    &EXPLICIT,
    &ENVIRONMENT,
    &SERVICE_ACCOUNT,
    &PERSISTENT,
    &APPLICATION_DEFAULT,
    &GCLOUD,
    &METADATA,
    &NOTEBOOK,
    &LOCALHOST,
    &EXEC,
    &DYNAMIC,
    &IMPERSONATE,
    &EXTERNAL_ACCOUNT,
];

/// A machine whose user has this file.
pub(crate) fn user(text: &str) -> Fake {
    Fake::new().with_file(USER_FILE, text)
}

pub(crate) fn config(fake: &Fake) -> Config {
    flagged(fake, &Flags::default()).unwrap_or_else(|error| panic!("{}", told(&error)))
}

pub(crate) fn error(fake: &Fake) -> Error {
    flagged(fake, &Flags::default()).expect_err("this configuration is wrong")
}

pub(crate) fn flagged(fake: &Fake, flags: &Flags) -> Result<Config, Error> {
    load(&fake.host(), &KINDS, flags)
}

/// An error as the program shows it on a terminal without colours.
pub(crate) fn told(error: &Error) -> String {
    let code =
        if error.outcome() == Outcome::Invalid { String::new() } else { format!("[{}]\n", error.code()) };
    let text = error.rendered().unwrap_or(error.message());
    match error.next_step() {
        Some(hint) => format!("{code}{text}\nhint: {hint}"),
        None => format!("{code}{text}"),
    }
}

/// `text` is refused as the user's file, with these words. `FILE` stands for its path.
#[track_caller]
pub(crate) fn refused(text: &str, expected: &str) {
    let error = error(&user(text));
    assert_eq!(error.outcome(), Outcome::Invalid);
    let told = told(&error).replace(USER_FILE, "FILE");
    assert_eq!(told, expected.trim(), "\n{told}\n");
}
