//! Arguments of `classic certs`.

use std::path::PathBuf;

use ::classic::certificate::Dialect;
use ::classic::certificate::issue::Bad;
use clap::Args;

/// Arguments of `classic certs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign classic certs certs\n  countersign classic certs certs --bad expired\n  countersign classic certs certs --cn bob.local --out bob\n\nThe first makes a CA, a server and a client in the folder `certs`; the second, in certs/bad-expired, a server and a client\nto see refused; the third one more certificate. What is there stays: only what is missing is made."
)]
pub struct CertsArguments {
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// How files are named and whom certificates name: cianr-pss, cianr-pkcs1 or cianr-line [default: as the folder is; a new one
    /// as cianr-pss]
    #[arg(long)]
    pub layout: Option<Dialect>,
    /// Make DIR/bad-KIND, right but for one thing: self-signed, expired, wrong-cn or other-ca
    #[arg(long, value_name = "KIND")]
    pub bad: Option<Bad>,
    /// The common name of a new CA
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Issue one more leaf with this common name
    #[arg(long, value_name = "NAME", requires = "out", conflicts_with_all = ["bad", "name", "layout"])]
    pub cn: Option<String>,
    /// File name of that leaf, without ending
    #[arg(long, value_name = "STEM", requires = "cn")]
    pub out: Option<String>,
    /// Read the passphrase of the CA's key from this file
    #[arg(long, value_name = "FILE", conflicts_with = "plain_keys")]
    pub key_password_file: Option<PathBuf>,
    /// Keep the CA's key without a passphrase
    #[arg(long)]
    pub plain_keys: bool,
}
