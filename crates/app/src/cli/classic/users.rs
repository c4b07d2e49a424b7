//! Arguments of `classic init-users`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use ::classic::users::mysql::Schema;
use clap::Args;

/// Arguments of `classic init-users`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign classic init-users mysql://scuser:scpass@localhost/securechat\n  countersign classic init-users mysql://root@localhost/chat --schema cianr-line\n\nWhoever lists processes sees a password in an argument: set the variable COUNTERSIGN_USERS_URL and give no URL.\nCharacters such as / ? # @ : % in the password are written %2F %3F %23 %40 %3A %25.\n\nWhat is there stays: only what is missing is made, and a table of another schema is refused."
)]
pub struct InitUsersArguments {
    /// The database: mysql://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(value_name = "URL", env = "COUNTERSIGN_USERS_URL", hide_env_values = true)]
    pub url: UsersUrl,
    /// Columns of the table: cianr-pss, cianr-pkcs1 or cianr-line
    #[arg(long, default_value = "cianr-pss")]
    pub schema: Schema,
}

/// A URL that may hold a password, so that it is not in `Debug`.
#[derive(Clone)]
pub struct UsersUrl(
    /// As typed.
    pub String,
);

impl fmt::Debug for UsersUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsersUrl(..)")
    }
}

impl FromStr for UsersUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    /// CL-73.
    #[test]
    fn a_url_of_users_is_not_in_what_is_logged_of_a_command_line() {
        for command in [["classic", "init-users"], ["user", "import"]] {
            let words = [&["countersign"], &command[..], &["mysql://u:topsecret@h/d"]].concat();
            let cli = Cli::try_parse_from(words).unwrap();
            assert!(!format!("{cli:?}").contains("topsecret"));
        }
    }
}
