//! A token by `object_store`: `token_object_store FILE ENDPOINT`

use std::error::Error;

use ee_auth_peers::peers;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let [file, endpoint] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("which file, and which endpoint?".into());
    };
    peers::print(async {
        let credential = peers::object_store(file.as_ref(), endpoint)?.get_credential().await?;
        Ok(credential.bearer.clone())
    })
}
