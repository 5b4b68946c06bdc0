//! A token by `google-cloud-auth`: `token_google_cloud_auth FILE`

use std::error::Error;

use ee_auth_peers::peers;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let file = std::env::args_os().nth(1).ok_or("which file?")?;
    peers::print(async { Ok(peers::google_cloud_auth(file.as_ref())?.access_token().await?.token) })
}
