//! The thin part: real terminal, real network, real clock; exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use h8lctl::World;
use h8lctl::connect::TlsDial;
use h8lctl::follow::Interrupt;
use h8lctl::terminal::Console;

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut world = World {
        terminal: Box::new(Console),
        dial: Arc::new(TlsDial),
        store: store(),
        now: h8lctl::clock::now,
        interrupt: Interrupt::ctrl_c(),
    };
    let exit = runtime.block_on(h8lctl::run(std::env::args_os(), &mut world));
    Ok(ExitCode::from(exit as u8))
}

/// `$XDG_CONFIG_HOME/h8lio/contexts.toml`, or below `~/.config`.
fn store() -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(config.join("h8lio/contexts.toml"))
}
