//! The modules that a server has: names, revisions, namespaces (RFC 8525). It never asks for them.

use std::sync::Arc;

use super::data::Element;
use super::error::ClientError;
use super::path::Path;

/// A module of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its revision, if it has one.
    pub revision: Option<String>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The features that the server supports.
    pub features: Vec<String>,
    /// The modules that change it.
    pub deviations: Vec<String>,
    /// Its submodules, with their revisions.
    pub submodules: Vec<(String, Option<String>)>,
    /// Whether its nodes are there, and not its types and groupings alone.
    pub is_implemented: bool,
    /// Where its text can be had.
    pub locations: Vec<String>,
}

/// All modules of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    /// Each, implemented ones first.
    pub all: Vec<Module>,
}

impl Modules {
    /// The namespace of a module.
    ///
    /// # Errors
    /// The server has no such module.
    pub fn namespace(&self, module: &str) -> Result<&Arc<str>, ClientError> {
        match self.find(module) {
            Some(module) => Ok(&module.namespace),
            None => Err(ClientError::Request(format!("the server has no module {module:?}"))),
        }
    }

    /// A module, by its name; of several revisions, the implemented one.
    pub fn find(&self, name: &str) -> Option<&Module> {
        self.all.iter().find(|module| module.name == name)
    }

    /// The name of the module that has a namespace.
    pub fn name_of(&self, namespace: &str) -> Option<&str> {
        self.all.iter().find(|module| &*module.namespace == namespace).map(|module| module.name.as_str())
    }

    /// Declares the prefixes of a value that are names of modules, as in the identity `module:name`: XML needs that, where JSON
    /// takes the names themselves (RFC 7951 section 6.8).
    pub fn declare(&self, leaf: &mut Element) {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut before = leaf.text.split(':').collect::<Vec<_>>();
        before.pop();
        let words = before.into_iter().filter_map(|part| part.rsplit(|c| !is_inside(c)).next());
        let found = words.filter_map(|word| self.find(word));
        for module in
            found.map(|module| (module.name.clone(), Arc::clone(&module.namespace))).collect::<Vec<_>>()
        {
            if !leaf.prefixes.iter().any(|(prefix, _)| *prefix == module.0) {
                leaf.prefixes.push(module);
            }
        }
    }

    /// What is asked for to read them.
    pub(super) fn path(is_new: bool) -> Path {
        match is_new {
            true => Path::top("ietf-yang-library", "yang-library"),
            false => Path::top("ietf-yang-library", "modules-state"),
        }
    }

    /// Reads `yang-library` or, of older servers, `modules-state` (RFC 7895).
    pub(super) fn read(library: &Element) -> Modules {
        let mut all = Vec::new();
        let sets = library.children.iter().filter(|child| child.name == "module-set");
        for set in sets.chain([library]) {
            for entry in &set.children {
                if matches!(entry.name.as_str(), "module" | "import-only-module") {
                    all.push(Module::read(entry));
                }
            }
        }
        all.sort_by(|a: &Module, b: &Module| {
            (!a.is_implemented, &a.name, &b.revision).cmp(&(!b.is_implemented, &b.name, &a.revision))
        });
        all.dedup();
        Modules { all }
    }

    /// Reads the capabilities of a hello, which name the modules of YANG 1 (RFC 6020 section 5.6.4).
    pub(super) fn read_capabilities<'c>(capabilities: impl IntoIterator<Item = &'c str>) -> Modules {
        let mut all = Vec::new();
        for uri in capabilities {
            let Some((namespace, parameters)) = uri.split_once('?') else { continue };
            let parameter = |name: &str| {
                let mut pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
            };
            let list = |name: &str| {
                let text = parameter(name).unwrap_or_default();
                text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
            };
            let Some(name) = parameter("module") else { continue };
            all.push(Module {
                name,
                revision: parameter("revision"),
                namespace: namespace.into(),
                features: list("features"),
                deviations: list("deviations"),
                submodules: Vec::new(),
                is_implemented: true,
                locations: Vec::new(),
            });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Modules { all }
    }
}

impl Module {
    /// One of which nothing is known but its namespace.
    pub(super) fn of(name: &str, namespace: &str) -> Module {
        Module {
            name: name.to_owned(),
            revision: None,
            namespace: namespace.into(),
            features: Vec::new(),
            deviations: Vec::new(),
            submodules: Vec::new(),
            is_implemented: true,
            locations: Vec::new(),
        }
    }

    fn read(entry: &Element) -> Module {
        let text = |name: &str| entry.text_of(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let every = |name: &str| {
            let found = entry.children.iter().filter(|child| child.name == name);
            found.map(|child| child.text.trim().to_owned()).collect::<Vec<_>>()
        };
        let under = |name: &'static str| entry.children.iter().filter(move |child| child.name == name);
        // In RFC 7895 a deviation is a list, in RFC 8525 a leaf-list.
        let deviations = under("deviation").map(|child| child.text_of("name").unwrap_or(child.text.trim()));
        let submodules = under("submodule").filter_map(|child| {
            let revision = child.text_of("revision").filter(|revision| !revision.is_empty());
            Some((child.text_of("name")?.to_owned(), revision.map(str::to_owned)))
        });
        let mut locations = every("location");
        locations.extend(every("schema"));
        Module {
            name: text("name").unwrap_or_default(),
            revision: text("revision"),
            namespace: entry.text_of("namespace").unwrap_or_default().into(),
            features: every("feature"),
            deviations: deviations.map(str::to_owned).collect(),
            submodules: submodules.collect(),
            is_implemented: entry.name == "module" && entry.text_of("conformance-type") != Some("import"),
            locations,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8525_and_rfc_7895_say_the_same_modules() {
        let new = "<yang-library><module-set><name>all</name><import-only-module><name>t</name><revision>2020-01-01\
                   </revision><namespace>urn:t</namespace></import-only-module><module><name>m</name><namespace>urn:m\
                   </namespace><feature>f</feature><deviation>d</deviation><location>https://h/m</location></module>\
                   </module-set></yang-library>";
        let old = "<modules-state><module><name>t</name><revision>2020-01-01</revision><namespace>urn:t</namespace>\
                   <conformance-type>import</conformance-type></module><module><name>m</name><revision/><schema>https://h/m\
                   </schema><namespace>urn:m</namespace><feature>f</feature><deviation><name>d</name><revision/></deviation>\
                   <conformance-type>implement</conformance-type></module></modules-state>";
        let read = |text: &str| Modules::read(&Element::parse(text.as_bytes(), 9).unwrap());
        let modules = read(new);
        assert_eq!(read(old), modules);
        let names: Vec<_> = modules.all.iter().map(|m| (m.name.as_str(), m.is_implemented)).collect();
        assert_eq!(names, [("m", true), ("t", false)]);
        assert_eq!(modules.name_of("urn:t"), Some("t"));
        assert_eq!(modules.find("m").unwrap().deviations, ["d"]);
        assert!(modules.namespace("x").is_err());
    }

    #[test]
    fn rfc_6020_section_5_6_4_a_capability_names_a_module() {
        let uris = ["urn:base", "urn:m?module=m&revision=2020-01-01&features=a,b"];
        let modules = Modules::read_capabilities(uris);
        let module = modules.find("m").unwrap();
        assert_eq!(
            (module.features.as_slice(), &*module.namespace),
            (&["a".into(), "b".into()][..], "urn:m")
        );
        assert_eq!(modules.all.len(), 1);
    }
}
