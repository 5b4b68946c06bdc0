//! Whether Google can be reached at all.

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "network",
    summary: "With `--online`: whether Google answers, through the proxy and with the certificates that are configured",
    rules: &[&UNREACHABLE],
    run: Run::Look(look),
};

const UNREACHABLE: Rule = Rule {
    name: "network.unreachable",
    level: Level::Error,
    meaning: "No token can be had while Google is not reached: the machine is offline, or a proxy or firewall stands between",
    fix: "see whether this machine is online; behind a proxy, set HTTPS_PROXY=http://HOST:PORT",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let url = examination.settings().endpoints.tokeninfo;
    let host = url.host_str().unwrap_or_default();
    match &examination.answer {
        None => Vec::new(),
        Some(Ok(_)) => vec![Finding::ok(CHECK.name, format!("{host} answers"))],
        Some(Err(error)) => {
            let error = error.explain(&format!("asking {url}"));
            let detail = format!("{}\n{}", UNREACHABLE.meaning, error.message());
            let finding = Finding::from_error(&UNREACHABLE, &error).title(format!("{host} was not reached"));
            vec![finding.detail(detail).at(host)]
        }
    }
}
