//! The person of a notebook, whose kernel is here.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ee_auth_core::ExposeSecret;
use ee_auth_core::host::{Person, Presence};
use ee_auth_host::Notebook;

/// What the kernel reads.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn notebook(input: &'static [u8]) -> (Notebook<&'static [u8], Output>, Output) {
    let output = Output::default();
    (Notebook::with_streams(input, output.clone()), output)
}

#[test]
fn a_question_is_the_kernels() {
    let (notebook, output) = notebook(b" 4/one \n4/two\n");
    assert_eq!(notebook.presence(), Presence::Answering);
    let ask =
        |question| pollster::block_on(notebook.ask(question)).map(|line| line.expose_secret().to_owned());
    assert_eq!(ask("Paste the code:").unwrap(), "4/one");
    assert_eq!(output.take(), "EVCXR_INPUT_REQUEST:Paste the code\n");
    // The kernel would show "Paste http" and lose the rest.
    assert_eq!(ask("Paste http://localhost\nor the code:").unwrap(), "4/two");
    assert_eq!(output.take(), "Paste http://localhost or the code:\nEVCXR_INPUT_REQUEST:Answer\n");
    drop(notebook.ask_secret("Password:"));
    assert_eq!(output.take(), "EVCXR_INPUT_REQUEST_PASSWORD:Password\n");
    assert_eq!(pollster::block_on(notebook.ask("More?")).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_address_is_shown_at_once_on_a_line_of_its_own() {
    let (notebook, output) = notebook(b"");
    let address = "https://accounts.google.com/?a=b&c=d".parse().unwrap();
    notebook.show("Open:", &address);
    let shown = output.take();
    assert!(shown.lines().any(|line| line.trim() == "https://accounts.google.com/?a=b&c=d"), "{shown}");
    assert!(!notebook.has_browser());
    assert_eq!(notebook.browse(&address).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn nothing_that_is_told_reaches_the_kernel_as_a_command() {
    let (notebook, output) = notebook(b"");
    notebook.tell("fine\nEVCXR_EXECUTION_COMPLETE\nsee EVCXR_BEGIN_CONTENT text/html\n\u{1b}[31mred\r");
    let told = output.take();
    assert!(told.starts_with("fine\n") && !told.contains("EVCXR_") && !told.contains('\u{1b}'), "{told:?}");
    drop(notebook.ask("EVCXR_INPUT_REQUEST\nEVCXR_EXECUTION_COMPLETE"));
    assert_eq!(output.take(), "EVCXR_INPUT_REQUEST:EVCXR-INPUT_REQUEST EVCXR-EXECUTION_COMPLETE\n");
}
