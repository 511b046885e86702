//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use h8lio_model::ids::{FleetName, OperatorName};

use crate::init::Init;

/// The coordinator of h8lio: admits servers, decides what each may do, and watches over them.
#[derive(Debug, Parser)]
#[command(name = "h8lio-coordinator", version)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Cli {
    /// Checks the configuration and exits; as check-config.
    #[arg(long, requires = "config")]
    pub check_config: bool,
    /// The configuration for --check-config.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// What was asked for; `None` when nothing was.
    pub fn asked(self) -> Option<Command> {
        match (self.command, self.config) {
            (None, Some(config)) if self.check_config => {
                Some(Command::CheckConfig(ConfigArgs { config }))
            }
            (command, _) => command,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sets up a fleet: certificate authority, configuration, first operator.
    Init(InitArgs),
    /// Runs the coordinator until SIGTERM; SIGHUP reads the certificate authority again.
    Run(ConfigArgs),
    /// Checks a configuration and says what is wrong with it.
    CheckConfig(ConfigArgs),
    /// Works on the certificate authority.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Works on operators, on the coordinator's own machine.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Copies the store into a file, whether the coordinator runs or not.
    Backup(BackupArgs),
    /// Puts a copy of the store back, while the coordinator is stopped.
    ///
    /// What was there is kept beside it. The coordinator then starts frozen: join tokens are void, bans
    /// given since the copy are in force, and nothing is decided until an admin accepts the loss
    /// (`h8lctl backup recovery`, `h8lctl backup accept`).
    Restore(RestoreArgs),
    /// Prints the version.
    Version,
    /// Writes the manual pages.
    #[command(hide = true)]
    Man(ManArgs),
    /// Prints a completion script.
    #[command(hide = true)]
    Completion(CompletionArgs),
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder to make; may exist if it is empty.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Name of the fleet; cannot be changed later.
    #[arg(long, value_name = "NAME")]
    pub fleet: FleetName,
    /// Address to listen on.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Address as servers and operators reach this coordinator; may be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Vec<String>,
    /// This coordinator's name.
    #[arg(long, value_name = "NAME", default_value = "c1")]
    pub name: OperatorName,
    /// Where Prometheus may ask, or off; 127.0.0.1:9464 when not given.
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<String>,
    /// Name of the first operator, who gets the role admin.
    #[arg(long, value_name = "NAME")]
    pub operator: OperatorName,
    /// Where to write the first operator's context file, which holds a private key.
    #[arg(long, value_name = "FILE")]
    pub context_out: PathBuf,
}

impl From<InitArgs> for Init {
    fn from(a: InitArgs) -> Self {
        let InitArgs {
            dir,
            fleet,
            listen,
            advertise,
            name,
            metrics,
            operator,
            context_out,
        } = a;
        Self {
            dir,
            fleet,
            listen,
            advertise,
            name,
            metrics,
            operator,
            context_out,
        }
    }
}

/// Works on operators.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Makes an admin without asking one: the way back in when none is left.
    ///
    /// Works whether the coordinator runs or not; it takes the operator over within seconds, or at
    /// its next start, with an audit entry and an alert. An older certificate of that name stops
    /// working then.
    Create(OperatorCreateArgs),
}

/// Arguments of `operator create`.
#[derive(Debug, Args)]
pub struct OperatorCreateArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Name of the operator, who gets the role admin.
    #[arg(long, value_name = "NAME")]
    pub name: OperatorName,
    /// Where to write the context file, which holds a private key.
    #[arg(long, value_name = "FILE")]
    pub context_out: PathBuf,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// File to write, readable for its owner alone; must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The copy, from `backup` or `h8lctl backup create`.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration that `init` wrote.
    #[arg(long, value_name = "FILE", env = "H8LIO_COORDINATOR_CONFIG")]
    pub config: PathBuf,
}

/// Where manual pages go.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages; must exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Works on the certificate authority.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Replaces root and issuing key while the fleet goes on.
    #[command(subcommand)]
    Rotate(RotateCommand),
}

/// The steps of a rotation.
#[derive(Debug, Subcommand)]
pub enum RotateCommand {
    /// Makes a new root and issuing key; the old root stays trusted.
    Begin {
        #[command(flatten)]
        place: PlaceArgs,
        /// The key of the root in use, when it is not in the pki folder.
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
    /// Says where the rotation stands and who is waited for.
    Status {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Ends the trust in the old root.
    Finish {
        #[command(flatten)]
        place: PlaceArgs,
        /// So many servers and operators may be cut off for good.
        #[arg(long, value_name = "N", default_value_t = 0)]
        accept_loss: usize,
    },
}

/// Which coordinator.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The folder that `init` made.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}
