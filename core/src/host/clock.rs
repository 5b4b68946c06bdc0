use std::time::{Duration, SystemTime};

use super::BoxFuture;

/// The time of day, and waiting.
pub trait Clock: Send + Sync {
    /// The time of day now. Called at every reading of a token, so it costs nanoseconds.
    fn now(&self) -> SystemTime;

    /// A future that ends after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
