//! A thousand tasks, and two threads, that all want a token which is not there: how many exchanges the endpoint sees.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::AccessTokenCredentials;
use object_store::gcp::GcpCredentialProvider;
use tokio::runtime::Runtime;
use yup_oauth2::authenticator::DefaultAuthenticator;

use crate::Failure;
use crate::endpoint::Endpoint;
use crate::party::Party;
use crate::print;
use crate::work::Work;

const TASKS: usize = 1000;
const RACES: usize = 20;
/// How long an exchange takes, in milliseconds.
const EXCHANGE: u64 = 100;

struct Crowd<'a> {
    endpoint: &'a Endpoint,
    work: &'a Work,
    runtime: Runtime,
}

impl Crowd<'_> {
    /// All the tasks at once: the exchanges, and the time until the last has a token.
    fn run<P: Party>(&self, party: Arc<P>) -> Result<(usize, Duration), Failure> {
        let start = Instant::now();
        self.runtime.block_on(async {
            let task = |_| {
                let party = party.clone();
                tokio::spawn(async move { party.token().await })
            };
            for task in (0..TASKS).map(task).collect::<Vec<_>>() {
                task.await??;
            }
            Ok::<_, Failure>(())
        })?;
        Ok((self.endpoint.take_exchanges(), start.elapsed()))
    }

    /// Nobody has had a token yet.
    fn empty<P: Party>(&self) -> Result<(usize, Duration), Failure> {
        self.endpoint.take_exchanges();
        let party = self.runtime.block_on(P::open(self.work))?;
        self.run(Arc::new(party))
    }

    /// The token that there was has expired.
    fn expired<P: Party>(&self) -> Result<(usize, Duration), Failure> {
        self.endpoint.set_lifetime(1);
        let party = self.runtime.block_on(async {
            let party = P::open(self.work).await?;
            party.token().await?;
            tokio::time::sleep(Duration::from_millis(1200)).await;
            Ok::<_, Failure>(party)
        })?;
        self.endpoint.set_lifetime(3599);
        self.endpoint.take_exchanges();
        self.run(Arc::new(party))
    }

    /// Two threads at the same moment, several times: the exchanges in all.
    fn race<P: Party>(&self) -> Result<usize, Failure> {
        self.endpoint.take_exchanges();
        for _ in 0..RACES {
            let party = self.runtime.block_on(P::open(self.work))?;
            let barrier = Barrier::new(2);
            let ask = || {
                barrier.wait();
                party.token_blocking(&self.runtime)
            };
            thread::scope(|scope| {
                let threads = [scope.spawn(ask), scope.spawn(ask)];
                threads.into_iter().try_for_each(|thread| thread.join().expect("no panic").map(drop))
            })?;
        }
        Ok(self.endpoint.take_exchanges())
    }

    fn print<P: Party>(&self) -> Result<(), Failure> {
        let (empty, expired, races) = (self.empty::<P>()?, self.expired::<P>()?, self.race::<P>()?);
        print::row(&[
            P::NAME.to_owned(),
            empty.0.to_string(),
            print::milliseconds(empty.1),
            expired.0.to_string(),
            print::milliseconds(expired.1),
            format!("{races} in {RACES}"),
        ]);
        Ok(())
    }
}

pub(crate) fn measure(directory: &Path) -> Result<(), Failure> {
    let endpoint = Endpoint::start()?;
    endpoint.set_delay(EXCHANGE);
    let work = Work::new(directory.join("tasks"), &endpoint.url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let crowd = Crowd { endpoint: &endpoint, work: &work, runtime };
    print::table(
        &format!("{TASKS} tasks at once, an exchange of {EXCHANGE} ms"),
        &["what", "empty: exchanges", "time", "expired: exchanges", "time", "two threads race: exchanges"],
    );
    crowd.print::<ee_auth::Credential>()?;
    crowd.print::<GcpCredentialProvider>()?;
    crowd.print::<AccessTokenCredentials>()?;
    crowd.print::<DefaultAuthenticator>()?;
    crowd.print::<gcp_auth::CustomServiceAccount>()
}
