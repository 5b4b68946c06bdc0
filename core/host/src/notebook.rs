use std::fmt;
use std::io::{self, BufRead, BufReader, Stdin, Stdout, Write};
use std::sync::{Arc, Mutex, PoisonError};

use ee_auth_core::host::{BoxFuture, Person, Presence};
use ee_auth_core::{Secret, visible_lines};
use url::Url;
use zeroize::Zeroizing;

use crate::tasks;

/// Whoever sits in front of a Rust notebook: Jupyter with the kernel [evcxr](https://github.com/evcxr/evcxr).
///
/// ```no_run
/// use std::sync::Arc;
/// let host = ee_auth_host::system_with_person(Arc::new(ee_auth_host::Notebook::new()));
/// ```
///
/// The kernel runs cells in a process of its own and reads what they print, line by line. A line that begins with
/// `EVCXR_INPUT_REQUEST:` makes it ask the person and write the answer to that process's standard input; one with
/// `EVCXR_INPUT_REQUEST_PASSWORD:` does so without showing what is typed. Other lines are
/// shown as they come, and notebooks make links of the addresses in them. HTML (`EVCXR_BEGIN_CONTENT text/html`) is not
/// used: the kernel shows it when the cell has ended, and a login is waiting before that.
///
/// The browser is the one that shows the notebook. It may be on any machine, and opens pages when its person wants it to.
pub struct Notebook<R = BufReader<Stdin>, W = Stdout> {
    input: Arc<Mutex<R>>,
    output: Mutex<W>,
}

impl Notebook {
    /// The person of the notebook that runs this process.
    pub fn new() -> Self {
        // It takes no byte more than the answer: what follows is the kernel's.
        Self::with_streams(BufReader::with_capacity(1, io::stdin()), io::stdout())
    }
}

impl Default for Notebook {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, W: Write> Notebook<R, W> {
    /// The person of a kernel that reads `output` and writes `input`.
    pub fn with_streams(input: R, output: W) -> Self {
        Self { input: Arc::new(Mutex::new(input)), output: Mutex::new(output) }
    }

    /// Nothing can be done for somebody whose notebook is gone.
    fn write(&self, text: &str) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }
}

impl<R, W> fmt::Debug for Notebook<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notebook")
    }
}

impl<R: BufRead + Send + 'static, W: Write + Send> Person for Notebook<R, W> {
    fn presence(&self) -> Presence {
        Presence::Answering
    }

    fn tell(&self, message: &str) {
        self.write(&format!("{}\n", plain(message)));
    }

    /// Dropping the future leaves the question in the notebook; its answer is thrown away.
    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        self.request("EVCXR_INPUT_REQUEST", question)
    }

    /// As [`Person::ask`], in a field for passwords.
    fn ask_secret(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        self.request("EVCXR_INPUT_REQUEST_PASSWORD", question)
    }

    fn has_browser(&self) -> bool {
        false
    }

    fn browse(&self, _address: &Url) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::NotFound, "the notebook's browser opens no pages by itself"))
    }
}

impl<R: BufRead + Send + 'static, W: Write> Notebook<R, W> {
    /// The answer to a question that the kernel asks at this word of its own.
    fn request(&self, word: &str, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        // The kernel takes what is behind the second colon for something else.
        let question = plain(question).replace('\n', " ");
        let prompt = match question.trim_end().trim_end_matches(':') {
            short if !short.contains(':') => short,
            _ => {
                self.write(&format!("{question}\n"));
                "Answer"
            }
        };
        self.write(&format!("{word}:{prompt}\n"));
        let input = self.input.clone();
        Box::pin(async move {
            tasks::run_blocking(move || {
                let mut line = Zeroizing::new(String::with_capacity(1 << 16));
                if input.lock().unwrap_or_else(PoisonError::into_inner).read_line(&mut line)? == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the notebook gave no answer"));
                }
                Ok(Secret::from(line.trim()))
            })
            .await?
        })
    }
}

/// Text that means nothing to the kernel, whose words begin with `EVCXR_`, or to a notebook that understands terminals.
fn plain(text: &str) -> String {
    visible_lines(text).replace("EVCXR_", "EVCXR-")
}
