//! A subject token in an environment variable, where some CI systems put it.

use ee_auth_core::{ExposeSecret, Secret, TokenKey};

use super::format::add_identity;

/// A variable that holds a token. A process's variables are what they were when it began, so it is never read again.
#[derive(Debug)]
pub struct Variable {
    name: String,
    token: Secret,
}

impl Variable {
    /// The token that the variable `name` holds.
    pub fn new(name: &str, token: &Secret) -> Self {
        Self { name: name.to_owned(), token: Secret::from(token.expose_secret().trim()) }
    }

    /// The variable's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn get(&self) -> Secret {
        self.token.clone()
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        key.add("source", "variable").add("name", &self.name);
        add_identity(&self.token, key);
    }
}
