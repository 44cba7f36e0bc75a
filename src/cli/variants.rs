//! Which configurations a comparison is about, by the command line: manifests of each, or one set of them with orders
//! that differ.

use super::arguments::CompareArguments;
use super::ending::Failure;

/// One configuration by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    pub name: String,
    /// None: those of the scenario.
    pub manifests: Vec<String>,
    /// `path=value`, beside those that hold for all.
    pub orders: Vec<String>,
}

/// All of them, the base first; at least two.
pub fn variants(arguments: &CompareArguments) -> Result<Vec<Variant>, Failure> {
    let named = named(&arguments.manifests)?;
    if arguments.with.is_empty() {
        return match named.len() {
            0 | 1 => Err(Failure::usage(
                "there is nothing to compare with\nname the base and a candidate, `now=mesh/ new=mesh-pr/`, or change \
                 the base with `--with NAME:PATH=VALUE`",
            )),
            _ => Ok(named),
        };
    }
    if let [first, second, ..] = &named[..] {
        let (one, other) = (&first.name, &second.name);
        return Err(Failure::usage(format!(
            "`--with` changes one configuration, and there are several: `{one}`, `{other}`\nleave one of them, or give \
             each variant as manifests of its own"
        )));
    }
    let named_base = named.into_iter().next();
    let base = named_base.unwrap_or_else(|| Variant { name: "base".to_owned(), ..Variant::default() });
    let mut all = vec![base];
    for text in &arguments.with {
        let (name, order) = split_order(text)?;
        if name == all[0].name {
            return Err(Failure::usage(format!(
                "`--with {text}` would change the base, `{name}`\ncall the variant something else; what holds for all \
                 goes to `--set`"
            )));
        }
        match all.iter_mut().find(|variant| variant.name == name) {
            Some(variant) => variant.orders.push(order.to_owned()),
            None => {
                let manifests = all[0].manifests.clone();
                all.push(Variant { name: name.to_owned(), manifests, orders: vec![order.to_owned()] });
            }
        }
    }
    Ok(all)
}

/// Configurations by their labels, or by their paths.
pub fn named(texts: &[String]) -> Result<Vec<Variant>, Failure> {
    let labels: Vec<(Option<&str>, &str)> = texts.iter().map(|text| label(text)).collect();
    let mut all: Vec<Variant> = Vec::new();
    for (text, (name, path)) in texts.iter().zip(&labels) {
        if path.is_empty() {
            return Err(Failure::usage(format!("`{text}` names no manifest\nwrite `name=path`")));
        }
        let own = match name {
            Some(name) => (*name).to_owned(),
            None => name_of(path, &labels),
        };
        let known = all.iter_mut().find(|variant| variant.name == own);
        match (known, name) {
            (Some(variant), Some(_)) => variant.manifests.push((*path).to_owned()),
            (Some(_), None) => {
                return Err(Failure::usage(format!(
                    "two configurations are called `{own}`\ngive them names: `now={path} new=...`"
                )));
            }
            (None, _) => {
                let manifests = vec![(*path).to_owned()];
                all.push(Variant { name: own, manifests, orders: Vec::new() });
            }
        }
    }
    Ok(all)
}

/// `now=mesh/`: label and path. What stands before the sign is a label if it is no path itself.
fn label(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !name.contains(['/', '\\', '*', '?']) => (Some(name), path),
        _ => (None, text),
    }
}

/// The last part of a path, without ending; the whole path if several have that one.
fn name_of(path: &str, all: &[(Option<&str>, &str)]) -> String {
    let short = |path: &str| {
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
        let endings = [".yaml", ".yml", ".json"];
        let stem = endings.iter().find_map(|ending| last.strip_suffix(ending)).unwrap_or(last);
        stem.to_owned()
    };
    let own = short(path);
    let alike = all.iter().filter(|(name, other)| name.map_or_else(|| short(other), str::to_owned) == own);
    match own.as_str() {
        "" | "." | ".." => path.to_owned(),
        "-" => "stdin".to_owned(),
        _ if alike.count() > 1 => path.trim_end_matches('/').to_owned(),
        _ => own,
    }
}

/// `NAME:PATH=VALUE`: name and order. What names an object (`DestinationRule/reviews:spec...`) is no name, and without
/// one the order is its own.
fn split_order(text: &str) -> Result<(&str, &str), Failure> {
    let mut depth = 0;
    let colon = text.char_indices().find_map(|(index, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' if depth == 0 => return Some(Some(index)),
            '=' if depth == 0 => return Some(None),
            _ => {}
        }
        None
    });
    let (name, order) = match colon.flatten() {
        Some(at) if !text[..at].contains('/') => (text[..at].trim(), text[at + 1..].trim_start()),
        _ => (text.trim(), text),
    };
    if name.is_empty() || order.is_empty() {
        return Err(Failure::usage(format!(
            "`--with {text}` is no variant\nwrite `NAME:PATH=VALUE`, such as `small:workloads.reviews-v2.replicas=1`"
        )));
    }
    Ok((name, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(manifests: &[&str], with: &[&str]) -> Result<Vec<String>, String> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let arguments = CompareArguments {
            manifests: owned(manifests),
            with: owned(with),
            input: Default::default(),
            output: Default::default(),
            fail_on_regression: None,
            no_plots: false,
        };
        let line = |variant: Variant| {
            let Variant { name, manifests, orders } = variant;
            format!("{name} {} {}", manifests.join(","), orders.join(",")).trim_end().to_owned()
        };
        let made = variants(&arguments).map_err(|failure| {
            assert_eq!(failure.code, 2);
            assert!(failure.message.contains('\n'), "no remedy: {}", failure.message);
            failure.message
        });
        Ok(made?.into_iter().map(line).collect())
    }

    #[test]
    fn manifests_have_labels_or_their_paths() {
        assert_eq!(of(&["now=mesh/", "new=pr/"], &[]).unwrap(), ["now mesh/", "new pr/"]);
        assert_eq!(
            of(&["mesh/", "pr/v2.yaml", "-"], &[]).unwrap(),
            ["mesh mesh/", "v2 pr/v2.yaml", "stdin -"]
        );
        assert_eq!(of(&["a.yml", "b.json"], &[]).unwrap(), ["a a.yml", "b b.json"]);
        assert_eq!(of(&["a/mesh", "b/mesh/"], &[]).unwrap(), ["a/mesh a/mesh", "b/mesh b/mesh/"]);
        assert_eq!(of(&["./x=y/mesh", "b"], &[]).unwrap()[0], "mesh ./x=y/mesh");
        let both = of(&["now=a.yaml", "new=b.yaml", "now=c.yaml"], &[]).unwrap();
        assert_eq!(both, ["now a.yaml,c.yaml", "new b.yaml"]);
    }

    #[test]
    fn orders_have_names_or_are_their_own() {
        assert_eq!(
            of(&[], &["one:workloads.a.replicas=1", "clients.w.load=poisson(5rps)", "one:seed=2"]).unwrap(),
            [
                "base",
                "one  workloads.a.replicas=1,seed=2",
                "clients.w.load=poisson(5rps)  clients.w.load=poisson(5rps)"
            ]
        );
        let object = "DestinationRule/reviews:spec.x=1";
        assert_eq!(of(&["now=m"], &[object]).unwrap(), ["now m".to_owned(), format!("{object} m {object}")]);
        let named = format!("tight:{object}");
        assert_eq!(of(&["now=m"], &[&named]).unwrap()[1], format!("tight m {object}"));
        let labels = r#"workloads.a.labels["x:y"]=1"#;
        assert_eq!(of(&["m"], &[labels]).unwrap()[1], format!("{labels} m {labels}"));
    }

    #[test]
    fn what_is_no_comparison_is_told_with_a_remedy() {
        for (manifests, with, part) in [
            (&[][..], &[][..], "nothing to compare with"),
            (&["mesh/"], &[], "nothing to compare with"),
            (&["mesh/", "mesh/"], &[], "two configurations are called `mesh`"),
            (&["now="], &[], "names no manifest"),
            (&["a", "b"], &["x:seed=1"], "there are several: `a`, `b`"),
            (&["now=a"], &["now:seed=1"], "would change the base"),
            (&["a"], &[":seed=1"], "is no variant"),
            (&["a"], &["x:"], "is no variant"),
        ] {
            let error = of(manifests, with).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
