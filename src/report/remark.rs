//! What there is to say about single objects of the input: that they have no effect, what the model leaves out of
//! them, what was guessed for them.

use serde_json::{Map, Value};

use super::place;
use crate::mesh::Place;

/// One thing to say about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// `VirtualService default/reviews`, `service ratings`.
    pub about: String,
    /// `None` for what stands nowhere.
    pub place: Option<Place>,
    pub what: String,
}

impl Remark {
    /// `VirtualService default/reviews (manifests/reviews.yaml:12)`.
    fn subject(&self, base: &str) -> String {
        match &self.place {
            Some(place) => format!("{} ({})", self.about, place::told(place, base)),
            None => self.about.clone(),
        }
    }

    /// The subject, and what there is to say.
    pub fn line(&self, base: &str) -> String {
        format!("{}: {}", self.subject(base), self.what)
    }

    /// `what` goes by the name `key`.
    pub fn json(&self, base: &str, key: &str) -> Value {
        let mut fields = Map::new();
        fields.insert("object".to_owned(), self.about.as_str().into());
        if let Some(place) = &self.place {
            fields.extend(place::fields(place, base));
        }
        fields.insert(key.to_owned(), self.what.as_str().into());
        Value::Object(fields)
    }
}

/// What is true of several objects is said once, with at most `most` of them below it.
pub fn lines(remarks: &[Remark], base: &str, most: usize) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&Remark>)> = Vec::new();
    for remark in remarks {
        match groups.iter_mut().find(|(what, _)| *what == remark.what) {
            Some((_, alike)) => alike.push(remark),
            None => groups.push((&remark.what, vec![remark])),
        }
    }
    let mut lines = Vec::new();
    for (what, alike) in groups {
        if let [only] = alike[..] {
            lines.push(only.line(base));
            continue;
        }
        lines.push(format!("{what}:"));
        lines.extend(alike.iter().take(most).map(|remark| format!("  {}", remark.subject(base))));
        if alike.len() > most {
            lines.push(format!("  and {} more, all of them in summary.json", alike.len() - most));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(about: &str, line: u32, what: &str) -> Remark {
        let place = Some(Place { file: "scenarios/x/mesh.yaml".to_owned(), line });
        Remark { about: about.to_owned(), place, what: what.to_owned() }
    }

    #[test]
    fn what_several_objects_share_is_said_once() {
        let rule = |name: &str, line| remark(name, line, "limits at the server");
        let remarks = [rule("a", 1), remark("lua", 2, "patches"), rule("b", 3), rule("c", 4)];
        assert_eq!(
            lines(&remarks, "scenarios/x", 2),
            [
                "limits at the server:",
                "  a (mesh.yaml:1)",
                "  b (mesh.yaml:3)",
                "  and 1 more, all of them in summary.json",
                "lua (mesh.yaml:2): patches",
            ]
        );
    }

    #[test]
    fn json_names_no_directory_of_the_machine() {
        let mut one = remark("a", 7, "patches");
        one.place = Some(Place { file: "/home/me/mesh.yaml".to_owned(), line: 7 });
        let json = one.json("scenarios/x", "why").to_string();
        assert_eq!(json, r#"{"object":"a","file":"mesh.yaml","line":7,"why":"patches"}"#);
    }
}
