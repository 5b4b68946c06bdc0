//! `ee-auth config`

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use ee_auth::ShowPath as _;
use ee_auth::config::{self, Flags, LayerState};
use ee_auth::{Error, Host, Resolver, kinds, visible};
use serde_json::{Map, Value, json};

use super::warn_of;
use crate::arguments::Config;
use crate::output::{FAINT, GOOD, Output, STRONG, styled};

#[inline(never)]
pub(crate) fn run(resolver: &Resolver, flags: &Flags, options: Config, output: &Output) -> Result<(), Error> {
    let host = resolver.host();
    match options {
        Config::Show { origin } => show(resolver, origin, output),
        Config::Path => path(resolver, flags, output),
        Config::Init { file } => init(host, flags, file.as_deref(), output),
        Config::Validate { file } => validate(resolver, flags, file.as_deref(), output),
        Config::Schema => output.exact(format_args!("{:#}", config::schema(kinds()))),
    }
}

fn show(resolver: &Resolver, origin: bool, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let config = resolver.load()?;
    warn_of(&config);
    let values = config.values();
    if json {
        let values: Map<_, _> = values
            .into_iter()
            .map(|(key, value)| (key, json!({ "value": value.value, "origin": value.origin.to_string() })))
            .collect();
        return output.json(&json!({ "layers": layers(&config), "values": values }));
    }
    let mut text = String::new();
    for (key, value) in values.iter().filter(|(_, value)| !value.value.is_null()) {
        let _ = write!(text, "{} = {}", styled(STRONG, key), value.value);
        if origin {
            let _ = write!(text, "  {}", styled(FAINT, format!("# {}", value.origin)));
        }
        text.push('\n');
    }
    output.data(text.trim_end())
}

fn path(resolver: &Resolver, flags: &Flags, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    // Where the files are can be told though what stands in them, or the profile, is wrong.
    let user = config::user_file(resolver.host(), flags)?;
    let layers = resolver.load_for_new_profile().map(|config| layers(&config));
    if let (Ok(_), Err(error)) = (&layers, resolver.load()) {
        output.warn(&error.to_string());
    }
    let Some(user) = user else {
        return Err(Error::invalid(
            "home",
            "no home directory is known, so there is no place for ee-auth.toml",
        )
        .hint("set HOME, or name the file with --config"));
    };
    if json {
        return output.json(&json!({ "user": user.value, "layers": layers.unwrap_or(Value::Null) }));
    }
    output.data(user.value.shown())?;
    if let Ok(Value::Array(layers)) = layers {
        for layer in layers {
            let word =
                |key: &str| visible(layer.get(key).and_then(Value::as_str).unwrap_or_default()).into_owned();
            output.tell(format_args!(
                "{} {} ({})",
                styled(FAINT, word("layer")),
                word("path"),
                word("state")
            ));
        }
    }
    Ok(())
}

fn layers(config: &config::Config) -> Value {
    let layer = |layer: &config::Layer| {
        json!({
            "layer": layer.kind.name(),
            "path": layer.path,
            "state": layer.state.name(),
            "read": matches!(layer.state, LayerState::Read | LayerState::Trusted | LayerState::Untrusted),
        })
    };
    Value::Array(config.layers.iter().map(layer).collect())
}

fn init(host: &Host, flags: &Flags, file: Option<&Path>, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let path = match file {
        Some(file) => {
            host.environment.directory(ee_auth::host::Directory::Working).unwrap_or_default().join(file)
        }
        None => {
            config::user_file(host, flags)?
                .ok_or_else(|| {
                    Error::invalid(
                        "home",
                        "no home directory is known, so there is no place for ee-auth.toml",
                    )
                    .hint("name a file: `ee-auth config init FILE`")
                })?
                .value
        }
    };
    match host.files.write_new(&path, config::template().as_bytes()) {
        Ok(()) if json => output.json(&json!({ "path": path })),
        Ok(()) => {
            output.data(path.shown())?;
            output.tell(format_args!("{} every key is in it, with what it means", styled(GOOD, "Written:")));
            Ok(())
        }
        // The same kind of error is one of its directories being a file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && host.files.status(&path).is_ok() => {
            Err(Error::invalid("exists", format!("{} exists already; it was left as it is", path.shown()))
                .hint("change it with an editor, or name another file: `ee-auth config init FILE`"))
        }
        Err(error) => Err(Error::internal(format!("writing {} failed: {error}", path.shown()))
            .hint("name a file that you may write: `ee-auth config init FILE`")),
    }
}

fn validate(resolver: &Resolver, flags: &Flags, file: Option<&Path>, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let warnings = match file {
        Some(file) => config::validate(resolver.host(), kinds(), file, flags.color)?,
        None => resolver.load()?.warnings,
    };
    for warning in &warnings {
        log::warn!("{warning}");
    }
    if json {
        return output.json(&json!({ "valid": true, "warnings": warnings }));
    }
    let what = file.map_or("the configuration".to_owned(), |file| file.shown());
    output.data(format_args!("{} {what} is valid", styled(GOOD, "✓")))
}
