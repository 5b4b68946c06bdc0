//! One piece of work, any number of waiters, no runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The outcome of work that is under way elsewhere. Everyone who waits gets a copy of it.
pub(crate) struct Flight<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    Flying(Vec<Waker>),
    Landed(T),
}

impl<T: Clone> Flight<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Flying(Vec::new())) })
    }

    /// Ends the flight and wakes everyone. What lands first stays.
    pub(crate) fn land(&self, outcome: T) {
        let wakers = {
            let mut state = self.lock();
            match &mut *state {
                State::Landed(_) => return,
                State::Flying(wakers) => {
                    let wakers = std::mem::take(wakers);
                    *state = State::Landed(outcome);
                    wakers
                }
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A future that ends when the flight does.
    pub(crate) fn wait(self: Arc<Self>) -> Wait<T> {
        Wait { flight: self, slot: None }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Wait<T> {
    flight: Arc<Flight<T>>,
    slot: Option<usize>,
}

impl<T: Clone> Future for Wait<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        match &mut *this.flight.lock() {
            State::Landed(outcome) => return Poll::Ready(outcome.clone()),
            State::Flying(wakers) => match this.slot.and_then(|slot| wakers.get_mut(slot)) {
                Some(waker) => waker.clone_from(context.waker()),
                None => {
                    this.slot = Some(wakers.len());
                    wakers.push(context.waker().clone());
                }
            },
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_gets_the_same_outcome() {
        let flight = Flight::new();
        let waiters: Vec<_> = (0..8)
            .map(|_| {
                let flight = flight.clone();
                std::thread::spawn(move || pollster::block_on(flight.wait()))
            })
            .collect();
        flight.land(7);
        flight.land(8);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), 7);
        }
    }
}
