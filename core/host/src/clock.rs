use std::time::{Duration, SystemTime};

use ee_auth_core::host::{BoxFuture, Clock};
#[cfg(target_os = "linux")]
use ee_auth_core::time::later;

use crate::tasks;

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    /// On Linux the time of the kernel's last tick, which is some milliseconds ago at most: tokens are valid for an hour, and
    /// reading the time to the nanosecond is most of what lending one costs.
    #[cfg(target_os = "linux")]
    #[inline]
    fn now(&self) -> SystemTime {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        match (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
            (Ok(seconds), Ok(nanoseconds)) => {
                later(SystemTime::UNIX_EPOCH, Duration::new(seconds, nanoseconds))
            }
            // Before 1970.
            _ => SystemTime::now(),
        }
    }

    #[cfg(not(target_os = "linux"))]
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
    fn it_is_the_systems_time() {
        let (before, now) = (SystemTime::now(), SystemClock.now());
        let apart = before.duration_since(now).unwrap_or_else(|error| error.duration());
        assert!(apart < Duration::from_secs(10), "{apart:?}");
    }

    #[test]
    fn sleeping_takes_its_time_on_no_executor() {
        let start = Instant::now();
        pollster::block_on(SystemClock.sleep(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
