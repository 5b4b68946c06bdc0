use std::pin::pin;
use std::time::Duration;

use ee_auth_core::host::{Command, Conversation, Output, ProcessError, Reply};
use ee_auth_core::{ExposeSecret, Secret};
use futures_util::future::{self, Either};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::buffer::{Buffer, Full};
use crate::processes::{AFTERMATH, LAST_RITES, Trouble, collect, feed, io_error, start};

/// How often is looked whether a program has ended that has left its output open to others.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// See [`Processes::converse`](ee_auth_core::host::Processes::converse).
pub(crate) async fn converse(
    mut command: Command,
    with: Option<Box<dyn Conversation>>,
) -> Result<Output, ProcessError> {
    let limit = command.output_limit;
    let (mut child, mut group) = start(&command)?;
    let mut stdout = Buffer::new(0, limit);
    let mut stderr = Buffer::new(0, limit);
    let ended = {
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let request = command.input.take();
        let talk = async {
            let spoken = async {
                match with {
                    Some(with) => speak(input, request, out, with, &mut stdout, limit).await,
                    None => future::join(feed(input, request), collect(out, &mut stdout, true)).await.1,
                }
            };
            future::try_join(spoken, collect(err, &mut stderr, false)).await
        };
        let mut talk = pin!(talk);
        let run = async {
            match future::select(pin!(has_ended(&mut child)), talk.as_mut()).await {
                Either::Left(_) => Ok(false),
                Either::Right((said, waiting)) => {
                    said?;
                    waiting.await;
                    Ok(true)
                }
            }
        };
        let ended = match timeout(command.timeout, run).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(trouble)) => Err(Trouble::into_error(trouble, limit)),
            Err(_) => Err(ProcessError::Timeout(command.timeout)),
        };
        // Whatever it has left behind goes with it: it has not been waited for, so its number is still its own.
        group.kill();
        match ended {
            Ok(false) => match timeout(AFTERMATH, talk).await {
                Ok(said) => said.map(drop).map_err(|trouble| trouble.into_error(limit)),
                Err(_) => Ok(()),
            },
            ended => ended.map(drop),
        }
    };
    let status = timeout(LAST_RITES, child.wait()).await;
    ended?;
    Ok(Output {
        status: status.ok().transpose().map_err(io_error)?.and_then(|status| status.code()),
        stdout: stdout.into_bytes(),
        stderr: String::from_utf8_lossy(&stderr.into_bytes()).into_owned(),
    })
}

/// Replies to each line, until there is no more to reply; the rest is the output.
async fn speak(
    mut input: Option<ChildStdin>,
    request: Option<Secret>,
    output: Option<ChildStdout>,
    mut with: Box<dyn Conversation>,
    stdout: &mut Buffer,
    limit: usize,
) -> Result<(), Trouble> {
    let Some(output) = output else { return Ok(()) };
    let mut output = BufReader::new(output);
    tell(&mut input, request.as_ref()).await;
    while let Some(line) = next_line(&mut output, limit).await? {
        match with.line(&line).await {
            Reply::Line(reply) => tell(&mut input, Some(&reply)).await,
            Reply::Last => {
                // It fits: a line is no longer than the limit. What follows is another matter.
                let _ = stdout.push(&line);
                let _ = stdout.push(b"\n");
                break;
            }
        }
    }
    drop(input);
    collect(Some(output), stdout, true).await
}

/// Writes a line. A program that does not read it is free not to.
async fn tell(to: &mut Option<ChildStdin>, line: Option<&Secret>) {
    if let (Some(to), Some(line)) = (to, line) {
        let line = Zeroizing::new(format!("{}\n", line.expose_secret()));
        let _ = to.write_all(line.as_bytes()).await;
    }
}

/// The next line without its end; `None` at the end of the output. What the program writes after the last line break is a
/// line, too.
async fn next_line(
    from: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    let mut line = Buffer::new(0, limit);
    let mut is_empty = true;
    loop {
        let chunk = from.fill_buf().await.map_err(Trouble::Io)?;
        if chunk.is_empty() {
            return Ok((!is_empty).then(|| line.into_bytes()));
        }
        is_empty = false;
        let begun = chunk.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let (taken, has_end) = (begun.len(), begun.len() < chunk.len());
        if line.push(begun) == Err(Full) {
            return Err(Trouble::TooMuch);
        }
        from.consume(taken + usize::from(has_end));
        if has_end {
            return Ok(Some(line.into_bytes()));
        }
    }
}

/// Waits until a program has ended, and leaves it to be waited for.
#[cfg(unix)]
async fn has_ended(child: &mut Child) {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let Some(id) = child.id().and_then(|id| Pid::from_raw(id as i32)) else { return };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let mut pause = Duration::from_millis(1);
    while let Ok(None) = waitid(WaitId::Pid(id), look) {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_EVERY);
    }
}

#[cfg(windows)]
async fn has_ended(child: &mut Child) {
    // Its handle is open, so that its number stays its own.
    let _ = child.wait().await;
}
