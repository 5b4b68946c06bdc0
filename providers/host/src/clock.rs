use std::time::{Duration, SystemTime};

use ee_auth_core::host::{BoxFuture, Clock};

use crate::tasks;

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let slept = tasks::run(async move { tokio::time::sleep(duration).await }).await;
            if slept.is_err() {
                // Without the private thread there is still the caller's. To come back at once would turn whoever
                // waits between two attempts into a loop that does not.
                std::thread::sleep(duration);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn sleeping_takes_its_time_on_no_executor() {
        let start = Instant::now();
        pollster::block_on(SystemClock.sleep(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
