//! The services, one to a file. Each is a function from the world and a request to an answer.

pub(crate) mod authorize;
pub(crate) mod aws;
pub(crate) mod earthengine;
pub(crate) mod expression;
pub(crate) mod iam;
pub(crate) mod metadata;
pub(crate) mod notebook;
pub(crate) mod oauth;
pub(crate) mod sts;
pub(crate) mod tokens;
