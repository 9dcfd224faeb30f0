//! The repository's files. YAML and JSON both come as `serde_json::Value`.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository. Cargo names the manifest's folder at run time too: the checkout may have moved since.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest).parent().unwrap().to_owned()
}

/// A file's text; the path is from the root.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON file.
pub(crate) fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A YAML file. CloudFormation's short tags become their long forms: `!Ref X` is `{"Ref": "X"}`, `!Sub X` is
/// `{"Fn::Sub": "X"}`.
pub(crate) fn yaml(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    parse_yaml(&text(path)).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
}

/// The same of a text.
pub(crate) fn parse_yaml(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let [document] = documents.as_slice() else { return Err("it must be one document".to_owned()) };
    Ok(value(document))
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(boolean) => json!(boolean),
            Scalar::Integer(integer) => json!(integer),
            Scalar::FloatingPoint(number) => json!(number.into_inner()),
            Scalar::String(text) => json!(text),
        },
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(entries) => entries
            .iter()
            .map(|(name, item)| {
                let name = match value(name) {
                    Value::String(name) => name,
                    other => other.to_string(),
                };
                (name, value(item))
            })
            .collect::<Map<_, _>>()
            .into(),
        Yaml::Tagged(tag, inner) => {
            let function = match &*tag.suffix {
                "Ref" | "Condition" => tag.suffix.clone(),
                name => format!("Fn::{name}"),
            };
            json!({ function: value(inner) })
        }
        other => panic!("not understood: {other:?}"),
    }
}

/// The names in a folder that end so, without the ending, sorted; none when there is no such folder.
pub(crate) fn stems(folder: impl AsRef<Path>, ending: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut stems: Vec<String> =
        names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect();
    stems.sort();
    stems
}

/// Every file that is kept in the repository, from the root. What builds and tools leave behind is not.
pub(crate) fn all() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // In a work tree of git's, `.git` is a file.
            if matches!(name, "target" | ".git" | "node_modules" | "__pycache__") {
                continue;
            }
            if path.is_dir() {
                walk(&path, files);
            } else {
                files.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    let mut files = Vec::new();
    walk(&root(), &mut files);
    files.sort();
    files
}

/// A list in a document, or nothing.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A map in a document, or nothing.
pub(crate) fn map(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// A text in a document, or nothing.
pub(crate) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
