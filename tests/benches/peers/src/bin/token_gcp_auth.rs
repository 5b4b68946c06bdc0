//! A service account's token, by `gcp_auth`: `token_gcp_auth KEY_FILE`

use std::error::Error;

use ee_auth_peers::peers::{self, SCOPE};
use gcp_auth::TokenProvider as _;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let key = std::env::args_os().nth(1).ok_or("which key file?")?;
    peers::print(async { Ok(peers::gcp_auth(key.as_ref())?.token(&[SCOPE]).await?.as_str().to_owned()) })
}
