//! The handle: starting, stopping, and changing what the services do.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::fault::FaultRule;
use crate::identity::{DEFAULT_SCOPES, OAuthClient, ServiceAccount, User, Workload};
use crate::keys;
use crate::record::Recorded;
use crate::routes::Service;
use crate::server;
use crate::services::sts;
use crate::world::{
    Account, AwsIdentity, Client, Consent, Grant, ProjectState, SubjectToken, World, random_digits,
    random_text,
};

/// How a sandbox is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0, the default, for any that is free.
    pub port: u16,
    /// The id of the Cloud project in which everything lives: `ee-auth-sandbox`.
    pub project: String,
    /// For how long an access token is valid: 3599 seconds, as Google says.
    pub token_lifetime: Duration,
    /// Faults from the start.
    pub faults: Vec<FaultRule>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            project: "ee-auth-sandbox".to_owned(),
            token_lifetime: Duration::from_secs(3599),
            faults: Vec::new(),
        }
    }
}

/// A loopback Google, which runs on a thread of its own until this is dropped.
///
/// There is one project, registered for Earth Engine; a service account `robot`, which is the machine's own as well; a
/// person, `ada@example.com`; an OAuth client, and Earth Engine's own, which earthengine-api ships. The person and the workload may act as the service account. See the
/// [crate's documentation](crate) for an example.
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Binds the port and starts to serve. No key is made before one is needed.
    ///
    /// # Errors
    /// Whatever binding the port or starting the thread fails with.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let address = listener.local_addr()?;
        let world = Arc::new(Mutex::new(World::new(format!("http://{address}"), options)));
        let (stop, stopped) = oneshot::channel();
        let serve = server::serve(listener, world.clone(), stopped)?;
        let thread = thread::Builder::new().name("ee-auth-sandbox".to_owned()).spawn(serve)?;
        Ok(Self { address, world, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: 127.0.0.1 and a port. This is what `GCE_METADATA_HOST` takes.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The endpoints by their names in `[endpoints]` of `ee-auth.toml`.
    pub fn endpoints(&self) -> Vec<(&'static str, String)> {
        let services = Service::ALL.into_iter().filter(|service| *service != Service::Elsewhere);
        services.map(|service| (service.name(), format!("{}{}", self.base_url(), service.path()))).collect()
    }

    /// The text of an `ee-auth.toml` that puts the sandbox in Google's place: the tables `[endpoints]` and
    /// `[security]`. What has no table of its own, such as `project`, is to be put before it.
    pub fn config_toml(&self) -> String {
        let mut text = "[endpoints]\n".to_owned();
        for (name, url) in self.endpoints() {
            let _ = writeln!(text, "{name} = \"{url}\"");
        }
        text + "\n[security]\ntoken_hosts = [\"127.0.0.1\"]\n"
    }

    /// The id of the project that is registered for Earth Engine.
    pub fn project_id(&self) -> String {
        self.world().project.clone()
    }

    /// Its number.
    pub fn project_number(&self) -> String {
        self.world().project_number.clone()
    }

    /// What becomes of calls that name this project, by its id or number. A project that was never mentioned is not
    /// found. The projects of Google's own SDK clients are there from the start, and cannot be used.
    pub fn set_project(&self, id_or_number: &str, state: ProjectState) {
        self.world().projects.insert(id_or_number.to_owned(), state);
    }

    /// The service account `robot`, with a key. The first call in a process makes the key, in some tenths of a second.
    pub fn service_account(&self) -> ServiceAccount {
        self.add_service_account("robot")
    }

    /// The service account of this name in the sandbox's project, made where there is none. It has one key, known by
    /// one id until its [keys are deleted](Self::delete_keys).
    pub fn add_service_account(&self, name: &str) -> ServiceAccount {
        let (email, number) = {
            let mut world = self.world();
            let email = format!("{name}@{}.iam.gserviceaccount.com", world.project);
            let existing = world.service_accounts.len();
            let account =
                world.service_accounts.entry(email.clone()).or_insert_with(|| Account::new(existing));
            (email, account.number)
        };
        // Making a key takes long: the services go on meanwhile.
        let key = keys::key(number);
        let mut world = self.world();
        let (project, base) = (world.project.clone(), world.base.clone());
        let account = world.service_accounts.entry(email.clone()).or_insert_with(|| Account::new(number));
        if account.keys.is_empty() {
            account.keys.push((key_id(), key));
        }
        let (key_id, key) = account.keys[0].clone();
        let unique_id = account.unique_id.clone();
        world.known.insert(key_id.clone());
        ServiceAccount { email, project, unique_id, key_id, key, base }
    }

    /// Deletes a service account: its assertions are refused with "account not found", its tokens stay valid.
    pub fn delete_service_account(&self, email: &str) {
        self.world().service_accounts.remove(email);
    }

    /// Deletes the keys of a service account: its assertions are refused with "Invalid JWT Signature."
    pub fn delete_keys(&self, email: &str) {
        if let Some(account) = self.world().service_accounts.get_mut(email) {
            account.keys.clear();
        }
    }

    /// Lets a service account act for a person (domain-wide delegation).
    pub fn allow_delegation(&self, service_account: &str, person: &str) {
        self.world().delegations.insert((service_account.to_owned(), person.to_owned()));
    }

    /// Lets a principal get tokens for a service account: the role `iam.serviceAccountTokenCreator`.
    pub fn allow_impersonation(&self, principal: &str, service_account: &str) {
        self.world().impersonators.insert((principal.to_owned(), service_account.to_owned()));
    }

    /// The service account that the metadata server answers for; `None` for a machine that has none.
    pub fn set_machine_account(&self, email: Option<&str>) {
        self.world().machine = email.map(str::to_owned);
    }

    /// The OAuth client that is there from the start, which the notebook authenticator hands out.
    pub fn client(&self) -> OAuthClient {
        self.world().notebook_client.clone()
    }

    /// Makes a client known, for example one whose id and secret a program has built in.
    pub fn add_client(&self, id: &str, secret: &str) -> OAuthClient {
        let mut world = self.world();
        world.known.insert(secret.to_owned());
        world.clients.insert(id.to_owned(), Client { secret: secret.to_owned(), deleted: false });
        let (project, base) = (world.project.clone(), world.base.clone());
        OAuthClient { id: id.to_owned(), secret: secret.to_owned(), project, base }
    }

    /// Deletes a client: `deleted_client` from now on.
    pub fn delete_client(&self, client: &OAuthClient) {
        if let Some(client) = self.world().clients.get_mut(&client.id) {
            client.deleted = true;
        }
    }

    /// Ada, freshly logged in: a new refresh token for the sandbox's client and the four usual scopes.
    pub fn user(&self) -> User {
        self.add_user("ada@example.com", &self.client(), &DEFAULT_SCOPES)
    }

    /// A person who granted these scopes to this client. Scopes are full addresses, as on the wire.
    pub fn add_user(&self, email: &str, client: &OAuthClient, scopes: &[&str]) -> User {
        let mut world = self.world();
        if !world.people.iter().any(|person| person == email) {
            world.people.push(email.to_owned());
        }
        let scopes: Vec<_> = scopes.iter().copied().map(str::to_owned).collect();
        let (person, client_id) = (email.to_owned(), client.id.clone());
        let grant = Grant { person, client_id, scopes: scopes.clone(), revoked: false };
        let refresh_token = world.issue_refresh_token(grant);
        let (project, base) = (world.project.clone(), world.base.clone());
        User { email: email.to_owned(), client: client.clone(), refresh_token, scopes, project, base }
    }

    /// Revokes a refresh token, as the person would on Google's account page.
    pub fn revoke(&self, refresh_token: &str) {
        if let Some(grant) = self.world().grants.get_mut(refresh_token) {
            grant.revoked = true;
        }
    }

    /// An access token of Ada's with the four usual scopes.
    pub fn access_token(&self) -> String {
        let user = self.user();
        self.access_token_for(&user, &DEFAULT_SCOPES)
    }

    /// An access token under a person's login, with these scopes.
    pub fn access_token_for(&self, user: &User, scopes: &[&str]) -> String {
        let mut world = self.world();
        let grant = Grant {
            person: user.email.clone(),
            client_id: user.client.id.clone(),
            scopes: user.scopes.clone(),
            revoked: false,
        };
        world.issue_under(&grant, &user.refresh_token, scopes.iter().copied().map(str::to_owned).collect())
    }

    /// A workload outside Google, with a new subject token. Its first call in a process makes a key.
    pub fn workload(&self) -> Workload {
        let mut world = self.world();
        let subject_token = sts::issue_subject_token(&mut world);
        let (audience, principal) = world.workload_identity();
        let (request_token, base) = (world.workload_request_token.clone(), world.base.clone());
        Workload { audience, principal, subject_token, request_token, base }
    }

    /// Makes the STS take this token of any kind, exactly as it stands, for `principal`. A JWT that says when it
    /// expires is refused thereafter. For AWS's signed requests, which differ at each use, see
    /// [`add_aws_identity`](Self::add_aws_identity).
    pub fn add_subject_token(&self, audience: &str, token_type: &str, token: &str, principal: &str) {
        let mut world = self.world();
        world.known.insert(token.to_owned());
        world.subject_tokens.push(SubjectToken {
            audience: audience.to_owned(),
            token_type: token_type.to_owned(),
            token: token.to_owned(),
            principal: principal.to_owned(),
        });
    }

    /// Makes the STS take AWS's signed requests (`GetCallerIdentity`) that were made with this access key, for `principal`.
    /// The signature is checked, and that the request is new and meant for `audience`.
    pub fn add_aws_identity(
        &self,
        audience: &str,
        access_key_id: &str,
        secret_access_key: &str,
        principal: &str,
    ) {
        self.world().aws_identities.push(AwsIdentity {
            audience: audience.to_owned(),
            key_id: access_key_id.to_owned(),
            secret_key: secret_access_key.to_owned(),
            principal: principal.to_owned(),
        });
    }

    /// Whether the refresh tokens of workforce logins are replaced at each use. They are not, unless this is set.
    pub fn set_refresh_token_rotation(&self, rotate: bool) {
        self.world().rotate_refresh_tokens = rotate;
    }

    /// What the person answers when asked for consent.
    pub fn set_consent(&self, consent: Consent) {
        self.world().consent = consent;
    }

    /// For how long access tokens are valid that are handed out from now on, in whole seconds.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.world().token_lifetime = seconds(lifetime);
    }

    /// Puts the sandbox's clock ahead of the machine's by so many seconds, or behind it. Tokens expire by it,
    /// assertions are judged by it, and the `Date` of answers shows it.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.world().clock_offset = seconds;
    }

    /// Adds a fault. Where several fit, the first that is not used up happens.
    pub fn fail(&self, rule: FaultRule) {
        self.world().rules.push(rule);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.world().rules.clear();
    }

    /// The requests that came so far, the last 10,000 of them.
    pub fn requests(&self) -> Vec<Recorded> {
        self.world().requests.iter().cloned().collect()
    }

    /// Forgets the requests that came so far.
    pub fn clear_requests(&self) {
        self.world().requests.clear();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The projects of Google's own SDK clients, whose numbers stand in the client ids of careless files.
const SDK_PROJECTS: [&str; 6] =
    ["764086051850", "618104708054", "32555940559", "522309567947", "1014160490159", "1057398310658"];
/// The project of Earth Engine's own client.
const EARTH_ENGINE_CLIENT_PROJECT: &str = "517222506229";
/// Earth Engine's own client, of which Google knows as everybody does: it is part of earthengine-api (`oauth.py`).
const EARTH_ENGINE_CLIENT: (&str, &str) =
    ("517222506229-vsmmajv00ul0bs7p89v5m89qs8eb9359.apps.googleusercontent.com", "RUP0RZ6e0pPhDzsqIJ7KlNd1");

impl World {
    fn new(base: String, options: Options) -> Self {
        let (project, project_number) = (options.project, random_digits(12));
        let robot = format!("robot@{project}.iam.gserviceaccount.com");
        let mut projects: HashMap<_, _> =
            SDK_PROJECTS.map(|number| (number.to_owned(), ProjectState::ApiDisabled)).into();
        projects.insert(EARTH_ENGINE_CLIENT_PROJECT.to_owned(), ProjectState::NoPermission);
        projects.insert(project.clone(), ProjectState::Ready);
        projects.insert(project_number.clone(), ProjectState::Ready);

        let notebook_client = OAuthClient {
            id: format!(
                "{project_number}-{}.apps.googleusercontent.com",
                random_text(24).to_ascii_lowercase()
            ),
            secret: format!("GOCSPX-{}", random_text(21)),
            project: project.clone(),
            base: base.clone(),
        };
        let client = Client { secret: notebook_client.secret.clone(), deleted: false };
        let workload_request_token = random_text(24);
        let (id, secret) = EARTH_ENGINE_CLIENT;
        let earth_engine_client = Client { secret: secret.to_owned(), deleted: false };
        let known = HashSet::from([client.secret.clone(), secret.to_owned(), workload_request_token.clone()]);
        let mut world = Self {
            base,
            clock_offset: 0,
            token_lifetime: seconds(options.token_lifetime),
            consent: Consent::Grant,
            rotate_refresh_tokens: false,
            project,
            project_number,
            projects,
            service_accounts: HashMap::from([(robot.clone(), Account::new(0))]),
            machine: Some(robot.clone()),
            people: vec!["ada@example.com".to_owned()],
            clients: HashMap::from([
                (notebook_client.id.clone(), client),
                (id.to_owned(), earth_engine_client),
            ]),
            notebook_client,
            impersonators: HashSet::new(),
            delegations: HashSet::new(),
            grants: HashMap::new(),
            access_tokens: HashMap::new(),
            codes: HashMap::new(),
            notebook_requests: HashMap::new(),
            subject_tokens: Vec::new(),
            aws_identities: Vec::new(),
            workload_request_token,
            known,
            rules: options.faults,
            requests: VecDeque::new(),
            google_key_id: key_id(),
        };
        let (_, workload) = world.workload_identity();
        let callers = ["ada@example.com".to_owned(), workload];
        world.impersonators = callers.map(|caller| (caller, robot.clone())).into();
        world
    }
}

impl Account {
    /// `existing` accounts there are already: this one gets the next key.
    fn new(existing: usize) -> Self {
        Self { unique_id: random_digits(21), number: keys::GOOGLE + 1 + existing, keys: Vec::new() }
    }
}

/// Key ids are 40 hexadecimal digits.
fn key_id() -> String {
    (0..4).map(|_| random_digits(10)).collect()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
