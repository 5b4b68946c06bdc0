//! gcp_auth: a token from whatever it finds by itself, and Earth Engine asked with it, for each line of input.

use std::env::var;
use std::io::{Write, stdin, stdout};

fn main() {
    // For our own request to Earth Engine: gcp_auth has its own.
    rustls::crypto::ring::default_provider().install_default().expect("nobody else has");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let provider = runtime.block_on(gcp_auth::provider()).expect("it finds a credential");
    for line in stdin().lines() {
        let number = line.expect("a line");
        let answer = runtime.block_on(async {
            let scopes = ["https://www.googleapis.com/auth/earthengine"];
            let token = provider.token(&scopes).await.map_err(|error| format!("{error:?}"))?;
            let project = provider.project_id().await.map_err(|error| format!("{error:?}"))?;
            let url =
                format!("{}/v1/projects/{project}/value:compute", var("EARTH_ENGINE").expect("its address"));
            let body =
                format!(r#"{{"expression":{{"result":"0","values":{{"0":{{"constantValue":{number}}}}}}}}}"#);
            let request = reqwest::Client::new().post(url).bearer_auth(token.as_str()).body(body);
            let answer = request.header("content-type", "application/json").send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
            if status.is_success() { Ok(text) } else { Err(text) }
        });
        let said = match answer {
            Ok(text) => format!("ok {}", text.replace('\n', " ")),
            Err(error) => format!("error {}", error.replace('\n', " ")),
        };
        println!("{said}");
        stdout().flush().expect("somebody reads");
    }
}
