//! `ee-auth sandbox`: a loopback Google with throw-away credentials.

mod home;
mod tour;

use std::process::ExitCode;

use ee_auth::{Error, Host, Outcome};
use ee_auth_sandbox::{FaultRule, Options, Service};
use serde_json::json;

use self::home::Home;
use crate::arguments::Sandbox;
use crate::output::{FAINT, NEXT, Output, styled};

#[inline(never)]
pub(crate) fn run(host: &Host, options: &Sandbox, output: &Output) -> Result<ExitCode, Error> {
    if options.list_faults {
        return list_faults(output).map(|()| ExitCode::SUCCESS);
    }
    let faults = options.faults.iter().map(|rule| rule.parse::<FaultRule>());
    let faults = faults.collect::<Result<Vec<_>, _>>().map_err(|error| {
        Error::new(Outcome::Usage, "fault", error.to_string())
            .hint("`ee-auth sandbox --list-faults` lists what can fail, and how")
    })?;
    let google = ee_auth_sandbox::Sandbox::start(Options { faults, ..Options::default() })
        .map_err(|error| Error::system("the sandbox could not be started on 127.0.0.1", &error))?;
    let home = Home::new(&google, host)?;
    match options.command.split_first() {
        None => tour::run(&google, &home, host, output).map(|()| ExitCode::SUCCESS),
        Some(_) if cfg!(windows) => Err(Error::internal(
            "on Windows a command finds its user's real home directory whatever the variables say, so a real login could \
             be sent to the sandbox",
        )
        .hint("run it in WSL or in a container; `ee-auth sandbox` alone works here")),
        Some((program, arguments)) => {
            let hidden = home.hidden(host);
            if !hidden.is_empty() {
                output.tell(format_args!(
                    "{} {} hidden from the command, so that nothing real is sent to the sandbox",
                    styled(FAINT, "sandbox:"),
                    hidden.join(", ")
                ));
            }
            let ended = ee_auth_host::run_attached(program, arguments, &home.variables, &hidden, None);
            drop((home, google));
            Ok(ended.exit_code())
        }
    }
}

fn list_faults(output: &Output) -> Result<(), Error> {
    if output.is_json()? {
        let services: Vec<_> = Service::ALL.iter().map(|service| service.name()).collect();
        let faults: Vec<_> = ee_auth_sandbox::faults()
            .map(|(name, meaning)| json!({ "fault": name, "meaning": meaning }))
            .collect();
        return output.json(&json!({ "services": services, "faults": faults }));
    }
    let width = ee_auth_sandbox::faults().map(|(name, _)| name.len()).max().unwrap_or_default();
    let services: Vec<_> = Service::ALL.iter().map(|service| service.name()).collect();
    let mut text =
        format!("{} {}, all\n{}\n", styled(NEXT, "SERVICE:"), services.join(", "), styled(NEXT, "FAULT:"));
    for (name, meaning) in ee_auth_sandbox::faults() {
        text += &format!("  {name:width$}  {meaning}\n");
    }
    output.data(text.trim_end())
}
