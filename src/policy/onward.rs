//! What requests look like at their birth and at each call that they cause: used by the engine, and by those who only
//! ask where requests would go. Source: design D9.7, D9.8.

use super::request::RequestShape;
use crate::kernel::random::name_hash;
use crate::mesh::workload::{CallSpec, Class, Client, UserCarrier};

/// A client's request; `user` is its number in the population and how it is told.
pub fn born(class: &Class, user: Option<(&UserCarrier, u32)>) -> RequestShape {
    let mut headers = class.headers.clone();
    if let Some((carrier, number)) = user {
        name_user(&mut headers, carrier, number);
    }
    RequestShape::new(&class.target, &headers)
}

/// A call that serves a request: what its step writes, and the headers that are carried on. `forwards`: the only
/// names that are; `None` for all.
pub fn call(spec: &CallSpec, forwards: Option<&[String]>, serving: &RequestShape) -> RequestShape {
    let carried = serving.headers.iter().filter(|(name, _)| {
        forwards.is_none_or(|names| names.contains(name)) && !spec.headers.iter().any(|(own, _)| own == name)
    });
    let headers: Vec<(String, String)> = carried.chain(&spec.headers).cloned().collect();
    RequestShape::new(&spec.target, &headers)
}

/// The header by which a request names its user, if it does so by one; `cookie` for all cookies.
pub fn user_header(carrier: &UserCarrier) -> Option<&str> {
    match carrier {
        UserCarrier::Header(name) => Some(name),
        UserCarrier::Cookie(_) => Some("cookie"),
        UserCarrier::SourceIp => None,
    }
}

/// Where a request comes from that stands at a gateway's door: each user of the population from an address of their
/// own (100.64.0.0/10), all others of a client from one (198.18.0.0/15).
pub fn source_address(client: &Client, user: Option<u32>) -> u32 {
    const USERS: u32 = 100 << 24 | 64 << 16;
    const CLIENTS: u32 = 198 << 24 | 18 << 16;
    match user {
        Some(number) => USERS | (number % (1 << 22)),
        None => CLIENTS | (name_hash(&client.name) % (1 << 17)) as u32,
    }
}

/// Users are called `u0`, `u1` ...; cookies share one header.
fn name_user(headers: &mut Vec<(String, String)>, carrier: &UserCarrier, user: u32) {
    match carrier {
        UserCarrier::Header(name) => headers.push((name.clone(), format!("u{user}"))),
        UserCarrier::Cookie(name) => {
            let pair = format!("{name}=u{user}");
            match headers.iter_mut().find(|(key, _)| key == "cookie") {
                Some((_, cookies)) => *cookies = format!("{cookies}; {pair}"),
                None => headers.push(("cookie".to_owned(), pair)),
            }
        }
        UserCarrier::SourceIp => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_where_their_carrier_says() {
        let mut headers = vec![("cookie".to_owned(), "a=1".to_owned())];
        name_user(&mut headers, &UserCarrier::Cookie("id".to_owned()), 3);
        name_user(&mut headers, &UserCarrier::Header("x-user".to_owned()), 4);
        name_user(&mut headers, &UserCarrier::SourceIp, 5);
        let expected = [("cookie", "a=1; id=u3"), ("x-user", "u4")];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
