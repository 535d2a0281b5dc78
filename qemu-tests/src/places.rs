//! Where things are on the host: the repository, what is built, and the cache.

use crate::board::Arch;
use anyhow::{Context as _, Result, bail};
use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The directories that everything else is found from.
#[derive(Clone, Debug)]
pub struct Places {
    /// The root of the repository.
    pub root: PathBuf,
    /// What was downloaded or generated; may be deleted at any time.
    pub cache: PathBuf,
    /// Built images, one directory each.
    pub images: PathBuf,
}

impl Places {
    /// Finds them: the repository that this was compiled in, and the same cache as `scripts/cache-dir`.
    ///
    /// # Errors
    /// No home directory, or a directory cannot be made.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root =
            root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
        let set =
            |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = match (set("JAMB_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(own), _, _) => own,
            (None, Some(user), _) => user.join("jamb"),
            (None, None, Some(home)) => home.join(".cache/jamb"),
            (None, None, None) => bail!("no place for the cache: set JAMB_CACHE or HOME"),
        };
        let images = root.join("target/images");
        for directory in [&cache, &images] {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        Ok(Self { root, cache, images })
    }

    /// The device binary that `make dist` made.
    ///
    /// # Errors
    /// It has not been made.
    pub fn jamb(&self, arch: Arch) -> Result<PathBuf> {
        self.made(&format!("target/dist/{arch}/jamb"), &format!("scripts/dist {arch}"))
    }

    /// The templates that every router may use.
    #[must_use]
    pub fn templates(&self) -> PathBuf {
        self.root.join("boards/templates")
    }

    /// The compiler of service definitions that `make dist` made.
    ///
    /// # Errors
    /// It has not been made.
    pub fn jambc(&self) -> Result<PathBuf> {
        self.made("target/dist/jambc", "scripts/dist")
    }

    fn made(&self, path: &str, by: &str) -> Result<PathBuf> {
        let path = self.root.join(path);
        if !path.is_file() {
            bail!("{} is missing: make it with {by}", path.display());
        }
        Ok(path)
    }

    /// Holds others off while a part of the cache is filled, until the answer is dropped.
    ///
    /// # Errors
    /// The lock file cannot be made or locked.
    pub fn lock(&self, part: &str) -> Result<File> {
        let path = self.cache.join(format!("{part}.lock"));
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}
