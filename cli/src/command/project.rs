//! `ee-auth set-project` and `ee-auth unset-project`

use ee_auth::ShowPath as _;
use ee_auth::{Error, Resolver, stored};
use serde_json::json;

use crate::output::{GOOD, Output, styled};

#[inline(never)]
pub(crate) fn run(resolver: &Resolver, project: Option<&str>, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let path = stored::set_project(resolver, project)?;
    // Something else may name another, and then this one is not used.
    let used = resolver.look()?.project.ok().flatten();
    if json {
        return output.json(&json!({
            "file": path, "project": project, "used": used.as_ref().map(|project| &project.id),
        }));
    }
    output.data(path.shown())?;
    match project {
        Some(project) => output.tell(format_args!("{} {project}", styled(GOOD, "Project stored:"))),
        None => output.tell("no project is stored beside the credential any more"),
    }
    match used {
        Some(used) if Some(used.id.as_str()) != project => {
            output.warn(&format!("the project that is used is {}, from {}", used.id, used.origin))
        }
        _ => {}
    }
    Ok(())
}
