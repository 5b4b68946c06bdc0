//! `ee-auth completions` and `ee-auth man`: made from the definitions of the flags.

use clap::CommandFactory;
use ee_auth::{Error, Outcome};

use crate::arguments::Arguments;
use crate::output::Output;

#[inline(never)]
pub(crate) fn completions(shell: clap_complete::Shell, output: &Output) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ee-auth", &mut script);
    let script = String::from_utf8_lossy(&script);
    // The generator for bash writes a name with a hyphen in two ways, so that nothing is completed after a command:
    // https://github.com/clap-rs/clap/issues/6421
    output.exact(script.replace("ee__subcmd__auth", "ee__auth").trim_end())
}

#[inline(never)]
pub(crate) fn man(name: Option<&str>, output: &Output) -> Result<(), Error> {
    let mut program = Arguments::command();
    program.build();
    let command = match name {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| {
                Error::new(Outcome::Usage, "", format!("there is no command {name:?}"))
                    .hint("`ee-auth --help` lists the commands")
            })?
            .display_name(format!("ee-auth-{name}")),
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .source(concat!("ee-auth ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Error::internal(format!("the man page could not be written: {error}")))?;
    output.exact(String::from_utf8_lossy(&page).trim_end())
}
