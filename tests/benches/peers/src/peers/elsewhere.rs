//! Requests of `object_store` to an endpoint that it has no setting for.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// `object_store`'s own connector, whose requests all go to one address.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere<C = ReqwestConnector> {
    address: http::Uri,
    inner: C,
}

impl Elsewhere {
    pub(super) fn new(address: &str) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self { address: address.parse()?, inner: ReqwestConnector::default() })
    }
}

impl HttpConnector for Elsewhere {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Elsewhere { address: self.address.clone(), inner: self.inner.connect(options)? }))
    }
}

#[async_trait]
impl HttpService for Elsewhere<HttpClient> {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        *request.uri_mut() = self.address.clone();
        self.inner.execute(request).await
    }
}
