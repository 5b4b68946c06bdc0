//! Proxies: variables that lead astray.

use ee_auth_core::proxy;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "proxy",
    summary: "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. Their values are not shown, since a proxy may have a password",
    rules: &[&MALFORMED, &SPELLINGS, &LOOPBACK],
    run: Run::Look(look),
};

const MALFORMED: Rule = Rule {
    name: "proxy.malformed",
    level: Level::Warning,
    meaning: "The variable is not the address of a proxy. ee-auth sends nothing rather than go past the proxy; other programs \
              differ in what they make of it",
    fix: "write `http://HOST:PORT`; most proxies are asked by http, for https addresses too",
};
const SPELLINGS: Rule = Rule {
    name: "proxy.spellings",
    level: Level::Warning,
    meaning: "The variable is set in capital and in small letters, and not to the same. Programs differ in which they read",
    fix: "set both to the same, or unset one",
};
const LOOPBACK: Rule = Rule {
    name: "proxy.loopback",
    level: Level::Note,
    meaning: "There is a proxy, and NO_PROXY does not leave this machine out. Clients then ask the proxy for `ee-auth serve`, \
              which it cannot reach; `ee-auth exec` sets NO_PROXY by itself",
    fix: "`export NO_PROXY=127.0.0.1,localhost`, with what is in it already",
};

const PROXIES: [&str; 3] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let both = |name: &str| {
        let small = name.to_ascii_lowercase();
        [name.to_owned(), small].map(|name| examination.variable(&name).map(|value| (name, value)))
    };
    let mut findings = Vec::new();
    let set = proxy::all_set(&*examination.host().environment);
    for name in PROXIES.iter().chain(&["NO_PROXY"]) {
        let [large, small] = both(name);
        if let (Some((_, large)), Some((_, small))) = (&large, &small) {
            if large != small {
                let title = format!("{name} and {} are not the same", name.to_ascii_lowercase());
                findings.push(Finding::of(&SPELLINGS, title).at(name));
            }
        }
    }
    for (name, outcome) in &set {
        if let Err(fault) = outcome {
            let title = format!("{name} {}", fault.what);
            findings.push(Finding::of(&MALFORMED, title).fix(fault.help.clone()).at(name));
        }
    }
    let [large, small] = both("NO_PROXY");
    let left_out: Vec<_> = [large, small].into_iter().flatten().map(|(_, hosts)| hosts).collect();
    if !set.is_empty() && !left_out.iter().any(|hosts| leaves_out_loopback(hosts)) {
        findings.push(Finding::of(&LOOPBACK, "NO_PROXY does not leave 127.0.0.1 out").at("NO_PROXY"));
    }
    if findings.is_empty() {
        let names: Vec<_> = set.iter().map(|(name, _)| *name).collect();
        let title = if names.is_empty() { "none is set".to_owned() } else { names.join(", ") };
        findings.push(Finding::ok(CHECK.name, title));
    }
    findings
}

fn leaves_out_loopback(hosts: &str) -> bool {
    hosts.split([',', ' ']).map(str::trim).any(|host| {
        matches!(host, "*" | "127.0.0.1" | "localhost" | "127.0.0.0/8") || host.starts_with("127.")
    })
}
