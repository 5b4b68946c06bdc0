//! Which service answers which path.

use hyper::Method;

use crate::errors;
use crate::message::{Answer, Reply, Request};
use crate::record;
use crate::services::{authorize, earthengine, iam, metadata, notebook, oauth, sts, tokens};
use crate::world::World;

/// The services, by the names that `[endpoints]` of `ee-auth.toml` gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Service {
    /// RFC 6749, section 3.2.
    Token,
    /// RFC 6749, section 3.1.
    Authorize,
    /// RFC 7009.
    Revoke,
    /// What Google says of a token, and of a person: `tokeninfo`, `userinfo`, and the certificates for ID tokens.
    Tokeninfo,
    /// RFC 8693.
    Sts,
    /// Earth Engine's notebook authenticator.
    ClientAuth,
    /// The IAM credentials API.
    IamCredentials,
    /// The Compute Engine metadata server.
    Metadata,
    /// The Earth Engine API.
    Earthengine,
    /// Any other path: where redirects lead, for one.
    Elsewhere,
}

impl Service {
    /// Every service, in the order of `[endpoints]`.
    pub const ALL: [Self; 10] = [
        Self::Token,
        Self::Authorize,
        Self::Revoke,
        Self::Tokeninfo,
        Self::Sts,
        Self::ClientAuth,
        Self::IamCredentials,
        Self::Metadata,
        Self::Earthengine,
        Self::Elsewhere,
    ];

    /// The name: `token`, `authorize`, `revoke`, `tokeninfo`, `sts`, `client_auth`, `iam_credentials`, `metadata`,
    /// `earthengine`; and `elsewhere`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Authorize => "authorize",
            Self::Revoke => "revoke",
            Self::Tokeninfo => "tokeninfo",
            Self::Sts => "sts",
            Self::ClientAuth => "client_auth",
            Self::IamCredentials => "iam_credentials",
            Self::Metadata => "metadata",
            Self::Earthengine => "earthengine",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// What follows the sandbox's own address in this endpoint's: empty where the client appends a path of its own.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Token => "/token",
            Self::Authorize => "/o/oauth2/v2/auth",
            Self::Revoke => "/revoke",
            Self::Tokeninfo => "/tokeninfo",
            Self::Sts => "/v1/token",
            Self::ClientAuth => "/client-auth",
            Self::IamCredentials | Self::Metadata | Self::Earthengine => "",
            Self::Elsewhere => ELSEWHERE,
        }
    }
}

/// Where a redirect leads that names no other place.
pub(crate) const ELSEWHERE: &str = "/elsewhere";

type Handler = fn(&mut World, &Request) -> Answer;

struct Route {
    service: Service,
    /// `*` stands for the rest of the path, or for what is between two fixed parts.
    path: &'static str,
    methods: &'static [Method],
    handler: Handler,
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const GET_OR_POST: &[Method] = &[Method::GET, Method::POST];

/// The first that fits answers. Older addresses of the same service stand beside the present ones.
static ROUTES: &[Route] = &[
    route(Service::Token, POST, "/token", oauth::token),
    route(Service::Token, POST, "/oauth2/v3/token", oauth::token),
    route(Service::Token, POST, "/oauth2/v4/token", oauth::token),
    route(Service::Token, POST, "/o/oauth2/token", oauth::token),
    route(Service::Authorize, GET, "/o/oauth2/v2/auth", authorize::authorize),
    route(Service::Authorize, GET, "/o/oauth2/auth", authorize::authorize),
    route(Service::Revoke, GET_OR_POST, "/revoke", tokens::revoke),
    route(Service::Tokeninfo, GET_OR_POST, "/tokeninfo", tokens::tokeninfo),
    route(Service::Tokeninfo, GET_OR_POST, "/oauth2/v3/tokeninfo", tokens::tokeninfo),
    route(Service::Tokeninfo, GET, "/oauth2/v3/userinfo", tokens::userinfo),
    route(Service::Tokeninfo, GET, "/oauth2/v3/certs", tokens::certificates),
    route(Service::Sts, POST, "/v1/token", sts::exchange),
    route(Service::Sts, POST, "/v1/oauthtoken", sts::refresh),
    route(Service::Sts, POST, "/v1/introspect", sts::introspect),
    route(Service::Sts, GET, "/subject-token", sts::subject_token),
    route(Service::ClientAuth, GET, "/client-auth", notebook::page),
    route(Service::ClientAuth, POST, "/client-auth/fetch", notebook::fetch),
    route(
        Service::IamCredentials,
        POST,
        "/v1/projects/-/serviceAccounts/*:generateAccessToken",
        iam::generate_access_token,
    ),
    route(
        Service::IamCredentials,
        POST,
        "/v1/projects/-/serviceAccounts/*:generateIdToken",
        iam::generate_id_token,
    ),
    route(Service::Metadata, GET, "/", metadata::root),
    route(Service::Metadata, GET, "/computeMetadata/*", metadata::get),
    route(Service::Earthengine, GET, "/$discovery/rest", earthengine::discovery),
    route(Service::Earthengine, POST, "/v1/projects/*/value:compute", earthengine::compute),
    route(Service::Earthengine, GET, "/v1/projects/*/algorithms", earthengine::algorithms),
    route(Service::Earthengine, GET, "/v1/projects/*/config", earthengine::config),
    route(Service::Earthengine, GET, "/v1alpha/projects/*:listImages", earthengine::images),
];

const fn route(service: Service, methods: &'static [Method], path: &'static str, handler: Handler) -> Route {
    Route { service, path, methods, handler }
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        match self.path.split_once('*') {
            None => self.path == path,
            Some((start, end)) => {
                path.len() > start.len() + end.len() && path.starts_with(start) && path.ends_with(end)
            }
        }
    }
}

/// Answers a request, with the fault that is due, and records it.
pub(crate) fn answer(world: &mut World, request: &Request) -> Reply {
    let fitting = || ROUTES.iter().filter(|route| route.fits(&request.path));
    let route = fitting().find(|route| route.methods.contains(&request.method)).or_else(|| fitting().next());
    let service = route.map_or(Service::Elsewhere, |route| route.service);
    let fault = world.take_fault(service);

    let mut serve = || match route {
        None => errors::page(404),
        Some(route) if !route.methods.contains(&request.method) => errors::page(405),
        Some(route) => (route.handler)(world, request).unwrap_or_else(|error| error),
    };
    let reply = match &fault {
        None => serve(),
        Some(fault) => match fault.instead(service, request) {
            Some(reply) => reply,
            None => fault.spoil(serve()),
        },
    };
    record::record(world, service, request, fault.as_ref(), &reply);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_service() {
        for (path, service) in [
            ("/token", Service::Token),
            (
                "/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
                Service::IamCredentials,
            ),
            ("/v1/projects/p/value:compute", Service::Earthengine),
            ("/computeMetadata/v1/instance", Service::Metadata),
            ("/", Service::Metadata),
            ("/client-auth/fetch", Service::ClientAuth),
        ] {
            let found = ROUTES.iter().find(|route| route.fits(path)).map(|route| route.service);
            assert_eq!(found, Some(service), "{path}");
        }
        for path in ["/toke", "/token/", "/v1/projects//algorithms", "/client-auth/mode", "//"] {
            assert!(!ROUTES.iter().any(|route| route.fits(path)), "{path}");
        }
    }

    #[test]
    fn every_endpoint_leads_to_its_service() {
        for service in Service::ALL.into_iter().filter(|service| !matches!(service, Service::Elsewhere)) {
            let found = ROUTES.iter().find(|route| route.fits(service.path())).map(|route| route.service);
            assert!(found == Some(service) || service.path().is_empty(), "{}", service.name());
        }
    }
}
