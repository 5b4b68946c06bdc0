//! `ee-auth providers`

use ee_auth::config::Origin;
use ee_auth::{Error, Kind, Resolver};
use serde_json::{Value, json};

use super::warn_of;
use crate::output::{FAINT, Output, STRONG, styled};

struct Row {
    name: String,
    kind: &'static Kind,
    declared_in: Option<String>,
    in_chain: bool,
}

#[inline(never)]
pub(crate) fn run(resolver: &Resolver, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let config = resolver.load()?;
    warn_of(&config);
    let mut rows: Vec<Row> = config
        .providers
        .values()
        .map(|provider| Row {
            name: provider.name.clone(),
            kind: provider.kind,
            declared_in: match &provider.declared_in {
                Origin::Default => None,
                origin => Some(origin.to_string()),
            },
            in_chain: config.chain.value.contains(&provider.name),
        })
        .collect();
    // In the order of the chain; what stands in none comes last.
    rows.sort_by_key(|row| {
        config.chain.value.iter().position(|name| *name == row.name).unwrap_or(usize::MAX)
    });
    if json {
        return output.json(&Value::Array(rows.iter().map(row_json).collect()));
    }
    output.data(table(&rows))
}

fn row_json(row: &Row) -> Value {
    json!({
        "name": row.name,
        "kind": row.kind.name,
        "declared_in": row.declared_in.as_deref().unwrap_or("built-in"),
        "in_chain": row.in_chain,
        "interactive": row.kind.interactive,
    })
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| rows.get(before));
        if before.is_some_and(|before| before.in_chain != row.in_chain) {
            text += &format!("{}\n", styled(FAINT, "\nNot in the chain:"));
        }
        let name = styled(STRONG, format!("{:width$}", row.name));
        text += &format!("{name}  {}", row.kind.summary);
        if row.name != row.kind.name {
            text += &format!(" {}", styled(FAINT, format!("(kind {})", row.kind.name)));
        }
        if row.kind.interactive {
            text += &format!(" {}", styled(FAINT, "(asks a person)"));
        }
        if let Some(place) = &row.declared_in {
            text += &format!(" {}", styled(FAINT, format!("({place})")));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}
