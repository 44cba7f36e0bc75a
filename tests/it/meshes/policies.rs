//! What rules the traffic of a random mesh: its DestinationRules and VirtualServices.

use std::fmt::Write as _;

use super::Maker;

/// Every condition that Envoy knows and Istio lets through.
const RETRY_ON: [&str; 11] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes,503",
    "connect-failure,refused-stream,unavailable,cancelled,503",
    "gateway-error,reset,404",
];

impl Maker {
    fn destination(&mut self, service: usize) -> String {
        let versions = self.services[service];
        match self.luck.percent(60) {
            true => format!("{{host: s{service}, subset: v{}}}", self.luck.between(1, versions)),
            false => format!("{{host: s{service}}}"),
        }
    }

    pub(super) fn destination_rule(&mut self, service: usize) -> String {
        let mut text = format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: s{service}}}\nspec:\n  \
             host: s{service}\n  trafficPolicy:\n"
        );
        let luck = &mut self.luck;
        let balancer = luck.one_of(&[
            "{simple: ROUND_ROBIN}",
            "{simple: LEAST_REQUEST}",
            "{simple: RANDOM}",
            "{consistentHash: {httpHeaderName: x-user}}",
            "{consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 1009}}}",
            "{simple: LEAST_REQUEST, warmup: {duration: 300ms}}",
            "{simple: ROUND_ROBIN, localityLbSetting: {distribute: [{from: r1/*, to: {r1/*: 70, r2/c: 30}}]}}",
            "{simple: RANDOM, localityLbSetting: {failover: [{from: r1, to: r2}]}}",
            "{consistentHash: {httpCookie: {name: sid, ttl: 1s}}, \
             localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}",
        ]);
        let _ = writeln!(text, "    loadBalancer: {balancer}");
        if luck.percent(70) {
            text.push_str("    connectionPool:\n");
            let mut tcp = Vec::new();
            if luck.percent(50) {
                tcp.push(format!("maxConnections: {}", luck.between(1, 12)));
            }
            if luck.percent(40) {
                tcp.push(format!("connectTimeout: {}ms", luck.between(1, 30)));
            }
            if luck.percent(20) {
                tcp.push(format!("maxConnectionDuration: {}ms", luck.between(10, 400)));
            }
            let mut http = Vec::new();
            for (name, most) in [
                ("http1MaxPendingRequests", 8),
                ("http2MaxRequests", 16),
                ("maxRetries", 3),
                ("maxRequestsPerConnection", 5),
            ] {
                if luck.percent(50) {
                    http.push(format!("{name}: {}", luck.between(1, most)));
                }
            }
            if luck.percent(20) {
                http.push(format!("idleTimeout: {}ms", luck.between(5, 200)));
            }
            if luck.percent(30) {
                http.push("h2UpgradePolicy: UPGRADE".to_owned());
            }
            let _ = writeln!(text, "      tcp: {{{}}}\n      http: {{{}}}", tcp.join(", "), http.join(", "));
        }
        if luck.percent(60) {
            let split = luck.percent(25);
            let _ = writeln!(
                text,
                "    outlierDetection: {{consecutive5xxErrors: {}, consecutiveGatewayErrors: {}, \
                 splitExternalLocalOriginErrors: {split}, {}interval: {}ms, baseEjectionTime: {}ms, \
                 maxEjectionPercent: {}, minHealthPercent: {}}}",
                luck.between(1, 6),
                luck.between(0, 6),
                if split { "consecutiveLocalOriginFailures: 2, " } else { "" },
                luck.between(20, 400),
                luck.between(20, 400),
                luck.between(0, 100),
                luck.one_of(&["0", "30"]),
            );
        }
        text.push_str("  subsets:\n");
        for version in 1..=self.services[service] {
            let _ = writeln!(text, "  - {{name: v{version}, labels: {{version: v{version}}}}}");
        }
        text
    }

    pub(super) fn virtual_service(&mut self, service: usize) -> String {
        let mut text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: s{service}}}\nspec:\n  \
             hosts: [s{service}]\n  http:\n"
        );
        if self.luck.percent(40) {
            let matched = self.luck.one_of(&[
                "{uri: {prefix: /a}}",
                "{headers: {x-user: {exact: u1}}}",
                "{method: {exact: POST}}",
                "{uri: {regex: \"/[ab].*\"}}",
            ]);
            let _ = writeln!(text, "  - match: [{matched}]");
            let route = self.route(service);
            text.push_str(&route);
        }
        let rest = self.route(service);
        text.push_str(&rest.replacen("    ", "  - ", 1));
        text
    }

    /// The part of a route behind its matches.
    fn route(&mut self, service: usize) -> String {
        let mut text = String::new();
        if self.luck.percent(60) && self.services[service] > 1 {
            let weight = self.luck.below(101);
            let _ = writeln!(
                text,
                "    route: [{{destination: {{host: s{service}, subset: v1}}, weight: {weight}}}, {{destination: \
                 {{host: s{service}, subset: v2}}, weight: {}}}]",
                100 - weight
            );
        } else {
            let destination = self.destination(service);
            let _ = writeln!(text, "    route: [{{destination: {destination}}}]");
        }
        if self.luck.percent(60) {
            let timeout = self.luck.between(3, 120);
            let _ = writeln!(text, "    timeout: {timeout}ms");
        }
        if self.luck.percent(75) {
            let luck = &mut self.luck;
            let per_try = match luck.percent(50) {
                true => format!(", perTryTimeout: {}ms", luck.between(1, 40)),
                false => String::new(),
            };
            let _ = writeln!(
                text,
                "    retries: {{attempts: {}, retryOn: \"{}\", backoff: {}ms{per_try}, \
                 retryRemoteLocalities: {}}}",
                luck.between(1, 4),
                luck.one_of(&RETRY_ON),
                luck.between(1, 30),
                luck.percent(30),
            );
        } else if self.luck.percent(30) {
            text.push_str("    retries: {attempts: 0}\n");
        }
        if self.luck.percent(25) {
            let luck = &mut self.luck;
            let mut faults = Vec::new();
            if luck.percent(60) {
                let (value, delay) = (luck.between(1, 100), luck.between(1, 30));
                faults.push(format!("delay: {{percentage: {{value: {value}}}, fixedDelay: {delay}ms}}"));
            }
            if luck.percent(60) || faults.is_empty() {
                let (value, status) = (luck.between(1, 30), luck.one_of(&["400", "500", "503"]));
                faults.push(format!("abort: {{percentage: {{value: {value}}}, httpStatus: {status}}}"));
            }
            let _ = writeln!(text, "    fault: {{{}}}", faults.join(", "));
        }
        if self.luck.percent(30) {
            let target = self.luck.between(service as u64, self.services.len() as u64 - 1) as usize;
            let mirror = self.destination(target);
            let share = self.luck.between(1, 100);
            let _ =
                writeln!(text, "    mirrors: [{{destination: {mirror}, percentage: {{value: {share}}}}}]");
        }
        text
    }
}
