//! Variables as a shell, or what stands in for one, reads them.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::str::FromStr;

use ee_auth_core::{Error, Outcome, quoted};

/// Something that reads settings of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// sh and its descendants: bash, zsh, dash, ksh.
    Sh,
    /// fish.
    Fish,
    /// PowerShell, both editions.
    Pwsh,
    /// A batch file for cmd.exe.
    Cmd,
    /// The file that `GITHUB_ENV` names in a step of GitHub Actions.
    GitHub,
    /// A `.env` file.
    Dotenv,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Sh, Self::Fish, Self::Pwsh, Self::Cmd, Self::GitHub, Self::Dotenv];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Fish => "fish",
            Self::Pwsh => "powershell",
            Self::Cmd => "cmd",
            Self::GitHub => "github",
            Self::Dotenv => "dotenv",
        }
    }

    /// The line that sets a variable.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] for a value that cannot be written there: one with a line break or another control character.
    pub fn set(self, name: &str, value: &str) -> Result<String, Error> {
        if value.chars().any(char::is_control) {
            return Err(Error::invalid(
                "value",
                format!("the value of {name} has a control character in it, which cannot be written for a shell"),
            )
            .hint("a project's id or a token has none; see where it comes from with `ee-auth config show --origin`"));
        }
        Ok(match self {
            Self::Sh => format!("export {name}='{}'", value.replace('\'', r"'\''")),
            Self::Fish => format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
            Self::Pwsh => format!("$env:{name} = '{}'", powershell(value)),
            Self::Cmd => format!("set \"{name}={}\"", value.replace('%', "%%")),
            Self::GitHub => format!("{name}={value}"),
            Self::Dotenv => format!("{name}={}", dotenv(value)),
        })
    }
}

/// PowerShell takes typographic quotes for quotes (its language specification, section 2.3.5.2).
fn powershell(value: &str) -> String {
    let quote = |c: char| matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}');
    value.chars().flat_map(|c| std::iter::repeat_n(c, if quote(c) { 2 } else { 1 })).collect()
}

/// Readers of `.env` files differ in what quotes mean, and Docker's knows none: so there are none where none is needed.
fn dotenv(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=:@,".contains(&b);
    if value.bytes().all(plain) {
        value.to_owned()
    } else if !value.contains('\'') {
        format!("'{value}'")
    } else {
        let escaped = value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$").replace('`', r"\`");
        format!("\"{escaped}\"")
    }
}

impl FromStr for Shell {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|shell| shell.name() == text).ok_or_else(|| {
            // What reads a command line shows no hint.
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(Outcome::Usage, "shell", format!("{} is none of {names}", quoted(text)))
        })
    }
}

/// Adds lines to the file that `GITHUB_ENV` names, from which GitHub Actions sets the variables of the steps to come. A line
/// of somebody else's that has no end gets one.
///
/// # Errors
/// The system's.
pub fn append_to_github_env(file: &Path, lines: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(file)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let end = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{end}{lines}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_needs_no_quotes_has_none_in_a_file() {
        assert_eq!(Shell::Dotenv.set("A", "ya29.a-b_c").unwrap(), "A=ya29.a-b_c".to_owned());
        assert_eq!(Shell::Dotenv.set("A", "a b").unwrap(), "A='a b'");
        assert_eq!(Shell::Dotenv.set("A", "it's $x").unwrap(), "A=\"it's \\$x\"");
        assert_eq!(Shell::GitHub.set("A", "a=b c").unwrap(), "A=a=b c");
    }

    #[test]
    fn quotes_are_doubled_where_that_is_how_they_are_written() {
        assert_eq!(Shell::Pwsh.set("A", "it's \u{2019}x").unwrap(), "$env:A = 'it''s \u{2019}\u{2019}x'");
        assert_eq!(Shell::Cmd.set("A", "100% &x").unwrap(), "set \"A=100%% &x\"");
    }

    #[test]
    fn no_value_can_set_another_variable() {
        for shell in Shell::ALL {
            assert_eq!(shell.set("A", "x\nPATH=/evil").unwrap_err().code(), "invalid.value");
            assert_eq!(shell.name().parse::<Shell>().unwrap(), shell);
        }
    }
}
