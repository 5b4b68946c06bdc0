//! `ee-auth plugin list`

use ee_auth::{Error, Resolver, plugins};
use serde_json::{Value, json};

use crate::output::{FAINT, Output, STRONG, styled};

pub(super) fn run(resolver: &Resolver, output: &Output) -> Result<(), Error> {
    let as_json = output.is_json()?;
    let declared = plugins::declared(resolver)?;
    if as_json {
        let plugins: Value = declared
            .iter()
            .map(|plugin| {
                json!({
                    "provider": plugin.name,
                    "kind": plugin.kind.name,
                    "file": plugin.place,
                    "pinned": plugin.pinned,
                    "in_chain": plugin.in_chain,
                    "declared_in": plugin.declared_in.to_string(),
                })
            })
            .collect();
        return output.json(&plugins);
    }
    if declared.is_empty() {
        output.tell(
            "no plugin is declared; `ee-auth plugin add FILE` declares one, `ee-auth plugin new` begins one",
        );
        return Ok(());
    }
    let width = declared.iter().map(|plugin| plugin.name.len()).max().unwrap_or_default();
    let lines: Vec<_> = declared
        .iter()
        .map(|plugin| {
            let pinned = if plugin.pinned { "pinned" } else { "not pinned" };
            let chained = if plugin.in_chain { "in the chain" } else { "not in the chain" };
            format!(
                "{}  {:<7}  {}  {}",
                styled(STRONG, format!("{:width$}", plugin.name)),
                plugin.kind.name,
                plugin.place,
                styled(FAINT, format!("{pinned}, {chained}, {}", plugin.declared_in)),
            )
        })
        .collect();
    output.data(lines.join("\n"))
}
