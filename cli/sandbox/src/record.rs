//! What was asked, for tests and for a person to look at.

use std::fmt;

use hyper::header::AUTHORIZATION;

use crate::fault::Fault;
use crate::message::{Delivery, Fields, Reply, Request};
use crate::routes::Service;
use crate::world::World;

/// Requests that are kept; older ones are forgotten.
const KEPT: usize = 10_000;

/// A request, as far as it is fit to show.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// The service that was asked.
    pub service: Service,
    /// `GET`, `POST`, and so on.
    pub method: String,
    /// The path, percent-decoded, without the query.
    pub path: String,
    /// The fields of the query and of the form, in order. The value of a field that may hold a secret is `[hidden]`.
    pub fields: Vec<(String, String)>,
    /// The status of the answer; `None` where none was sent.
    pub status: Option<u16>,
    /// Whether a [`FaultRule`](crate::FaultRule) made or spoilt the answer.
    pub faulty: bool,
    content: Option<Content>,
}

impl Recorded {
    /// The kind of grant that a token endpoint was asked for.
    pub fn grant_type(&self) -> Option<&str> {
        self.field("grant_type")
    }

    /// The value of a field, or `[hidden]`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Everything that was sent. `None` if there was a secret among it that is not the sandbox's own: such a request
    /// is refused as Google would refuse it, and what it carried is not kept.
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }
}

/// One line: the method, the path, the fields and the status, with control characters escaped.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path.escape_debug())?;
        for (name, value) in &self.fields {
            write!(f, " {}={}", name.escape_debug(), value.escape_debug())?;
        }
        match self.status {
            Some(status) => write!(f, " -> {status}")?,
            None => f.write_str(" -> no answer")?,
        }
        if self.faulty { f.write_str(" (fault)") } else { Ok(()) }
    }
}

/// Everything that a request carried. `Debug` shows none of it.
#[derive(Clone)]
pub struct Content {
    fields: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Content {
    /// The value of a field of the query or of the form, secret or not.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content([hidden])")
    }
}

/// The fields whose values can be shown.
const SHOWN: &[&str] = &[
    "access_type",
    "actor_token_type",
    "alt",
    "audience",
    "client_id",
    "code_challenge_method",
    "format",
    "grant_type",
    "include_granted_scopes",
    "lifetime",
    "prettyPrint",
    "prompt",
    "recursive",
    "redirect_uri",
    "requested_token_type",
    "response_type",
    "scope",
    "scopes",
    "subject_token_type",
    "token_type_hint",
    "version",
];

/// The fields that carry somebody's credential.
const CREDENTIALS: &[&str] = &[
    "access_token",
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "id_token",
    "password",
    "refresh_token",
    "subject_token",
    "token",
];

pub(crate) fn record(
    world: &mut World,
    service: Service,
    request: &Request,
    fault: Option<&Fault>,
    reply: &Reply,
) {
    let form = request.form();
    let mut all = request.query.0.clone();
    all.extend(form.iter().flat_map(|Fields(fields)| fields.clone()));
    let shown = |(name, value): &(String, String)| {
        let value = if SHOWN.contains(&name.as_str()) { value.as_str() } else { "[hidden]" };
        (name.clone(), value.to_owned())
    };
    let fields = all.iter().map(shown).collect();
    let content = is_own(world, request, form.is_some(), &all).then(|| Content {
        fields: all,
        headers: request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: request.body.to_vec(),
    });
    let sent = !matches!(reply.delivery, Delivery::Reset | Delivery::Close | Delivery::Never);
    if world.requests.len() == KEPT {
        world.requests.pop_front();
    }
    world.requests.push_back(Recorded {
        service,
        method: request.method.to_string(),
        path: request.path.clone(),
        fields,
        status: sent.then(|| reply.status.as_u16()),
        faulty: fault.is_some(),
        content,
    });
}

/// Whether every credential in a request is this server's own. A body that cannot be read might hold anything.
fn is_own(world: &World, request: &Request, body_is_form: bool, fields: &[(String, String)]) -> bool {
    let known = |secret: &str| secret.is_empty() || world.knows(secret);
    let authorization = match (request.headers.contains_key(AUTHORIZATION), request.bearer(), request.basic())
    {
        (false, ..) => true,
        (true, Some(token), _) => known(token),
        (true, _, Some((_, secret))) => known(&secret),
        _ => false,
    };
    let credentials = fields.iter().filter(|(name, _)| CREDENTIALS.contains(&name.as_str()));
    body_is_form && authorization && credentials.map(|(_, value)| value).all(|value| known(value))
}
