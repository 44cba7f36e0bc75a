//! gRPC's statuses. They stand in the headers or trailers of an HTTP 200, so a call that failed looks well to whoever
//! reads HTTP's status alone. Statuses from 1 to 16 share the numbers of codes with HTTP's, which begin at 100.

/// The HTTP status that each counts as, by number. Source: semantics S8.2; Envoy's table.
const AS_HTTP: [u16; 17] =
    [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/// Whether a code is a failed gRPC call's status.
#[inline]
pub fn is_failure(code: u16) -> bool {
    matches!(code, 1..=16)
}

/// The HTTP status that a code counts as: itself, unless it is gRPC's.
#[inline]
pub fn as_http(code: u16) -> u16 {
    if is_failure(code) { AS_HTTP[usize::from(code)] } else { code }
}

/// What a gRPC caller makes of an HTTP status other than 200. Source: Envoy's table; gRPC's mapping of HTTP statuses.
pub fn of_http(status: u16) -> u16 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_grpc_count_as_each_other() {
        assert_eq!([as_http(14), as_http(4), as_http(5), as_http(0), as_http(404)], [503, 504, 404, 0, 404]);
        assert_eq!([of_http(503), of_http(404), of_http(500), of_http(400)], [14, 12, 2, 13]);
    }
}
