//! What a service manager is told (sd_notify(3)). Nothing, where there is none.

/// Tells the service manager in what state this process is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    Ready,
    Reloading,
    Stopping,
}

#[cfg(target_os = "linux")]
pub(crate) fn notify(state: State) {
    use sd_notify::NotifyState;
    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Reloading => match NotifyState::monotonic_usec_now() {
            Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
            Err(error) => Err(error),
        },
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        log::warn!("the service manager could not be told: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn notify(_: State) {}
