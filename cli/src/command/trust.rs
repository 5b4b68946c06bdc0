//! `ee-auth trust`

use std::path::{Path, PathBuf};

use ee_auth::ShowPath as _;
use ee_auth::config::{self, Flags, trust};
use ee_auth::host::Directory;
use ee_auth::{Error, Host};
use serde_json::json;

use crate::arguments::Trust;
use crate::output::{GOOD, Output, styled};

#[inline(never)]
pub(crate) fn run(host: &Host, flags: &Flags, options: &Trust, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    if options.list {
        let trusted = trust::list(host)?;
        if json {
            let paths: Vec<_> = trusted
                .iter()
                .map(
                    |file| json!({ "path": file.path, "sha256": file.sha256, "trusted_at": file.trusted_at }),
                )
                .collect();
            return output.json(&json!(paths));
        }
        let paths: Vec<_> = trusted.iter().map(|file| file.path.shown()).collect();
        return if paths.is_empty() {
            output.tell("no project file is trusted");
            Ok(())
        } else {
            output.data(paths.join("\n"))
        };
    }
    let path = chosen(host, flags, options.file.as_deref())?;
    if options.revoke {
        if !trust::untrust(host, &path)? {
            output.tell(format_args!("{} was not trusted", path.shown()));
        }
        return if json {
            output.json(&json!({ "path": path, "trusted": false }))
        } else {
            output.data(path.shown())
        };
    }
    let trusted = trust::trust(host, &path)?;
    if json {
        let sha256 = &trusted.sha256;
        return output.json(&json!({ "path": trusted.path, "sha256": sha256, "trusted": true }));
    }
    output.data(trusted.path.shown())?;
    output.tell(format_args!(
        "{} it counts as your own word until it changes; `ee-auth trust --revoke` takes that back",
        styled(GOOD, "Trusted:")
    ));
    Ok(())
}

/// The file that is meant: the one that was named, else the project's.
fn chosen(host: &Host, flags: &Flags, file: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(file) = file {
        return Ok(host.environment.directory(Directory::Working).unwrap_or_default().join(file));
    }
    if let Some(file) = config::project_file(host, flags)? {
        return Ok(file);
    }
    Err(match config::project_link(host, flags)? {
        Some(link) => Error::invalid(
            "link",
            format!("{} is a symbolic link, and a project file may not be one", link.shown()),
        )
        .hint(
            "replace the link with a copy of the file, then `ee-auth trust`; or name the file with --config",
        ),
        None => Error::invalid(
            "no_such_file",
            "no project file was found: no ee-auth.toml between here and the repository's root",
        )
        .hint("name the file: `ee-auth trust FILE`"),
    })
}
