//! The size report of an image: a line for every part, the largest first.

use crate::tree::{Node, Tree};
use anyhow::{Context as _, Result};
use std::{cmp::Reverse, collections::BTreeMap, fmt, fs};

/// Files and bytes of one part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Size {
    files: u64,
    bytes: u64,
}

/// The report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    parts: Vec<(String, Size)>,
    total: Size,
    archive: usize,
    packed: usize,
}

impl Report {
    /// Counts a tree.
    ///
    /// # Errors
    /// A file of the host cannot be read.
    pub fn of(tree: &Tree, archive: usize, packed: usize) -> Result<Self> {
        let mut parts: BTreeMap<String, Size> = BTreeMap::new();
        let mut total = Size::default();
        for (_, entry) in tree.entries() {
            let bytes = match &entry.node {
                Node::Directory | Node::Character { .. } => 0,
                Node::Bytes(bytes) => u64::try_from(bytes.len())?,
                Node::Symlink(target) => u64::try_from(target.len())?,
                Node::Host(file) => fs::metadata(file)
                    .with_context(|| format!("cannot read {}", file.display()))?
                    .len(),
            };
            for size in [parts.entry(entry.part.clone()).or_default(), &mut total] {
                size.files += 1;
                size.bytes += bytes;
            }
        }
        let mut parts: Vec<(String, Size)> = parts.into_iter().collect();
        parts.sort_by_key(|(_, size)| Reverse(size.bytes));
        Ok(Self { parts, total, archive, packed })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>6} {:>10}", "part", "files", "bytes")?;
        for (part, size) in &self.parts {
            writeln!(f, "{part:<24} {:>6} {:>10}", size.files, size.bytes)?;
        }
        writeln!(f, "{:<24} {:>6} {:>10}", "together", self.total.files, self.total.bytes)?;
        writeln!(f, "{:<24} {:>6} {:>10}", "as an archive (cpio)", "", self.archive)?;
        writeln!(f, "{:<24} {:>6} {:>10}", "compressed (zstd)", "", self.packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_part_comes_first() {
        let mut tree = Tree::default();
        tree.add("/a", Node::Bytes(vec![0; 10]), 0o644, "small").unwrap();
        tree.add("/b", Node::Bytes(vec![0; 90]), 0o644, "large").unwrap();
        tree.add("/c", Node::Symlink("b".into()), 0o777, "small").unwrap();
        let report = Report::of(&tree, 200, 50).unwrap();
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["large", "1", "90"]);
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["small", "2", "11"]);
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["together", "3", "101"]);
    }
}
