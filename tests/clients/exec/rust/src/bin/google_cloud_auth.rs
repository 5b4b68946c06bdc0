//! google-cloud-auth: a token from application-default credentials, and Earth Engine asked with it, for each line of input.

use std::env::var;
use std::io::{Write, stdin, stdout};

use google_cloud_auth::credentials::{Builder, CacheableResource};

fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("nobody else has");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let credentials = Builder::default()
        .with_scopes(["https://www.googleapis.com/auth/earthengine"])
        .build()
        .expect("application-default credentials");
    for line in stdin().lines() {
        let number = line.expect("a line");
        let answer = runtime.block_on(async {
            let headers =
                match credentials.headers(Default::default()).await.map_err(|error| format!("{error:?}"))? {
                    CacheableResource::New { data, .. } => data,
                    CacheableResource::NotModified => return Err("no headers".to_owned()),
                };
            let url = format!(
                "{}/v1/projects/{}/value:compute",
                var("EARTH_ENGINE").expect("its address"),
                var("GOOGLE_CLOUD_PROJECT").expect("a project")
            );
            let body =
                format!(r#"{{"expression":{{"result":"0","values":{{"0":{{"constantValue":{number}}}}}}}}}"#);
            let request = reqwest::Client::new().post(url).headers(headers).body(body);
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
