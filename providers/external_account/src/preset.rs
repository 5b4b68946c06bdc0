//! Where each platform keeps the token of a workload.

use std::path::{Path, PathBuf};

use ee_auth_core::host::{FileReadError, MAX_CREDENTIAL_FILE};
use ee_auth_core::{Error, ExposeSecret, Look, Saw, Search, Secret, quoted};
use ee_auth_google::external_account::subject_token::{
    Address, Aws, File, Format, SubjectToken, UrlSource, Variable,
};
use url::Url;

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const AWS_REQUEST: &str = "urn:ietf:params:aws:token-type:aws4_request";

const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const GITHUB_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// The name that GitLab's guide gives to the token (`id_tokens` in `.gitlab-ci.yml`).
const GITLAB_TOKEN: &str = "GITLAB_OIDC_TOKEN";

/// Where Google's guide to federation from Kubernetes mounts the token that is made for Google, and where every pod has the
/// token of its service account, whose audience a provider can be told to allow.
const KUBERNETES_FILES: [&str; 2] =
    ["/var/run/service-account/token", "/var/run/secrets/kubernetes.io/serviceaccount/token"];

/// Where Linux says whose machine it is: `Amazon EC2` on Nitro instances, `4.11.amazon` on older ones.
const EC2_FILES: [&str; 2] = ["/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/bios_version"];

/// A platform that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    Github,
    Gitlab,
    Kubernetes,
    Aws,
}

impl Preset {
    pub(crate) fn named(name: &str, place: &str) -> Result<Self, Error> {
        match name {
            "github" => Ok(Self::Github),
            "gitlab" => Ok(Self::Gitlab),
            "kubernetes" => Ok(Self::Kubernetes),
            "aws" => Ok(Self::Aws),
            other => Err(Error::invalid("preset", format!("{place}: there is no preset {}", quoted(other)))
                .hint("the presets are github, gitlab, kubernetes and aws; elsewhere use `token_file` or `token_variable`")),
        }
    }
}

/// What is not there, and what would bring it.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) reason: String,
    pub(crate) hint: String,
}

impl Missing {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: hint.into() }
    }
}

/// Where the token is, as the options say.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) preset: Option<Preset>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) variable: Option<String>,
    pub(crate) format: Format,
    pub(crate) token_type: Option<&'static str>,
    pub(crate) token_audience: Option<String>,
}

impl Source {
    /// What the token is: RFC 8693, section 3.
    pub(crate) fn token_type(&self) -> &'static str {
        match (self.token_type, self.preset) {
            (Some(named), _) => named,
            (None, Some(Preset::Aws)) => AWS_REQUEST,
            (None, _) => JWT,
        }
    }

    /// Where the token is on this machine, or why it is not there.
    pub(crate) fn look(
        &self,
        audience: &str,
        place: &str,
        search: &Search,
    ) -> Result<Result<SubjectToken, Missing>, Error> {
        if let Some(path) = &self.file {
            let file = File::new(path, self.format.clone(), &format!("{place}, `token_file`"), search)?;
            return Ok(Ok(file.into()));
        }
        match (self.preset, &self.variable) {
            (Some(Preset::Gitlab), named) => {
                gitlab(named.as_deref().unwrap_or(GITLAB_TOKEN), audience, search)
            }
            (_, Some(name)) => variable(name, &format!("set {name} to the workload's token"), search),
            (Some(Preset::Github), None) => {
                let asked = self.token_audience.clone().unwrap_or_else(|| format!("https:{audience}"));
                github(&asked, place, search)
            }
            (Some(Preset::Kubernetes), None) => kubernetes(place, search),
            (Some(Preset::Aws), None) => aws(audience, place, search),
            (None, None) => Err(Error::internal("a source that says nothing")),
        }
    }
}

/// The job's server for tokens, which is asked for one with the audience that the provider expects.
fn github(audience: &str, place: &str, search: &Search) -> Result<Result<SubjectToken, Missing>, Error> {
    let (url, token) = (search.variable(GITHUB_URL)?, search.secret_variable(GITHUB_TOKEN)?);
    let (Some(url), Some(token)) = (url, token) else {
        let hint = "in the workflow, give the job `permissions: id-token: write`; a pull request from a fork never has it";
        return Ok(Err(Missing::new(
            format!(
                "{GITHUB_URL} and {GITHUB_TOKEN} are not set: this is no job of GitHub Actions, or one without tokens"
            ),
            hint,
        )));
    };
    let mut url = Url::parse(&url).map_err(|_| {
        Error::invalid("url", format!("{GITHUB_URL} is not the address of a server"))
            .hint("GitHub's runner sets it; leave it as it is")
    })?;
    url.query_pairs_mut().append_pair("audience", audience);
    let address = Address::new(url.as_str(), GITHUB_URL)?;
    let bearer = Secret::from(format!("Bearer {}", token.expose_secret().trim()));
    let headers = vec![("authorization".to_owned(), bearer)];
    let format = Format::Json { field: "value".to_owned() };
    Ok(Ok(UrlSource::new(address, headers, format, place).into()))
}

fn gitlab(name: &str, audience: &str, search: &Search) -> Result<Result<SubjectToken, Missing>, Error> {
    let hint =
        format!("in .gitlab-ci.yml, give the job `id_tokens: {{ {name}: {{ aud: \"https:{audience}\" }} }}`");
    variable(name, &hint, search)
}

fn variable(name: &str, hint: &str, search: &Search) -> Result<Result<SubjectToken, Missing>, Error> {
    Ok(match search.secret_variable(name)? {
        Some(token) => Ok(Variable::new(name, &token).into()),
        None => Err(Missing::new(format!("{name} is not set"), hint)),
    })
}

/// The first of the pod's files that is there.
fn kubernetes(place: &str, search: &Search) -> Result<Result<SubjectToken, Missing>, Error> {
    for path in KUBERNETES_FILES.map(Path::new) {
        match search.host().files.read(path, MAX_CREDENTIAL_FILE) {
            Err(FileReadError::NotFound) => search.looked_at(Look::File(path.to_owned(), Saw::Missing)),
            _ => return Ok(Ok(File::new(path, Format::Text, place, search)?.into())),
        }
    }
    Ok(Err(Missing::new(
        format!("there is no token of a Kubernetes service account in {}", KUBERNETES_FILES.join(" or ")),
        "mount one in the pod (`serviceAccountToken` in a projected volume), and name it with `token_file` where it is \
         elsewhere",
    )))
}

/// The keys in the variables, or of the machine's role. No laptop waits for a metadata server: the machine has to say that
/// it is Amazon's.
fn aws(audience: &str, place: &str, search: &Search) -> Result<Result<SubjectToken, Missing>, Error> {
    let keys = search.variable("AWS_ACCESS_KEY_ID")?.is_some()
        && search.secret_variable("AWS_SECRET_ACCESS_KEY")?.is_some();
    let is_ec2 = || EC2_FILES.iter().any(|path| is_amazons(Path::new(path), search));
    match Aws::lacking(&*search.host().environment) {
        Some(lacking) if lacking.is_certain => return Err(lacking.into_error()),
        Some(lacking) if !is_ec2() => {
            return if keys {
                Err(lacking.into_error())
            } else {
                Ok(Err(Missing::new(lacking.what, lacking.help)))
            };
        }
        None if !keys && !is_ec2() => {}
        _ => return Ok(Ok(Aws::usual(audience, place, search)?.into())),
    }
    Ok(Err(Missing::new(
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and this is no EC2 instance",
        "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for temporary keys, AWS_SESSION_TOKEN: `eval $(aws configure export-credentials --format env)`",
    )))
}

fn is_amazons(path: &Path, search: &Search) -> bool {
    let Ok(read) = search.read(path) else { return false };
    String::from_utf8_lossy(&read.bytes).to_ascii_lowercase().contains("amazon")
}
