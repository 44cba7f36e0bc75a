//! `meshcast init`: a scenario to start from, written from manifests, with the schema for editors beside it.

use std::path::{Component, Path, PathBuf};

use super::arguments::InitArguments;
use super::ending::{Failure, exit, print};
use super::files::{Disk, SCHEMA_FILE};
use super::scaffold::{self, Scaffold};
use super::{findings, output, schema};
use crate::config::files::{directory, under};
use crate::config::load::{self, Loaded};
use crate::kernel::words::counted;
use crate::resolve;

pub fn init(arguments: &InitArguments) -> Result<(), Failure> {
    let request = load::Request { manifests: &arguments.manifests, ..load::Request::default() };
    let loaded = load::load(&request, &Disk::default());
    let resolved = resolve::mesh(&loaded);
    let all = loaded.diagnostics.iter().chain(&resolved.diagnostics).cloned().collect();
    if findings::tell_all(all, &loaded.docs.sources, true) {
        return Err(Failure::silent(exit::BAD_INPUT));
    }
    let name = name(&arguments.manifests);
    let path = arguments.out.clone().unwrap_or_else(|| format!("scenarios/{name}.yaml"));
    let from = if path == "-" { "." } else { directory(&path) };
    let manifests: Vec<String> = files(arguments).iter().map(|file| relative(from, file)).collect();
    let made = scaffold::scaffold(&name, &manifests, &loaded.objects);
    if made.workloads == 0 {
        return Err(Failure {
            code: exit::BAD_INPUT,
            message: "the manifests hold no Deployment, StatefulSet or ReplicaSet\n\
                      give those of the services too: `kubectl get vs,dr,gw,se,deploy,svc -o yaml`"
                .to_owned(),
        });
    }
    if path == "-" {
        return print(&made.text);
    }
    let schema_path = under(directory(&path), SCHEMA_FILE);
    output::write_file(&path, made.text.as_bytes(), arguments.force)?;
    // The schema is ours alone and the same each time.
    output::write_file(&schema_path, schema::text().as_bytes(), true)?;
    print(&told(arguments, &loaded, &made, &path, &schema_path, resolved.objects))
}

fn told(
    arguments: &InitArguments,
    loaded: &Loaded,
    made: &Scaffold,
    path: &str,
    schema_path: &str,
    objects: resolve::ObjectUse,
) -> String {
    let kinds = ["VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Service", "Deployment"];
    let counts = kinds.iter().filter_map(|kind| Some((kind, loaded.counts.by_kind.get(*kind)?)));
    let counts: Vec<String> = counts.map(|(kind, count)| format!("{count} {kind}")).collect();
    let from_stdin = arguments.manifests.iter().any(|manifest| manifest == "-");
    let next = match from_stdin {
        true => format!("kubectl get vs,dr,gw,se,deploy,svc -o yaml | meshcast run - -s {path}"),
        false => format!("meshcast run -s {path}"),
    };
    format!(
        "read {}, used {} ({}), ignored {}\n\
         wrote {path} ({}, {}, {}; service times and rates are GUESSES, marked TODO)\n\
         wrote {schema_path} (editor completion)\n\
         next: {next}\n",
        counted(objects.read, "object", "objects"),
        objects.used,
        counts.join(", "),
        objects.ignored,
        counted(made.services, "service", "services"),
        counted(made.workloads, "workload", "workloads"),
        counted(made.clients, "client", "clients"),
    )
}

fn files(arguments: &InitArguments) -> Vec<&str> {
    arguments.manifests.iter().map(String::as_str).filter(|manifest| *manifest != "-").collect()
}

/// After the first manifest: its directory's name, or its own without ending.
fn name(manifests: &[String]) -> String {
    let first = manifests.iter().find(|manifest| *manifest != "-");
    let path = first.map_or_else(|| PathBuf::from("mesh"), |first| absolute(first));
    let stem = path.file_stem().or(path.file_name()).map(|stem| stem.to_string_lossy().into_owned());
    let generic = ["manifests", "yaml", "networking", "k8s", "deploy", ""];
    let above = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match (stem, above) {
        (Some(stem), Some(above)) if generic.contains(&stem.as_str()) || stem.contains('*') => above,
        (Some(stem), _) => stem,
        _ => "mesh".to_owned(),
    }
}

/// With the working directory before it and `.` and `..` worked in. Links are left as they are.
fn absolute(path: &str) -> PathBuf {
    let whole = std::env::current_dir().unwrap_or_default().join(path);
    let mut tidy = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

/// `path` as the directory `from` sees it; absolute paths stay so.
fn relative(from: &str, path: &str) -> String {
    if Path::new(path).is_absolute() {
        return path.to_owned();
    }
    let (from, to) = (absolute(from), absolute(path));
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_named_from_the_scenario_s_directory() {
        assert_eq!(relative("scenarios", "samples/bookinfo/"), "../samples/bookinfo");
        assert_eq!(relative("", "samples/../x.yaml"), "x.yaml");
        assert_eq!(relative("a/b", "a/c.yaml"), "../c.yaml");
        assert_eq!(relative("a", "a"), ".");
        assert_eq!(relative("a", "/etc/x"), "/etc/x");
    }

    #[test]
    fn scenarios_are_called_after_their_manifests() {
        let name = |path: &str| name(&[path.to_owned()]);
        assert_eq!(name("samples/bookinfo/"), "bookinfo");
        assert_eq!(name("shop/manifests"), "shop");
        assert_eq!(name("shop/*.yaml"), "shop");
        assert_eq!(name("x/canary.yaml"), "canary");
        assert_eq!(name("-"), "mesh");
    }
}
