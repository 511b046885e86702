//! Opens the port.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel keeps until they are accepted. The kernel may lower it
/// (`net.core.somaxconn`, 4096 since Linux 5.4).
const BACKLOG: u32 = 4096;

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "cannot listen on {address}: another program listens there already; `ss -ltnp` names it. Stop it, or change `listen`"
    )]
    InUse { address: SocketAddr },
    #[error("cannot listen on {address}: this machine does not have that address; change `listen`")]
    NoSuchAddress { address: SocketAddr },
    #[error(
        "cannot listen on {address}: not permitted; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
    )]
    NotPermitted { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Other {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Listens on `address`.
///
/// # Errors
/// [`ListenError`], one line for the operator.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address },
        io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address },
        _ => ListenError::Other { address, source },
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for old connections to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_one_line_that_names_the_address() {
        let first = listen(([127, 0, 0, 1], 0).into()).expect("free");
        let address = first.local_addr().expect("bound");
        let refusal = listen(address).expect_err("in use");
        assert!(matches!(refusal, ListenError::InUse { .. }));
        let text = refusal.to_string();
        assert!(
            text.contains(&address.to_string()) && text.lines().count() == 1,
            "{text}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_said_so() {
        // TEST-NET-1 (RFC 5737) is nobody's address.
        let refusal = listen(([192, 0, 2, 1], 0).into()).expect_err("not ours");
        assert!(
            matches!(refusal, ListenError::NoSuchAddress { .. }),
            "{refusal}"
        );
    }
}
