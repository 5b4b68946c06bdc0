//! `ee-auth plugin`

mod add;
mod check;
mod list;
mod new;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ee_auth::config::{self, Flags};
use ee_auth::host::Directory;
use ee_auth::plugins::{Candidate, OptionValue};
use ee_auth::{Error, Outcome, Resolver};
use serde_json::{Map, Value};

use crate::arguments::{Plugin, PluginOptions};
use crate::output::Output;

#[inline(never)]
pub(crate) fn run(
    resolver: &Resolver,
    flags: &Flags,
    options: Plugin,
    output: &Output,
) -> Result<ExitCode, Error> {
    let done = |()| ExitCode::SUCCESS;
    match options {
        Plugin::Add { file, name, chain, yes, options } => {
            let table = config::user_file(resolver.host(), flags)?.map(|table| table.value);
            let candidate = candidate(resolver, &file, name.as_deref(), table.as_deref(), &options)?;
            add::run(resolver, table, candidate, &add::Wish { chain, yes }, output).map(done)
        }
        Plugin::Check { target, options } => check::run(resolver, &target, &options, output),
        Plugin::List => list::run(resolver, output).map(done),
        Plugin::New { lang, name } => new::run(resolver.host(), lang, &name, output).map(done),
    }
}

/// The file as a plugin, with what the command line says of it, and else `table`, an ee-auth.toml that may have it already.
fn candidate(
    resolver: &Resolver,
    file: &Path,
    name: Option<&str>,
    table: Option<&Path>,
    options: &PluginOptions,
) -> Result<Candidate, Error> {
    let mut candidate = Candidate::new(resolver.host(), &absolute(resolver, file), name)?;
    let is_executable = candidate.kind.name == "exec";
    if !is_executable && (options.protocol.is_some() || !options.arguments.is_empty()) {
        return Err(Error::new(
            Outcome::Usage,
            "plugin",
            "a shared library has neither a protocol to choose nor arguments",
        )
        .hint("leave them out, or hand values to it with --set KEY=VALUE"));
    }
    if let Some(table) = table {
        candidate.take_over(resolver, table)?;
    }
    let set = &mut candidate.options;
    if let Some(protocol) = &options.protocol {
        set.set("protocol", OptionValue::String(protocol.clone()));
    }
    if !options.arguments.is_empty() {
        let command = set.strings("command").unwrap_or_default();
        let command = command.into_iter().take(1).chain(options.arguments.iter().cloned()).collect();
        set.set("command", OptionValue::Strings(command));
    }
    if !options.env.is_empty() {
        set.set("env", OptionValue::Strings(options.env.clone()));
    }
    if let Some(audience) = &options.audience {
        set.set("audience", OptionValue::String(audience.clone()));
    }
    if !options.config.is_empty() {
        set.set("config", OptionValue::Table(pairs(&options.config)?));
    }
    Ok(candidate)
}

/// `KEY=VALUE`, where a value is JSON or, where it is none, a string.
fn pairs(pairs: &[String]) -> Result<Map<String, Value>, Error> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
                Ok((key.to_owned(), value))
            }
            _ => Err(Error::new(Outcome::Usage, "set", "--set takes KEY=VALUE")
                .hint("--set mount=gcp, or --set 'tries=3'")),
        })
        .collect()
}

/// The file from the root, without `.` and `..`, links on the way left as they are.
fn absolute(resolver: &Resolver, file: &Path) -> PathBuf {
    let working = resolver.host().environment.directory(Directory::Working).unwrap_or_default();
    let mut path = PathBuf::new();
    for component in working.join(file).components() {
        match component {
            std::path::Component::ParentDir => {
                path.pop();
            }
            std::path::Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}
