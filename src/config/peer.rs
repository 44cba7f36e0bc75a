//! Whom opaque connections lead to: `tcp://redis:6379`, or `tls://db.example.com:5432` with the host as SNI.

use super::grammar::{Fault, Part};
use super::read::{Text, written_as_text};
use super::schema::schema;
use super::url::host_and_port;

/// The other end of a connection, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client itself speaks TLS and names the host (SNI); else nothing can be read from its bytes.
    pub tls: bool,
    /// Lower case.
    pub host: String,
    pub port: u16,
}

impl Text for Peer {
    const WHAT: &'static str = "the address of a connection such as `tcp://redis:6379`";

    fn parse(part: Part<'_>) -> Result<Peer, Fault> {
        let text = part.text;
        let (tls, rest) = match (text.strip_prefix("tcp://"), text.strip_prefix("tls://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => {
                let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
                let bare = bare.split(['/', '?']).next().unwrap_or(bare);
                let fault = part.fault(format!("`{text}` is no address of a connection"));
                let bare = if bare.is_empty() { "host:port" } else { bare };
                return Err(fault
                    .help(format!("write `tcp://{bare}`, or `tls://{bare}` for TLS of the client's own")));
            }
        };
        if let Some(path) = rest.find(['/', '?']) {
            let fault = part.fault("a connection has no path");
            return Err(fault.help(format!("write `{}`", &text[..text.len() - rest.len() + path])));
        }
        let (host, port) = host_and_port(part, rest)?;
        let Some(port) = port else {
            return Err(part.fault("a connection needs a port").help(format!("write `{text}:6379`")));
        };
        Ok(Peer { tls, host, port })
    }
}

written_as_text!(Peer);

schema! {
    Peer, "Peer" => {
        "type": "string",
        "description": "The other end of a connection: tcp://redis:6379, or tls:// with the host as SNI",
        "pattern": "^t(cp|ls)://[^/?]+:[0-9]+$",
        "examples": ["tcp://redis:6379"]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Peer, Fault> {
        Peer::parse(Part::whole(text))
    }

    #[test]
    fn addresses_come_apart() {
        let peer = Peer { tls: false, host: "redis.shop".to_owned(), port: 6379 };
        assert_eq!(read("tcp://Redis.shop:6379").unwrap(), peer);
        assert!(read("tls://db.example.com:5432").unwrap().tls);
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let help = |text: &str| read(text).unwrap_err().help.unwrap_or_default();
        assert!(help("http://redis:6379/x").contains("`tcp://redis:6379`"));
        assert!(help("redis:6379").contains("`tcp://redis:6379`"));
        assert_eq!(help("tcp://redis:6379/0"), "write `tcp://redis:6379`");
        assert_eq!(help("tcp://redis"), "write `tcp://redis:6379`");
        assert!(read("tcp://redis:0").is_err());
        assert!(read("tcp://:80").is_err());
    }
}
