//! What a detector is told, and what it asks for. Source: semantics S8.2, S8.3.

/// What one attempt tells about its host. Source: semantics S8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Response headers came, with this status.
    Code(u16),
    /// The proxy itself saw it fail.
    LocalOriginFailure(LocalOrigin),
    /// The attempt got its connection.
    ConnectSuccess,
}

/// What the proxy itself saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalOrigin {
    ConnectFailed,
    /// Per-try or route timeout.
    Timeout,
    /// The established stream or connection broke.
    Reset,
}

impl LocalOrigin {
    /// The status that it counts as where local and external errors are not told apart.
    pub const fn code(self) -> u16 {
        match self {
            LocalOrigin::ConnectFailed | LocalOrigin::Reset => 503,
            LocalOrigin::Timeout => 504,
        }
    }
}

/// Why a host is ejected: a run of failures, or a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Gateway,
    FiveXx,
    LocalOrigin,
    SuccessRate,
    SuccessRateLocalOrigin,
    FailurePercentage,
    FailurePercentageLocalOrigin,
}

/// As Envoy's outlier event log names it.
impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cause::Gateway => "CONSECUTIVE_GATEWAY_FAILURE",
            Cause::FiveXx => "CONSECUTIVE_5XX",
            Cause::LocalOrigin => "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
            Cause::SuccessRate => "SUCCESS_RATE",
            Cause::SuccessRateLocalOrigin => "SUCCESS_RATE_LOCAL_ORIGIN",
            Cause::FailurePercentage => "FAILURE_PERCENTAGE",
            Cause::FailurePercentageLocalOrigin => "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
        })
    }
}

/// One or two runs of one host are full: `Detector::eject` decides. One report can fill both the gateway and the
/// 5xx run; the gateway's comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a full run that nobody decides upon would never eject"]
pub struct EjectionRequest {
    pub host: usize,
    pub(super) first: Cause,
    pub(super) second: Option<Cause>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ejected(Cause),
    /// Refused by `maxEjectionPercent`, so many times (`ejections_overflow`).
    Overflow(u32),
    /// The host is out already.
    Ignored,
}
