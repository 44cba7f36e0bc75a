//! Which DestinationRule holds for a caller, and what it says of one port and subset. Source: semantics S4.1 to S4.4.

use std::collections::BTreeSet;

use super::defaults::ROOT_NAMESPACE;
use super::hosts::{by_specificity, full_name, takes};
use super::mesh_wide::MeshWide;
use super::object::{Object, is_exported, selects};
use super::services::{Caller, KnownService};
use crate::config::istio::DestinationRule;
use crate::config::istio::destination_rule::{Blocks, RetryBudget, Subset, TrafficPolicy};
use crate::config::istio::values::Labels;
use crate::kernel::SimDuration;

type Rule = Object<DestinationRule>;

/// The rules that hold together for one service and caller, in the order in which they count. Empty: no rule.
#[derive(Clone, Debug, Default)]
pub struct Policies<'a> {
    rules: Vec<&'a Rule>,
    mesh: MeshWide<'a>,
}

/// What holds for one cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effective<'a> {
    pub blocks: Blocks<'a>,
    pub retry_budget: Option<&'a RetryBudget>,
    /// Of the whole mesh, for rules that give none.
    pub connect_timeout: Option<SimDuration>,
}

/// The first of three levels with any match wins: the caller's namespace, the service's, the root namespace.
/// Inside a level the most specific host wins. Source: semantics S4.1.
pub fn find<'a>(rules: &'a [Rule], service: &KnownService, caller: &Caller) -> Policies<'a> {
    look_up(rules, service, &caller.namespace, Some(&caller.labels))
}

/// As a pod of the service looks up its own limits: rules that select callers are not for servers. Source: semantics
/// S1.2.
pub fn find_for_server<'a>(rules: &'a [Rule], service: &KnownService, server: &Caller) -> Policies<'a> {
    look_up(rules, service, &server.namespace, None)
}

/// `labels`: of the caller that selectors ask for; `None`: no selector takes anybody.
fn look_up<'a>(
    rules: &'a [Rule],
    service: &KnownService,
    from: &str,
    labels: Option<&Labels>,
) -> Policies<'a> {
    let host_of = |rule: &Rule| full_name(rule.spec.host.as_deref().unwrap_or(""), &rule.namespace);
    let matching = |namespace: &str| -> Vec<&'a Rule> {
        let takes_service = |rule: &&Rule| {
            let host = host_of(rule);
            host == service.host || (host.starts_with('*') && takes(&host, &service.host))
        };
        rules.iter().filter(|rule| rule.namespace == namespace).filter(takes_service).collect()
    };
    let most_specific = |candidates: Vec<&'a Rule>| -> Vec<&'a Rule> {
        let Some(best) = candidates.iter().map(|rule| host_of(rule)).min_by(|a, b| by_specificity(a, b))
        else {
            return Vec::new();
        };
        candidates.into_iter().filter(|rule| host_of(rule) == best).collect()
    };
    let seen = |rule: &&Rule| is_exported(&rule.spec.export_to, &rule.namespace, from);

    // A rule for other callers than this one ends the search too: whom a rule selects is asked behind it.
    let own = matching(from).into_iter().filter(|rule| {
        rule.spec.workload_selector.is_some() || seen(rule) && (from != ROOT_NAMESPACE || is_private(rule))
    });
    let level = most_specific(own.collect());
    if !level.is_empty() {
        return together(level, labels);
    }
    for namespace in [service.namespace.as_str(), ROOT_NAMESPACE] {
        // Which host is the most specific is settled before it is asked whether it is exported to this caller.
        let candidates = matching(namespace)
            .into_iter()
            .filter(|rule| rule.spec.workload_selector.is_none() && !is_private(rule))
            .collect();
        let level: Vec<&Rule> = most_specific(candidates).into_iter().filter(seen).collect();
        if !level.is_empty() {
            return together(level, labels);
        }
    }
    Policies::default()
}

fn is_private(rule: &Rule) -> bool {
    !rule.spec.export_to.is_empty()
        && rule.spec.export_to.iter().all(|to| *to == "." || *to == rule.namespace)
}

/// Rules for one host: the first with a selector that fits beats the others, and those with the same selector belong to
/// it; equal export lists are merged, of unequal ones the newest stands alone. Source: semantics S4.2.
fn together<'a>(mut level: Vec<&'a Rule>, labels: Option<&Labels>) -> Policies<'a> {
    level.sort_by(|a, b| a.by_age(b));
    let fits = |rule: &&&Rule| match (&rule.spec.workload_selector, labels) {
        (Some(selector), Some(labels)) => selects(&selector.match_labels, labels),
        _ => false,
    };
    let selector = level.iter().find(fits).and_then(|rule| rule.spec.workload_selector.clone());
    level.retain(|rule| rule.spec.workload_selector == selector);
    let exports = |rule: &Rule| rule.spec.export_to.iter().cloned().collect::<BTreeSet<String>>();
    if let Some(newest) = level.last().map(|rule| exports(rule)) {
        level.retain(|rule| exports(rule) == newest);
    }
    Policies { rules: level, ..Policies::default() }
}

impl<'a> Policies<'a> {
    /// Under these settings of the mesh.
    pub fn under(self, mesh: MeshWide<'a>) -> Policies<'a> {
        Policies { mesh, ..self }
    }

    /// All of them, in the order in which they count.
    pub fn rules(&self) -> &[&'a Rule] {
        &self.rules
    }

    /// The first definition of a name counts.
    pub fn subset(&self, name: &str) -> Option<(&'a Rule, usize, &'a Subset)> {
        self.rules.iter().find_map(|rule| {
            let index = rule.spec.subsets.iter().position(|subset| subset.name.as_deref() == Some(name))?;
            Some((*rule, index, &rule.spec.subsets[index]))
        })
    }

    pub fn subset_names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for name in
            self.rules.iter().flat_map(|rule| &rule.spec.subsets).filter_map(|subset| subset.name.as_deref())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The first rule with a policy provides it; fields are not merged.
    pub fn top(&self) -> Option<(&'a Rule, &'a TrafficPolicy)> {
        self.rules.iter().find_map(|rule| rule.spec.traffic_policy.as_ref().map(|policy| (*rule, policy)))
    }

    /// What holds for one port, and for one subset of it. Source: semantics S4.3 to S4.5.
    pub fn effective(&self, subset: Option<&'a Subset>, port: u16) -> Effective<'a> {
        let mut effective =
            Effective { connect_timeout: self.mesh.connect_timeout(), ..Effective::default() };
        if let Some((_, top)) = self.top() {
            // A port's settings replace all four blocks; what they leave out is default again, not inherited.
            effective.blocks =
                top.port_level(port).map_or_else(|| top.blocks(), |(_, settings)| settings.blocks());
            effective.retry_budget = top.retry_budget.as_ref();
        }
        // The mesh fills what is unset by now; a subset comes over it.
        let wide = self.mesh.blocks();
        effective.blocks.connection_pool = effective.blocks.connection_pool.or(wide.connection_pool);
        effective.blocks.outlier_detection = effective.blocks.outlier_detection.or(wide.outlier_detection);
        let Some(policy) = subset.and_then(|subset| subset.traffic_policy.as_ref()) else { return effective };
        if let Some((_, settings)) = policy.port_level(port) {
            effective.blocks = settings.blocks();
        } else {
            let (base, over) = (effective.blocks, policy.blocks());
            effective.blocks = Blocks {
                load_balancer: over.load_balancer.or(base.load_balancer),
                connection_pool: over.connection_pool.or(base.connection_pool),
                outlier_detection: over.outlier_detection.or(base.outlier_detection),
                tls: over.tls.or(base.tls),
            };
        }
        effective.retry_budget = policy.retry_budget.as_ref().or(effective.retry_budget);
        effective
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::istio::values::Int;
    use crate::resolve::services::Origin;
    use crate::resolve::test_support::{objects, text_docs};

    fn service() -> KnownService {
        KnownService {
            name: "a".into(),
            namespace: "shop".into(),
            host: "a.shop.svc.cluster.local".into(),
            ports: Vec::new(),
            selector: Labels::new(),
            export_to: Vec::new(),
            prefers_near: false,
            is_headless: false,
            origin: Origin::Kubernetes,
            object: None,
        }
    }

    fn rules(yaml: &str) -> Vec<Rule> {
        let (docs, raw) = text_docs(yaml);
        objects(&docs, &raw, &crate::resolve::read::DESTINATION_RULES)
    }

    fn names(yaml: &str, namespace: &str, labels: &[(&str, &str)]) -> Vec<String> {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let caller = Caller { namespace: namespace.into(), labels };
        find(&rules(yaml), &service(), &caller).rules().iter().map(|rule| rule.name.clone()).collect()
    }

    fn rule(name: &str, namespace: &str, rest: &str) -> String {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
             metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{rest}}}\n"
        )
    }

    #[test]
    fn the_callers_namespace_comes_first() {
        let host = "host: a.shop.svc.cluster.local";
        let yaml = rule("theirs", "shop", "host: a")
            + &rule("mine", "web", host)
            + &rule("roots", "istio-system", host);
        assert_eq!(names(&yaml, "web", &[]), ["mine"]);
        assert_eq!(names(&yaml, "other", &[]), ["theirs"]);
    }

    #[test]
    fn a_specific_host_that_is_not_exported_hides_a_wider_one() {
        let yaml = rule("narrow", "shop", "host: a, exportTo: [web]")
            + &rule("wide", "shop", "host: '*.shop.svc.cluster.local'")
            + &rule("root", "istio-system", "host: '*'");
        assert_eq!(names(&yaml, "web", &[]), ["narrow"]);
        assert_eq!(names(&yaml, "other", &[]), ["root"]);
    }

    #[test]
    fn rules_of_one_host_merge_only_with_equal_exports() {
        let yaml = rule("b", "shop", "host: a, subsets: [{name: v2}]")
            + &rule("a", "shop", "host: a, subsets: [{name: v1}]");
        assert_eq!(names(&yaml, "shop", &[]), ["a", "b"]);
        let yaml = rule("b", "shop", "host: a, exportTo: ['*']") + &rule("a", "shop", "host: a");
        assert_eq!(names(&yaml, "shop", &[]), ["b"]);
    }

    #[test]
    fn a_selector_that_fits_beats_the_rest() {
        let yaml = rule("all", "web", "host: a.shop.svc.cluster.local")
            + &rule(
                "some",
                "web",
                "host: a.shop.svc.cluster.local, workloadSelector: {matchLabels: {app: w}}",
            );
        assert_eq!(names(&yaml, "web", &[("app", "w")]), ["some"]);
        assert_eq!(names(&yaml, "web", &[]), ["all"]);
    }

    #[test]
    fn a_selector_that_does_not_fit_ends_the_search_all_the_same() {
        let select = |app: &str| {
            format!("host: a.shop.svc.cluster.local, workloadSelector: {{matchLabels: {{app: {app}}}}}")
        };
        let yaml = rule("wide", "web", "host: '*.local'")
            + &rule("one", "web", &select("one"))
            + &rule("other", "web", &select("other"))
            + &rule("theirs", "shop", "host: a");
        assert_eq!(names(&yaml, "web", &[("app", "one")]), ["one"]);
        assert_eq!(names(&yaml, "web", &[]), [""; 0]);
        assert_eq!(names(&yaml, "shop", &[]), ["theirs"]);
    }

    #[test]
    fn servers_are_selected_by_no_rule() {
        let yaml = rule("all", "shop", "host: a")
            + &rule("some", "shop", "host: a, workloadSelector: {matchLabels: {app: a}}");
        let labels: Labels = [("app".to_owned(), "a".to_owned())].into();
        let pod = Caller { namespace: "shop".into(), labels };
        let rules = rules(&yaml);
        let name = |found: Policies<'_>| found.rules()[0].name.clone();
        assert_eq!(name(find(&rules, &service(), &pod)), "some");
        assert_eq!(name(find_for_server(&rules, &service(), &pod)), "all");
    }

    #[test]
    fn ports_replace_and_subsets_overlay_whole_blocks() {
        let yaml = rule(
            "r",
            "shop",
            "host: a, trafficPolicy: {outlierDetection: {}, connectionPool: {tcp: {maxConnections: 5}}, \
             portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: RANDOM}}]}, \
             subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}}]",
        );
        let rules = rules(&yaml);
        let policies = find(&rules, &service(), &Caller { namespace: "shop".into(), labels: Labels::new() });
        let (_, _, v1) = policies.subset("v1").unwrap();
        let pool = |effective: Effective<'_>| effective.blocks.connection_pool.cloned();
        assert!(pool(policies.effective(None, 80)).unwrap().tcp.is_some());
        let overlaid = pool(policies.effective(Some(v1), 80)).unwrap();
        assert_eq!(overlaid.http.unwrap().max_retries, Some(Int(3)));
        assert_eq!(overlaid.tcp, None);
        assert!(policies.effective(Some(v1), 80).blocks.outlier_detection.is_some());
        assert!(policies.effective(None, 81).blocks.outlier_detection.is_none());
    }
}
