use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ee_auth_core::host::{BoxFuture, Command, Output, Person, ProcessError, Processes};
use zeroize::Zeroizing;

use crate::{Fake, lock};

type Script = Arc<Mutex<dyn FnMut(&Command) -> Result<Output, ProcessError> + Send>>;

#[derive(Default)]
pub(crate) struct State {
    programs: BTreeMap<String, PathBuf>,
    /// The runs to come, in order; then `script`.
    queue: VecDeque<Script>,
    script: Option<Script>,
    commands: Vec<Command>,
    pub(crate) faults: Vec<String>,
}

impl State {
    pub(crate) fn unused(&self) -> usize {
        self.queue.len()
    }
}

impl Fake {
    /// The same machine with a program on its `PATH`. What happens when it is run is said apart.
    #[must_use]
    pub fn with_program(self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        lock(&self.0.processes).programs.insert(name.into(), path.into());
        self
    }

    /// The same machine, on which the next program that is run and has no script yet leaves this behind.
    #[must_use]
    pub fn with_output(self, status: i32, stdout: impl Into<String>, stderr: impl Into<String>) -> Self {
        let (stdout, stderr) = (stdout.into(), stderr.into());
        self.with_run(move |_| {
            Ok(Output {
                status: Some(status),
                stdout: Zeroizing::new(stdout.clone().into_bytes()),
                stderr: stderr.clone(),
            })
        })
    }

    /// The same machine, on which `run` stands for the next program that is run and has no script yet.
    #[must_use]
    pub fn with_run<F>(self, run: F) -> Self
    where
        F: FnMut(&Command) -> Result<Output, ProcessError> + Send + 'static,
    {
        lock(&self.0.processes).queue.push_back(Arc::new(Mutex::new(run)));
        self
    }

    /// The same machine, on which `run` stands for every program that has no other script.
    #[must_use]
    pub fn with_processes<F>(self, run: F) -> Self
    where
        F: FnMut(&Command) -> Result<Output, ProcessError> + Send + 'static,
    {
        lock(&self.0.processes).script = Some(Arc::new(Mutex::new(run)));
        self
    }

    /// Notes what the test must fail for, and makes the error that stands in for the missing run.
    pub(crate) fn process_fault(&self, message: String) -> ProcessError {
        lock(&self.0.processes).faults.push(message.clone());
        ProcessError::Start(message)
    }

    /// The commands that were run, in order.
    pub fn commands(&self) -> Vec<Command> {
        lock(&self.0.processes).commands.clone()
    }
}

impl Processes for Fake {
    fn find(&self, name: &str) -> Option<PathBuf> {
        lock(&self.0.processes).programs.get(name).cloned()
    }

    fn run(&self, command: Command) -> BoxFuture<'static, Result<Output, ProcessError>> {
        let fake = self.clone();
        Box::pin(async move {
            let script = {
                let mut state = lock(&fake.0.processes);
                state.commands.push(command.clone());
                state.queue.pop_front().or_else(|| state.script.clone())
            };
            // No lock but the script's own is held here, so that it may ask the fake about itself.
            let Some(script) = script else {
                return Err(
                    fake.process_fault(format!("the fake has no script for {}", command.program.display()))
                );
            };
            let mut run = lock(&script);
            run(&command)
        })
    }

    /// What the script leaves behind on its streams is told to the person.
    fn run_with_person(&self, command: Command) -> BoxFuture<'static, Result<Option<i32>, ProcessError>> {
        let (fake, output) = (self.clone(), self.run(command));
        Box::pin(async move {
            let output = output.await?;
            fake.tell(&String::from_utf8_lossy(&output.stdout));
            fake.tell(&output.stderr);
            Ok(output.status)
        })
    }
}
