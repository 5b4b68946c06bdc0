//! The command line, each flag defined once: the help, the man pages and the completions are made from this.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use ee_auth_serve::{Address, Isolate, Shell, Via};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Gets a Google Earth Engine credential to whoever needs one.
///
/// Providers are asked in order: what is passed, variables, the key in ee-auth.toml, the login that ee.Authenticate()
/// stored, application-default credentials, gcloud, the machine's own account. The first that has a credential wins.
/// `ee-auth explain` shows which, and why not another.
#[derive(Debug, Parser)]
#[command(name = "ee-auth", version, styles = STYLES, disable_help_subcommand = true, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 anything else, 2 usage, 3 something written for ee-auth is wrong, 4 no credential, \
5 refused by Google, 6 Google not reached, 7 not trusted, 8 a plugin broke the protocol, 130 Ctrl-C.";

/// Flags that every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Read this file in place of the user's ee-auth.toml [env: EE_AUTH_CONFIG]
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath, help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Use the settings and the stored credential of this profile [env: EE_AUTH_PROFILE]
    #[arg(long, value_name = "NAME", global = true, help_heading = "Global options")]
    pub(crate) profile: Option<String>,
    /// Use this Google Cloud project [env: EE_AUTH_PROJECT]
    #[arg(long, value_name = "ID", global = true, help_heading = "Global options")]
    pub(crate) project: Option<String>,
    /// Ask for these scopes, separated by commas [env: EE_AUTH_SCOPES]
    #[arg(long, value_name = "A,B", global = true, help_heading = "Global options")]
    pub(crate) scopes: Option<String>,
    /// Impersonate this service account; delegates before it, separated by commas; none impersonates nobody
    /// [env: EE_AUTH_AS]
    #[arg(long = "as", value_name = "EMAIL", global = true, help_heading = "Global options")]
    pub(crate) impersonate: Option<String>,
    /// How to print: text or json; for `token` also raw, header, curl
    #[arg(
        long,
        value_name = "F",
        global = true,
        help_heading = "Global options",
        hide_possible_values = true
    )]
    pub(crate) format: Option<Format>,
    /// Never ask anybody anything [env: EE_AUTH_NO_INPUT]
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_input: bool,
    /// Say more on standard error; twice for debugging [env: EE_AUTH_LOG=info]
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(short = 'q', long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) silent: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", help_heading = "Global options")]
    pub(crate) color: When,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Raw,
    Header,
    Curl,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Print an access token, or an ID token
    Token(Token),
    /// Log in, and store the credential where earthengine-api finds it, too
    Login(Login),
    /// Remove the stored credential
    Logout(Logout),
    /// Store a project beside the credential, as `earthengine set_project` does
    SetProject {
        /// The project's id or number
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Remove the stored project
    UnsetProject,
    /// Show the credential that is used: who, which project, which scopes
    Status(Status),
    /// Show every provider of the chain: what it looked at, why it was chosen or not, and the fix
    Explain(Explain),
    /// Check the whole set-up: what is wrong, what it means, and the command or link that mends it
    Doctor(Doctor),
    /// Run a command whose Google clients use this credential, kept fresh
    Exec(Exec),
    /// Serve the credential to other processes of this user
    Serve(Serve),
    /// Print settings for what cannot be wrapped: a token and the project
    Env(Env),
    /// List what can be used in a chain
    Providers,
    /// Add, check, list and begin plugins: providers of your own
    #[command(subcommand)]
    Plugin(Plugin),
    /// Show, make or check ee-auth.toml
    #[command(subcommand)]
    Config(Config),
    /// Keep accounts apart
    #[command(subcommand)]
    Profile(Profile),
    /// Vouch for a project's ee-auth.toml, until it changes
    Trust(Trust),
    /// Look after the tokens that are kept between runs
    #[command(subcommand)]
    Cache(Cache),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a man page
    Man {
        /// The command; the program itself where none is given
        command: Option<String>,
    },
    /// Start a loopback Google with throw-away credentials: see the whole chain at work, offline
    #[cfg(feature = "sandbox")]
    Sandbox(Sandbox),
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    /// Print an ID token, which tells the service that is its audience who asks, in place of an access token
    #[arg(long, requires = "audience")]
    pub(crate) id_token: bool,
    /// Whom the ID token is for: most often the address of a service
    #[arg(long, value_name = "A", requires = "id_token", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) audience: Option<String>,
    /// Get a token that is valid for at least this long, like 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "id_token")]
    pub(crate) min_ttl: Option<Duration>,
    /// Get a new token, and leave stored ones alone
    #[arg(long)]
    pub(crate) no_cache: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// notebook, localhost[:PORT], gcloud, gcloud-legacy, colab, appdefault, or a provider of ee-auth.toml that has a login;
    /// chosen as ee.Authenticate() does where none is given
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Wait for nobody: print the address to open and the command that finishes the login
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Log in though there is a credential that works
    #[arg(long)]
    pub(crate) force: bool,
    /// Ask for the read-only variants of the scopes
    #[arg(long, conflicts_with = "scopes")]
    pub(crate) read_only: bool,
    /// Finish a login with this code, or the address that the browser ended at; - reads it from standard input
    #[arg(long, value_name = "C", requires = "code_verifier", conflicts_with = "quiet")]
    pub(crate) authorization_code: Option<String>,
    /// The verifier that was given with the address
    // It is base64url, and so may begin with a hyphen.
    #[arg(long, value_name = "V", requires = "authorization_code", allow_hyphen_values = true)]
    pub(crate) code_verifier: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// Tell Google, too, so that no copy of the credential can be used
    #[arg(long)]
    pub(crate) revoke: bool,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Profile {
    /// List the profiles and who is logged in; rgee's users are among them
    List,
    /// Use a profile wherever neither --profile nor EE_AUTH_PROFILE names one
    Use {
        /// The profile
        #[arg(required_unless_present = "none")]
        name: Option<String>,
        /// Use none any more
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Remove the login that is stored for a profile
    Remove {
        /// The profile
        name: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Get a token and ask Google whose it is
    #[arg(long, conflicts_with = "offline")]
    pub(crate) online: bool,
    /// Run no process and use no network
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Run no process and use no network; providers that need one are not probed
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Get a token, too, and ask Google and Earth Engine whether they take it
    #[arg(long, conflicts_with = "offline")]
    pub(crate) online: bool,
    /// Run no process and use no network
    #[arg(long)]
    pub(crate) offline: bool,
    /// For the log of a CI job: looks at its secrets and ID tokens, too; no colours, and annotations on GitHub
    #[arg(long)]
    pub(crate) ci: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Exec {
    /// How the command gets at it: file, metadata or both; both where processes of other users can be told apart
    #[arg(long, value_name = "HOW")]
    pub(crate) via: Option<Via>,
    /// Hide stored logins of earthengine-api and gcloud from the command: auto, always or never; auto hides those that it
    /// would use instead of this credential
    #[arg(long, value_name = "WHEN")]
    pub(crate) isolate: Option<Isolate>,
    /// The same as `--isolate always`
    #[arg(long, conflicts_with = "isolate")]
    pub(crate) isolate_home: bool,
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

impl Exec {
    /// When stored logins are hidden from the command.
    pub(crate) fn isolate(&self) -> Isolate {
        if self.isolate_home { Isolate::Always } else { self.isolate.unwrap_or_default() }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where: 127.0.0.1:PORT, [::1]:PORT or the absolute path of a Unix socket; any free port where nothing is given
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// How clients reach it: file, metadata or both; both where processes of other users can be told apart. With file,
    /// nobody gets a token without the secret in the credential file, not even through a forwarded port
    #[arg(long, value_name = "HOW")]
    pub(crate) via: Option<Via>,
    /// Serve these profiles too, each below /profiles/NAME, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) profiles: Vec<String>,
    /// Listen where other machines can reach it; needs the three below
    #[arg(long, requires_all = ["tls_cert", "tls_key", "tls_client_ca"])]
    pub(crate) allow_remote: bool,
    /// The certificate to show, a PEM file
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_client_ca"], value_hint = ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whose clients are let in: certificates of authorities, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub(crate) tls_client_ca: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Env {
    /// For whom: sh, fish, powershell, cmd, github or dotenv
    #[arg(long, value_name = "SHELL", default_value = if cfg!(windows) { "powershell" } else { "sh" })]
    pub(crate) shell: Shell,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Plugin {
    /// Check a plugin's file, show what it is, and write its pinned table into your ee-auth.toml
    Add {
        /// The executable, or the shared library
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// What to call the provider; after the file where nothing is given
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Put it first in `chain`, too
        #[arg(long)]
        chain: bool,
        /// Write without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        options: PluginOptions,
    },
    /// Run the conformance checks on a plugin, and say what to mend
    Check {
        /// A file, or the name of a declared plugin
        #[arg(value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
        target: PathBuf,
        #[command(flatten)]
        options: PluginOptions,
    },
    /// List the plugins that are declared
    List,
    /// Write a plugin to begin with into ./NAME
    New {
        /// In which language
        #[arg(long, value_name = "L")]
        lang: Language,
        /// The name of the plugin and of its directory
        name: String,
    },
}

/// What the table of a plugin's file says, beside its path and its SHA-256.
#[derive(Args, Debug, Default)]
pub(crate) struct PluginOptions {
    /// How an executable speaks: ee-auth, events, google-executable or token-stdout
    #[arg(long, value_name = "P")]
    pub(crate) protocol: Option<String>,
    /// Variables that it gets, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) env: Vec<String>,
    /// The workload identity provider that its ID tokens are exchanged for
    #[arg(long, value_name = "A")]
    pub(crate) audience: Option<String>,
    /// What is handed to it: KEY=VALUE, with a string or any other JSON value. Repeatable
    #[arg(id = "set", long = "set", value_name = "KEY=VALUE")]
    pub(crate) config: Vec<String>,
    /// Arguments of the executable
    #[arg(last = true, value_name = "ARG")]
    pub(crate) arguments: Vec<String>,
}

/// The languages that there are templates for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
    Python,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Config {
    /// Print the configuration that is in force
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print the path of the user's ee-auth.toml and of the other layers
    Path,
    /// Write an ee-auth.toml to begin with
    Init {
        /// Where; the user's own where none is given
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Check an ee-auth.toml
    Validate {
        /// Which; all layers where none is given
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the JSON schema of ee-auth.toml, for editors
    Schema,
}

#[derive(Args, Debug)]
pub(crate) struct Trust {
    /// The file; the project's own where none is given
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Take it back
    #[arg(long, conflicts_with = "list")]
    pub(crate) revoke: bool,
    /// List what was vouched for
    #[arg(long, conflicts_with = "file")]
    pub(crate) list: bool,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Cache {
    /// Remove all of them, and say how many there were
    Clear,
}

#[cfg(feature = "sandbox")]
#[derive(Args, Debug)]
pub(crate) struct Sandbox {
    /// Make a service fail: SERVICE=FAULT, with xN for the first N requests. Repeatable
    #[arg(long = "fail", value_name = "RULE")]
    pub(crate) faults: Vec<String>,
    /// List the services that can fail and the faults
    #[arg(long)]
    pub(crate) list_faults: bool,
    /// Run this command against the sandbox and return its exit status
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 30s, 5m or 1h"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Arguments::command().debug_assert();
    }
}
