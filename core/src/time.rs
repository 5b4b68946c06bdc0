//! Arithmetic on points in time. Clocks are set to anything and servers answer anything, and `SystemTime` panics where a sum
//! does not fit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that RFC 3339 can write: the end of the year 9999.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// `at + by`; `at` itself where the system's time does not reach that far.
pub fn later(at: SystemTime, by: Duration) -> SystemTime {
    at.checked_add(by).unwrap_or(at)
}

/// `at - by`; `at` itself where the system's time does not reach that far.
pub fn earlier(at: SystemTime, by: Duration) -> SystemTime {
    at.checked_sub(by).unwrap_or(at)
}

/// `at` as RFC 3339 writes it, to the second. A time before 1970 or after the year 9999 is shown as the first or the last
/// second of these.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use ee_auth_core::time::rfc3339;
/// assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(1)), "1970-01-01T00:00:01Z");
/// assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
/// assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(1 << 40)), "9999-12-31T23:59:59Z");
/// ```
pub fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST_SECOND);
    humantime::format_rfc3339_seconds(later(UNIX_EPOCH, since)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_do_not_fit_leave_the_time_as_it_is() {
        let last = later(UNIX_EPOCH, Duration::from_secs(i64::MAX as u64));
        for at in [UNIX_EPOCH, last, earlier(UNIX_EPOCH, Duration::from_secs(i64::MAX as u64))] {
            assert_eq!(later(at, Duration::MAX), at);
            assert_eq!(earlier(at, Duration::MAX), at);
            assert_eq!(rfc3339(at).len(), "9999-12-31T23:59:59Z".len());
        }
    }
}
