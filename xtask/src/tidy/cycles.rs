//! Import circles between the files of a crate.
//!
//! A file has an arrow to another file of its crate if its code, without `#[cfg(test)]`, uses
//! something that the other file defines:
//!
//! - Both `use` and paths in the code count, in all forms: `crate::a::X`, `super::X`, `self::a::X`,
//!   `a::X` for a child `a`, and names that a `use` brought into scope.
//! - The arrow leads to the file that *defines* the item. A `mod.rs` that only passes an item on
//!   (`pub use child::X`) is not what its user depends on. A child that takes an item from `super`
//!   which the parent defines itself does depend on the parent.
//! - The name of a module alone is no arrow; what is used through it is. Neither is `mod a;`, nor a
//!   re-export of something below the file, unless the file also uses it.
//! - Methods are not seen, because a call does not name the file that defines the method.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tidy::imports::{Import, Parsed, parse};
use crate::tidy::problem::Problem;
use crate::tidy::tree::Tree;

/// Import chains longer than this are taken for endless.
const LONGEST_CHAIN: usize = 16;

/// A file, or a folder without `mod.rs`, as a module of its crate.
#[derive(Default)]
struct Module<'a> {
    /// None for a folder without a file of its own.
    path: Option<&'a str>,
    parent: Option<usize>,
    children: BTreeMap<&'a str, usize>,
    source: Parsed<'a>,
}

/// The modules of one crate; the root is the first.
struct Crate<'a> {
    modules: Vec<Module<'a>>,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    Module(usize),
    Item(usize),
}

/// Reports each file that is in a circle, with its imports that lead back to it.
pub(super) fn cycles(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for files in crates(tree) {
        let arrows = Crate::new(tree, &files).arrows();
        let reach: Vec<_> = arrows.keys().map(|from| (*from, reachable(&arrows, from))).collect();
        let reach: BTreeMap<_, _> = reach.into_iter().collect();
        let leads = |from: &str, to: &str| reach.get(from).is_some_and(|all| all.contains(to));
        for (from, targets) in &arrows {
            let back: Vec<_> = targets.iter().filter(|(to, _)| leads(to, from)).collect();
            let Some((_, line)) = back.iter().min_by_key(|(_, line)| **line) else { continue };
            let size = reach.keys().filter(|other| leads(from, other) && leads(other, from));
            let names: Vec<&str> = back.iter().map(|(to, _)| short(to)).collect();
            let message = format!("circle of {} files: imports {}", size.count(), names.join(", "));
            problems.push(Problem::at(from, **line, message));
        }
    }
    problems
}

/// `a/src/b/c.rs` as `b/c.rs`.
fn short(path: &str) -> &str {
    path.rsplit_once("/src/").map_or(path, |(_, rest)| rest)
}

/// The files of each crate that has a `src` directory, by the root's path.
fn crates(tree: &Tree) -> Vec<Vec<(&str, Vec<&str>)>> {
    let mut crates: BTreeMap<String, Vec<(&str, Vec<&str>)>> = BTreeMap::new();
    for (path, _) in tree.sources() {
        let Some((base, rest)) = path.split_once("/src/") else { continue };
        let mut parts: Vec<&str> = rest.trim_end_matches(".rs").split('/').collect();
        let mut root = base.to_owned();
        if let ["bin", name, ..] = *parts {
            root = format!("{base}/bin/{name}");
            parts.drain(..2);
        }
        // A program beside a library is a crate of its own.
        if *parts == ["main"] && tree.files.contains_key(&format!("{base}/src/lib.rs")) {
            continue;
        }
        if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
            parts.pop();
        }
        crates.entry(root).or_default().push((path, parts));
    }
    crates.into_values().collect()
}

/// Everything that one comes to from `from`.
fn reachable<'a>(
    arrows: &BTreeMap<&'a str, BTreeMap<&'a str, usize>>,
    from: &'a str,
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut queue = VecDeque::from([from]);
    while let Some(next) = queue.pop_front() {
        for to in arrows.get(next).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(*to) {
                queue.push_back(to);
            }
        }
    }
    found
}

impl<'a> Crate<'a> {
    fn new(tree: &'a Tree, files: &[(&'a str, Vec<&'a str>)]) -> Self {
        let mut all = Self { modules: vec![Module::default()] };
        for (path, parts) in files {
            let Some(file) = tree.files.get(*path) else { continue };
            if file.is_test_module() {
                continue;
            }
            let at = parts.iter().fold(0, |parent, name| all.child_or_new(parent, name));
            if let Some(module) = all.modules.get_mut(at) {
                module.path = Some(path);
                module.source = parse(&file.code, |line| file.is_cfg_test(line));
            }
        }
        all
    }

    fn child_or_new(&mut self, parent: usize, name: &'a str) -> usize {
        if let Some(child) = self.child(parent, name) {
            return child;
        }
        let child = self.modules.len();
        self.modules.push(Module { parent: Some(parent), ..Module::default() });
        if let Some(module) = self.modules.get_mut(parent) {
            module.children.insert(name, child);
        }
        child
    }

    fn child(&self, module: usize, name: &str) -> Option<usize> {
        self.modules.get(module)?.children.get(name).copied()
    }

    /// From each file to each that it uses something of, with the line of the first use.
    fn arrows(&self) -> BTreeMap<&'a str, BTreeMap<&'a str, usize>> {
        let mut arrows: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for (from, module) in self.modules.iter().enumerate() {
            let Some(path) = module.path else { continue };
            let of_file = arrows.entry(path).or_default();
            let mut add = |target: usize, line: usize| {
                if let Some(to) = self.modules.get(target).and_then(|module| module.path)
                    && to != path
                {
                    of_file.entry(to).and_modify(|first| *first = line.min(*first)).or_insert(line);
                }
            };
            for import in &module.source.imports {
                let target = match self.resolve(from, &import.path, 0) {
                    Some(Target::Item(target)) => target,
                    Some(Target::Module(target)) if import.is_glob() => target,
                    _ => continue,
                };
                if !(import.is_public && self.is_below(target, from)) {
                    add(target, import.line);
                }
            }
            for (line, used) in &module.source.paths {
                if let Some(Target::Item(target)) = self.resolve(from, used, 0) {
                    add(target, *line);
                }
            }
        }
        arrows
    }

    fn is_below(&self, mut module: usize, ancestor: usize) -> bool {
        while let Some(parent) = self.modules.get(module).and_then(|module| module.parent) {
            if parent == ancestor {
                return true;
            }
            module = parent;
        }
        false
    }

    /// What `path` means in the module `from`; None if it is of another crate or not known.
    fn resolve(&self, from: usize, path: &[&str], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match *first {
            "crate" => self.descend(0, rest, depth),
            "self" => self.descend(from, rest, depth),
            "super" => self.descend(self.modules.get(from)?.parent?, rest, depth),
            name if self.child(from, name).is_some() => self.descend(from, path, depth),
            name => self.through_import(from, name, rest, depth),
        }
    }

    /// What `path` means below the module `at`.
    fn descend(&self, at: usize, path: &[&str], depth: usize) -> Option<Target> {
        let Some((first, rest)) = path.split_first() else { return Some(Target::Module(at)) };
        if *first == "super" {
            return self.descend(self.modules.get(at)?.parent?, rest, depth);
        }
        if *first == "self" {
            return self.descend(at, rest, depth);
        }
        if let Some(child) = self.child(at, first) {
            return self.descend(child, rest, depth);
        }
        let module = self.modules.get(at)?;
        if module.source.defined.contains(first) {
            return Some(Target::Item(at));
        }
        if module.source.imports.iter().any(|import| import.name == *first) {
            return self.through_import(at, first, rest, depth);
        }
        let globs = module.source.imports.iter().filter(|import| import.is_glob());
        let found = globs.filter_map(|glob| self.through_glob(at, glob, first, depth)).next();
        Some(found.unwrap_or(Target::Item(at)))
    }

    /// What the name that a `use` of `module` brings into scope means, followed by `rest`.
    fn through_import(
        &self,
        module: usize,
        name: &str,
        rest: &[&str],
        depth: usize,
    ) -> Option<Target> {
        let mut imports = self.modules.get(module)?.source.imports.iter();
        let import = imports.find(|import| import.name == name)?;
        if depth > LONGEST_CHAIN {
            return None;
        }
        if import.path == [name] {
            // `macro_rules! say` with `pub(crate) use say`.
            return Some(Target::Item(module));
        }
        match self.resolve(module, &import.path, depth + 1)? {
            Target::Module(target) => self.descend(target, rest, depth + 1),
            item @ Target::Item(_) => Some(item),
        }
    }

    /// The item `name`, if the module that is imported as a whole defines or passes it on.
    fn through_glob(
        &self,
        module: usize,
        glob: &Import<'_>,
        name: &str,
        depth: usize,
    ) -> Option<Target> {
        if depth > LONGEST_CHAIN {
            return None;
        }
        let Target::Module(target) = self.resolve(module, &glob.path, depth + 1)? else {
            return None;
        };
        let source = &self.modules.get(target)?.source;
        let has = source.defined.contains(name) || source.imports.iter().any(|i| i.name == name);
        has.then(|| self.descend(target, &[name], depth + 1))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let paths: Vec<String> =
            files.iter().map(|(path, _)| format!("crates/a/src/{path}")).collect();
        let files: Vec<(&str, &str)> =
            paths.iter().zip(files).map(|(path, (_, text))| (path.as_str(), *text)).collect();
        let problems = cycles(&Tree::of(&files));
        problems
            .iter()
            .map(|found| format!("{}:{} {}", short(&found.path), found.line, found.message))
            .collect()
    }

    #[test]
    fn a_circle_is_reported_at_each_of_its_files() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n"),
            ("a.rs", "use crate::b::B;\npub struct A;\n"),
            ("b.rs", "pub struct B;\nfn f() { crate::c::g() }\n"),
            ("c.rs", "pub fn g() -> crate::A {}\n"),
        ];

        assert_eq!(
            circles(&files),
            [
                "a.rs:1 circle of 3 files: imports b.rs",
                "b.rs:2 circle of 3 files: imports c.rs",
                "c.rs:1 circle of 3 files: imports a.rs",
            ]
        );
    }

    #[test]
    fn a_re_export_of_a_child_is_no_arrow_but_a_definition_is() {
        let parent = "mod b;\nmod c;\npub use b::B;\n";
        let child = "use super::B;\n";
        let files = [("a/mod.rs", parent), ("a/b.rs", "pub struct B;"), ("a/c.rs", child)];
        assert!(circles(&files).is_empty());

        let parent = "mod b;\nuse b::B;\npub struct A;\n";
        let found = circles(&[("a/mod.rs", parent), ("a/b.rs", "use super::A;\npub struct B;")]);
        assert_eq!(found.len(), 2, "{found:?}");

        let parent = "mod b;\npub use b::B;\npub struct A;\nfn f(b: B) {}\n";
        let found = circles(&[("a/mod.rs", parent), ("a/b.rs", "use super::A;\npub struct B;")]);
        assert_eq!(found.len(), 2, "it uses what it passes on: {found:?}");
    }

    #[test]
    fn modules_aliases_and_globs_are_followed_to_the_definition() {
        let other = "use crate::a;\npub struct B;\nfn f() { a::g() }\n";
        for first in
            ["use crate::b::B as C;", "use crate::*;", "use super::{b::{self}};\nfn f(b: b::B) {}"]
        {
            let first = format!("{first}\npub fn g(c: super::B) {{}}\n");
            let found = circles(&[
                ("lib.rs", "mod a; mod b; use b::*;"),
                ("a.rs", &first),
                ("b.rs", other),
            ]);
            let is_in = |file| found.iter().any(|line: &String| line.starts_with(file));
            assert!(is_in("a.rs") && is_in("b.rs"), "{first}: {found:?}");
        }
        let names = [("a.rs", "use crate::b;\nfn f(b: u8) {}"), ("b.rs", "use crate::a::f;")];
        assert!(circles(&names).is_empty(), "the name of a module alone is no arrow");
    }

    #[test]
    fn tests_and_programs_beside_a_library_make_no_circle() {
        let tests = "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\npub struct A;\n";
        assert!(
            circles(&[("a.rs", tests), ("b.rs", "use crate::a::A;\npub struct B;")]).is_empty()
        );
        let files = [
            ("lib.rs", "#[cfg(test)]\nmod tests;\npub struct A;"),
            ("tests.rs", "use crate::A;"),
            ("b.rs", "use crate::A;"),
            ("main.rs", "use crate::c::C;"),
        ];
        assert!(circles(&files).is_empty());
    }
}
