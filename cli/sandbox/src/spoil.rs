//! What each fault does to a request, or to the answer it would have had.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use url::Url;

use crate::errors;
use crate::fault::{Fault, FieldFault};
use crate::message::{Delivery, Reply, Request};
use crate::routes::{ELSEWHERE, Service};
use crate::services::{authorize, earthengine};

/// Twice what a client may accept.
const BIG: usize = 2 << 20;
/// What the bomb becomes when it is inflated.
const BOMB: usize = 16 << 20;

impl Fault {
    /// The reply that takes the place of the service's own, so that nothing happens there; `None` for the faults that
    /// spoil a good answer.
    pub(crate) fn instead(&self, service: Service, request: &Request) -> Option<Reply> {
        let lost = |delivery| Some(Reply { delivery, ..errors::page(503) });
        match self {
            Self::Status { code, retry_after } => {
                let reply = status(service, *code);
                Some(match retry_after {
                    Some(seconds) => reply.header(RETRY_AFTER, &seconds.to_string()),
                    None => reply,
                })
            }
            Self::Project(state) => Some(match service {
                Service::Earthengine => {
                    let project = request.path.split('/').nth(3).unwrap_or_default();
                    earthengine::refusal(Some(*state), project).unwrap_or_else(|| errors::page(403))
                }
                _ => status(service, 403),
            }),
            Self::OAuth(error) => match service {
                // This endpoint's errors reach the client through the browser: RFC 6749, section 4.1.2.1.
                Service::Authorize => {
                    Some(authorize::refuse(&request.query, error.error).unwrap_or_else(|| error.reply()))
                }
                _ => Some(error.reply()),
            },
            Self::Redirect(to) => {
                let reply = Reply::html(307, String::new());
                Some(reply.header(LOCATION, to.as_deref().unwrap_or(ELSEWHERE)))
            }
            Self::Reset => lost(Delivery::Reset),
            Self::Close => lost(Delivery::Close),
            Self::Hang => lost(Delivery::Never),
            Self::Html => {
                Some(Reply::html(200, "<!DOCTYPE html>\n<title>Sign in to Wi-Fi</title>\n".to_owned()))
            }
            Self::Empty => Some(Reply::new(200, "application/json; charset=utf-8", "")),
            Self::NotJson => {
                Some(Reply::new(200, "application/json; charset=utf-8", "{\n  \"access_token\": \"ya29."))
            }
            Self::Body { status, text } => {
                let text = text.clone().unwrap_or_else(|| "[]".to_owned());
                Some(Reply::new(*status, "application/json; charset=utf-8", text))
            }
            Self::Nested => {
                let nested = "[".repeat(100_000) + &"]".repeat(100_000);
                Some(Reply::new(200, "application/json; charset=utf-8", nested))
            }
            _ => None,
        }
    }

    /// A good answer, spoilt. The errors that a service gives of itself are left as they are.
    pub(crate) fn spoil(&self, reply: Reply) -> Reply {
        match self {
            Self::Delay(time) => Reply { delivery: Delivery::After(*time), ..reply },
            Self::Drip(interval) => Reply { delivery: Delivery::Drip(*interval), ..reply },
            Self::Truncated => Reply { delivery: Delivery::Cut, ..reply },
            Self::Big => Reply { body: padded(&reply.body, BIG).into(), ..reply },
            Self::GzipBomb => {
                let body = gzip(&padded(&reply.body, BOMB));
                Reply { body: body.into(), ..reply }.header(CONTENT_ENCODING, "gzip")
            }
            Self::Field(fault) if reply.status.is_success() => match serde_json::from_slice(&reply.body) {
                Ok(mut body @ Value::Object(_)) => {
                    fault.apply(&mut body);
                    Reply { body: body.to_string().into(), ..reply }
                }
                _ => reply,
            },
            Self::WrongState => with_another_state(reply),
            _ => reply,
        }
    }
}

impl FieldFault {
    fn apply(self, body: &mut Value) {
        // The IAM credentials API has its own names, and a time where the others have a number of seconds.
        for token in ["access_token", "accessToken", "id_token", "token"] {
            let Some(slot) = body.get_mut(token) else { continue };
            match self {
                Self::NoToken => drop(body.as_object_mut().map(|object| object.remove(token))),
                Self::EmptyToken => *slot = "".into(),
                Self::NumberToken => *slot = 12345.into(),
                Self::NewlineToken => {
                    *slot = format!("{}\r\nX-Injected: yes", slot.as_str().unwrap_or_default()).into();
                }
                _ => {}
            }
        }
        let lifetime = match self {
            Self::NoExpiry => Some((Value::Null, Value::Null)),
            Self::TextExpiry => Some((json!("3599"), json!("in an hour"))),
            Self::FloatExpiry => Some((json!(3599.5), json!("2999-01-01T00:00:00.5Z"))),
            Self::ZeroExpiry => Some((json!(0), json!("1970-01-01T00:00:00Z"))),
            Self::NegativeExpiry => Some((json!(-60), json!("1969-12-31T23:59:00Z"))),
            Self::HugeExpiry => {
                Some((json!(1_000_000_000_000_000_000_u64), json!("99999999-01-01T00:00:00Z")))
            }
            _ => None,
        };
        let Some(object) = body.as_object_mut() else { return };
        if let Some((seconds, time)) = lifetime {
            for (name, value) in [("expires_in", seconds), ("expireTime", time)] {
                if object.remove(name).is_some() && !value.is_null() {
                    object.insert(name.to_owned(), value);
                }
            }
        }
        if self == Self::NoRefreshToken {
            object.remove("refresh_token");
        }
        if self == Self::WrongTokenType && object.contains_key("token_type") {
            object.insert("token_type".to_owned(), "mac".into());
        }
    }
}

/// An error of `service` with this status, shaped as its own are.
fn status(service: Service, code: u16) -> Reply {
    match (service, code) {
        (_, 502 | 504) | (Service::Authorize | Service::Elsewhere, _) => errors::page(code),
        (Service::Metadata, _) => Reply::html(code, format!("{}\n", errors::status_name(code)))
            .header(errors::METADATA_FLAVOR, "Google"),
        (Service::IamCredentials | Service::Earthengine, _) => {
            errors::api(code, errors::canonical_code(code), errors::status_name(code))
        }
        (Service::Token | Service::Revoke | Service::Tokeninfo | Service::Sts | Service::ClientAuth, _) => {
            let error = match code {
                400 | 404 => "invalid_request",
                401 => "invalid_client",
                403 => "access_denied",
                429 => "rate_limit_exceeded",
                500 => "internal_failure",
                _ => "temporarily_unavailable",
            };
            Reply::json(code, &json!({"error": error, "error_description": errors::status_name(code)}))
        }
    }
}

/// White space first, so that what a client has read when it reaches its limit is not yet an answer.
fn padded(body: &[u8], size: usize) -> Vec<u8> {
    let mut padded = vec![b' '; size];
    padded.extend_from_slice(body);
    padded
}

/// `data` as one gzip member, since some clients read no further.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

fn with_another_state(reply: Reply) -> Reply {
    let location = reply.headers.iter().find(|(name, _)| name == LOCATION);
    let Some(mut url) = location.and_then(|(_, value)| Url::parse(value.to_str().ok()?).ok()) else {
        return reply;
    };
    let fields: Vec<_> = url.query_pairs().into_owned().collect();
    let changed = fields.iter().map(|(name, value)| (name, if name == "state" { "another" } else { value }));
    url.query_pairs_mut().clear().extend_pairs(changed.collect::<Vec<_>>());
    Reply::found(url.as_str())
}
