//! The variables that may hold a credential, in one table.

/// The variable that overrides the others.
pub const OWN: &str = "EE_AUTH_CREDENTIALS";

/// The variable that names a file of credentials for all of Google's libraries. It belongs to the provider
/// `application_default`; here it is read for the key of an account whose e-mail is in one of ours.
pub const APPLICATION_DEFAULT: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// A variable that may hold a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What people put into it. Each of them takes every [`Shape`](crate::Shape) all the same.
    pub usually: Usually,
}

/// What a variable holds where it is used as its inventors meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Usually {
    /// A credential, which needs nothing else.
    Credential,
    /// The e-mail of a service account, whose key is in the variable named here.
    EmailOfKeyIn(&'static str),
    /// The key of the service account whose e-mail is in the variable named here.
    KeyOf(&'static str),
}

/// Every variable that the provider `environment` reads, `GOOGLE_APPLICATION_CREDENTIALS` aside; ours first, the
/// others in the order in which they are read.
pub const VARIABLES: [Variable; 19] = [
    credential(OWN),
    credential("EARTHENGINE_TOKEN"),
    credential("EARTHENGINE_SERVICE_ACCOUNT"),
    credential("EARTHENGINE_CREDENTIALS"),
    credential("EARTHENGINE_CREDENTIALS_BASE64"),
    credential("EARTHENGINE_KEY"),
    credential("EE_CREDENTIALS_JSON"),
    credential("EE_SERVICE_ACCOUNT_KEY"),
    credential("EE_SERVICE_ACC_PRIVATE_KEY"),
    credential("EE_PRIVATE_KEY"),
    credential("EE_KEY_JSON"),
    credential("GEE_SERVICE_ACCOUNT_KEY"),
    credential("GEE_SERVICE_ACCOUNT_JSON"),
    credential("GEE_PRIVATE_KEY"),
    credential("GEE_JSON_KEY"),
    Variable { name: "EE_SERVICE_ACCOUNT", usually: Usually::EmailOfKeyIn("EE_SA_CREDENTIALS_FILE") },
    Variable { name: "EE_SA_CREDENTIALS_FILE", usually: Usually::KeyOf("EE_SERVICE_ACCOUNT") },
    Variable { name: "GEE_SERVICE_ACCOUNT", usually: Usually::EmailOfKeyIn("GEE_KEY_FILE") },
    Variable { name: "GEE_KEY_FILE", usually: Usually::KeyOf("GEE_SERVICE_ACCOUNT") },
];

const fn credential(name: &'static str) -> Variable {
    Variable { name, usually: Usually::Credential }
}

/// The names in [`VARIABLES`]: for those who look for a credential that somebody set, or keep one from a command.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    VARIABLES.iter().map(|variable| variable.name)
}
