//! `GET /healthz` of the kubelet: one request, a bounded answer, no redirects.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::host::runtime::KubeletHealth;
use crate::words::first_line;

/// What is read of an answer: 4 KiB.
const ANSWER_CAP: u64 = 4 << 10;

/// Asks. Waits without limit; the caller sets the deadline.
pub(super) async fn ask(at: SocketAddr) -> KubeletHealth {
    match exchange(at).await {
        Ok(answer) => read(&answer),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => KubeletHealth::Refused,
        Err(e) => KubeletHealth::Failed {
            detail: e.to_string(),
        },
    }
}

async fn exchange(at: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(at).await?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_CAP).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn read(answer: &[u8]) -> KubeletHealth {
    let Ok(text) = std::str::from_utf8(answer) else {
        return KubeletHealth::NotUnderstood;
    };
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return KubeletHealth::NotUnderstood;
    };
    let mut words = head.split(' ');
    let status = match (words.next(), words.next().map(str::parse::<u16>)) {
        (Some("HTTP/1.1" | "HTTP/1.0"), Some(Ok(status))) => status,
        _ => return KubeletHealth::NotUnderstood,
    };
    KubeletHealth::Answered {
        status,
        body: first_line(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_http_answers_count() {
        let ok = KubeletHealth::Answered {
            status: 200,
            body: "ok".into(),
        };
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ok);
        let junk: [&[u8]; 5] = [
            b"",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 200 OK",
            b"\xff\r\n\r\n",
            b"HTTP/1.1 ok\r\n\r\n",
        ];
        for junk in junk {
            assert_eq!(read(junk), KubeletHealth::NotUnderstood, "{junk:?}");
        }
    }
}
