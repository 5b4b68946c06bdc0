use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use ee_auth_core::Secret;
use ee_auth_core::host::{BoxFuture, Person};
use zeroize::Zeroizing;

use crate::tasks;

#[cfg(unix)]
const TERMINAL: &str = "/dev/tty";
#[cfg(windows)]
const TERMINAL: &str = "CONIN$";

/// Whoever sits at the terminal. What is said goes to standard error, since standard output carries data.
pub(crate) struct Terminal;

impl Person for Terminal {
    fn is_present(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn tell(&self, message: &str) {
        if self.is_present() {
            say(message, "\n");
        }
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        let present = self.is_present();
        let question = question.to_owned();
        Box::pin(async move {
            if !present {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there is no terminal to ask at"));
            }
            tasks::run_blocking(move || {
                say(&question, " ");
                // The terminal itself: standard input may hold lines for somebody else by the time of the answer.
                read_line(BufReader::new(File::open(TERMINAL)?))
            })
            .await?
        })
    }
}

/// Nothing can be done for somebody who closed their standard error.
fn say(message: &str, end: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{message}{end}").and_then(|()| stderr.flush());
}

fn read_line(mut from: impl BufRead) -> io::Result<Secret> {
    // Longer than the line of any terminal, so that it never grows and leaves a copy behind.
    let mut line = Zeroizing::new(String::with_capacity(1 << 16));
    if from.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there was no answer"));
    }
    Ok(Secret::from(line.trim()))
}

#[cfg(test)]
mod tests {
    use ee_auth_core::ExposeSecret;

    use super::*;

    #[test]
    fn an_answer_is_one_line_without_white_space() {
        assert_eq!(read_line(&b" 4/code \r\nmore"[..]).unwrap().expose_secret(), "4/code");
        assert_eq!(read_line(&b"no end"[..]).unwrap().expose_secret(), "no end");
        assert_eq!(read_line(&b"\n"[..]).unwrap().expose_secret(), "");
        assert_eq!(read_line(&b""[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
