//! A token that is there already: what a call costs, and how many calls two threads make beside each other.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use criterion::Criterion;
use futures_util::FutureExt as _;
use google_cloud_auth::credentials::AccessTokenCredentials;
use object_store::gcp::GcpCredentialProvider;
use serde_json::Value;
use yup_oauth2::authenticator::DefaultAuthenticator;

use crate::Failure;
use crate::endpoint::Endpoint;
use crate::party::Party;
use crate::print;
use crate::work::Work;

const GROUP: &str = "warm";
const FLOOR: &str = "floor";

/// For how long each is asked before the next has its turn, and how many turns each has.
const SLICE: Duration = Duration::from_millis(40);
const ROUNDS: usize = 50;

/// A guard of arc-swap and one reading of the clock: the least by which a token can be shared and its expiry be seen.
struct Floor(ArcSwap<(String, SystemTime)>);

impl Floor {
    fn token(&self) -> Option<usize> {
        let held = self.0.load();
        (SystemTime::now() < held.1).then(|| held.0.len())
    }
}

/// What is done with each of the parties: `call` gets a token that is there.
trait Visitor {
    fn visit(&mut self, name: &'static str, call: impl Fn() -> usize + Sync);
}

/// The parties, each with a token.
struct Parties {
    floor: Floor,
    ee_auth: ee_auth::Credential,
    gcp_auth: gcp_auth::CustomServiceAccount,
    google_cloud_auth: AccessTokenCredentials,
    object_store: GcpCredentialProvider,
    yup_oauth2: DefaultAuthenticator,
}

/// A call of a future that is ready at once, which is the cheapest way to drive one; where another thread is at the client's
/// lock, it is waited for.
fn ready<P: Party>(party: &P) -> impl Fn() -> usize + Sync {
    move || {
        let token = party.token().now_or_never();
        token.unwrap_or_else(|| pollster::block_on(party.token())).expect("a token")
    }
}

impl Parties {
    async fn open(work: &Work) -> Result<Self, Failure> {
        async fn warm<P: Party>(work: &Work) -> Result<P, Failure> {
            let party = P::open(work).await?;
            party.token().await?;
            Ok(party)
        }
        let expiry = SystemTime::now() + Duration::from_secs(3599);
        Ok(Self {
            floor: Floor(ArcSwap::from_pointee((format!("{:0>220}", 1), expiry))),
            ee_auth: warm(work).await?,
            gcp_auth: warm(work).await?,
            google_cloud_auth: warm(work).await?,
            object_store: warm(work).await?,
            yup_oauth2: warm(work).await?,
        })
    }

    fn each(&self, visitor: &mut impl Visitor) {
        visitor.visit(FLOOR, || self.floor.token().expect("a token"));
        visitor.visit("ee-auth", || self.ee_auth.token().expect("a token").secret().len());
        visitor.visit("ee-auth, async", ready(&self.ee_auth));
        visitor.visit(GcpCredentialProvider::NAME, ready(&self.object_store));
        visitor.visit(AccessTokenCredentials::NAME, ready(&self.google_cloud_auth));
        visitor.visit(DefaultAuthenticator::NAME, ready(&self.yup_oauth2));
        visitor.visit(gcp_auth::CustomServiceAccount::NAME, ready(&self.gcp_auth));
    }
}

/// Has criterion find out what a call costs.
struct Calls<'a>(&'a mut Criterion);

impl Visitor for Calls<'_> {
    fn visit(&mut self, name: &'static str, call: impl Fn() -> usize + Sync) {
        self.0.benchmark_group(GROUP).bench_function(name, |bencher| bencher.iter(&call));
    }
}

/// Counts the calls of so many threads in a second, turn by turn, so that what the machine does meanwhile befalls all.
struct Turns {
    threads: usize,
    rates: Vec<(&'static str, Vec<f64>)>,
}

impl Turns {
    fn take(threads: usize, parties: &Parties) -> Self {
        let mut turns = Self { threads, rates: Vec::new() };
        for _ in 0..ROUNDS {
            parties.each(&mut turns);
        }
        turns
    }

    /// The rate of each in the middle of its turns, in calls per second, and of its ratios to the floor's turn beside it.
    fn middle(&self) -> BTreeMap<&'static str, (f64, f64)> {
        let Some((_, floor)) = self.rates.first() else { return BTreeMap::new() };
        let middle = |rates: &[f64]| {
            let ratios = rates.iter().zip(floor).map(|(rate, floor)| rate / floor).collect();
            (median(rates.to_vec()), median(ratios))
        };
        self.rates.iter().map(|(name, rates)| (*name, middle(rates))).collect()
    }
}

impl Visitor for Turns {
    fn visit(&mut self, name: &'static str, call: impl Fn() -> usize + Sync) {
        let barrier = Barrier::new(self.threads);
        let count = || {
            barrier.wait();
            let (start, mut calls) = (Instant::now(), 0);
            while start.elapsed() < SLICE {
                for _ in 0..1000 {
                    black_box(call());
                }
                calls += 1000;
            }
            f64::from(calls) / start.elapsed().as_secs_f64()
        };
        let rate = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no call fails")).sum()
        });
        match self.rates.iter_mut().find(|(of, _)| *of == name) {
            Some((_, rates)) => rates.push(rate),
            None => self.rates.push((name, vec![rate])),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median that criterion has found, in nanoseconds.
fn nanoseconds(directory: &Path, name: &str) -> Result<f64, Failure> {
    let file = directory.join(GROUP).join(name).join("new/estimates.json");
    let estimates: Value = serde_json::from_slice(&fs::read(file)?)?;
    Ok(estimates["median"]["point_estimate"].as_f64().ok_or("criterion has estimated nothing")?)
}

pub(crate) fn measure(directory: &Path) -> Result<(), Failure> {
    let endpoint = Endpoint::start()?;
    let work = Work::new(directory.join("warm"), &endpoint.url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let parties = runtime.block_on(Parties::open(&work))?;

    let estimates = directory.join("criterion");
    let mut criterion = Criterion::default()
        .output_directory(&estimates)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    parties.each(&mut Calls(&mut criterion));
    let (one, two) = (Turns::take(1, &parties), Turns::take(2, &parties));

    let floor = nanoseconds(&estimates, FLOOR)?;
    print::table(
        "A token that is there, one thread",
        &["what", "a call", "times the floor", "the same in turns"],
    );
    let turns = one.middle();
    for (name, _) in &one.rates {
        let call = nanoseconds(&estimates, name)?;
        print::row(&[
            (*name).to_owned(),
            format!("{call:.1} ns"),
            format!("{:.2}", call / floor),
            format!("{:.2}", 1.0 / turns[name].1),
        ]);
    }
    print::table(
        "A token that is there, two threads",
        &["what", "calls per second in all", "of the floor's, in turns"],
    );
    let turns = two.middle();
    for (name, _) in &two.rates {
        let (rate, ratio) = turns[name];
        print::row(&[(*name).to_owned(), format!("{:.1} M", rate / 1e6), format!("{ratio:.2}")]);
    }
    Ok(())
}
