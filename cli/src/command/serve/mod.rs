//! `ee-auth serve`

mod credential_files;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use ee_auth::ShowPath as _;
use ee_auth::{Error, Host, Outcome, ProfileName, Resolver, Secret};
use ee_auth_serve::{
    Address, Event, Listener, MutualTls, Place, Profiles, Served, Server, Shell, Via, local_secret, variables,
};
use serde_json::{Map, Value, json};

use self::credential_files::{CredentialFiles, project};
use super::InUse;
use super::exec::{tell_of_refusals, warn_of_conflicting_logins};
use crate::arguments::Serve;
use crate::output::Output;

/// How a server ends that somebody ended with Ctrl-C.
const INTERRUPTED: u8 = 130;

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: &Serve, output: &Output) -> Result<ExitCode, Error> {
    let as_json = output.is_json()?;
    let host = resolver.host().clone();
    let tls = tls(&host, options)?;
    let activated = Listener::activated(tls.as_ref()).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => remote(error),
        _ => Error::invalid("listen", format!("a socket that LISTEN_FDS passes on cannot be used: {error}"))
            .hint("pass listening stream sockets, TCP or Unix"),
    })?;
    let wanted = match (activated.is_empty(), &options.listen) {
        (true, None) => vec![Address::any_loopback()],
        (_, listen) => listen.iter().cloned().collect(),
    };
    for address in wanted.iter().chain(activated.iter().map(Listener::address)) {
        check(address, options)?;
    }
    let profiles = look(&resolver, &options.profiles)?;
    // While it is known to be wrong, nobody needs to be told at every request.
    profiles.root().credential().token()?;
    for (name, served) in profiles.named() {
        if let Err(error) = served.credential().token() {
            log::warn!("{}, which is what its clients will hear", of_profile(error, name));
        }
    }
    let mut listeners = activated;
    for address in &wanted {
        listeners.push(bind(address, tls.as_ref())?);
    }
    let secret = local_secret();
    let secure = tls.is_some();
    let via = options.via.unwrap_or_else(Via::usual);
    let server = Server::start(listeners, secret.clone(), profiles, via)
        .map_err(|error| Error::internal(format!("the server could not be started: {error}")))?;
    // Before there is a file: whoever ends the server at once leaves none behind.
    let signals = server
        .signals()
        .map_err(|error| Error::internal(format!("signals could not be waited for: {error}")))?;
    ee_auth_host::own_signals();
    let files = announce(&host, &server, secret, secure, via, as_json, output)?;

    let mut status = ExitCode::SUCCESS;
    server.run_until(signals, |event| match event {
        Event::Reload => {
            reload(&resolver, &options.profiles, &server, &files);
            true
        }
        Event::Stop => false,
        Event::Interrupt => {
            status = ExitCode::from(INTERRUPTED);
            false
        }
    });
    tell_of_refusals(&server.refusals());
    drop(files);
    server.stop();
    Ok(status)
}

/// What is to be served: the chosen profile at the root, and each of `names`.
fn look(resolver: &Resolver, names: &[String]) -> Result<Profiles, Error> {
    let served = |resolver: &Resolver| {
        let in_use = InUse::find(resolver)?;
        warn_of_conflicting_logins(resolver, &in_use);
        Ok::<_, Error>(Served::new(in_use.credential))
    };
    let names = names.iter().map(|name| name.parse()).collect::<Result<Vec<ProfileName>, _>>()?;
    for name in &names {
        resolver.clone().profile(name.as_str()).load()?;
    }
    let mut profiles = Profiles::new(served(resolver)?);
    for name in &names {
        let served = served(&resolver.clone().profile(name.as_str()));
        profiles = profiles.with(name, served.map_err(|error| of_profile(error, name.as_str()))?);
    }
    Ok(profiles)
}

fn of_profile(error: Error, name: &str) -> Error {
    error.in_place(&format!("profile {name}"))
}

/// What is wrong with the new configuration leaves the old one in force.
fn reload(resolver: &Resolver, names: &[String], server: &Server, files: &CredentialFiles<'_>) {
    let replaced = look(resolver, names).and_then(|profiles| {
        // Their project may be another one.
        files.write(&profiles)?;
        server.replace(profiles);
        Ok(())
    });
    match replaced {
        Ok(()) => log::info!("the configuration was read again"),
        Err(error) => log::error!("the configuration was left as it was: {error}"),
    }
}

/// What other machines can reach is served only to those who show a certificate, and only if that is wanted.
fn check(address: &Address, options: &Serve) -> Result<(), Error> {
    if address.is_local() || options.allow_remote {
        return Ok(());
    }
    Err(remote(format_args!("other machines can reach {address}, and get tokens there")))
}

fn remote(message: impl std::fmt::Display) -> Error {
    Error::new(Outcome::Usage, "remote", message.to_string()).hint(
        "listen at 127.0.0.1:PORT; if it must be, add --allow-remote with --tls-cert, --tls-key and --tls-client-ca",
    )
}

fn tls(host: &Host, options: &Serve) -> Result<Option<MutualTls>, Error> {
    let (Some(certificate), Some(key), Some(authority)) =
        (&options.tls_cert, &options.tls_key, &options.tls_client_ca)
    else {
        return Ok(None);
    };
    let read = |path: &Path| {
        let read = host.files.read(path, ee_auth::host::MAX_CREDENTIAL_FILE);
        read.map_err(|error| Error::invalid("tls", format!("reading {} failed: {error}", path.shown())))
    };
    MutualTls::new(&read(certificate)?.bytes, &read(key)?.bytes, &read(authority)?.bytes).map(Some)
}

fn bind(address: &Address, tls: Option<&MutualTls>) -> Result<Listener, Error> {
    let bound = match tls {
        Some(tls) => Listener::bind_tls(address, tls.clone()),
        None => Listener::bind(address),
    };
    bound.map_err(|error| {
        Error::internal(format!("listening at {address} failed: {error}")).hint(match address {
            Address::Tcp(_) => "port 0, the default, takes any that is free",
            Address::Unix(_) => "name a path where nothing is yet, in a directory that is there and yours",
        })
    })
}

/// Writes the credential files and prints what leads clients here.
fn announce<'a>(
    host: &'a Host,
    server: &Server,
    secret: Secret,
    secure: bool,
    via: Via,
    as_json: bool,
    output: &Output,
) -> Result<CredentialFiles<'a>, Error> {
    let mut files = CredentialFiles::new(host, secret);
    let profiles = server.profiles();
    for address in server.addresses() {
        let Address::Tcp(address) = address else {
            output.tell(format_args!(
                "listening at {address}; `curl --unix-socket {address} -H 'Metadata-Flavor: Google' \
                 http://localhost/computeMetadata/v1/instance/service-accounts/default/token`"
            ));
            continue;
        };
        if secure {
            output.tell(format_args!("listening at https://{address}, for clients that show a certificate"));
            continue;
        }
        let named = profiles.named().map(|(name, _)| Some(name.to_owned()));
        for profile in std::iter::once(None).chain(named) {
            files.add(*address, profile)?;
        }
    }
    files.write(&profiles)?;
    print(&files, server, via, as_json, output)?;
    Ok(files)
}

/// Prints the variables. What a shell reads as a whole sets those of the root; the others stand there to be taken out.
fn print(
    files: &CredentialFiles<'_>,
    server: &Server,
    via: Via,
    as_json: bool,
    output: &Output,
) -> Result<(), Error> {
    let profiles = server.profiles();
    let mut json = Map::new();
    let mut text = String::new();
    for file in &files.files {
        let Some(served) = file.served(&profiles) else { continue };
        let place = Place {
            authority: &file.authority,
            file: Some(&file.path),
            secret: &files.secret,
            identity: served.identity(),
            project: project(served),
        };
        let set = variables(&place, via, &*files.host.environment).set;
        let set: BTreeMap<_, _> =
            set.into_iter().map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect();
        let mut before = "";
        if let Some(name) = &file.profile {
            // Writing to a string does not fail.
            let _ = writeln!(text, "# profile {name}, in place of what stands above, without the #:");
            before = "#";
        }
        for (name, value) in &set {
            let _ = writeln!(text, "{before}{}", Shell::Sh.set(name, value)?);
        }
        json.insert(file.profile.clone().unwrap_or_default(), json!(set));
    }
    if as_json {
        let addresses: Vec<_> = server.addresses().map(ToString::to_string).collect();
        let variables = json.remove("").unwrap_or(Value::Null);
        output.json(&json!({ "listen": addresses, "variables": variables, "profiles": json }))
    } else if text.is_empty() {
        Ok(())
    } else {
        output.exact(text.trim_end())
    }
}
