//! `ee-auth plugin add`

use std::path::{Path, PathBuf};

use ee_auth::ShowPath as _;
use ee_auth::host::{Edit, FileRead, FileReadError, Presence};
use ee_auth::plugins::{Candidate, OptionValue, Report, Verdict};
use ee_auth::{Error, ExposeSecret, Host, Outcome, Resolver};
use serde_json::json;

use super::{check, table};
use crate::output::{GOOD, NEXT, Output, STRONG, styled};

/// The most bytes that an ee-auth.toml may have.
const MAX_CONFIG: u64 = 1 << 20;

/// What is wanted of the command.
pub(super) struct Wish {
    pub(super) chain: bool,
    pub(super) yes: bool,
}

pub(super) fn run(
    resolver: &Resolver,
    file: Option<PathBuf>,
    candidate: Candidate,
    wish: &Wish,
    output: &Output,
) -> Result<(), Error> {
    let as_json = output.is_json()?;
    let host = resolver.host();
    let file = file.ok_or_else(|| {
        Error::invalid("home", "no home directory is known, so there is no place for ee-auth.toml")
            .hint("set HOME, or name the file with --config")
    })?;
    // Where the file is a link, what it leads to is changed, and the link stays.
    let file = host.files.canonical(&file).unwrap_or(file);
    let before = match host.files.read(&file, MAX_CONFIG) {
        Ok(read) => text(&file, Some(&read))?,
        Err(FileReadError::NotFound) => String::new(),
        Err(error) => return Err(unreadable(&file, &error)),
    };
    let (candidate, report) = checked(resolver, candidate)?;
    output.tell(check::text(&report));
    let described = report.manifest.as_ref().ok_or_else(|| {
        Error::new(
            Outcome::Protocol,
            "plugin",
            format!("{} is not a plugin yet; nothing was written", candidate.path.shown()),
        )
        .hint(match candidate.kind.name {
            "exec" => {
                "mend what failed, and try again; for a program that prints a token, use --protocol token-stdout"
            }
            _ => "mend what failed, and try again",
        })
    })?;
    let words = [described.plugin_version.as_deref(), described.description.as_deref()];
    let words = words
        .into_iter()
        .flatten()
        .filter(|words| !words.is_empty())
        .fold(String::new(), |said, words| said + " " + words);
    output.tell(format_args!(
        "\n{}{words}\n{}{}",
        styled(STRONG, &described.name),
        format_args!("  it can: {}\n", described.ops.join(", ")),
        match &described.http_hosts[..] {
            [] => String::new(),
            hosts => format!("  it asks: {}\n", hosts.join(", ")),
        },
    ));
    let in_chain = wish.chain || resolver.load()?.chain_providers().any(|other| other.name == candidate.name);
    let with = |before: &str| {
        table::with(before, &candidate, wish.chain).map_err(|error| error.in_place(&file.shown()))
    };
    let (_, added) = with(&before)?;
    output.tell(format_args!("to be written into {}:\n\n{}", file.shown(), added.trim_end()));
    if !wish.yes {
        confirm(host)?;
    }
    // The file as it is now: somebody may have changed it while the plugin was checked and the person asked.
    let written = host.update_blocking(&file, MAX_CONFIG, |old| {
        let (after, _) = with(&text(&file, old)?)?;
        Ok((Edit::Write(after.into_bytes().into()), ()))
    });
    written.map_err(|error| {
        error.explain(
            |error| unreadable(&file, error),
            |error| {
                Error::internal(format!("writing {} failed: {error}", file.shown()))
                    .hint("name a file that you may write: --config FILE")
            },
        )
    })?;
    if as_json {
        return output.json(&json!({
            "provider": candidate.name,
            "kind": candidate.kind.name,
            "file": candidate.path,
            "sha256": candidate.options.string("sha256"),
            "written": file,
            "in_chain": in_chain,
            "manifest": check::manifest(&report),
            "checks": check::checks(&report),
        }));
    }
    output.data(&candidate.name)?;
    output.tell(format_args!("\n{} {}", styled(GOOD, "Written:"), file.shown()));
    if !in_chain {
        output.tell(format_args!(
            "{} put \"{}\" into `chain` in that file, where it is to be asked",
            styled(NEXT, "next:"),
            candidate.name
        ));
    }
    Ok(())
}

/// The text of an ee-auth.toml; `None` if there is no file.
fn text(file: &Path, read: Option<&FileRead>) -> Result<String, Error> {
    let bytes = read.map(|read| read.bytes.to_vec()).unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| {
        Error::invalid("encoding", format!("{} is not UTF-8 text", file.shown())).hint("save it as UTF-8")
    })
}

fn unreadable(file: &Path, error: &FileReadError) -> Error {
    Error::invalid("unreadable", format!("{}: {error}", file.shown())).hint("make it readable for yourself")
}

/// What the checks say of it; of a script that needs the files beside it, where it lies.
fn checked(resolver: &Resolver, candidate: Candidate) -> Result<(Candidate, Report), Error> {
    let report = candidate.check(resolver)?;
    // What could not be copied or started must not run unpinned beside its siblings for that: it is an error.
    if candidate.kind.name != "exec" || !report.ended_without_manifest {
        return Ok((candidate, report));
    }
    let mut in_place = candidate.clone();
    in_place.options.set("in_place", OptionValue::Bool(true));
    let mut second = in_place.check(resolver)?;
    if second.manifest.is_none() {
        return Ok((candidate, report));
    }
    if let Some(first) = second.checks.first_mut() {
        first.verdict = Verdict::Warned(format!(
            "{}: it needs the files beside it, so it is checked and run where it lies, and those files are not pinned",
            candidate.path.shown()
        ));
    }
    Ok((in_place, second))
}

fn confirm(host: &Host) -> Result<(), Error> {
    let stopped = |message: &str| {
        Error::new(Outcome::Usage, "confirmation", message)
            .hint("run it again with --yes to write without asking")
    };
    if host.person.presence() < Presence::Answering {
        return Err(stopped("nothing was written: nobody could be asked"));
    }
    let answer = ee_auth::ask(host, "\nWrite this? From then on it runs with all your rights. [y/N]")
        .map_err(|_| stopped("nothing was written: nobody answered"))?;
    match answer.expose_secret().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(stopped("nothing was written")),
    }
}
