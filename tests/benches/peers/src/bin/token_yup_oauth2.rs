//! A service account's token, by `yup-oauth2`, kept in a file if one is named: `token_yup_oauth2 KEY_FILE [KEPT]`

use std::error::Error;

use ee_auth_peers::peers::{self, SCOPE};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (mut words, scopes) = (std::env::args_os().skip(1), [SCOPE]);
    let (key, kept) = (words.next().ok_or("which key file?")?, words.next());
    peers::print(async {
        let client = peers::yup_oauth2(key.as_ref(), kept.as_ref().map(AsRef::as_ref)).await?;
        Ok(client.token(&scopes).await?.token().ok_or("the answer has no token")?.to_owned())
    })
}
