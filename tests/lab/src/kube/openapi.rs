//! The one generated file that the source package lacks: the OpenAPI definitions of every type
//! that is marked for them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// What marks a package (Kubernetes' code generators read it in comments).
const MARK: &str = "+k8s:openapi-gen=";

/// Folders that hold no API of these programs: examples, test data, and the generators, whose own
/// source speaks of the mark.
const NOT: &[&str] = &[
    "_examples",
    "testdata",
    "code-generator",
    "sample-apiserver",
];

/// The Go packages below `source` that have marked types, as the generator wants them. What lies
/// in `staging` is known to the programs as vendored.
///
/// # Errors
/// When a folder cannot be read, or hardly any is marked: then this is not that source.
pub(super) fn packages(source: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for top in ["pkg", "staging/src"] {
        look(source, &source.join(top), &mut found)?;
    }
    found.sort();
    ensure!(
        found.len() > 20,
        "only {} packages of {} are marked for OpenAPI: is it the whole source?",
        found.len(),
        source.display()
    );
    Ok(found)
}

fn look(source: &Path, folder: &Path, found: &mut Vec<String>) -> Result<()> {
    let mut marked = false;
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for entry in listed.with_context(|| format!("cannot read {}", folder.display()))? {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // Links lead from the vendored copies to what is seen anyway.
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot read {}", path.display()))?;
        if kind.is_dir() && !NOT.contains(&name.as_ref()) {
            look(source, &path, found)?;
        } else if kind.is_file() && name.ends_with(".go") && !name.ends_with("_test.go") && !marked
        {
            let text =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            marked = text
                .windows(MARK.len())
                .any(|window| window == MARK.as_bytes());
        }
    }
    if marked {
        let inside = folder
            .strip_prefix(source)
            .unwrap_or(folder)
            .display()
            .to_string();
        let package = match inside.strip_prefix("staging/src/") {
            Some(staged) => format!("vendor/{staged}"),
            None => inside,
        };
        found.push(format!("k8s.io/kubernetes/{package}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("it is made");
        fs::write(file, text).expect("it is written");
    }

    #[test]
    fn marked_packages_are_named_as_the_generator_wants_them() {
        let source = tempfile::tempdir().expect("a temporary folder");
        let mark = "// +k8s:openapi-gen=true\npackage v1\n";
        for number in 0..30 {
            write(
                source.path(),
                &format!("staging/src/k8s.io/api/g{number}/v1/doc.go"),
                mark,
            );
        }
        write(source.path(), "pkg/apis/abac/v0/register.go", mark);
        write(source.path(), "pkg/apis/plain/doc.go", "package plain\n");
        write(source.path(), "pkg/apis/tested/x_test.go", mark);
        write(
            source.path(),
            "staging/src/k8s.io/code-generator/cmd/main.go",
            mark,
        );
        let packages = packages(source.path()).expect("packages");
        assert_eq!(packages.len(), 31);
        assert_eq!(packages[0], "k8s.io/kubernetes/pkg/apis/abac/v0");
        assert_eq!(packages[1], "k8s.io/kubernetes/vendor/k8s.io/api/g0/v1");
    }

    #[test]
    fn a_source_with_hardly_a_mark_is_refused() {
        let source = tempfile::tempdir().expect("a temporary folder");
        write(source.path(), "pkg/a.go", "package a\n");
        write(source.path(), "staging/src/b.go", "package b\n");
        let refused = packages(source.path())
            .expect_err("it is not whole")
            .to_string();
        assert!(refused.starts_with("only 0 packages of "), "{refused}");
    }
}
