use std::time::{Duration, SystemTime};

use ee_auth_core::host::{BoxFuture, Clock};

use crate::{Fake, lock};

/// 2026-01-01T00:00:00Z in seconds since the epoch.
const START: Duration = Duration::from_secs(1_767_225_600);

pub(crate) struct State {
    now: SystemTime,
    sleeps: Vec<Duration>,
}

impl Default for State {
    fn default() -> Self {
        Self { now: SystemTime::UNIX_EPOCH + START, sleeps: Vec::new() }
    }
}

impl Fake {
    /// The same machine at another time of day.
    #[must_use]
    pub fn with_time(self, now: SystemTime) -> Self {
        self.set_time(now);
        self
    }

    /// Sets the clock, forwards or backwards.
    pub fn set_time(&self, now: SystemTime) {
        lock(&self.0.clock).now = now;
    }

    /// Moves the clock forwards.
    pub fn advance(&self, duration: Duration) {
        lock(&self.0.clock).now += duration;
    }

    /// The time of day on the machine.
    pub fn time(&self) -> SystemTime {
        lock(&self.0.clock).now
    }

    /// How long was slept, each time, in order.
    pub fn sleeps(&self) -> Vec<Duration> {
        lock(&self.0.clock).sleeps.clone()
    }
}

impl Clock for Fake {
    fn now(&self) -> SystemTime {
        self.time()
    }

    /// Ends at the first poll, which moves the clock forwards by `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let fake = self.clone();
        Box::pin(async move {
            let mut state = lock(&fake.0.clock);
            state.now += duration;
            state.sleeps.push(duration);
        })
    }
}
