//! How an attempt can fail without an answer, and what each failure means to the caller, to outlier detection and
//! to retries. Source: semantics S17.2.

use super::outlier::{LocalOrigin, Report};
use crate::mesh::outcome::{Flag, Outcome};
use crate::mesh::policy_spec::Breakage;

/// Why an attempt ended before response headers came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A limit of the pool is full.
    Overflow,
    /// Nobody can be picked: no host, or all of them out.
    NoHealthyHost,
    /// Refused, unreachable, or the TLS handshake failed.
    ConnectFailure,
    /// `connectTimeout` passed.
    ConnectTimeout,
    /// The connection was closed while the request was on it.
    ConnectionTermination,
    /// The peer reset the stream.
    RemoteReset,
    /// The peer refused the stream unprocessed (HTTP/2 REFUSED_STREAM).
    RefusedStream,
    /// The peer broke the protocol.
    ProtocolError,
    PerTryTimeout,
    /// The route's timeout, over all attempts.
    RouteTimeout,
    /// The caller went away.
    ClientGone,
}

impl Failure {
    /// What a proxy sees of an exchange that its server breaks off. Over HTTP/1.1 a stream is its connection.
    /// Source: semantics S7.5, S17.2.
    pub fn of(breakage: Breakage, is_http1: bool) -> Failure {
        match breakage {
            Breakage::Protocol => Failure::ProtocolError,
            Breakage::Stream if !is_http1 => Failure::RemoteReset,
            Breakage::Refused if !is_http1 => Failure::RefusedStream,
            Breakage::Connection | Breakage::Stream | Breakage::Refused => Failure::ConnectionTermination,
        }
    }

    /// Whether the connection is gone with it, under HTTP/2 with all its other streams. Source: semantics S7.8.
    pub fn ends_connection(self) -> bool {
        matches!(self, Failure::ConnectionTermination | Failure::ProtocolError)
    }

    /// What the caller gets if this failure is final, before retry flags.
    pub fn outcome(self) -> Outcome {
        let (code, flag) = match self {
            Failure::Overflow => (503, Flag::UO),
            Failure::NoHealthyHost => (503, Flag::UH),
            Failure::ConnectFailure | Failure::ConnectTimeout => (503, Flag::UF),
            Failure::ConnectionTermination => (503, Flag::UC),
            Failure::RemoteReset | Failure::RefusedStream => (503, Flag::UR),
            Failure::ProtocolError => (502, Flag::UPE),
            Failure::PerTryTimeout | Failure::RouteTimeout => (504, Flag::UT),
            Failure::ClientGone => (0, Flag::DC),
        };
        Outcome::new(code, flag)
    }

    /// What outlier detection hears of it, if the attempt has a host. Source: semantics S8.2.
    #[inline]
    pub fn report(self) -> Option<Report> {
        Some(Report::LocalOriginFailure(match self {
            Failure::Overflow | Failure::NoHealthyHost | Failure::ClientGone => return None,
            Failure::ConnectFailure | Failure::ConnectTimeout => LocalOrigin::ConnectFailed,
            Failure::ConnectionTermination
            | Failure::RemoteReset
            | Failure::RefusedStream
            | Failure::ProtocolError => LocalOrigin::Reset,
            Failure::PerTryTimeout | Failure::RouteTimeout => LocalOrigin::Timeout,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_code_and_flag() {
        let text = |failure: Failure| {
            let outcome = failure.outcome();
            format!("{} {}", outcome.code, outcome.flags)
        };
        assert_eq!(text(Failure::Overflow), "503 UO");
        assert_eq!(text(Failure::NoHealthyHost), "503 UH");
        assert_eq!(text(Failure::ConnectTimeout), "503 UF");
        assert_eq!(text(Failure::ConnectionTermination), "503 UC");
        assert_eq!(text(Failure::RefusedStream), "503 UR");
        assert_eq!(text(Failure::ProtocolError), "502 UPE");
        assert_eq!(text(Failure::PerTryTimeout), "504 UT");
        assert_eq!(text(Failure::ClientGone), "0 DC");
    }

    #[test]
    fn over_http1_a_stream_is_its_connection() {
        assert_eq!(Failure::of(Breakage::Refused, false), Failure::RefusedStream);
        assert_eq!(Failure::of(Breakage::Refused, true), Failure::ConnectionTermination);
        assert_eq!(Failure::of(Breakage::Stream, false), Failure::RemoteReset);
        assert_eq!(Failure::of(Breakage::Protocol, true), Failure::ProtocolError);
    }

    #[test]
    fn what_says_nothing_about_a_host_is_not_reported() {
        assert_eq!(Failure::Overflow.report(), None);
        assert_eq!(Failure::ClientGone.report(), None);
        assert_eq!(Failure::NoHealthyHost.report(), None);
        assert!(Failure::ConnectionTermination.report().is_some());
    }
}
