//! How the pods of a random mesh behave: work, calls, failures, and what befalls them.

use std::fmt::Write as _;

use super::{Maker, ZONES};

impl Maker {
    fn service_time(&mut self) -> String {
        let mean = self.luck.between(1, 8);
        let p99 = 3 * mean + 1;
        let forms = [
            format!("{mean}ms"),
            "0s".to_owned(),
            format!("exponential(mean={mean}ms)"),
            format!("uniform(0s, {mean}ms)"),
            format!("lognormal(p50={mean}ms, p99={p99}ms)"),
            format!("gamma(mean={mean}ms, cv=2)"),
            format!("mixture(90=exponential(mean={mean}ms), 10=constant(40ms))"),
            format!("pareto(min={mean}ms, alpha=2.5)"),
        ];
        let index = self.luck.below(forms.len() as u64) as usize;
        forms[index].clone()
    }

    fn call(&mut self, service: usize) -> String {
        let target = self.luck.between(service as u64 + 1, self.services.len() as u64 - 1);
        let luck = &mut self.luck;
        let mut call = format!("call: \"http://s{target}/{}\"", luck.one_of(&["a", "b", "c"]));
        if luck.percent(20) {
            call.push_str(", method: POST");
        }
        if luck.percent(40) {
            let _ = write!(call, ", share: {}%", luck.between(1, 99));
        }
        if luck.percent(15) {
            call.push_str(", repeat: 2");
        }
        if luck.percent(40) {
            let _ = write!(call, ", timeout: {}ms", luck.between(2, 60));
        }
        if luck.percent(30) {
            let _ = write!(call, ", attempts: {}", luck.between(1, 3));
        }
        if luck.percent(60) {
            let _ = write!(call, ", onError: {}", luck.one_of(&["fail", "ignore", "502"]));
        }
        format!("{{{call}}}")
    }

    pub(super) fn workload(&mut self, service: usize, version: u64, millis: u64) -> String {
        let time = self.service_time();
        let luck = &mut self.luck;
        let replicas = luck.between(1, 4);
        let zones: Vec<&str> = (0..luck.between(1, 2)).map(|_| luck.one_of(&ZONES)).collect();
        let mut text = format!(
            "  s{service}-v{version}:\n    service: s{service}:80\n    labels: {{app: s{service}, version: \
             v{version}}}\n    replicas: {replicas}\n    zones: [{}]\n    serviceTime: \"{time}\"\n",
            zones.join(", ")
        );
        let concurrency = match luck.percent(25) {
            true => "unlimited".to_owned(),
            false => luck.between(1, 8).to_string(),
        };
        let _ = writeln!(text, "    concurrency: {concurrency}");
        if luck.percent(50) {
            let _ = writeln!(text, "    queue: {}", luck.below(20));
        }
        for (chances, line) in [
            (30, "discipline: processor-sharing"),
            (50, "threading: async"),
            (15, "sidecar: false"),
            (40, "cancellation: true"),
            (20, "coldStart: {for: 200ms, slowdown: 3}"),
            (30, "keepAlive: 30ms"),
        ] {
            if luck.percent(chances) {
                let _ = writeln!(text, "    {line}");
            }
        }
        if luck.percent(50) {
            let own = if luck.percent(30) { ", serviceTime: 1ms" } else { "" };
            let (rate, status) = (luck.between(1, 40), luck.one_of(&["500", "503", "404"]));
            let _ = writeln!(text, "    errors: {{rate: {rate}%, status: {status}{own}}}");
        }
        if service + 1 < self.services.len() {
            let operations = self.operations(service);
            text.push_str(&operations);
        }
        if self.luck.percent(60) {
            text.push_str("    incidents:\n");
            for _ in 0..self.luck.between(1, 3) {
                let incident = self.incident(service, version, replicas, millis);
                let _ = writeln!(text, "      - {incident}");
            }
        }
        text
    }

    fn operations(&mut self, service: usize) -> String {
        if self.luck.percent(40) {
            let calls: Vec<String> = (0..self.luck.between(1, 2)).map(|_| self.call(service)).collect();
            return format!("    calls: [{}]\n", calls.join(", "));
        }
        let mut text = String::from("    operations:\n");
        if self.luck.percent(50) {
            let matched = self.luck.one_of(&["{path: /a*}", "{method: POST}", "{headers: {x-user: \"*\"}}"]);
            let _ = writeln!(text, "      - match: {matched}\n        steps:");
            self.steps(service, &mut text);
        }
        text.push_str("      - steps:\n");
        self.steps(service, &mut text);
        text
    }

    fn steps(&mut self, service: usize, text: &mut String) {
        for _ in 0..self.luck.between(1, 4) {
            let step = match self.luck.below(3) {
                0 => format!("work: \"{}\"", self.service_time()),
                1 => {
                    let call = self.call(service);
                    call[1..call.len() - 1].to_owned()
                }
                _ => {
                    let calls: Vec<String> =
                        (0..self.luck.between(1, 3)).map(|_| self.call(service)).collect();
                    format!("parallel: [{}]", calls.join(", "))
                }
            };
            let _ = writeln!(text, "          - {{{step}}}");
        }
    }

    fn incident(&mut self, service: usize, version: u64, replicas: u64, millis: u64) -> String {
        let luck = &mut self.luck;
        let at = luck.below(millis);
        let pods = match luck.below(3) {
            0 => String::new(),
            1 => format!(", pods: {}", luck.between(1, replicas)),
            _ => format!(", pods: [s{service}-v{version}-{}]", luck.below(replicas)),
        };
        let lasts = format!(", for: {}ms", luck.between(10, 600));
        let what = match luck.below(4) {
            0 => format!("{lasts}, errors: {{rate: {}%, status: 503}}", luck.between(30, 100)),
            1 => format!("{lasts}, slowdown: {}", luck.one_of(&["0.5", "4", "20"])),
            2 => format!("{lasts}, hang: true"),
            _ => {
                let of = luck.one_of(&["app", "pod", "node"]);
                format!(", crash: {{restart: {}ms, of: {of}}}", luck.between(10, 500))
            }
        };
        format!("{{at: {at}ms{pods}{what}}}")
    }
}
