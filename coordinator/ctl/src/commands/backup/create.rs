//! `h8lctl backup create`

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;
use h8lio_proto::v1::create_backup_response::Part;
use jiff::Timestamp;
use serde::Serialize;
use tonic::Streaming;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CtlError, Exit};
use crate::output::{self, instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to write, readable for its owner alone; must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// The JSON of `backup create`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    pub file: PathBuf,
    pub fleet: String,
    pub taken_at: Timestamp,
    pub bytes: u64,
    pub store_revision: u64,
    /// Lower-case hex.
    pub sha256: String,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let preview = format!(
        "a copy of what the coordinator knows goes to {}\n  it holds the audit log and hashes of tokens, but no private key\n",
        args.out.display()
    );
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    // Found out before the coordinator is asked.
    let mut file = new(&args.out).map_err(|e| unwritten(&args.out, &e))?;
    let request = api.request(v1::CreateBackupRequest {
        change: Some(change),
    });
    let written = async {
        let answer = api.backups.create_backup(request).await?.into_inner();
        receive(answer, &mut file, &args.out).await
    };
    let created = match written.await {
        Ok(created) => created,
        Err(e) => {
            let _ = std::fs::remove_file(&args.out);
            return Err(e);
        }
    };
    let (format, name) = (ctl.format, created.file.display().to_string());
    output::one(ctl.terminal(), format, &created, &name, |_| {
        format!(
            "fleet {} as of {} is in {name}: {} bytes, sha256 {}\nput it back on the coordinator's machine: h8lio-coordinator restore --from FILE\n",
            created.fleet,
            instant(created.taken_at),
            created.bytes,
            created.sha256
        )
    })?;
    Ok(Exit::Done)
}

/// Writes what comes, and believes it only when it is whole.
async fn receive(
    mut answer: Streaming<v1::CreateBackupResponse>,
    file: &mut File,
    path: &Path,
) -> Result<Created, CtlError> {
    let mut header = None;
    let (mut hash, mut bytes) = (digest::Context::new(&digest::SHA256), 0);
    while let Some(message) = answer.message().await? {
        match message.part {
            Some(Part::Header(first)) => header = Some(first),
            Some(Part::Bytes(part)) => {
                file.write_all(&part).map_err(|e| unwritten(path, &e))?;
                hash.update(&part);
                bytes += part.len() as u64;
            }
            Some(Part::Digest(told)) => {
                let found = hash.finish();
                if found.as_ref() != told {
                    return Err(CtlError::answer("the copy came damaged; try again"));
                }
                file.sync_all().map_err(|e| unwritten(path, &e))?;
                let header = header.ok_or_else(|| CtlError::answer("field header: is missing"))?;
                return Ok(Created {
                    file: path.to_owned(),
                    fleet: header.fleet,
                    taken_at: read_timestamp("taken_at", header.taken_at)?,
                    bytes,
                    store_revision: header.store_revision,
                    sha256: hex::encode(found),
                });
            }
            None => return Err(CtlError::answer("a part of the copy is not understood")),
        }
    }
    Err(CtlError::answer("the copy ended in the middle; try again"))
}

fn new(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn unwritten(path: &Path, source: &std::io::Error) -> CtlError {
    let path = path.display();
    CtlError::local(
        "keep the copy",
        std::io::Error::new(source.kind(), format!("{path}: {source}")),
    )
}
