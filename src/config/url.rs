//! Addresses of requests and calls: `http://ratings:9080/ratings/0?x=1`.

use super::grammar::{Fault, Part};
use super::read::{Text, written_as_text};
use super::schema::schema;

/// An absolute `http` or `https` address, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub https: bool,
    /// Lower case, without port.
    pub host: String,
    /// `None` if not written.
    pub port: Option<u16>,
    /// Starts with `/`; without query.
    pub path: String,
    /// Without `?`; empty if none.
    pub query: String,
}

impl Url {
    /// The port written, else 80 or 443.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }
}

impl Text for Url {
    const WHAT: &'static str = "an address such as `http://ratings:9080/ratings/0`";

    fn parse(part: Part<'_>) -> Result<Url, Fault> {
        let text = part.text;
        let (https, rest) = if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else {
            if text.starts_with("tcp://") || text.starts_with("tls://") {
                let fault = part.fault("this is the address of a connection, not of a request");
                return Err(fault.help("clients open connections by `connect:`; pods make HTTP calls alone"));
            }
            let fault = part.fault(format!("`{text}` is no address"));
            let bare = text.split_once("://").map_or(text, |(_, rest)| rest).trim_start_matches('/');
            return Err(
                fault.help(format!("write `http://{}`", if bare.is_empty() { "host/path" } else { bare }))
            );
        };
        // A fragment is never sent.
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = host_and_port(part, authority)?;
        if target.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(part.fault("an address holds no blanks"));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Url { https, host, port, path: path.to_owned(), query: query.to_owned() })
    }
}

/// `ratings:9080`, a piece of `part`: the host in lower case, and its port if there is one.
pub(super) fn host_and_port(part: Part<'_>, authority: &str) -> Result<(String, Option<u16>), Fault> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, digits)) => {
            let port = digits.parse::<u16>().ok().filter(|port| *port > 0);
            let Some(port) = port else {
                return Err(part.fault(format!("`{digits}` is no port")).help("ports are 1 to 65535"));
            };
            (host, Some(port))
        }
        None => (authority, None),
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !host.chars().all(fine) {
        return Err(part.fault(format!("`{host}` is no host name")));
    }
    Ok((host.to_ascii_lowercase(), port))
}

written_as_text!(Url);

schema! {
    Url, "Url" => {
        "type": "string",
        "description": "An absolute address: http://ratings:9080/ratings/0",
        "pattern": "^https?://",
        "examples": ["http://ratings:9080/ratings/0"]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Url, Fault> {
        Url::parse(Part::whole(text))
    }

    #[test]
    fn addresses_come_apart() {
        let url = read("http://Ratings.shop:9080/a/b?x=1&y#frag").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("ratings.shop", Some(9080), "/a/b"));
        assert_eq!(url.query, "x=1&y");
        assert_eq!(read("http://a").unwrap().path, "/");
        assert_eq!(read("https://a").unwrap().port_or_default(), 443);
        assert_eq!(read("http://a?q").unwrap().query, "q");
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        assert_eq!(read("ratings:9080/x").unwrap_err().help.unwrap(), "write `http://ratings:9080/x`");
        assert!(read("http://a:0/").is_err());
        assert!(read("http://a:99999/").is_err());
        assert!(read("http:///x").is_err());
        assert!(read("http://a/b c").is_err());
    }
}
