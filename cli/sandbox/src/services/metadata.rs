//! The Compute Engine metadata server, `http://metadata.google.internal`.

use serde_json::json;

use crate::errors::METADATA_FLAVOR;
use crate::identity::DEFAULT_SCOPES;
use crate::message::{Answer, Reply, Request};
use crate::world::{World, is_scope};

/// `/`: the one path that answers without the header, so that a client can find out where it runs.
pub(crate) fn root(_: &mut World, _: &Request) -> Answer {
    Ok(text("computeMetadata/\n"))
}

/// `/computeMetadata/v1/…`. Every answer carries `Metadata-Flavor: Google`.
pub(crate) fn get(world: &mut World, request: &Request) -> Answer {
    if request.header("metadata-flavor") != Some("Google") {
        return Err(refusal(403, "Missing Metadata-Flavor:Google header."));
    }
    // A request that came through a proxy was not made by this machine.
    if request.headers.contains_key("x-forwarded-for") {
        return Err(refusal(403, "Requests with X-Forwarded-For are refused."));
    }
    let path = request.path.strip_prefix("/computeMetadata/v1/").unwrap_or_default();
    match path {
        "" => Ok(text("instance/\nproject/\nuniverse/\n")),
        "project" | "project/" => Ok(text("numeric-project-id\nproject-id\n")),
        "project/project-id" => Ok(text(&world.project)),
        "project/numeric-project-id" => Ok(text(&world.project_number)),
        "universe" | "universe/" => Ok(text("universe-domain\n")),
        "universe/universe-domain" | "universe/universe_domain" => Ok(text("googleapis.com")),
        "instance" | "instance/" => Ok(text("id\nname\nservice-accounts/\nzone\n")),
        "instance/id" => Ok(text("1000000000000000001")),
        "instance/name" => Ok(text("sandbox")),
        "instance/zone" => Ok(text(&format!("projects/{}/zones/europe-west1-b", world.project_number))),
        _ => match path.strip_prefix("instance/service-accounts") {
            Some(rest) => service_accounts(world, request, rest.strip_prefix('/').unwrap_or(rest)),
            None => Err(not_found()),
        },
    }
}

/// Below `instance/service-accounts/`.
fn service_accounts(world: &mut World, request: &Request, path: &str) -> Answer {
    let email = world.machine.clone();
    let (name, key) = path.split_once('/').unwrap_or((path, ""));
    let Some(email) = email else {
        return if name.is_empty() { Ok(text("")) } else { Err(not_found()) };
    };
    if name.is_empty() {
        return Ok(text(&format!("default/\n{email}/\n")));
    }
    if name != "default" && name != email {
        return Err(not_found());
    }
    match key {
        "" if request.query.get("recursive").is_some_and(|flag| flag.eq_ignore_ascii_case("true")) => {
            let account = json!({"aliases": ["default"], "email": email, "scopes": DEFAULT_SCOPES});
            Ok(flavored(Reply::new(200, "application/json", account.to_string())))
        }
        "" => Ok(text("aliases\nemail\nidentity\nscopes\ntoken\n")),
        "aliases" => Ok(text("default\n")),
        "email" => Ok(text(&email)),
        "scopes" => Ok(text(&(DEFAULT_SCOPES.join("\n") + "\n"))),
        "token" => token(world, request, &email),
        "identity" => identity(world, request, &email),
        _ => Err(not_found()),
    }
}

/// `token?scopes=A,B`; without `scopes`, the machine's own.
fn token(world: &mut World, request: &Request, email: &str) -> Answer {
    let scopes: Vec<String> = match request.query.get("scopes") {
        None => DEFAULT_SCOPES.map(str::to_owned).to_vec(),
        Some(scopes) => scopes.split(',').map(str::to_owned).collect(),
    };
    if !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(refusal(400, "Invalid scopes."));
    }
    let lifetime = world.token_lifetime;
    let unique_id = world.subject_number(email);
    let token = world.issue_once(email, &unique_id, scopes, lifetime);
    let answer = json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"});
    Ok(flavored(Reply::new(200, "application/json", answer.to_string())))
}

/// `identity?audience=A&format=full`: an ID token, as text.
fn identity(world: &mut World, request: &Request, email: &str) -> Answer {
    let audience =
        request.query.get("audience").ok_or_else(|| refusal(400, "non-empty audience parameter required"))?;
    let email = (request.query.get("format") == Some("full")).then_some(email);
    let unique_id = world.machine.as_deref().map(|machine| world.subject_number(machine)).unwrap_or_default();
    Ok(text(&world.issue_id_token(audience, &unique_id, email)))
}

fn text(body: &str) -> Reply {
    flavored(Reply::new(200, "application/text", body.to_owned()))
}

fn not_found() -> Reply {
    refusal(404, "The requested URL was not found on this server.")
}

fn refusal(status: u16, explanation: &str) -> Reply {
    let mut reply = flavored(crate::errors::page(status));
    reply.body = format!("{}<p>{explanation}\n", String::from_utf8_lossy(&reply.body)).into();
    reply
}

fn flavored(reply: Reply) -> Reply {
    reply.header(METADATA_FLAVOR, "Google")
}
